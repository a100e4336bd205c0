"""A household fuel cell: slow to start, bounded below, never below zero once it runs.

Generator frame: + generates; while it starts it draws a little from the house.
"""

import enum
from dataclasses import dataclass, replace

from firmware_sim.physics.ramp import SECONDS_PER_HOUR, clip, ramp_toward

PHASES_MAX = 16
_TOLERANCE_S = 1e-9
_TOLERANCE_W = 1e-9


class FuelCellPhase(enum.Enum):
    """Where it is in its life of a day."""

    STOPPED = "stopped"
    STARTING = "starting"
    GENERATING = "generating"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True, kw_only=True)
class FuelCellParameters:
    """What does not change.

    Attributes
    ----------
    power_w_rated, power_w_min : float
        Highest and lowest output while generating, W, > 0.
    ramp_w_per_s : float
        > 0.
    start_delay_s, stop_delay_s : float
        From the order to generation, and from the last output to standstill.
    start_draw_w : float
        Taken from the house while starting, >= 0.
    efficiency : float
        Electrical, of the gas's lower heating value, 0..1.
    """

    power_w_rated: float = 700.0
    power_w_min: float = 200.0
    ramp_w_per_s: float = 2.0
    start_delay_s: float = 600.0
    stop_delay_s: float = 60.0
    start_draw_w: float = 60.0
    efficiency: float = 0.40

    def __post_init__(self) -> None:
        """Check ranges."""
        assert 0.0 < self.power_w_min <= self.power_w_rated, "fuel cell bounds out of order"
        assert self.ramp_w_per_s > 0.0, "ramp must be positive"
        assert 0.0 < self.efficiency <= 1.0, "efficiency out of range"
        assert min(self.start_delay_s, self.stop_delay_s, self.start_draw_w) >= 0.0, (
            "fuel cell delays and draw must not be negative"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FuelCellState:
    """Phase, power at the end of the last step, its mean, and counters.

    ``energy_wh_gas`` = ``energy_wh_generated`` + ``energy_wh_heat``; what is drawn while
    starting is counted in ``energy_wh_drawn`` and becomes heat beside it.
    """

    phase: FuelCellPhase = FuelCellPhase.STOPPED
    phase_s: float = 0.0
    power_w: float = 0.0
    mean_w: float = 0.0
    energy_wh_generated: float = 0.0
    energy_wh_drawn: float = 0.0
    energy_wh_gas: float = 0.0
    energy_wh_heat: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FuelCellOrder:
    """What is asked of it: to run or not, and how much.

    ``target_w`` is W, + generates; clipped to the bounds while it runs.
    """

    runs: bool
    target_w: float


def step_fuel_cell(
    parameters: FuelCellParameters,
    state: FuelCellState,
    order: FuelCellOrder,
    *,
    duration_s: float,
) -> FuelCellState:
    """Advance the fuel cell; phase changes inside the step are met exactly.

    Parameters
    ----------
    parameters : FuelCellParameters
        The device.
    state : FuelCellState
        At the start of the step.
    order : FuelCellOrder
        Constant over the step.
    duration_s : float
        > 0 s.
    """
    assert duration_s > 0.0, "a step takes time"
    rest_s, after = duration_s, state
    for _ in range(PHASES_MAX):
        after = _settle(parameters, after, order)
        piece_s = min(rest_s, _phase_left_s(parameters, after, order))
        if piece_s > 0.0:
            after = _run(parameters, after, order, piece_s=piece_s)
            rest_s -= piece_s
        if rest_s <= _TOLERANCE_S:
            break
    else:
        raise AssertionError("fuel cell changes its phase without end")
    after = _settle(parameters, after, order)
    net_wh = (after.energy_wh_generated - state.energy_wh_generated) - (
        after.energy_wh_drawn - state.energy_wh_drawn
    )
    return replace(after, mean_w=net_wh * SECONDS_PER_HOUR / duration_s)


def _enter(state: FuelCellState, phase: FuelCellPhase, power_w: float) -> FuelCellState:
    """Begin a phase."""
    return replace(state, phase=phase, phase_s=0.0, power_w=power_w)


def _settle(
    parameters: FuelCellParameters, state: FuelCellState, order: FuelCellOrder
) -> FuelCellState:
    """Take every change of phase that is due at this moment."""
    for _ in FuelCellPhase:
        turned = _turn(parameters, state, order)
        if turned is state:
            break
        state = turned
    return state


def _turn(
    parameters: FuelCellParameters, state: FuelCellState, order: FuelCellOrder
) -> FuelCellState:
    """Change the phase where its time or the order says so."""
    started = state.phase_s >= parameters.start_delay_s - _TOLERANCE_S
    stopped = state.phase_s >= parameters.stop_delay_s - _TOLERANCE_S
    at_minimum = state.power_w <= parameters.power_w_min + _TOLERANCE_W
    rules = (
        (FuelCellPhase.STOPPED, order.runs, FuelCellPhase.STARTING, -parameters.start_draw_w),
        (FuelCellPhase.STARTING, not order.runs, FuelCellPhase.STOPPED, 0.0),
        (FuelCellPhase.STARTING, started, FuelCellPhase.GENERATING, parameters.power_w_min),
        (FuelCellPhase.GENERATING, at_minimum and not order.runs, FuelCellPhase.STOPPING, 0.0),
        (FuelCellPhase.STOPPING, stopped, FuelCellPhase.STOPPED, 0.0),
    )
    for phase, applies, following, power_w in rules:
        if state.phase is phase and applies:
            return _enter(state, following, power_w)
    return state


def _phase_left_s(
    parameters: FuelCellParameters, state: FuelCellState, order: FuelCellOrder
) -> float:
    """How long the phase lasts at most, s."""
    if state.phase is FuelCellPhase.STARTING:
        return max(0.0, parameters.start_delay_s - state.phase_s)
    if state.phase is FuelCellPhase.STOPPING:
        return max(0.0, parameters.stop_delay_s - state.phase_s)
    if state.phase is FuelCellPhase.GENERATING and not order.runs:
        return (state.power_w - parameters.power_w_min) / parameters.ramp_w_per_s
    return float("inf")


def _run(
    parameters: FuelCellParameters, state: FuelCellState, order: FuelCellOrder, *, piece_s: float
) -> FuelCellState:
    """Spend time inside one phase."""
    hours = piece_s / SECONDS_PER_HOUR
    after = replace(state, phase_s=state.phase_s + piece_s)
    if state.phase is FuelCellPhase.STARTING:
        drawn_wh = parameters.start_draw_w * hours
        return replace(after, energy_wh_drawn=state.energy_wh_drawn + drawn_wh)
    if state.phase is not FuelCellPhase.GENERATING:
        return after
    wanted_w = order.target_w if order.runs else parameters.power_w_min
    target_w = clip(wanted_w, parameters.power_w_min, parameters.power_w_rated)
    end_w, mean_w = ramp_toward(
        state.power_w, target_w, ramp_w_per_s=parameters.ramp_w_per_s, duration_s=piece_s
    )
    made_wh = mean_w * hours
    gas_wh = made_wh / parameters.efficiency
    return replace(
        after,
        power_w=end_w,
        energy_wh_generated=state.energy_wh_generated + made_wh,
        energy_wh_gas=state.energy_wh_gas + gas_wh,
        energy_wh_heat=state.energy_wh_heat + gas_wh - made_wh,
    )
