"""The trading of running days: what is due by the clock is done, once, and survives being killed.

Forecast and bids before each gate, handing in, results, awards to the fleet, and the morning
after the settlement. One step that fails is said (an event) and tried again at the next turn;
it never stops the others. Called by the coordinator every few seconds, beside its tick.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final, Protocol, TypeVar

import numpy as np

from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.market.bids import Venue
from cloud_coordinator.services.awarding import AwardRequest
from cloud_coordinator.services.errors import ConflictError, RejectedError
from cloud_coordinator.services.forecasting import QuantileForecast
from cloud_coordinator.services.market_day.alerting import Alerts
from cloud_coordinator.services.market_day.asking import Asker, Gate, Market
from cloud_coordinator.services.market_day.journal import TradingJournal
from cloud_coordinator.services.market_day.records import Compared, Opening
from cloud_coordinator.services.market_day.rows import (
    RequirementRows,
    is_tabled,
    prediction_rows,
    transaction_row,
)
from cloud_coordinator.services.market_day.schedule import (
    Action,
    Step,
    actions_of,
    days_around,
    due,
)
from cloud_coordinator.services.market_day.settling_day import (
    RowStore,
    SettlingDay,
    cleared_of,
)
from cloud_coordinator.services.records import AwardRecord
from cloud_coordinator.services.trading import Exchange, Fill, Submission, award_of
from protocols.vocabulary.calendar import SLOTS_A_DAY, market_day
from protocols.vocabulary.errors import VppError
from protocols.vocabulary.identifiers import ZoneId
from protocols.vocabulary.obligation import Service

PLACE_BEFORE: Final = timedelta(minutes=10)
"""An award is given to the fleet so long before it begins: sites offer for what is near."""


class AwardDesk(Protocol):
    """Takes awards."""

    def place(self, request: AwardRequest, now: Moment) -> AwardRecord:
        """Take an award; the same one again changes nothing."""


_Result = TypeVar("_Result")


class Aside(Protocol):
    """Where what takes seconds is done, so that links and signals go on meanwhile."""

    async def __call__(self, work: Callable[[], _Result], /) -> _Result:
        """Do the work; return what it returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingPorts:
    """What trading needs of the outside.

    Attributes
    ----------
    exchanges : mapping of Venue to Exchange
        A venue without one is not traded at.
    desk : AwardDesk
        Of the fleet.
    rows : RowStore
        Predictions and transactions.
    now : callable
        The moment.
    aside : Aside
        For forecasts, bids and settling.
    """

    exchanges: Mapping[Venue, Exchange]
    desk: AwardDesk
    rows: RowStore
    now: Callable[[], Moment]
    aside: Aside


