"""The trading of running days: what is due by the clock is done, once, and survives being killed.

Forecast and bids before each gate, handing in, results, awards to the fleet, and the morning
after the settlement. One step that fails is said (an event) and tried again at the next turn;
it never stops the others. Called by the coordinator every few seconds, beside its tick.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final, Protocol

import numpy as np

from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.market.bids import Source, Venue
from cloud_coordinator.services.awarding import AwardRequest
from cloud_coordinator.services.errors import ConflictError, RejectedError
from cloud_coordinator.services.forecasting import QuantileForecast
from cloud_coordinator.services.market_day.alerting import Alerts
from cloud_coordinator.services.market_day.asking import Asker, Gate, Market
from cloud_coordinator.services.market_day.caution import abnormality
from cloud_coordinator.services.market_day.filing import PlanFiling, PlanOffice
from cloud_coordinator.services.market_day.foretold import foretold_rows, kept_text
from cloud_coordinator.services.market_day.journal import TradingJournal
from cloud_coordinator.services.market_day.position import sun_orders
from cloud_coordinator.services.market_day.records import Opening
from cloud_coordinator.services.market_day.rounds import Aside, IntradayRounds
from cloud_coordinator.services.market_day.rows import RequirementRows, is_tabled, transaction_row
from cloud_coordinator.services.market_day.schedule import (
    NEXT_DAY,
    Action,
    Step,
    actions_of,
    days_around,
    due,
    rounds_of,
)
from cloud_coordinator.services.market_day.settling_day import (
    RowStore,
    SettlingDay,
    cleared_of,
)
from cloud_coordinator.services.market_day.sun import expected_sun
from cloud_coordinator.services.market_history import MarketSeries
from cloud_coordinator.services.records import AwardRecord
from cloud_coordinator.services.trading import Exchange, Fill, Submission, award_of
from protocols.vocabulary.calendar import SLOTS_A_DAY, day_slots, market_day
from protocols.vocabulary.errors import VppError
from protocols.vocabulary.identifiers import SiteId, ZoneId
from protocols.vocabulary.obligation import Service

PLACE_BEFORE: Final = timedelta(minutes=10)
"""An award is given to the fleet so long before it begins: sites offer for what is near."""

ROUNDS_WITHIN: Final = timedelta(days=2)
"""Orders and plans of days further away can have no answer that is still awaited."""
LOOKED_MAX: Final = 100
"""Gates whose market is remembered as abnormal or not."""
NEAR: Final = timedelta(days=60)
"""Gates of days further apart than this are forgotten."""


def no_wait(_day: date, _cause: str) -> str:
    """Ask nobody: of simulated days."""
    return ""


class AwardDesk(Protocol):
    """Takes awards."""

    def place(self, request: AwardRequest, now: Moment) -> AwardRecord:
        """Take an award; the same one again changes nothing."""


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
    office : PlanOffice or None
        Of OCCTO; None files no plan.
    absent : callable
        Sites that are known and do not answer now.
    waits_for : callable
        Given a day and what is abnormal: what its bids wait for; empty if they may be made.
    """

    exchanges: Mapping[Venue, Exchange]
    desk: AwardDesk
    rows: RowStore
    now: Callable[[], Moment]
    aside: Aside
    office: PlanOffice | None = None
    absent: Callable[[], Collection[SiteId]] = tuple
    waits_for: Callable[[date, str], str] = no_wait


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
        self._known_gates: dict[date, tuple[Gate, ...]] = {}
        self._journal = journal
        self._ports = ports
        self._zone = zone
        self._settling = settling
        self._alerts = alerts
        intraday, office = ports.exchanges.get(Venue.INTRADAY), ports.office
        self._rounds = (
            None
            if intraday is None
            else IntradayRounds(journal, intraday, alerts=alerts, aside=ports.aside)
        )
        self._filing = None if office is None else PlanFiling(journal, office, alerts)
        self._abnormal: dict[str, str] = {}

    async def turn(self) -> None:
        """Do everything that is due."""
        now = self._ports.now().at
        for day in days_around(now):
            is_near = abs(day - market_day(now)) <= ROUNDS_WITHIN
            if is_near and self._rounds is not None:
                await self._guarded(f"{day}/close", self._rounds.finish(day))
            if is_near and self._filing is not None:
                await self._guarded(f"{day}/plan", self._filing.finish(day))
            for action in self._due(day, now):
                await self._guarded(action.key, self._do(action, now))
            for fill in self._fills(day):
                await self._guarded(
                    f"{day}/place/{fill.request_id}-{fill.number}", self._place(fill)
                )
        self._journal.forget_before(market_day(now))

    def _due(self, day: date, now: datetime) -> tuple[Action, ...]:
        try:
            gates = self._gates(day)
        except VppError as error:
            self._alerts.say(f"{day}/gates", "market.failed", str(error))
            return ()
        rounds = rounds_of(day, self._gates_of.exchange, now=now)
        return due((*actions_of(day, gates, now=now), *rounds), self._journal.done, now)

    def _gates(self, day: date) -> tuple[Gate, ...]:
        """Gates of a day; rules do not change while the program runs."""
        if day not in self._known_gates:
            self._known_gates = {
                one: gates for one, gates in self._known_gates.items() if abs(one - day) < NEAR
            }
            self._known_gates[day] = self._gates_of.gates(day)
        return self._known_gates[day]

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
            case Step.CLOSE:
                await self._close(action, now)
            case Step.PLAN:
                await self._plan(action, now)
            case Step.SETTLE:
                await self._settle(action)

    async def _bid(self, action: Action, now: datetime) -> None:
        """Make the bids of a gate once, keep them, hand them in."""
        day, number = action.day, action.name
        if self._journal.book(day, number) is None:
            if now > action.closes:
                self._missed(action, "the gate closed before any bid was made")
                return
            if await self._waits(action):
                return
            await self._make_bids(action)
        said = []
        for venue in Venue:
            submission = self._journal.submission(day, number, venue)
            if submission is not None:
                said.append(await self._hand_in(submission, action))
        self._journal.mark(action.key, "; ".join(said) or "nothing to hand in")

    async def _waits(self, action: Action) -> bool:
        """Whether the bids wait for a person; the market is looked at once for each gate."""
        if action.key not in self._abnormal:
            market = await self._ports.aside(self._make)
            spot = market.history.column(MarketSeries.SPOT, market.area.name)
            gate = market.gates(action.day)[int(action.name)]
            if len(self._abnormal) >= LOOKED_MAX:
                self._abnormal.clear()
            self._abnormal[action.key] = abnormality(spot, action.day, gate.at)
        cause = self._ports.waits_for(action.day, self._abnormal[action.key])
        if cause:
            self._alerts.say(action.key, "market.waiting", cause)
        return bool(cause)

    async def _make_bids(self, action: Action) -> None:
        market = await self._ports.aside(self._make)
        gate = market.gates(action.day)[int(action.name)]
        committed = [
            replace(fill.bid, power_kw=fill.power_kw)
            for fill in self._fills(action.day)
            if fill.power_kw and fill.bid.source is not Source.PV
        ]
        asker = Asker(market, seed=action.day.toordinal())
        planned = market.portfolio.planned_kwh
        opening = Opening(start_kwh=planned, expected_kwh=np.full(SLOTS_A_DAY, planned))
        book, used, alerts = await self._ports.aside(
            partial(asker.book, gate, action.day, opening=opening, committed=committed)
        )
        if Service.ENERGY in gate.services:
            sun = await self._ports.aside(partial(expected_sun, market, action.day, gate.at))
            orders = sun_orders(sun.energy_kwh, day=action.day, rule=market.exchange)
            book, alerts = replace(book, bids=(*book.bids, *orders)), (*alerts, *sun.alerts)
            used = {**used, **await self._ports.aside(partial(_seen, market, action.day, gate))}
        for line in (*alerts, *market.history.missing()):
            self._alerts.say(action.key, "market.assumed", line)
        text, area = kept_text(used, gate.at), market.area.name
        self._ports.rows.save(foretold_rows(text, action.day, area=area, market=None))
        self._journal.mark(f"{action.day}/foretold/{action.name}", text)
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

    async def _close(self, action: Action, now: datetime) -> None:
        """Close the position on the intraday market; not while what was sold is unknown."""
        if self._rounds is None or self._waits_for(action.day):
            return
        said = await self._rounds.make(
            action.name, action.day, self._make, at=now, absent=self._ports.absent()
        )
        self._journal.mark(action.key, said)

    async def _plan(self, action: Action, now: datetime) -> None:
        """File what is sold by now, as far as it changed."""
        if self._filing is None:
            return
        is_same_day = action.name != NEXT_DAY
        if self._waits_for(action.day):
            self._alerts.say(action.key, "market.assumed", "not all results are known to the plan")
        gates = [self._gates_of.exchange.intraday_window(s).end for s in day_slots(action.day)]
        said = await self._filing.revise(
            action.day,
            self._fills(action.day),
            is_same_day=is_same_day,
            closed=[slot for slot, gate in enumerate(gates) if is_same_day and gate < now],
        )
        self._journal.mark(action.key, said)

    def _waits_for(self, day: date) -> bool:
        """Whether energy was offered day-ahead and nobody knows yet what became of it."""
        return any(
            self._journal.submission(day, str(number), Venue.SPOT) is not None
            and f"{day}/results/{number}.{Venue.SPOT.value}" not in self._journal.done
            for number, _ in enumerate(self._gates(day))
        )

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
        prefix = f"{action.day}/foretold/"
        for key in [one for one in self._journal.done if one.startswith(prefix)]:
            text = self._journal.said(key) or ""
            rows = partial(foretold_rows, text, action.day, area=market.area.name, market=market)
            self._ports.rows.save(await self._ports.aside(rows))
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


def _seen(market: Market, day: date, gate: Gate) -> dict[str, QuantileForecast]:
    """Forecasts that no bid of storage rests on, of the requirement's table."""
    area = market.area.name
    return {
        "demand": market.forecasts.demand(area, day, gate.at),
        "pv": market.forecasts.pv(area, day, gate.at),
    }


def _transactions(fills: Sequence[Fill]) -> RequirementRows:
    return RequirementRows(
        transactions={
            f"{fill.request_id}-{fill.number}": transaction_row(cleared_of(fill), None)
            for fill in fills
            if is_tabled(fill.bid)
        }
    )
