"""What a restart resumes from: events, dispatches, epochs, watermarks."""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Final

from sqlalchemy import RowMapping, insert, select, update

from cloud_coordinator.services.records import DispatchRecord, EventQuery, EventRecord
from cloud_coordinator.store import tables
from cloud_coordinator.store.catalog import JournalKey
from cloud_coordinator.store.database import Database
from cloud_coordinator.store.packing import pack, unpack_payload
from cloud_coordinator.store.sites import put
from protocols.link.messages import Stream
from protocols.vocabulary.identifiers import JournalId, ObligationId, SignalId, SiteId, ZoneId
from protocols.vocabulary.obligation import Service

DISPATCH_BACKLOG: Final = 10_000
"""Dispatch records that may wait for the next flush; the oldest are dropped beyond it."""


class EventRegistry:
    """Events of sites and of the coordinator.

    Parameters
    ----------
    database : Database
        The registry.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def save_event(self, event: EventRecord) -> None:
        """Keep it; durable. The same key again changes nothing."""
        self.save_events([event])

    def save_events(self, events: Sequence[EventRecord]) -> None:
        """Keep many in one transaction; durable. Keys as in :meth:`save_event`."""
        table = tables.events
        with self._database.writing() as connection:
            for event in events:
                known = select(table.c.number).where(table.c.event_key == event.event_key)
                if connection.execute(known).first() is None:
                    connection.execute(insert(table).values(**_event_columns(event)))

    def events(self, query: EventQuery) -> Sequence[EventRecord]:
        """Newest first, by the time they were recorded."""
        table = tables.events
        wanted = select(table).order_by(table.c.recorded_at.desc(), table.c.number.desc())
        if query.site_id is not None:
            wanted = wanted.where(table.c.site_id == query.site_id)
        if query.kind is not None:
            wanted = wanted.where(table.c.kind == query.kind)
        if query.since is not None:
            wanted = wanted.where(table.c.recorded_at >= query.since)
        with self._database.reading() as connection:
            rows = connection.execute(wanted.limit(query.limit)).mappings().all()
        return [_event(row) for row in rows]


class DispatchRegistry:
    """The control history of the zones; written in batches, so it may lag by a flush.

    Parameters
    ----------
    database : Database
        The registry.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._waiting: deque[DispatchRecord] = deque(maxlen=DISPATCH_BACKLOG)

    def save_dispatch(self, record: DispatchRecord) -> None:
        """Keep one signal and its reasons; on disk with the next :meth:`flush`."""
        with self._lock:
            self._waiting.append(record)

    def flush(self) -> None:
        """Write what waits, in one transaction."""
        with self._lock:
            records = list(self._waiting)
        if not records:
            return
        with self._database.writing() as connection:
            connection.execute(insert(tables.dispatches), [_columns(record) for record in records])
        with self._lock:
            for _ in range(len(records)):
                self._waiting.popleft()

    def recent_dispatches(self, zone: ZoneId, *, limit: int) -> Sequence[DispatchRecord]:
        """Return the latest ``limit`` records of the zone, oldest first."""
        self.flush()
        table = tables.dispatches
        query = (
            select(table).where(table.c.zone == zone).order_by(table.c.number.desc()).limit(limit)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [_dispatch(row) for row in reversed(rows)]


class EpochRegistry:
    """Fencing numbers.

    Parameters
    ----------
    database : Database
        The registry.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def next_epoch(self, lease: str) -> int:
        """Return the stored epoch + 1, made durable before it is returned; the first is 1."""
        table = tables.epochs
        query = select(table.c.epoch).where(table.c.lease == lease)
        with self._database.writing() as connection:
            epoch = int(connection.execute(query).scalar() or 0) + 1
            put(connection, table, key={"lease": lease}, values={"epoch": epoch})
        return epoch


class ProgressRegistry:
    """How far each stream of each journal is durable.

    Parameters
    ----------
    database : Database
        The registry.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def durable(self, site_id: SiteId, journal_id: JournalId) -> Mapping[Stream, int]:
        """Contiguous durable sequence per stream; 0 for a journal never seen."""
        table = tables.watermarks
        query = (
            select(table.c.stream, table.c.durable)
            .where(table.c.site_id == site_id)
            .where(table.c.journal_id == journal_id)
        )
        with self._database.reading() as connection:
            found = {row.stream: int(row.durable) for row in connection.execute(query)}
        return {stream: found.get(stream.value, 0) for stream in Stream}

    def all_durable(self, stream: Stream) -> Mapping[JournalKey, int]:
        """Durable sequence of one stream for every journal."""
        table = tables.watermarks
        query = select(table).where(table.c.stream == stream.value)
        with self._database.reading() as connection:
            return {
                (SiteId(row["site_id"]), JournalId(row["journal_id"])): int(row["durable"])
                for row in connection.execute(query).mappings()
            }

    def save_durable(
        self, site_id: SiteId, journal_id: JournalId, durable: Mapping[Stream, int]
    ) -> None:
        """Raise the durable sequences; durable on return."""
        self.save_many({(site_id, journal_id): durable})

    def save_many(self, durable: Mapping[JournalKey, Mapping[Stream, int]]) -> None:
        """Raise the durable sequences of many journals in one transaction."""
        table = tables.watermarks
        with self._database.writing() as connection:
            for (site_id, journal_id), streams in durable.items():
                for stream, sequence in streams.items():
                    key = {"site_id": site_id, "journal_id": journal_id, "stream": stream.value}
                    where = [table.c[name] == value for name, value in key.items()]
                    known = connection.execute(select(table.c.durable).where(*where)).scalar()
                    if known is None:
                        connection.execute(insert(table).values(**key, durable=sequence))
                    elif known < sequence:
                        connection.execute(update(table).where(*where).values(durable=sequence))


def _event_columns(event: EventRecord) -> dict[str, object]:
    columns = {field.name: getattr(event, field.name) for field in fields(event)}
    return {**columns, "payload": pack(dict(event.payload))}


def _event(row: RowMapping) -> EventRecord:
    return EventRecord(
        event_key=row["event_key"],
        site_id=None if row["site_id"] is None else SiteId(row["site_id"]),
        recorded_at=row["recorded_at"],
        received_at=row["received_at"],
        kind=row["kind"],
        payload=unpack_payload(row["payload"]),
    )


def _columns(record: DispatchRecord) -> dict[str, object]:
    columns = {field.name: getattr(record, field.name) for field in fields(record)}
    return {**columns, "service": record.service.value}


def _dispatch(row: RowMapping) -> DispatchRecord:
    return DispatchRecord(
        obligation_id=ObligationId(row["obligation_id"]),
        zone=ZoneId(row["zone"]),
        service=Service(row["service"]),
        signal_id=SignalId(row["signal_id"]),
        epoch=row["epoch"],
        sent_at=row["sent_at"],
        multiplier=row["multiplier"],
        command_w=row["command_w"],
        correction_w=row["correction_w"],
        held_w=row["held_w"],
        shortfall_w=row["shortfall_w"],
        following=row["following"],
        held=row["held"],
    )
