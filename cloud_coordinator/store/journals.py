"""What a restart resumes from: events, dispatches, epochs, watermarks."""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Select, bindparam, insert, select, update

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
_WATERMARK: Final = ("site_id", "journal_id", "stream")
_SITES_MAX: Final = 5_000
"""Sites in one question; SQLite takes 32,766 values."""


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
        self._database.put(_put_events, events)

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
        if query.until is not None:
            wanted = wanted.where(table.c.recorded_at < query.until)
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

    def dispatch_of(
        self, obligation_id: ObligationId, signal_id: SignalId
    ) -> DispatchRecord | None:
        """Return the record of one signal of an award, None if there is none."""
        table = tables.dispatches
        return self._first(
            select(table)
            .where(table.c.obligation_id == obligation_id)
            .where(table.c.signal_id == signal_id)
            .limit(1)
        )

    def dispatch_at(self, obligation_id: ObligationId, at: datetime) -> DispatchRecord | None:
        """Return the latest record of an award sent at or before a time."""
        table = tables.dispatches
        return self._first(
            select(table)
            .where(table.c.obligation_id == obligation_id)
            .where(table.c.sent_at <= at)
            .order_by(table.c.number.desc())
            .limit(1)
        )

    def _first(self, query: Select[Any]) -> DispatchRecord | None:
        self.flush()
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _dispatch(row)


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

    Read whole when first asked: a fleet that greets asks for thousands of journals.

    Parameters
    ----------
    database : Database
        The registry.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[JournalKey, dict[Stream, int]] | None = None

    def durable(self, site_id: SiteId, journal_id: JournalId) -> Mapping[Stream, int]:
        """Contiguous durable sequence per stream; 0 for a journal never seen."""
        if self._known is None:
            self._known = {}
            for one in Stream:
                for key, sequence in self.all_durable(one).items():
                    self._known.setdefault(key, {})[one] = sequence
        return dict.fromkeys(Stream, 0) | self._known.get((site_id, journal_id), {})

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
        asked = {
            (str(site_id), str(journal_id), stream.value): sequence
            for (site_id, journal_id), streams in durable.items()
            for stream, sequence in streams.items()
        }
        where = [table.c[name] == bindparam(f"_{name}") for name in _WATERMARK]
        with self._database.writing() as connection:
            known = _known_watermarks(connection, {site_id for site_id, _, _ in asked})
            fresh = [
                {**dict(zip(_WATERMARK, key, strict=True)), "durable": sequence}
                for key, sequence in asked.items()
                if key not in known
            ]
            risen = [
                {f"_{name}": part for name, part in zip(_WATERMARK, key, strict=True)}
                | {"durable": sequence}
                for key, sequence in asked.items()
                if known.get(key, sequence) < sequence
            ]
            if fresh:
                connection.execute(insert(table), fresh)
            if risen:
                connection.execute(update(table).where(*where), risen)
        if self._known is not None:
            for journal, streams in durable.items():
                held = self._known.setdefault(journal, {})
                for stream, sequence in streams.items():
                    held[stream] = max(sequence, held.get(stream, 0))


def _known_watermarks(connection: Connection, sites: set[str]) -> dict[tuple[str, str, str], int]:
    """Read the durable sequences of some sites."""
    table, known = tables.watermarks, {}
    names = sorted(sites)
    for first in range(0, len(names), _SITES_MAX):
        query = select(table).where(table.c.site_id.in_(names[first : first + _SITES_MAX]))
        for row in connection.execute(query):
            known[row.site_id, row.journal_id, row.stream] = int(row.durable)
    return known


def _put_events(connection: Connection, events: Sequence[EventRecord]) -> None:
    """Insert events whose keys are new; of one key the first counts."""
    table = tables.events
    fresh = {event.event_key: event for event in reversed(events)}
    names = list(fresh)
    for first in range(0, len(names), _SITES_MAX):
        known = select(table.c.event_key).where(
            table.c.event_key.in_(names[first : first + _SITES_MAX])
        )
        for name in connection.execute(known).scalars().all():
            del fresh[name]
    if fresh:
        connection.execute(
            insert(table), [_event_columns(event) for event in reversed(fresh.values())]
        )


def _event_columns(event: EventRecord) -> dict[str, object]:
    return {
        "event_key": event.event_key,
        "site_id": event.site_id,
        "recorded_at": event.recorded_at,
        "received_at": event.received_at,
        "kind": event.kind,
        "payload": pack(dict(event.payload)),
    }


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
