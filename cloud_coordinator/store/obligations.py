"""Awards with their children, the operator's commands, and the sites' offers."""

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

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
from cloud_coordinator.store.sites import put
from protocols.link.messages import Offer
from protocols.link.topics import TopicKind
from protocols.link.wire import decode, encode
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.errors import StoreError
from protocols.vocabulary.identifiers import ObligationId, SiteId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Obligation, Service


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
            _put_obligation(connection, parent, pack_obligation(parent), position=0)
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
            connection.execute(
                delete(tables.obligations)
                .where(tables.obligations.c.parent_id == parent.obligation_id)
                .where(tables.obligations.c.obligation_id.not_in(children))
            )
            for position, commitment in enumerate(award.commitments):
                assert commitment.obligation.parent_id == parent.obligation_id, "a foreign child"
                body = pack_commitment(commitment)
                _put_obligation(connection, commitment.obligation, body, position=position)

    def save_child_state(self, child: ChildState) -> None:
        """Record a site's answer; durable. ``child.obligation_id`` is the child's own id.

        Raises
        ------
        StoreError
            If there is no such child.
        """
        table = tables.obligations
        with self._database.writing() as connection:
            changed = connection.execute(
                update(table)
                .where(table.c.obligation_id == child.obligation_id)
                .where(table.c.target == child.site_id)
                .values(state=child.state.value)
            )
            if changed.rowcount != 1:
                message = f"obligation {child.obligation_id!r} of {child.site_id} is not stored"
                raise StoreError(message)
            connection.execute(
                insert(tables.receipts).values(
                    obligation_id=child.obligation_id,
                    site_id=child.site_id,
                    state=child.state.value,
                    at=child.at,
                )
            )

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

    def save_offer(self, offer: Offer) -> None:
        """Keep it; durable. The same (site, journal, sequence) again changes nothing."""
        table, curve = tables.offers, offer.curve
        known = (
            select(table.c.number)
            .where(table.c.site_id == curve.site_id)
            .where(table.c.journal_id == offer.journal_id)
            .where(table.c.sequence == offer.sequence)
        )
        with self._database.writing() as connection:
            if connection.execute(known).first() is None:
                connection.execute(
                    insert(table).values(
                        site_id=curve.site_id,
                        journal_id=offer.journal_id,
                        sequence=offer.sequence,
                        service=curve.service.value,
                        start_at=curve.interval.start,
                        end_at=curve.interval.end,
                        body=encode(offer),
                    )
                )

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
        query = select(table.c.site_id, table.c.body).where(table.c.number.in_(latest))
        wanted = set(sites)
        with self._database.reading() as connection:
            found = {
                SiteId(site): body for site, body in connection.execute(query) if site in wanted
            }
        return [_offer(found[site]) for site in sites if site in found]


def _put_obligation(
    connection: Connection, obligation: Obligation, body: bytes, *, position: int
) -> None:
    put(
        connection,
        tables.obligations,
        key={"obligation_id": obligation.obligation_id},
        values={
            "parent_id": obligation.parent_id,
            "target": obligation.target,
            "service": obligation.service.value,
            "start_at": obligation.interval.start,
            "end_at": obligation.interval.end,
            "version": obligation.version,
            "state": obligation.state.value,
            "position": position,
            "body": body,
        },
    )


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
