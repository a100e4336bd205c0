"""Awards with their children, the operator's commands, and the sites' offers."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, RowMapping, bindparam, delete, func, insert, select, update

from cloud_coordinator.services.records import AwardRecord, AwardTerms, ChildState, TsoCommand
from cloud_coordinator.store import tables
from cloud_coordinator.store.database import Database
from cloud_coordinator.store.packing import (
    pack_allocation,
    pack_commitment,
    pack_obligation,
    reading,
    unpack_allocation,
    unpack_commitment,
    unpack_obligation,
)
from cloud_coordinator.store.sites import put, put_many
from protocols.link.messages import Offer
from protocols.link.topics import TopicKind
from protocols.link.wire import decode, encode
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.errors import StoreError
from protocols.vocabulary.identifiers import ObligationId, SiteId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Obligation, Service

READ_OFFERS_MAX: Final = 50_000
"""Decoded offers that are remembered; beyond it all are read again."""
_NUMBERS_MAX: Final = 5_000


class ObligationRegistry:
    """Awards as a tree: the parent and one child per site.

    Parameters
    ----------
    database : Database
        The registry.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def save_award(self, award: AwardRecord) -> None:
        """Insert or replace the award and all its children in one transaction; durable."""
        parent, terms = award.obligation, award.terms
        children = [commitment.obligation.obligation_id for commitment in award.commitments]
        with self._database.writing() as connection:
            put(
                connection,
                tables.obligations,
                key={"obligation_id": parent.obligation_id},
                values=_columns(parent, pack_obligation(parent), position=0),
            )
            put(
                connection,
                tables.awards,
                key={"obligation_id": parent.obligation_id},
                values={
                    "price_jpy_per_kw_30min": terms.price_jpy_per_kw_30min,
                    "rule_set_id": terms.rule_set_id,
                    "received_at": award.received_at,
                    "allocation": (
                        None if award.allocation is None else pack_allocation(award.allocation)
                    ),
                },
            )
            _forget_others(connection, parent, children)
            rows = {}
            for position, commitment in enumerate(award.commitments):
                assert commitment.obligation.parent_id == parent.obligation_id, "a foreign child"
                body = pack_commitment(commitment)
                child = commitment.obligation
                rows[str(child.obligation_id)] = _columns(child, body, position=position)
            put_many(connection, tables.obligations, rows, key="obligation_id")

    def save_state(self, obligation: Obligation) -> None:
        """Record an award's own state; its children stay as they are. Durable.

        Raises
        ------
        StoreError
            If there is no such award.
        """
        table = tables.obligations
        with self._database.writing() as connection:
            changed = connection.execute(
                update(table)
                .where(table.c.obligation_id == obligation.obligation_id)
                .where(table.c.parent_id.is_(None))
                .values(state=obligation.state.value, body=pack_obligation(obligation))
            )
            if changed.rowcount != 1:
                message = f"award {obligation.obligation_id!r} is not stored"
                raise StoreError(message)

    def save_child_state(self, child: ChildState) -> None:
        """Record a site's answer; durable. ``child.obligation_id`` is the child's own id.

        Raises
        ------
        StoreError
            If there is no such child.
        """
        self._database.put(_put_answers, [child])

    def awards(self) -> Sequence[AwardRecord]:
        """All awards with their children and the children's recorded states, by start."""
        table = tables.obligations
        parents = (
            select(table, tables.awards)
            .join(tables.awards, tables.awards.c.obligation_id == table.c.obligation_id)
            .order_by(table.c.start_at, table.c.obligation_id)
        )
        children = (
            select(table.c.parent_id, table.c.body, table.c.state)
            .where(table.c.parent_id.is_not(None))
            .order_by(table.c.parent_id, table.c.position)
        )
        by_parent: dict[str, list[Commitment]] = {}
        with self._database.reading() as connection:
            for parent_id, body, state in connection.execute(children):
                by_parent.setdefault(parent_id, []).append(unpack_commitment(body, state))
            return [
                _award(row, tuple(by_parent.get(row[table.c.obligation_id], ())))
                for row in connection.execute(parents).mappings()
            ]


