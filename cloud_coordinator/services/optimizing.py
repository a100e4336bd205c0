"""Optimising: commands for a target time, from what is known of the fleet now.

Advice: the plan is recorded, nothing is sent. Sites move when an award or a command of the
system operator is taken; what the plan's commands say is what that would ask of each resource.
:meth:`Optimizing.ask` and :meth:`Optimizing.record` belong to the thread that changes the
fleet, :meth:`Optimizing.decide` may run on another one.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np

from cloud_coordinator.allocation.problem import FleetColumns
from cloud_coordinator.allocation.promise import SharedOutage
from cloud_coordinator.fleet.fleet import Fleet, resources_of_rows
from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.services.assurance import SharedCauses, by_row
from cloud_coordinator.services.dispatching import Books
from cloud_coordinator.services.errors import RejectedError, StaleError, UnknownError
from cloud_coordinator.services.grid_limits import fullness_by_row, grid_of, nested_sites
from cloud_coordinator.services.headroom import (
    Headroom,
    Present,
    headroom_of,
    live_sites,
    present_of,
)
from cloud_coordinator.services.plan_columns import Answering, Mask, PlanColumns, Static
from cloud_coordinator.services.plans import (
    COMMAND_W_MIN,
    Commands,
    EnergyPrice,
    PlanAnswer,
    PlanRequest,
    PriceSource,
)
from cloud_coordinator.services.strategies.aims import Aims
from cloud_coordinator.services.strategies.exact import Exact, served
from cloud_coordinator.services.strategies.figures import dot, figures
from cloud_coordinator.services.strategies.port import Question
from protocols.link.messages import Plain
from protocols.vocabulary.arrays import IntArray
from protocols.vocabulary.calendar import SLOT_S

PAST_S: Final = 5.0
"""A target may lie this long ago: the way of the request."""
AHEAD_S: Final = 1800.0
"""... and so far ahead: the fleet's state is measured, not forecast."""
LEAD_S_MIN: Final = 1.0
NEAR_W: Final = 1e-6
SLOT_H: Final = SLOT_S / 3600.0

