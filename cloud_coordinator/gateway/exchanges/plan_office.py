"""OCCTO as the trading of days sees it: a plan of the position in, taken or not and why out.

Implements :class:`cloud_coordinator.services.market_day.filing.PlanOffice` over the connector.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from cloud_coordinator.gateway.exchanges.occto import OcctoConnector
from cloud_coordinator.services.market_day.filing import (
    FiledPlan,
    PlanAnswer,
    PlanSide,
)
from protocols.occto.package import FileName
from protocols.occto.plan import Plan, PlanKind, Section, Series, section

PLAN_CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "generation_next_day": "0152",
        "demand_next_day": "0112",
        "generation_same_day": "0153",
        "demand_same_day": "0113",
    }
)
"""Of file names; all but the first are assumed (``docs/spec-issues.md``) and can be told."""
_KINDS: Final = {PlanSide.GENERATION: PlanKind.GENERATION, PlanSide.DEMAND: PlanKind.DEMAND}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanIdentity:
    """Who files.

    Attributes
    ----------
    company, receiver : str
        Our code and OCCTO's.
    group, unit, partner : str
        Codes of our balancing group, of its plants, and of the exchange as the other side.
    area : int
        1 (Hokkaido) to 10 (Okinawa).
    codes : mapping of str to str
        As :data:`PLAN_CODES`.
    """

    company: str
    group: str
    unit: str
    area: int
    partner: str = "JEPX"
    receiver: str = "99999"
    codes: Mapping[str, str] = field(default_factory=lambda: PLAN_CODES)


class OcctoOffice:
    """Files plans.

    Parameters
    ----------
    connector : OcctoConnector
        To OCCTO.
    identity : PlanIdentity
        Who files.
    """

    def __init__(self, connector: OcctoConnector, identity: PlanIdentity) -> None:
        self._connector = connector
        self._identity = identity

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
        identity, energy = self._identity, plan.energy
        owner = identity.unit if plan.side is PlanSide.GENERATION else identity.company
        day = "same_day" if plan.is_same_day else "next_day"
        code = identity.codes[f"{plan.side.value}_{day}"]
        document = Plan(
            kind=_KINDS[plan.side],
            information_code=code,
            sender=identity.company,
            receiver=identity.receiver,
            day=plan.day,
            group=identity.group,
            body=section([Series(code=owner, energy_kwh=energy.body_kwh)]),
            sales=_traded(identity.partner, energy.sales_kwh),
            procurement=_traded(identity.partner, energy.procurement_kwh),
        )
        name = FileName(
            plan_code=code,
            day=plan.day,
            sequence=plan.sequence,
            company=identity.company,
            area=identity.area,
        )
        verdict = await self._connector.file(document, name)
        lines = (f"slot {one.slot}: {one.code}: {one.text}" for one in verdict.findings)
        return PlanAnswer(taken=verdict.taken, findings=tuple(lines))


def _traded(partner: str, energy_kwh: tuple[int, ...]) -> Section:
    """Section of what is traded with the exchange; empty where nothing is."""
    return section([Series(code=partner, energy_kwh=energy_kwh)] if any(energy_kwh) else [])
