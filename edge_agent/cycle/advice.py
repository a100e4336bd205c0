"""Advice to the cycle: forecasts, offers and the horizon plan. Never on the inline path.

Keeps the last minutes of what nobody controls, makes offers from it, and solves the horizon
problem in a worker. A plan that is ready is taken by the next cycle as one of its inputs.
"""

import asyncio
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import structlog

from edge_agent.control.horizon import Outlook, plan_inputs_of
from edge_agent.control.inputs import Binding
from edge_agent.control.offer import Consumption, OfferRequest, make_offer
from edge_agent.control.plan import Plan
from edge_agent.control.problem import PlanInputs
from edge_agent.control.solver import HorizonSolver, WarmStart
from edge_agent.control.supply import is_generator, is_sink
from edge_agent.cycle.arrivals import OfferWanted
from edge_agent.cycle.history import MinuteHistory
from edge_agent.cycle.outlooks import Outlooks
from edge_agent.cycle.record import Answer
from edge_agent.forecast.half_hours import HalfHours
from edge_agent.forecast.port import Forecaster, SiteForecast
from protocols.vocabulary.arrays import FloatArray, column
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.measurement import Quality
from protocols.vocabulary.obligation import Service
from protocols.vocabulary.offer import OfferCurve

HISTORY_S: Final = 300
HISTORY_LEAST: Final = 10
"""Seconds of history before anything is offered."""
WANTED_MAX: Final = 16
"""Wishes kept while there is no history to offer from."""
OFFER_EVERY: Final = 60
OFFER_LENGTH: Final = timedelta(minutes=30)
OFFERED_SERVICE: Final = Service.SECONDARY_1
PLAN_EVERY: Final = 60
PLAN_STEPS: Final = 48
PLAN_STEP_S: Final = 1800.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What is committed for an interval."""

    curve: OfferCurve
    envelope: Envelope
    baseline: Baseline


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What one cycle leaves to the history."""

    at: datetime
    residual_w: float
    generation_w: Mapping[ResourceId, float]
    consumption: Mapping[ResourceId, Consumption]
    held: frozenset[ResourceId]


