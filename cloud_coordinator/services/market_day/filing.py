"""Plans for OCCTO (計画提出) of a traded day: made of the position, filed once, revised openly.

What is generated and bought is what is sold (計画値同時同量); a slot in which more is bought than
sold is demand, in a plan of its own. A plan is kept before it leaves; what OCCTO took is in
force, and a revision repeats it for slots whose gate is closed.
"""

import enum
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol

from cloud_coordinator.services.errors import ConflictError, RejectedError
from cloud_coordinator.services.market_day.alerting import Alerts
from cloud_coordinator.services.market_day.journal import TradingJournal
from cloud_coordinator.services.market_day.position import traded_kwh
from cloud_coordinator.services.trading import Fill
from protocols.vocabulary.calendar import SLOTS_A_DAY
from protocols.vocabulary.errors import StoreError

TAKEN: Final = "taken"
SEQUENCE_MAX: Final = 99


class PlanSide(enum.Enum):
    """Generation and sales (発電販売計画), or demand and procurement (需要調達計画)."""

    GENERATION = "generation"
    DEMAND = "demand"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyPlan:
    """What a plan says; whole kWh, 48 slots each, >= 0.

    Attributes
    ----------
    body_kwh : tuple of int
        Generated, or used.
    sales_kwh, procurement_kwh : tuple of int
        With the exchange.
    """

    body_kwh: tuple[int, ...]
    sales_kwh: tuple[int, ...]
    procurement_kwh: tuple[int, ...]

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing at all."""
        return not any(map(any, (self.body_kwh, self.sales_kwh, self.procurement_kwh)))

    def keeping(self, before: "EnergyPlan", slots: Sequence[int]) -> "EnergyPlan":
        """Repeat what is in force for some slots, counted from 0."""
        kept = frozenset(slots)
        return EnergyPlan(
            **{
                name: tuple(
                    old if slot in kept else new
                    for slot, (old, new) in enumerate(
                        zip(getattr(before, name), getattr(self, name), strict=True)
                    )
                )
                for name in ("body_kwh", "sales_kwh", "procurement_kwh")
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FiledPlan:
    """A plan as it is filed.

    Attributes
    ----------
    day : date
        Of delivery.
    side : PlanSide
        Which document.
    is_same_day : bool
        当日計画; else 翌日計画.
    sequence : int
        0, 1, ...: a revision has a higher one.
    energy : EnergyPlan
        What it says.
    """

    day: date
    side: PlanSide
    is_same_day: bool
    sequence: int
    energy: EnergyPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanAnswer:
    """What OCCTO says of a plan: whether it is in force, and each contradiction in words."""

    taken: bool
    findings: tuple[str, ...]


class PlanOffice(Protocol):
    """Port: takes plans."""

    async def file(self, plan: FiledPlan) -> PlanAnswer:
        """File a plan; the same one again has the same answer.

        Raises
        ------
        RejectedError
            If nothing of it was taken.
        ConflictError
            If another plan has its name.
        OutcomeUnknownError
            If nobody can say.
        """


_NOTHING: Final = EnergyPlan(
    body_kwh=(0,) * SLOTS_A_DAY,
    sales_kwh=(0,) * SLOTS_A_DAY,
    procurement_kwh=(0,) * SLOTS_A_DAY,
)


def plans_of(fills: Sequence[Fill]) -> dict[PlanSide, EnergyPlan]:
    """Make both plans of a position: in balance in every slot."""
    sold, bought = traded_kwh(fills)
    net = [one - other for one, other in zip(sold, bought, strict=True)]
    found = {}
    for side, gives in ((PlanSide.GENERATION, True), (PlanSide.DEMAND, False)):
        mine = [(one >= 0) is gives for one in net]
        found[side] = EnergyPlan(
            body_kwh=tuple(abs(one) if here else 0 for one, here in zip(net, mine, strict=True)),
            sales_kwh=tuple(one if here else 0 for one, here in zip(sold, mine, strict=True)),
            procurement_kwh=tuple(
                one if here else 0 for one, here in zip(bought, mine, strict=True)
            ),
        )
    return found


class PlanFiling:
    """The use case.

    Parameters
    ----------
    journal : TradingJournal
        What was made and answered.
    office : PlanOffice
        Where plans go.
    alerts : Alerts
        Who hears of contradictions.
    """

    def __init__(self, journal: TradingJournal, office: PlanOffice, alerts: Alerts) -> None:
        self._journal = journal
        self._office = office
        self._alerts = alerts

    async def finish(self, day: date) -> None:
        """File again what was made and has no answer yet, under its own name.

        Raises
        ------
        OutcomeUnknownError
            If nobody can say.
        """
        for side in PlanSide:
            for sequence in range(self._made(day, side)):
                if f"{day}/plan/{side.value}/{sequence:02}" not in self._journal.done:
                    await self._file(self._read(day, side, sequence))

    async def revise(
        self, day: date, fills: Sequence[Fill], *, is_same_day: bool, closed: Sequence[int]
    ) -> str:
        """File what changed; nothing where what is in force says the same.

        Parameters
        ----------
        day : date
            Of delivery.
        fills : sequence of Fill
            All there are.
        is_same_day : bool
            Which plan is open.
        closed : sequence of int
            Slots, from 0, that may not change any more.

        Returns
        -------
        str
            What was done, for people.

        Raises
        ------
        OutcomeUnknownError
            If nobody can say what became of a plan; nothing new is filed before that is known.
        """
        await self.finish(day)
        said = []
        for side, wanted in plans_of(fills).items():
            before = self._in_force(day, side)
            plan = wanted if before is None else wanted.keeping(before, closed)
            late = [
                slot + 1 for slot in closed if before is not None and _differs(wanted, before, slot)
            ]
            if late:
                line = f"{side.value} plan: slots {late} were traded after their plan had closed"
                self._alerts.say(f"{day}/plan/{side.value}", "market.missed", line)
            if plan == (before or _NOTHING) and (before is not None or side is PlanSide.DEMAND):
                continue
            sequence = self._made(day, side)
            if sequence > SEQUENCE_MAX:
                raise RejectedError(f"{side.value} plan of {day}: no revision is left of 100")
            made = FiledPlan(
                day=day, side=side, is_same_day=is_same_day, sequence=sequence, energy=plan
            )
            self._keep(made)
            said.append(await self._file(made))
        return "; ".join(said) or "as filed"

    async def _file(self, plan: FiledPlan) -> str:
        key = f"{plan.day}/plan/{plan.side.value}/{plan.sequence:02}"
        try:
            answer = await self._office.file(plan)
        except (RejectedError, ConflictError) as error:
            self._alerts.say(key, "market.refused", f"{plan.side.value} plan: {error}")
            self._journal.mark(key, f"refused: {error}")
            return f"{plan.side.value} {plan.sequence}: refused"
        for line in answer.findings:
            self._alerts.say(key, "market.refused", f"{plan.side.value} plan: {line}")
        self._journal.mark(key, TAKEN if answer.taken else "; ".join(answer.findings))
        return f"{plan.side.value} {plan.sequence}: {'taken' if answer.taken else 'refused'}"

    def _made(self, day: date, side: PlanSide) -> int:
        prefix = f"{day}/plan-made/{side.value}/"
        return sum(key.startswith(prefix) for key in self._journal.done)

    def _in_force(self, day: date, side: PlanSide) -> EnergyPlan | None:
        for sequence in reversed(range(self._made(day, side))):
            if self._journal.said(f"{day}/plan/{side.value}/{sequence:02}") == TAKEN:
                return self._read(day, side, sequence).energy
        return None

    def _keep(self, plan: FiledPlan) -> None:
        energy = plan.energy
        body = [plan.is_same_day, energy.body_kwh, energy.sales_kwh, energy.procurement_kwh]
        key = f"{plan.day}/plan-made/{plan.side.value}/{plan.sequence:02}"
        self._journal.mark(key, json.dumps(body))

    def _read(self, day: date, side: PlanSide, sequence: int) -> FiledPlan:
        key = f"{day}/plan-made/{side.value}/{sequence:02}"
        try:
            is_same_day, body, sales, procurement = json.loads(self._journal.said(key) or "")
            energy = EnergyPlan(
                body_kwh=tuple(map(int, body)),
                sales_kwh=tuple(map(int, sales)),
                procurement_kwh=tuple(map(int, procurement)),
            )
        except (ValueError, TypeError) as error:
            raise StoreError(f"{key}: {error}") from error
        return FiledPlan(
            day=day, side=side, is_same_day=bool(is_same_day), sequence=sequence, energy=energy
        )


def _differs(one: EnergyPlan, two: EnergyPlan, slot: int) -> bool:
    return any(
        getattr(one, name)[slot] != getattr(two, name)[slot]
        for name in ("body_kwh", "sales_kwh", "procurement_kwh")
    )
