"""The trading of running days on a clock that is set by hand, killed in every step."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.market.bids import Venue
from cloud_coordinator.market.imbalance import load_imbalance_rule
from cloud_coordinator.services.awarding import AwardRequest
from cloud_coordinator.services.bidding.port import BidBook, BidQuestion
from cloud_coordinator.services.errors import RejectedError, UnknownError
from cloud_coordinator.services.market_day.alerting import Alerts
from cloud_coordinator.services.market_day.asking import Market
from cloud_coordinator.services.market_day.day import MarketDay
from cloud_coordinator.services.market_day.filing import FiledPlan, PlanAnswer, PlanSide
from cloud_coordinator.services.market_day.journal import TradingJournal
from cloud_coordinator.services.market_day.rows import RequirementRows
from cloud_coordinator.services.market_day.schedule import Step, actions_of, due
from cloud_coordinator.services.market_day.settling_day import SettlingDay
from cloud_coordinator.services.market_day.trading_day import TradingDays, TradingPorts
from cloud_coordinator.services.records import AwardRecord, EventQuery, EventRecord
from cloud_coordinator.services.statements import StatementBook, StatementEntry
from cloud_coordinator.services.trading import BidAnswer, Fill, Receipt, Submission
from cloud_coordinator.settlement.records import Statement
from protocols.sansio.records import Change
from protocols.vocabulary.calendar import Slot
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import ObligationId, SiteId, ZoneId
from tests.unit.cloud_coordinator.services.market_day.days import (
    DAY,
    Columns,
    Given,
    market,
    reserve_bid,
    spot_bid,
)

NAME = "zone-1"
EVERY = 13
"""Of the effects one in so many kills; with 1 every single one was tried, in a minute."""
AWARD = f"{NAME}-tokyo-20250514-1-reserve-0"
BEGIN = datetime.fromisoformat("2025-05-13T09:00+09:00")
MIDNIGHT = datetime.fromisoformat("2025-05-14T00:00+09:00")
MOMENTS = (
    "2025-05-13T09:00",
    "2025-05-13T09:52",
    "2025-05-13T12:30",
    "2025-05-13T13:55",
    "2025-05-13T15:05",
    "2025-05-14T11:55",
    "2025-05-15T10:05",
)


WITH_LOSS = sorted({*MOMENTS, "2025-05-13T11:50", "2025-05-14T00:46", "2025-05-14T00:56"})
"""The battery is gone from midnight on; plans are filed, and the position is closed."""


class Killed(BaseException):
    """The program ends here."""


@dataclass
class World:
    """Everything that outlives the program; it can kill the program at a chosen effect."""

    kill_at: int = -1
    effects: int = 0
    at: datetime = BEGIN
    records: dict[str, bytes] = field(default_factory=dict)
    sent: dict[str, Submission] = field(default_factory=dict)
    sent_different: int = 0
    placed: dict[str, AwardRequest] = field(default_factory=dict)
    events_kept: dict[str, EventRecord] = field(default_factory=dict)
    entries_kept: list[StatementEntry] = field(default_factory=list)
    rows: dict[str, dict[str, object]] = field(default_factory=dict)
    statement_made: Statement | None = None
    filed: dict[tuple[date, PlanSide, int], FiledPlan] = field(default_factory=dict)
    waits: str = ""

    def effect(self) -> None:
        """Count, and end the program before or after what it was about to do."""
        self.effects += 1
        if self.effects == self.kill_at:
            raise Killed

    def load(self) -> Mapping[str, bytes]:
        return self.records

    def put(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self.effect()
            if change.value is None:
                self.records.pop(change.key, None)
            else:
                self.records[change.key] = change.value

    async def submit(self, submission: Submission) -> Receipt:
        self.effect()
        known = self.sent.setdefault(submission.request_id, submission)
        self.sent_different += known != submission
        self.effect()
        good = BidAnswer(accepted=True, code="", reason="")
        return Receipt(
            request_id=submission.request_id,
            answers=(good,) * len(submission.bids),
            received_at=self.at,
        )

    async def fills(self, submission: Submission) -> Sequence[Fill]:
        if submission.venue is Venue.INTRADAY:
            return [
                Fill(
                    request_id=submission.request_id,
                    number=number,
                    bid=bid,
                    power_kw=bid.power_kw,
                    price_jpy=bid.price_jpy,
                )
                for number, bid in enumerate(submission.bids)
            ]
        hours = 15 if submission.venue is Venue.RESERVE else 12
        day_before = submission.day - timedelta(days=1)
        cleared = datetime.fromisoformat(f"{day_before}T{hours}:00+09:00")
        if self.at < cleared or submission.request_id not in self.sent:
            raise RejectedError("NOT_CLEARED")
        return [
            Fill(
                request_id=submission.request_id,
                number=number,
                bid=bid,
                power_kw=bid.power_kw,
                price_jpy=bid.price_jpy if bid.venue is Venue.RESERVE else Decimal(20),
            )
            for number, bid in enumerate(submission.bids)
        ]

    async def file(self, plan: FiledPlan) -> PlanAnswer:
        self.effect()
        known = self.filed.setdefault((plan.day, plan.side, plan.sequence), plan)
        self.sent_different += known != plan
        self.effect()
        return PlanAnswer(taken=True, findings=())

    def waits_for(self, _day: date, _cause: str) -> str:
        return self.waits

    def absent(self) -> set[SiteId]:
        return {SiteId("battery-1")} if self.at >= MIDNIGHT else set()

    def place(self, request: AwardRequest, now: Moment) -> AwardRecord:
        self.effect()
        self.placed[request.obligation_id] = request
        self.effect()
        return None  # type: ignore[return-value]  # nobody reads it

    def statement(self, obligation_id: ObligationId) -> Statement:
        if self.statement_made is None or obligation_id not in self.placed:
            raise UnknownError("no award")
        return self.statement_made

    def save_event(self, event: EventRecord) -> None:
        self.events_kept.setdefault(event.event_key, event)

    def save_events(self, events: Sequence[EventRecord]) -> None:
        for event in events:
            self.save_event(event)

    def events(self, query: EventQuery) -> Sequence[EventRecord]:
        return list(self.events_kept.values())

    def entries(self, prefix: str) -> Sequence[StatementEntry]:
        return [one for one in self.entries_kept if one.account.startswith(prefix)]

    def append(self, entries: Sequence[StatementEntry]) -> None:
        self.effect()
        self.entries_kept.extend(entries)
        self.effect()

    def save(self, rows: RequirementRows) -> None:
        self.effect()
        for table in ("predictions", "transactions"):
            self.rows.setdefault(table, {}).update(getattr(rows, table))

    def lines(self, kind: str) -> list[str]:
        return [str(e.payload["line"]) for e in self.events_kept.values() if e.kind == kind]


def traded(strategy: Given | None = None) -> Market:
    """Sell half an hour of 500 kW, buy 600 kW before it, and hold 1,000 kW ready."""
    bought = replace(
        spot_bid(-600), slot=Slot(day=DAY, number=10), least_kw=Decimal(-600), price_jpy=Decimal(99)
    )
    bids = {Venue.RESERVE: [reserve_bid()], Venue.SPOT: [spot_bid(), bought]}
    return market(strategy=strategy or Given(bids))


async def at_once(work: Callable[[], Any], /) -> Any:
    return work()


def program(world: World, asked: Market | None = None, *, with_loss: bool = False) -> TradingDays:
    """Start the program on what outlived the last one."""
    venues = (Venue.SPOT, Venue.RESERVE, *((Venue.INTRADAY,) if with_loss else ()))
    found = asked or traded()
    alerts = Alerts(world, lambda: world.at, name=NAME)
    settling = SettlingDay(world, StatementBook(world), rows=world, now=lambda: world.at, name=NAME)
    return TradingDays(
        lambda: found,
        TradingJournal(world, area="tokyo", name=NAME),
        ports=TradingPorts(
            exchanges=dict.fromkeys(venues, world),
            office=world if with_loss else None,
            absent=world.absent,
            waits_for=world.waits_for,
            desk=world,
            rows=world,
            now=lambda: Moment(wall_s=world.at.timestamp(), monotonic_ns=0),
            aside=at_once,
        ),
        zone=ZoneId(NAME),
        settling=settling,
        alerts=alerts,
    )


def live(world: World, asked: Market | None = None, *, with_loss: bool = False) -> None:
    """Walk through the moments; who is killed starts again at once."""
    running = program(world, asked, with_loss=with_loss)
    for moment in WITH_LOSS if with_loss else MOMENTS:
        world.at = datetime.fromisoformat(f"{moment}+09:00")
        for _ in range(2):
            try:
                asyncio.run(running.turn())
            except Killed:
                running = program(world, asked, with_loss=with_loss)
                asyncio.run(running.turn())


def _statement() -> Statement:
    use_case = MarketDay(market(), imbalance=load_imbalance_rule())
    return use_case.run(DAY, use_case.opening()).awards[0].statement


STATEMENT = _statement()


def test_a_day_is_traded_from_forecast_to_statement_by_the_clock_alone() -> None:
    """If it fails, a day needs a person at some gate, and sleeping costs the market's money."""
    world = World(statement_made=STATEMENT)
    live(world)
    assert set(world.sent) >= {
        f"{NAME}-tokyo-20250514-0-spot",
        f"{NAME}-tokyo-20250514-1-reserve",
    }
    assert world.placed[AWARD].power_w == 1_000_000.0
    amounts = {one.account.rsplit("/", 1)[1]: one.amount_jpy for one in world.entries_kept}
    assert amounts == {AWARD: Decimal(2000), "spot": Decimal(-1000)}
    assert world.rows["transactions"][AWARD]["settlement_amount"] == Decimal(2000)  # type: ignore[index]
    assert any("tertiary2" in key for key in world.rows["predictions"])