class CommandRegistry:
    """Commands of the system operator.

    Parameters
    ----------
    database : Database
        The registry.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def save_command(self, command: TsoCommand) -> None:
        """Keep it; durable. The same (obligation, issued_at) again changes nothing."""
        table = tables.commands
        known = (
            select(table.c.power_w)
            .where(table.c.obligation_id == command.obligation_id)
            .where(table.c.issued_at == command.issued_at)
        )
        with self._database.writing() as connection:
            if connection.execute(known).first() is None:
                connection.execute(
                    insert(table).values(
                        obligation_id=command.obligation_id,
                        issued_at=command.issued_at,
                        power_w=command.power_w,
                        clipped_w=command.clipped_w,
                        received_at=command.received_at,
                        source=command.source,
                    )
                )

    def commands(self, obligation_id: ObligationId) -> Sequence[TsoCommand]:
        """All commands of the award, by ``issued_at``."""
        table = tables.commands
        query = (
            select(table).where(table.c.obligation_id == obligation_id).order_by(table.c.issued_at)
        )
        with self._database.reading() as connection:
            return [
                TsoCommand(
                    obligation_id=obligation_id,
                    issued_at=row["issued_at"],
                    power_w=row["power_w"],
                    clipped_w=row["clipped_w"],
                    received_at=row["received_at"],
                    source=row["source"],
                )
                for row in connection.execute(query).mappings()
            ]


class OfferRegistry:
    """Offers as they came.

    Parameters
    ----------
    database : Database
        The registry.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read: dict[int, Offer] = {}

    def save_offer(self, offer: Offer) -> None:
        """Keep it; durable. The same (site, journal, sequence) again changes nothing."""
        self._database.put(_put_offers, [offer])

    def offers(
        self, sites: Sequence[SiteId], *, service: Service, interval: Interval
    ) -> Sequence[Offer]:
        """Per site the latest received offer of the service that covers the interval."""
        table = tables.offers
        latest = (
            select(func.max(table.c.number))
            .where(table.c.service == service.value)
            .where(table.c.start_at <= interval.start)
            .where(table.c.end_at >= interval.end)
            .group_by(table.c.site_id)
        )
        query = select(table.c.site_id, table.c.number).where(table.c.number.in_(latest))
        wanted = set(sites)
        with self._database.reading() as connection:
            found = {
                SiteId(site): int(number)
                for site, number in connection.execute(query)
                if site in wanted
            }
            self._learn(connection, [found[site] for site in sites if site in found])
        return [self._read[found[site]] for site in sites if site in found]

    def _learn(self, connection: Connection, numbers: Sequence[int]) -> None:
        """Decode offers that were not asked for before; an award asks again while it waits."""
        table = tables.offers
        if len(self._read) > READ_OFFERS_MAX:
            self._read.clear()
        fresh = [number for number in numbers if number not in self._read]
        for first in range(0, len(fresh), _NUMBERS_MAX):
            some = fresh[first : first + _NUMBERS_MAX]
            query = select(table.c.number, table.c.body).where(table.c.number.in_(some))
            for number, body in connection.execute(query):
                self._read[int(number)] = _offer(body)


def _put_answers(connection: Connection, answers: Sequence[ChildState]) -> None:
    """Record sites' answers; the latest of a child is its state, all are kept as receipts."""
    table = tables.obligations
    latest = {child.obligation_id: child for child in answers}
    changed = connection.execute(
        update(table)
        .where(table.c.obligation_id == bindparam("_child"))
        .where(table.c.target == bindparam("_site")),
        [
            {"_child": child.obligation_id, "_site": child.site_id, "state": child.state.value}
            for child in latest.values()
        ],
    )
    if changed.rowcount not in {-1, len(latest)}:
        named = ", ".join(f"{child.obligation_id!r} of {child.site_id}" for child in answers[:3])
        message = f"obligation not stored: one of {named}"
        raise StoreError(message)
    connection.execute(
        insert(tables.receipts),
        [
            {
                "obligation_id": child.obligation_id,
                "site_id": child.site_id,
                "state": child.state.value,
                "at": child.at,
            }
            for child in answers
        ],
    )


def _put_offers(connection: Connection, offers: Sequence[Offer]) -> None:
    """Insert offers that are new by (site, journal, sequence)."""
    table = tables.offers
    fresh = {(offer.curve.site_id, offer.journal_id, offer.sequence): offer for offer in offers}
    sites = sorted({site_id for site_id, _, _ in fresh})
    for first in range(0, len(sites), _NUMBERS_MAX):
        query = (
            select(table.c.site_id, table.c.journal_id, table.c.sequence)
            .where(table.c.site_id.in_(sites[first : first + _NUMBERS_MAX]))
            .where(table.c.sequence.in_({sequence for _, _, sequence in fresh}))
        )
        for row in connection.execute(query).all():
            fresh.pop((row.site_id, row.journal_id, row.sequence), None)
    rows = [
        {
            "site_id": offer.curve.site_id,
            "journal_id": offer.journal_id,
            "sequence": offer.sequence,
            "service": offer.curve.service.value,
            "start_at": offer.curve.interval.start,
            "end_at": offer.curve.interval.end,
            "body": encode(offer),
        }
        for offer in fresh.values()
    ]
    if rows:
        connection.execute(insert(table), rows)


def _forget_others(
    connection: Connection, parent: Obligation, children: Sequence[ObligationId]
) -> None:
    """Delete the award's children that it does not have any more."""
    table, kept = tables.obligations, set(children)
    stored = select(table.c.obligation_id).where(table.c.parent_id == parent.obligation_id)
    for name in connection.execute(stored).scalars().all():
        if name not in kept:
            connection.execute(delete(table).where(table.c.obligation_id == name))


def _columns(obligation: Obligation, body: bytes, *, position: int) -> dict[str, object]:
    return {
        "parent_id": obligation.parent_id,
        "target": obligation.target,
        "service": obligation.service.value,
        "start_at": obligation.interval.start,
        "end_at": obligation.interval.end,
        "version": obligation.version,
        "state": obligation.state.value,
        "position": position,
        "body": body,
    }


def _award(row: RowMapping, commitments: tuple[Commitment, ...]) -> AwardRecord:
    table = tables.awards
    allocation = row[table.c.allocation]
    return AwardRecord(
        obligation=unpack_obligation(row["body"], row["state"]),
        terms=AwardTerms(
            price_jpy_per_kw_30min=row[table.c.price_jpy_per_kw_30min],
            rule_set_id=row[table.c.rule_set_id],
        ),
        received_at=row[table.c.received_at],
        allocation=None if allocation is None else unpack_allocation(allocation),
        commitments=commitments,
    )


def _offer(body: bytes) -> Offer:
    with reading("offer"):
        offer = decode(TopicKind.OFFER, body)
        assert isinstance(offer, Offer), "an offer is decoded as an offer"
        return offer