class Advice:
    """The advisers of one site.

    Parameters
    ----------
    forecaster : Forecaster
        Looks ahead, ``PLAN_STEPS`` steps of ``PLAN_STEP_S``.
    half_hours : HalfHours or None
        Filled with what the site does; the forecaster may look at it.
    """

    def __init__(self, forecaster: Forecaster, half_hours: HalfHours | None = None) -> None:
        self._forecaster = forecaster
        self._outlooks = Outlooks(HalfHours() if half_hours is None else half_hours)
        self._forecast: SiteForecast | None = None
        self._minutes = MinuteHistory()
        self._history: deque[_Seen] = deque(maxlen=HISTORY_S)
        self._answer: Answer | None = None
        self._ready: Plan | None = None
        self._wanted: list[OfferWanted] = []
        self._asked = asyncio.Event()
        self._planned_cycle: int | None = None
        self._planned_frame = ""

    def uncontrolled_w(self, now: datetime) -> float | None:
        """Forecast for now of the power nobody controls, W; None without a history."""
        step = None if self._forecast is None else self._forecast.step_at(now)
        return (
            None if self._forecast is None or step is None else float(self._forecast.load_w[step])
        )

    @property
    def outlooks(self) -> Outlooks:
        """What of the forecasts is told and kept."""
        return self._outlooks

    def new_plan(self) -> Plan | None:
        """Hand over a plan that became ready since the last call."""
        plan, self._ready = self._ready, None
        return plan

    def observe(self, answer: Answer) -> None:
        """Look at what a cycle came to; ask for a plan when one is due."""
        self._answer = answer
        inputs, decision = answer.inputs, answer.decision
        if decision.residual_w is not None and decision.residual_quality is Quality.GOOD:
            consumption = _consumption(answer, inputs.frame.bindings)
            taken_w = math.fsum(one.power_w for one in consumption.values())
            seen = _Seen(
                at=inputs.now,
                residual_w=decision.residual_w + taken_w,
                generation_w=_generation(answer, inputs.frame.bindings),
                consumption=consumption,
                held=frozenset(
                    name for name in consumption if answer.after.setpoint_of(name) is not None
                ),
            )
            self._history.append(seen)
            generated_w = math.fsum(seen.generation_w.values())
            self._minutes.add(inputs.now, seen.residual_w, generated_w)
            self._outlooks.half_hours.add(inputs.now, seen.residual_w, generated_w)
        last = self._planned_cycle
        due = last is None or inputs.cycle - last >= PLAN_EVERY
        if len(self._history) >= HISTORY_LEAST and (due or inputs.frame_id != self._planned_frame):
            self._planned_cycle, self._planned_frame = inputs.cycle, inputs.frame_id
            history = self._minutes.site_history()
            if history is not None:
                self._forecast = self._forecaster.forecast(history, inputs.now)
                self._outlooks.look(self._forecast)
            self._asked.set()

    def offers(
        self, wanted: Sequence[OfferWanted], answer: Answer, *, version: int
    ) -> tuple[Offered, ...]:
        """Make the offers that are due: those asked for, and one each minute.

        Parameters
        ----------
        wanted : sequence of OfferWanted
            From the coordinator.
        answer : Answer
            The cycle's.
        version : int
            Of the last offer; it rises by one for each.
        """
        now = answer.inputs.now
        self._wanted = [*self._wanted, *wanted][-WANTED_MAX:]
        if len(self._history) < HISTORY_LEAST:
            return ()
        asked = [one for one in self._wanted if one.interval.end > now]
        self._wanted = []
        if answer.inputs.cycle % OFFER_EVERY == 0 or version == 0:
            interval = Interval(start=now, end=now + OFFER_LENGTH)
            asked.append(OfferWanted(service=OFFERED_SERVICE, interval=interval))
        return tuple(
            self._offer(one, answer, version=version + number)
            for number, one in enumerate(asked, start=1)
        )

    async def run(self) -> None:
        """Solve the horizon problem whenever it is asked for, until cancelled."""
        solver = HorizonSolver()
        warm: WarmStart | None = None
        previous: Plan | None = None
        while True:
            await self._asked.wait()
            self._asked.clear()
            assert self._answer is not None, "a plan is asked for after a cycle"
            assert self._forecast is not None, "a plan is asked for with a forecast"
            problem = self._problem(self._answer, self._forecast)
            plan, warm = await asyncio.to_thread(
                solver.solve, problem, warm=warm, previous=previous
            )
            previous = plan
            self._ready = plan
            log.info(
                "plan.ready",
                plan_id=plan.plan_id,
                status=plan.status.value,
                iterations=plan.iterations,
            )

    def _offer(self, wanted: OfferWanted, answer: Answer, *, version: int) -> Offered:
        curve, envelope, baseline = make_offer(
            OfferRequest(
                frame=answer.inputs.frame,
                service=wanted.service,
                version=version,
                interval=wanted.interval,
                now=answer.inputs.now,
                data_until=self._history[-1].at,
                residual_w=column([seen.residual_w for seen in self._history]),
                socs=_socs(answer),
                generation_w=self._mean_generation(),
                plan=answer.inputs.plan,
                sinks=self._reliable(),
            )
        )
        return Offered(curve=curve, envelope=envelope, baseline=baseline)

    def _mean_generation(self) -> dict[ResourceId, float]:
        """Mean power of each controllable generator over the history, W."""
        latest = self._history[-1].generation_w
        return {
            name: float(
                np.mean(
                    [seen.generation_w[name] for seen in self._history if name in seen.generation_w]
                )
            )
            for name in latest
        }

    def _reliable(self) -> dict[ResourceId, Consumption]:
        """Sinks that were seen free all the time, with the least that each took, W."""
        latest = self._history[-1].consumption
        return {
            name: Consumption(
                power_w=max(seen.consumption[name].power_w for seen in self._history),
                least_w=latest[name].least_w,
            )
            for name in latest
            if all(name in seen.consumption and name not in seen.held for seen in self._history)
        }

    def _problem(self, answer: Answer, forecast: SiteForecast) -> PlanInputs:
        outlook = Outlook(
            start=forecast.start,
            step_s=forecast.step_s,
            residual_w=forecast.load_w,
            generation_w=_shared(forecast.pv_w, self._mean_generation()),
        )
        return plan_inputs_of(
            answer.inputs.frame,
            outlook,
            plan_id=f"plan-{answer.inputs.cycle}",
            socs=_socs(answer),
            shares=answer.decision.shares,
        )


def _shared(pv_w: FloatArray, mean_w: Mapping[ResourceId, float]) -> dict[ResourceId, FloatArray]:
    """Share the forecast generation among the generators, by what each lately gave."""
    total_w = math.fsum(mean_w.values())
    if total_w <= 0.0:
        return {name: pv_w / len(mean_w) for name in mean_w}
    return {name: pv_w * (part_w / total_w) for name, part_w in mean_w.items()}


def _socs(answer: Answer) -> dict[ResourceId, float]:
    """Known states of charge, 0..1."""
    image = answer.inputs.image
    found = {}
    for binding in answer.inputs.frame.bindings:
        soc = None if binding.soc_point is None else image.value(binding.soc_point)
        if soc is not None:
            found[binding.resource.resource_id] = soc
    return found


def _generation(answer: Answer, bindings: Sequence[Binding]) -> dict[ResourceId, float]:
    """Measured power of each controllable generator that counts, W."""
    counted = {one.resource_id for one in answer.decision.ranges if one.counted}
    found = {}
    for binding in bindings:
        name = binding.resource.resource_id
        power_w = answer.inputs.image.value(binding.power_point)
        if is_generator(binding) and name in counted and power_w is not None:
            found[name] = power_w
    return found


def _consumption(answer: Answer, bindings: Sequence[Binding]) -> dict[ResourceId, Consumption]:
    """Measured power of each sink that counts, and how far it can be held down, W.

    The residual has not got it: forecasts and offers look at a house with all its loads.
    """
    counted = {one.resource_id for one in answer.decision.ranges if one.counted}
    image = answer.inputs.image
    found = {}
    for binding in bindings:
        name = binding.resource.resource_id
        power_w = image.value(binding.power_point)
        if is_sink(binding) and name in counted and power_w is not None:
            least_w = None if binding.least_point is None else image.value(binding.least_point)
            found[name] = Consumption(power_w=power_w, least_w=min(least_w or 0.0, 0.0))
    return found