def test_bids_wait_for_a_person_and_go_out_when_he_agrees() -> None:
    """If it fails, the machine trades on in a market, or a fleet, that a person must judge."""
    world = World(waits="a person has control")
    running = program(world)
    for minute, sent in ((52, 0), (53, 0), (54, 1)):
        world.at = datetime.fromisoformat(f"2025-05-13T09:{minute}+09:00")
        world.waits = "" if sent else world.waits
        asyncio.run(running.turn())
        assert len([one for one in world.sent if one.endswith("spot")]) == sent, minute
    assert world.lines("market.waiting") == ["a person has control"]


def test_killed_in_any_step_it_ends_the_same() -> None:
    """If it fails, a loss of power at the wrong moment bids twice, or never."""
    whole = World(statement_made=STATEMENT)
    live(whole, with_loss=True)
    assert f"{NAME}-tokyo-20250514-intraday-05-intraday" in whole.sent
    assert (DAY, PlanSide.GENERATION, 1) in whole.filed
    assert whole.effects > 20
    for kill_at in range(1, whole.effects + 1, EVERY):
        world = World(kill_at=kill_at, statement_made=STATEMENT)
        live(world, with_loss=True)
        assert world.effects >= kill_at
        assert world.sent == whole.sent, kill_at
        assert world.filed == whole.filed, kill_at
        assert world.sent_different == 0
        assert world.placed == whole.placed, kill_at
        assert [(e.account, e.number, e.amount_jpy) for e in world.entries_kept] == [
            (e.account, e.number, e.amount_jpy) for e in whole.entries_kept
        ]
        assert world.rows == whole.rows


