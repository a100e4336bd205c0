"""How OCCTO judges a plan: its own reading of the rules. Pure.

Notes
-----
Plans of the next day until 12:00 of the day before, of the same day from 17:00 of the day before
until one hour before each slot (japan-market 5). The codes of findings are assumed.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from firmware_sim.counterparts.jepx_rules import market_minutes
from protocols.occto.plan import SLOTS, Plan, PlanKind, Section
from protocols.occto.verdict import Finding

NEXT_DAY: Final = frozenset({"0152", "0112"})
"""Plan codes of the next day; every other one is of the same day. The second is assumed."""


def judge_plan(
    plan: Plan, *, code: str, now: datetime, in_force: Plan | None, others: Sequence[Plan]
) -> tuple[Finding, ...]:
    """Find what is wrong.

    Parameters
    ----------
    plan : Plan
        As it came.
    code : str
        Plan code of its file name.
    now : datetime
        Aware.
    in_force : Plan or None
        The plan that it replaces.
    others : sequence of Plan
        Of the same day, of other groups.
    """
    return (
        *_gate(plan, code=code, now=now, in_force=in_force),
        *_totals(plan),
        *_balance(plan),
        *(finding for other in others for finding in _mirror(plan, other)),
    )


def _gate(plan: Plan, *, code: str, now: datetime, in_force: Plan | None) -> tuple[Finding, ...]:
    minutes = market_minutes(plan.day, now)
    if code in NEXT_DAY:
        late = minutes > -1440 + 720
        return (Finding(code="E101", slot=0, text="翌日計画の提出期限を過ぎた"),) if late else ()
    if minutes < -1440 + 1020:
        return (Finding(code="E102", slot=0, text="当日計画の受付開始前"),)
    closed = [slot for slot in range(1, SLOTS + 1) if minutes > (slot - 1) * 30 - 60]
    return tuple(
        Finding(code="E103", slot=slot, text="ゲートクローズ後のコマを変更した")
        for slot in closed
        if in_force is None or _slot(plan, slot) != _slot(in_force, slot)
    )


def _slot(plan: Plan, slot: int) -> tuple[tuple[str, int], ...]:
    """Everything a plan says of a slot."""
    return tuple(
        (f"{name}.{part.code}", part.energy_kwh[slot - 1])
        for name, one in (
            ("body", plan.body),
            ("sales", plan.sales),
            ("procurement", plan.procurement),
        )
        for part in one.parts
        if part.energy_kwh[slot - 1]
    )


def _totals(plan: Plan) -> tuple[Finding, ...]:
    return tuple(
        Finding(code="E201", slot=slot, text=f"{name}の合計 {total} が内訳 {parts} と一致しない")
        for name, one in (
            ("発電" if plan.kind is PlanKind.GENERATION else "需要", plan.body),
            ("販売", plan.sales),
            ("調達", plan.procurement),
        )
        for slot, (total, parts) in enumerate(zip(one.totals_kwh, _sums(one), strict=True), start=1)
        if total != parts
    )


def _sums(section: Section) -> list[int]:
    return [sum(part.energy_kwh[slot] for part in section.parts) for slot in range(SLOTS)]


def _balance(plan: Plan) -> tuple[Finding, ...]:
    """Compare: generated and procured is sold; demand and sales are procured."""
    body, sales, bought = (_sums(one) for one in (plan.body, plan.sales, plan.procurement))
    is_generation = plan.kind is PlanKind.GENERATION
    found = []
    for slot in range(SLOTS):
        have = body[slot] + bought[slot] if is_generation else bought[slot]
        need = sales[slot] if is_generation else body[slot] + sales[slot]
        if have != need:
            text = f"計画の同時同量が崩れている: {have} kWh と {need} kWh"
            found.append(Finding(code="E202", slot=slot + 1, text=text))
    return tuple(found)


def _mirror(plan: Plan, other: Plan) -> tuple[Finding, ...]:
    """Compare what one sells with what the other buys; nothing said by both is no contradiction."""
    found = []
    for mine, theirs in ((plan.sales, other.procurement), (plan.procurement, other.sales)):
        ours = next((part for part in mine.parts if part.code == other.group), None)
        back = next((part for part in theirs.parts if part.code == plan.group), None)
        if ours is None and back is None:
            continue
        for slot in range(SLOTS):
            said = ours.energy_kwh[slot] if ours else 0
            heard = back.energy_kwh[slot] if back else 0
            if said != heard:
                text = f"取引先 {other.group} の計画と不一致: {said} kWh と {heard} kWh"
                found.append(Finding(code="E203", slot=slot + 1, text=text))
    return tuple(found)
