"""Plans of a traded day: made of the position, filed once, revised openly."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import pytest

from cloud_coordinator.services.market_day.alerting import Alerts
from cloud_coordinator.services.market_day.filing import (
    FiledPlan,
    PlanAnswer,
    PlanFiling,
    PlanSide,
    plans_of,
)
from cloud_coordinator.services.market_day.journal import TradingJournal
from cloud_coordinator.services.trading import Fill, OutcomeUnknownError
from tests.unit.cloud_coordinator.services.market_day.days import DAY, spot_bid
from tests.unit.cloud_coordinator.services.market_day.test_trading_day import World

TAKEN = PlanAnswer(taken=True, findings=())
REFUSED = PlanAnswer(taken=False, findings=("slot 40: E203: 取引先の計画と不一致",))


@dataclass
class Office:
    """Answers in turn; None stays silent."""

    answers: list[PlanAnswer | None]
    filed: list[FiledPlan] = field(default_factory=list)

    async def file(self, plan: FiledPlan) -> PlanAnswer:
        self.filed.append(plan)
        answer = self.answers.pop(0) if self.answers else TAKEN
        if answer is None:
            raise OutcomeUnknownError("no answer")
        return answer


def fill(kw: int, number: int = 0) -> Fill:
    bid = spot_bid(kw)
    return Fill(
        request_id="r", number=number, bid=bid, power_kw=Decimal(kw), price_jpy=bid.price_jpy
    )


def filing(world: World, office: Office) -> PlanFiling:
    """Start the program on what outlived the last one."""
    journal = TradingJournal(world, area="tokyo", name="zone-1")
    return PlanFiling(journal, office, Alerts(world, lambda: world.at, name="zone-1"))


def revise(
    world: World, office: Office, fills: Sequence[Fill], *, closed: Sequence[int] = ()
) -> str:
    """Revise in a program of its own."""
    work = filing(world, office).revise(DAY, fills, is_same_day=bool(closed), closed=closed)
    return asyncio.run(work)


def test_plans_are_in_balance_and_buying_is_demand() -> None:
    """If it fails, OCCTO finds generation without a buyer, or charging that nobody bought."""
    sold, bought = plans_of([fill(500), fill(-200)]), plans_of([fill(-600)])
    one = sold[PlanSide.GENERATION]
    assert (one.body_kwh[39], one.sales_kwh[39], one.procurement_kwh[39]) == (150, 250, 100)
    assert sold[PlanSide.DEMAND].is_empty
    two = bought[PlanSide.DEMAND]
    assert (two.body_kwh[39], two.procurement_kwh[39]) == (300, 300)
    assert bought[PlanSide.GENERATION].is_empty


def test_a_plan_is_filed_once_and_again_only_when_it_changed() -> None:
    """If it fails, every restart files a revision, and a hundred of them is all there are."""
    world, office = World(), Office([])
    for _ in range(3):
        revise(world, office, [fill(500)])
    revise(world, office, [fill(500), fill(-200, 1)])
    assert [(one.side, one.sequence) for one in office.filed] == [
        (PlanSide.GENERATION, 0),
        (PlanSide.GENERATION, 1),
    ]


def test_a_contradiction_is_told_and_the_plan_filed_anew() -> None:
    """If it fails, a refused plan counts as filed and nobody hears of it."""
    world, office = World(), Office([REFUSED])
    assert revise(world, office, [fill(500)]) == "generation 0: refused"
    assert any("E203" in line for line in world.lines("market.refused"))
    assert revise(world, office, [fill(500)]) == "generation 1: taken"


def test_nothing_new_is_filed_while_nobody_knows_of_the_last() -> None:
    """If it fails, two plans of one slot are on their way, and which of them counts is chance."""
    world, office = World(), Office([None, None])
    for _ in range(2):
        with pytest.raises(OutcomeUnknownError):
            revise(world, office, [fill(500)])
    assert revise(world, office, [fill(500)]) == "as filed"
    assert {one.sequence for one in office.filed} == {0}


def test_slots_behind_their_gate_stay_as_they_were_filed() -> None:
    """If it fails, one late trade has the revision of the whole day refused."""
    world, office = World(at=datetime.fromisoformat("2025-05-14T19:00+09:00")), Office([])
    revise(world, office, [fill(500)])
    assert revise(world, office, [fill(300)], closed=range(40)) == "as filed"
    assert "slots [40]" in world.lines("market.missed")[0]