def test_late_telemetry_is_a_second_entry_and_settling_again_is_none() -> None:
    """If it fails, a correction would overwrite what was already told to the owners."""
    world = World(statement_made=STATEMENT)
    live(world)
    before = len(world.entries_kept)
    slot = replace(STATEMENT.slots[0], fee_jpy=STATEMENT.slots[0].fee_jpy - 7)
    world.statement_made = replace(STATEMENT, slots=(slot, *STATEMENT.slots[1:]))
    running = program(world)
    for on in (16, 17):
        world.at = datetime.fromisoformat(f"2025-05-{on}T10:05+09:00")
        asyncio.run(running.turn())
    fresh = [one for one in world.entries_kept[before:] if AWARD in one.account]
    assert [(one.kind, one.number, one.change_jpy) for one in fresh] == [
        ("correction", 2, Decimal(-7))
    ]
    assert "slots 25" in fresh[0].reason


def test_without_any_data_the_day_goes_on_and_says_so() -> None:
    """If it fails, one missing file of a publisher stops the trading of everything."""

    class Nothing(Columns):
        def missing(self) -> Sequence[str]:
            return ("tso/demand: is not there",)

    class Broken(Given):
        def bids(self, question: BidQuestion) -> BidBook:
            raise ConfigError("no solver")

    world = World()
    live(world, replace(traded(Broken({})), history=Nothing()))
    assert not world.sent
    assert "tso/demand: is not there" in world.lines("market.assumed")
    assert any("no solver" in line for line in world.lines("market.assumed"))


def test_a_gate_that_closed_while_nobody_ran_is_said_and_not_bid_for() -> None:
    """If it fails, bids leave after their gate, or nobody learns that there were none."""
    world = World(at=datetime.fromisoformat("2025-05-13T10:01+09:00"))
    asyncio.run(program(world).turn())
    assert f"{NAME}-tokyo-20250514-0-spot" not in world.sent
    assert "the gate closed before any bid was made" in world.lines("market.missed")


@pytest.mark.parametrize(
    ("now", "steps"),
    [
        ("2025-05-13T09:49", []),
        ("2025-05-13T09:50", [Step.BID]),
        ("2025-05-13T10:30", [Step.BID, Step.RESULTS]),
        ("2025-05-13T13:50", [Step.BID, Step.RESULTS, Step.BID]),
        ("2025-05-15T10:00", [Step.BID, Step.RESULTS, Step.BID, Step.RESULTS, Step.SETTLE]),
    ],
)
def test_steps_are_due_at_the_gates_of_the_set_that_settles(now: str, steps: list[Step]) -> None:
    """If it fails, bids leave when the market does not take them."""
    at = datetime.fromisoformat(f"{now}+09:00")
    actions = actions_of(DAY, traded().gates(DAY), now=at)
    found = due(actions, (), at)
    assert [one.step for one in found] == steps
    assert due(actions, {one.key for one in found}, at) == ()
