"""The mornings after: a traded day settled from stored telemetry, posted once, corrected openly.

Awards are assessed by the market's engine on what the sites' telemetry says by now; energy sold
on the exchange is paid its price. Settling again changes nothing; telemetry that came late adds
a correction entry with its slots.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from cloud_coordinator.market.bids import Venue
from cloud_coordinator.services.errors import UnknownError
from cloud_coordinator.services.market_day.asking import Market
from cloud_coordinator.services.market_day.clearing import Cleared
from cloud_coordinator.services.market_day.records import SPOT_ACCOUNT, Slots
from cloud_coordinator.services.market_day.rows import RequirementRows, is_tabled, transaction_row
from cloud_coordinator.services.market_day.settling import award_slots, present
from cloud_coordinator.services.statements import StatementBook
from cloud_coordinator.services.trading import Fill
from cloud_coordinator.settlement.records import Statement
from protocols.vocabulary.calendar import SLOT_MINUTES, SLOTS_A_DAY
from protocols.vocabulary.identifiers import ObligationId

_HOUR_MINUTES = 60


class Statements(Protocol):
    """Settles awards of the fleet."""

    def statement(self, obligation_id: ObligationId) -> Statement:
        """Settle an award from stored telemetry; raises UnknownError where there is none."""


class RowStore(Protocol):
    """Keeps rows of the requirement's tables."""

    def save(self, rows: RequirementRows) -> None:
        """Insert or update by key; durable."""


class SettlingDay:
    """Settles what was traded.

    Parameters
    ----------
    statements : Statements
        By the market's engine.
    book : StatementBook
        Where it is posted.
    rows : RowStore
        Transactions.
    now : callable
        The moment, aware UTC.
    name : str
        Of the portfolio.
    """

    def __init__(
        self,
        statements: Statements,
        book: StatementBook,
        *,
        rows: RowStore,
        now: Callable[[], datetime],
        name: str,
    ) -> None:
        self._statements = statements
        self._book = book
        self._rows = rows
        self._now = now
        self._name = name

    def settle(self, day: date, fills: Sequence[Fill], market: Market) -> tuple[str, ...]:
        """Settle a day with what is known by now; return a line for each new entry and gap.

        Raises
        ------
        StoreError
            If telemetry cannot be read, or nothing can be posted.
        """
        taken = [fill for fill in fills if fill.power_kw]
        lines: list[str] = []
        found: dict[str, Statement] = {}
        for fill in taken:
            if fill.bid.venue is Venue.RESERVE:
                name = f"{fill.request_id}-{fill.number}"
                try:
                    found[name] = self._statements.statement(ObligationId(name))
                except UnknownError:
                    lines.append(
                        f"{name}: awarded, but the fleet never had it; not settled, and the "
                        "market will charge for it"
                    )
        accounts: dict[str, Slots] = {
            name: award_slots(statement, day) for name, statement in found.items()
        }
        accounts[SPOT_ACCOUNT] = _energy(taken)
        rules = sorted({one.rule_version for one in found.values()})
        entries = self._book.post(
            f"traded/{market.area.name}/{day}/{self._name}/",
            present(accounts),
            rules=rules or [market.exchange.rule_set_id],
            at=self._now(),
        )
        self._rows.save(RequirementRows(transactions=_rows(taken, found)))
        lines += [
            f"{one.kind} {one.number}: {one.account}: {one.change_jpy} JPY {one.reason}".rstrip()
            for one in entries
        ]
        return tuple(lines)


def _rows(
    fills: Sequence[Fill], statements: Mapping[str, Statement]
) -> dict[str, Mapping[str, object]]:
    return {
        name: transaction_row(cleared_of(fill), statements.get(name))
        for fill in fills
        if is_tabled(fill.bid)
        for name in (f"{fill.request_id}-{fill.number}",)
    }


def cleared_of(fill: Fill) -> Cleared:
    """Say of a result what a simulated clearing says."""
    return Cleared(bid=fill.bid, accepted_kw=fill.power_kw, price_jpy=fill.price_jpy)


def _energy(fills: Sequence[Fill]) -> Slots:
    """Energy of exchange trades times its price, by slot; exact."""
    found = [Decimal(0)] * SLOTS_A_DAY
    for fill in fills:
        if fill.bid.venue is not Venue.RESERVE:
            for slot in fill.bid.slot_range:
                found[slot] += fill.power_kw * SLOT_MINUTES / _HOUR_MINUTES * fill.price_jpy
    return tuple(found)
