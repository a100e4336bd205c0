"""An electric vehicle at its charger: sessions, a battery inside them, nothing between them.

The charger may only charge (discharge rating 0) or work both ways (V2H). Generator frame:
- charges the car, + discharges it into the house.
"""

from dataclasses import dataclass, replace

from firmware_sim.physics.battery import BatteryParameters, BatteryState, step_battery
from firmware_sim.physics.ramp import SECONDS_PER_HOUR

EDGES_MAX = 1000
_EMPTY = BatteryState(energy_wh=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvSession:
    """One stay of the car, ``[arrival_s, departure_s)``.

    Attributes
    ----------
    arrival_s, departure_s : float
        World time in s.
    arrival_soc : float
        0..1 of the car's usable energy.
    energy_wh_needed : float
        DC energy the driver wants added by the departure, >= 0.
    """

    arrival_s: float
    departure_s: float
    arrival_soc: float
    energy_wh_needed: float

    def __post_init__(self) -> None:
        """Check order and ranges."""
        assert self.arrival_s < self.departure_s, "session ends before it begins"
        assert 0.0 <= self.arrival_soc <= 1.0, "arrival SoC out of range"
        assert self.energy_wh_needed >= 0.0, "needed energy must not be negative"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvState:
    """The charger and, in a session, the car.

    Attributes
    ----------
    battery : BatteryState
        The car's cells. Between sessions they are empty and its counters stand still.
    session : EvSession or None
        The stay in progress.
    power_w, mean_w : float
        AC, end of the last step and mean over it; generator frame.
    energy_wh_arrived, energy_wh_departed : float
        Energy that drove in and out inside cells, cumulative.
    energy_wh_missed : float
        What drivers wanted and did not get, cumulative.
    """

    battery: BatteryState = _EMPTY
    session: EvSession | None = None
    power_w: float = 0.0
    mean_w: float = 0.0
    energy_wh_arrived: float = 0.0
    energy_wh_departed: float = 0.0
    energy_wh_missed: float = 0.0


def energy_wh_target(parameters: BatteryParameters, state: EvState) -> float:
    """Energy the cells should hold at the departure, Wh; 0 without a car."""
    if state.session is None:
        return 0.0
    arrived_wh = state.session.arrival_soc * parameters.energy_wh_capacity
    return min(parameters.energy_wh_capacity, arrived_wh + state.session.energy_wh_needed)


def step_ev(
    parameters: BatteryParameters,
    state: EvState,
    *,
    sessions: tuple[EvSession, ...],
    request_w: float,
    span_s: tuple[float, float],
) -> EvState:
    """Advance the charger.

    Parameters
    ----------
    parameters : BatteryParameters
        The car's cells behind the charger's rating.
    state : EvState
        At the start of the step.
    sessions : tuple of EvSession
        In order of arrival, not overlapping.
    request_w : float
        AC power asked for, generator frame, W.
    span_s : tuple of float
        Start and end of the step in world time, s. Arrivals and departures inside it are
        met exactly. When a car leaves, its contactor opens and the power is zero at once.

    Returns
    -------
    EvState
        At the end of the step.
    """
    start_s, end_s = span_s
    assert start_s < end_s, "a step takes time"
    now_s, after = start_s, state
    for _ in range(EDGES_MAX):
        after = _switch(parameters, after, sessions, now_s=now_s)
        next_s = min(end_s, _next_edge_s(after.session, sessions, now_s))
        after = _hold(parameters, after, request_w=request_w, duration_s=next_s - now_s)
        now_s = next_s
        if now_s >= end_s:
            break
    else:
        raise AssertionError("too many sessions in one step")
    net_wh = _net_wh(after.battery) - _net_wh(state.battery)
    return replace(
        after,
        power_w=after.battery.power_w,
        mean_w=net_wh * SECONDS_PER_HOUR / (end_s - start_s),
    )


def _net_wh(battery: BatteryState) -> float:
    """AC energy toward the grid so far."""
    return battery.energy_wh_discharged - battery.energy_wh_charged


def _session_at(sessions: tuple[EvSession, ...], now_s: float) -> EvSession | None:
    """Find the stay that holds the moment."""
    for session in sessions:
        if session.arrival_s <= now_s < session.departure_s:
            return session
    return None


def _next_edge_s(current: EvSession | None, sessions: tuple[EvSession, ...], now_s: float) -> float:
    """Time of the next arrival or departure; infinite if there is none."""
    if current is not None:
        return current.departure_s
    return min((s.arrival_s for s in sessions if s.arrival_s > now_s), default=float("inf"))


def _switch(
    parameters: BatteryParameters,
    state: EvState,
    sessions: tuple[EvSession, ...],
    *,
    now_s: float,
) -> EvState:
    """Let the car that left go and the one that came in."""
    present = _session_at(sessions, now_s)
    if present == state.session:
        return state
    after = state
    if state.session is not None:
        missing_wh = energy_wh_target(parameters, state) - state.battery.energy_wh
        after = replace(
            after,
            battery=replace(state.battery, energy_wh=0.0, power_w=0.0, mean_w=0.0),
            session=None,
            energy_wh_departed=after.energy_wh_departed + state.battery.energy_wh,
            energy_wh_missed=after.energy_wh_missed + max(0.0, missing_wh),
        )
    if present is not None:
        inside_wh = present.arrival_soc * parameters.energy_wh_capacity
        after = replace(
            after,
            battery=replace(after.battery, energy_wh=inside_wh, power_w=0.0, mean_w=0.0),
            session=present,
            energy_wh_arrived=after.energy_wh_arrived + inside_wh,
        )
    return after


def _hold(
    parameters: BatteryParameters, state: EvState, *, request_w: float, duration_s: float
) -> EvState:
    """Spend time without arrival or departure."""
    if state.session is None or duration_s <= 0.0:
        return state
    battery = step_battery(parameters, state.battery, request_w=request_w, duration_s=duration_s)
    return replace(state, battery=battery)