Record = Callable[[str, Mapping[str, Plain]], None]
"""Writes an event of a kind with a payload into the record; durable on return."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTask:
    """A request with everything that is needed to decide it.

    Attributes
    ----------
    request : PlanRequest
        As asked.
    present : Present
        The fleet.
    live : ndarray of bool
        Sites that can be asked.
    nodes : list of frozenset of int
        Sites of each limit.
    asked_w : float
        What awards and commands ask of the VPP then, W relative to its baselines.
    capacity_jpy : float
        What the awards in force pay for the half hour.
    price : EnergyPrice
        Of energy.
    execute_at : datetime
        The target, or now if that is past.
    lead_s : float
        Until the target.
    silent : int
        Sites that are left out.
    causes : tuple of SharedOutage
        What takes several sites down at once.
    """

    request: PlanRequest
    present: Present
    live: Mask
    nodes: list[frozenset[int]]
    asked_w: float
    capacity_jpy: float
    price: EnergyPrice
    execute_at: datetime
    lead_s: float
    silent: int
    causes: tuple[SharedOutage, ...]


class Optimizing:
    """The use case.

    Parameters
    ----------
    books : Books
        Awards and commands: what is owed.
    fleet : Fleet
        The live table.
    aims : Aims
        What the objectives mean.
    answering : Answering
        How resources answer.
    prices : PriceSource
        What energy is worth.
    causes : SharedCauses
        What sites share.
    record : callable
        Writes an event.
    """

    def __init__(  # noqa: PLR0913  what it is wired of
        self,
        books: Books,
        fleet: Fleet,
        *,
        aims: Aims,
        answering: Answering,
        prices: PriceSource,
        causes: SharedCauses,
        record: Record,
    ) -> None:
        self._books = books
        self._fleet = fleet
        self._aims = aims
        self._columns = PlanColumns(answering)
        self._prices = prices
        self._causes = causes
        self._record = record

    def prepare(self) -> bool:
        """Lay out, on another thread, what layouts say; return whether all of it is.

        Called every second, so that a request finds it done.
        """
        return self._columns.prepare(*resources_of_rows(self._fleet))

    def ask(self, request: PlanRequest, now: Moment) -> PlanTask:
        """Look at the fleet for a request.

        Raises
        ------
        UnknownError
            If there is no such VPP.
        RejectedError
            If the time or a grid constraint cannot be meant.
        StaleError
            If none of its sites can be asked.
        """
        self.prepare()
        lead_s = request.target_at.timestamp() - now.wall_s
        if lead_s < -PAST_S:
            raise RejectedError(f"target_timestamp: {request.target_at.isoformat()} is in the past")
        if lead_s > AHEAD_S:
            raise RejectedError(
                f"target_timestamp: at most {AHEAD_S / 60:.0f} minutes ahead; "
                "the state of the fleet is measured, not forecast"
            )
        present = present_of(self._fleet, now)
        sites = present.sites
        index = {
            site: at
            for at, (site, zone) in enumerate(zip(sites.sites, sites.zones, strict=True))
            if zone == request.vpp_id
        }
        if not index:
            raise UnknownError(f"vpp_id: no site belongs to {request.vpp_id!r}")
        live = live_sites(present, request.vpp_id)
        if not live.any():
            raise StaleError(
                f"none of the {len(index):,} sites of {request.vpp_id!r} answers and follows"
            )
        asked_w, capacity_jpy = self._owed(request)
        return PlanTask(
            request=request,
            present=present,
            live=live,
            nodes=nested_sites(request.limits, request.vpp_id, index),
            asked_w=asked_w,
            capacity_jpy=capacity_jpy,
            price=self._prices.energy(request.vpp_id, request.target_at, known_at=now.at),
            execute_at=max(request.target_at, now.at),
            lead_s=max(lead_s, LEAD_S_MIN),
            silent=len(index) - int(live.sum()),
            causes=self._causes.of(sites.sites),
        )

    def _owed(self, request: PlanRequest) -> tuple[float, float]:
        """Power that is owed then, and what the awards pay for the half hour."""
        power_w = capacity_jpy = 0.0
        for award in self._books.awards.open_in(request.vpp_id):
            if award.obligation.interval.contains(request.target_at):
                name = award.obligation.obligation_id
                power_w += self._books.commands.in_force_w(name, request.target_at)
                price = float(award.terms.price_jpy_per_kw_30min)
                capacity_jpy += price * award.award_w / 1000.0
        return power_w, capacity_jpy

    def decide(self, task: PlanTask) -> PlanAnswer:
        """Decide.

        Raises
        ------
        RejectedError
            If grid constraints overlap or the reserve cannot be left.
        AllocationInputError
            If a number of the fleet is none.
        StaleError
            If the layouts of a fleet that has just changed are still being laid out.
        """
        static = self._columns.of(task.present.changes, task.present.resources)
        found = headroom_of(task.present, static, task.live, lead_s=task.lead_s, duration_h=SLOT_H)
        in_place_w = float(np.nansum(task.present.sites.share_w[task.live]))
        change_w = task.asked_w - in_place_w
        is_up = change_w > -NEAR_W
        question, free = self._question(task, static, found, owed_w=abs(change_w), is_up=is_up)
        plan = Exact().plan(question, self._aims.aims[task.request.objective])
        told = figures(question, plan.power_w)
        sign = 1.0 if is_up else -1.0
        moved = np.flatnonzero(plan.power_w >= COMMAND_W_MIN)
        at = free[moved]
        return PlanAnswer(
            commands=Commands(
                quoted_id=static.quoted_id,
                command=static.command,
                rows=found.rows[at],
                power_w=found.power_w[at] + sign * plan.power_w[moved],
            ),
            execute_at=task.execute_at,
            owed_w=task.asked_w,
            response_w=in_place_w + sign * told.delivered_w,
            revenue_jpy=told.profit_jpy + task.capacity_jpy * told.reliability,
            probability=told.reliability,
            price=task.price,
            relaxed=plan.relaxed,
            resources=len(free),
            silent=task.silent,
        )

    def _question(
        self, task: PlanTask, static: Static, found: Headroom, *, owed_w: float, is_up: bool
    ) -> tuple[Question, IntArray]:
        """Lay out the question, and say which of the rows take part."""
        costs = self._aims.up if is_up else self._aims.down
        headroom = found.up_w if is_up else found.down_w
        known = np.isin(static.kind_code[found.rows], [static.code_of(kind) for kind in costs])
        free = np.flatnonzero((headroom >= COMMAND_W_MIN) & known)
        rows, headroom = found.rows[free], headroom[free]
        table = np.zeros((3, static.kinds))
        for kind, cost in costs.items():
            table[:, static.code_of(kind)] = (
                cost.energy_factor,
                cost.adder_jpy_per_kwh,
                cost.rise_jpy_per_kwh,
            )
        factor, adder, rise = table[:, static.kind_code[rows]]
        limits, row_sites = task.request.limits, found.site_index[free]
        grid = grid_of(limits, task.nodes, row_sites, is_up=is_up)
        flow_w = task.present.sites.meter_w * (1.0 if is_up else -1.0)
        fullness = fullness_by_row(limits, task.nodes, row_sites, flow_w=flow_w, is_up=is_up)
        price = task.price.jpy_per_kwh
        causes, spared = by_row(task.causes, row_sites, sites=len(task.live))
        question = Question(
            power_w_max=headroom,
            cost_jpy_per_kwh=factor * price + adder,
            steepness_jpy_per_kwh_w=rise / headroom,
            wear_jpy_per_kwh=static.wear_jpy_per_kwh[rows],
            reliability=static.reliability[rows],
            gain=static.gain[rows],
            fullness=fullness,
            causes=causes,
            spared=spared,
            grid=grid,
            owed_w=owed_w,
            sellable_w=0.0,
            price_jpy_per_kwh=price if is_up else -price,
            shortage_jpy_per_kwh=self._aims.shortage_jpy_per_kwh(abs(price)),
            duration_h=SLOT_H,
        )
        reserve_w = task.request.reserve_w
        able_w = most_w(question) if reserve_w > 0.0 else dot(question.delivery, headroom)
        if reserve_w > able_w:
            raise RejectedError(
                f"constraints.reserve_capacity_mw: {reserve_w / 1e6:g} MW, "
                f"but the VPP can add {able_w / 1e6:.3g} MW then"
            )
        return replace(question, sellable_w=able_w - reserve_w), free

    def record(self, task: PlanTask, answer: PlanAnswer, *, optimization_id: str) -> None:
        """Write the plan into the record: what was asked, decided and on which grounds."""
        commands = answer.commands
        digest = hashlib.sha256()
        digest.update(np.ascontiguousarray(commands.power_w, dtype="<f8").tobytes())
        digest.update("\n".join(commands.quoted_id[row] for row in commands.rows).encode())
        request = task.request
        self._record(
            "plan.computed",
            {
                "optimization_id": optimization_id,
                "vpp_id": str(request.vpp_id),
                "target_at": request.target_at.isoformat(),
                "objective": request.objective.value,
                "reserve_w": request.reserve_w,
                "limits": len(request.limits),
                "owed_w": answer.owed_w,
                "response_w": answer.response_w,
                "revenue_jpy": answer.revenue_jpy,
                "price_jpy_per_kwh": answer.price.jpy_per_kwh,
                "price_source": answer.price.source,
                "probability": answer.probability,
                "relaxed": ", ".join(answer.relaxed),
                "resources": answer.resources,
                "silent_sites": answer.silent,
                "commands": len(commands.rows),
                "commands_sha256": digest.hexdigest(),
            },
        )


def most_w(question: Question) -> float:
    """Find what can arrive in the mean at most, W."""
    everything = dot(question.delivery, question.power_w_max)
    if question.grid is None:
        return everything
    free = FleetColumns(
        price_jpy_per_kwh=np.zeros(len(question.power_w_max)),
        steepness_jpy_per_kwh_w=np.zeros(len(question.power_w_max)),
        power_w_min=np.zeros(len(question.power_w_max)),
        power_w_max=question.power_w_max,
        delivery=question.delivery,
    )
    found = served(question, free, required_w=everything, cap=1.0)
    return dot(question.delivery, found.power_w[0])