class TradingDays:
    """The use case.

    Parameters
    ----------
    market : callable
        Makes the market with what is published by now; called for every question.
    journal : TradingJournal
        What was done.
    ports : TradingPorts
        The outside.
    zone : ZoneId
        Whose sites deliver.
    settling : SettlingDay
        The mornings after.
    alerts : Alerts
        Who hears of fallbacks and failures.
    """

    def __init__(  # noqa: PLR0913  one parameter per thing that outlives a step
        self,
        market: Callable[[], Market],
        journal: TradingJournal,
        *,
        ports: TradingPorts,
        zone: ZoneId,
        settling: SettlingDay,
        alerts: Alerts,
    ) -> None:
        self._make = market
        self._gates_of = market()
        self._journal = journal
        self._ports = ports
        self._zone = zone
        self._settling = settling
        self._alerts = alerts

    async def turn(self) -> None:
        """Do everything that is due."""
        now = self._ports.now().at
        for day in days_around(now):
            for action in self._due(day, now):
                await self._guarded(action.key, self._do(action, now))
            for fill in self._fills(day):
                await self._guarded(
                    f"{day}/place/{fill.request_id}-{fill.number}", self._place(fill)
                )
        self._journal.forget_before(market_day(now))

    def _due(self, day: date, now: datetime) -> tuple[Action, ...]:
        try:
            gates = self._gates_of.gates(day)
        except VppError as error:
            self._alerts.say(f"{day}/gates", "market.failed", str(error))
            return ()
        return due(actions_of(day, gates, now=now), self._journal.done, now)

    async def _guarded(self, key: str, work: Awaitable[None]) -> None:
        """Do a step; what fails is said and comes again."""
        try:
            await work
        except VppError as error:
            self._alerts.say(key, "market.failed", str(error))

    async def _do(self, action: Action, now: datetime) -> None:
        match action.step:
            case Step.BID:
                await self._bid(action, now)
            case Step.RESULTS:
                await self._results(action, now)
            case Step.SETTLE:
                await self._settle(action)

    async def _bid(self, action: Action, now: datetime) -> None:
        """Make the bids of a gate once, keep them, hand them in."""
        day, number = action.day, action.name
        if self._journal.book(day, number) is None:
            if now > action.closes:
                self._missed(action, "the gate closed before any bid was made")
                return
            await self._make_bids(action)
        said = []
        for venue in Venue:
            submission = self._journal.submission(day, number, venue)
            if submission is not None:
                said.append(await self._hand_in(submission, action))
        self._journal.mark(action.key, "; ".join(said) or "nothing to hand in")

    async def _make_bids(self, action: Action) -> None:
        market = await self._ports.aside(self._make)
        gate = market.gates(action.day)[int(action.name)]
        committed = [
            replace(fill.bid, power_kw=fill.power_kw)
            for fill in self._fills(action.day)
            if fill.power_kw
        ]
        asker = Asker(market, seed=action.day.toordinal())
        planned = market.portfolio.planned_kwh
        opening = Opening(start_kwh=planned, expected_kwh=np.full(SLOTS_A_DAY, planned))
        book, used, alerts = await self._ports.aside(
            partial(asker.book, gate, action.day, opening=opening, committed=committed)
        )
        for line in (*alerts, *market.history.missing()):
            self._alerts.say(action.key, "market.assumed", line)
        self._ports.rows.save(_predicted(market.area.name, gate, used))
        self._journal.keep_book(action.day, action.name, book)

    async def _hand_in(self, submission: Submission, action: Action) -> str:
        """Hand in bids; what a venue refuses for good is said and not tried again."""
        venue = submission.venue.value
        exchange = self._ports.exchanges.get(submission.venue)
        if exchange is None:
            return f"{venue}: not connected"
        try:
            receipt = await exchange.submit(submission)
        except (RejectedError, ConflictError) as error:
            self._alerts.say(action.key, "market.refused", str(error))
            return f"{venue}: refused: {error}"
        for bid, answer in zip(submission.bids, receipt.answers, strict=True):
            if not answer.accepted:
                line = f"{bid.name}: {answer.code} {answer.reason}"
                self._alerts.say(action.key, "market.refused", line)
        return f"{venue}: {sum(one.accepted for one in receipt.answers)} bids"

    async def _results(self, action: Action, now: datetime) -> None:
        """Fetch what became of the bids; a market that has not cleared is asked again."""
        number, _, venue = action.name.partition(".")
        submission = self._journal.submission(action.day, number, Venue(venue))
        exchange = self._ports.exchanges.get(Venue(venue))
        if submission is None or exchange is None:
            if f"{action.day}/bid/{number}" in self._journal.done:
                self._journal.keep_fills(action.key, ())
            return
        try:
            fills = await exchange.fills(submission)
        except RejectedError as error:
            if now > action.closes:
                self._missed(action, str(error))
                self._journal.keep_fills(action.key, ())
            return
        self._ports.rows.save(_transactions(fills))
        self._journal.keep_fills(action.key, fills)

    async def _place(self, fill: Fill) -> None:
        """Give an award to the fleet shortly before it begins."""
        day, now = fill.bid.slot.day, self._ports.now()
        key = f"{day}/place/{fill.request_id}-{fill.number}"
        if key in self._journal.done or fill.bid.service is Service.ENERGY:
            return
        rule = self._gates_of.settling(fill.bid.service, day)
        request = award_of(fill, zone=self._zone, rule=rule)
        if request is None or now.at < request.interval.start - PLACE_BEFORE:
            return
        try:
            self._ports.desk.place(request, now)
        except (RejectedError, ConflictError) as error:
            if now.at >= request.interval.start or "service:" in str(error):
                self._alerts.say(key, "market.missed", f"award not followed: {error}")
                self._journal.mark(key, f"refused: {error}")
                return
            raise
        self._journal.mark(key, "placed")

    async def _settle(self, action: Action) -> None:
        fills = self._fills(action.day)
        market = await self._ports.aside(self._make)
        lines = await self._ports.aside(partial(self._settling.settle, action.day, fills, market))
        for line in lines:
            self._alerts.say(action.key, "market.settled", line)
        self._journal.mark(action.key, "; ".join(lines) or "nothing changed")

    def _fills(self, day: date) -> tuple[Fill, ...]:
        try:
            return self._journal.fills(day)
        except VppError as error:
            self._alerts.say(f"{day}/fills", "market.failed", str(error))
            return ()

    def _missed(self, action: Action, cause: str) -> None:
        if action.day > market_day(self._ports.now().at) - timedelta(days=1):
            self._alerts.say(action.key, "market.missed", cause)
        self._journal.mark(action.key, f"missed: {cause}")


def _predicted(area: str, gate: Gate, used: Mapping[str, QuantileForecast]) -> RequirementRows:
    compared = [
        Compared(
            quantity=name,
            unit="",
            known_at=gate.at,
            forecast=forecast,
            actual=np.full(SLOTS_A_DAY, np.nan),
        )
        for name, forecast in used.items()
    ]
    return RequirementRows(predictions=prediction_rows(area, compared))


def _transactions(fills: Sequence[Fill]) -> RequirementRows:
    return RequirementRows(
        transactions={
            f"{fill.request_id}-{fill.number}": transaction_row(cleared_of(fill), None)
            for fill in fills
            if is_tabled(fill.bid)
        }
    )
