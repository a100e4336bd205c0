"""A battery behind its inverter: stored energy, efficiencies, ramp, taper and ageing.

Powers are AC, generator frame: + discharges toward the grid, - charges. Energy is what the
cells hold (DC). The bounds of ``soc`` are the device's own; the owner's are elsewhere.
Used by the battery device and, inside a session, by the electric vehicle.
"""

import math
from dataclasses import dataclass, replace

from firmware_sim.physics.ramp import SECONDS_PER_HOUR, clip, ramp_toward

SUBSTEP_S = 1.0
TAPER_SOC = 0.03
"""Usual width of the taper before full and before empty."""
SUBSTEPS_MAX = 100_000
_HALF = 0.5
_TOLERANCE_WH = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryParameters:
    """What does not change.

    Attributes
    ----------
    energy_wh_capacity : float
        Usable DC energy, > 0.
    power_w_charge_max, power_w_discharge_max : float
        AC rating each way, >= 0.
    efficiency_charge, efficiency_discharge : float
        One way, 0..1.
    ramp_w_per_s : float
        Greatest change of AC power; must be able to follow the taper.
    standby_w : float
        Drawn from the cells as long as they are above empty, >= 0.
    taper_soc : float
        Width of the band before full and before empty in which the power limit falls
        linearly to zero, 0..0.5.
    """

    energy_wh_capacity: float
    power_w_charge_max: float
    power_w_discharge_max: float
    efficiency_charge: float = 0.95
    efficiency_discharge: float = 0.95
    ramp_w_per_s: float = 2500.0
    standby_w: float = 15.0
    taper_soc: float = TAPER_SOC

    def __post_init__(self) -> None:
        """Check ranges, and that the ramp is faster than the taper can fall."""
        assert self.energy_wh_capacity > 0.0, "battery capacity must be positive"
        assert 0.0 < self.efficiency_charge <= 1.0, "charge efficiency out of range"
        assert 0.0 < self.efficiency_discharge <= 1.0, "discharge efficiency out of range"
        assert 0.0 < self.taper_soc <= _HALF, "taper band out of range"
        assert self.standby_w >= 0.0, "standby loss must not be negative"
        assert min(self.power_w_charge_max, self.power_w_discharge_max) >= 0.0, (
            "battery ratings must not be negative"
        )
        assert self.ramp_w_per_s >= ramp_needed_w_per_s(self), "ramp slower than the taper"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryState:
    """What changes. Energies are cumulative except ``energy_wh``.

    Attributes
    ----------
    energy_wh : float
        In the cells, DC, 0..capacity.
    power_w, mean_w : float
        AC power at the end of the last step, and its mean over it; generator frame.
    energy_wh_charged, energy_wh_discharged : float
        AC counters, both >= 0 and never falling.
    energy_wh_lost : float
        Conversion and standby losses.
    throughput_wh : float
        DC energy that went in and out, the measure of ageing.
    """

    energy_wh: float
    power_w: float = 0.0
    mean_w: float = 0.0
    energy_wh_charged: float = 0.0
    energy_wh_discharged: float = 0.0
    energy_wh_lost: float = 0.0
    throughput_wh: float = 0.0


def ramp_needed_w_per_s(parameters: BatteryParameters) -> float:
    """Rate at which the taper can lower the power limit at most, W/s."""
    width_wh = parameters.taper_soc * parameters.energy_wh_capacity
    discharge_w = parameters.power_w_discharge_max
    charge_w = parameters.power_w_charge_max
    drain_w = discharge_w / parameters.efficiency_discharge + parameters.standby_w
    fill_w = charge_w * parameters.efficiency_charge
    fastest = max(discharge_w * drain_w, charge_w * fill_w)
    return fastest / (width_wh * SECONDS_PER_HOUR)


def soc(parameters: BatteryParameters, state: BatteryState) -> float:
    """State of charge, 0..1 of usable energy."""
    return state.energy_wh / parameters.energy_wh_capacity


def equivalent_full_cycles(parameters: BatteryParameters, state: BatteryState) -> float:
    """Ageing counter: throughput in units of one charge and one discharge of everything."""
    return state.throughput_wh / (2.0 * parameters.energy_wh_capacity)


def power_limits_w(parameters: BatteryParameters, state: BatteryState) -> tuple[float, float]:
    """Lowest and highest AC power possible at this state of charge, generator frame, W."""
    width_wh = parameters.taper_soc * parameters.energy_wh_capacity
    room = (parameters.energy_wh_capacity - state.energy_wh) / width_wh
    rest = state.energy_wh / width_wh
    return (
        -parameters.power_w_charge_max * clip(room, 0.0, 1.0),
        parameters.power_w_discharge_max * clip(rest, 0.0, 1.0),
    )


def step_battery(
    parameters: BatteryParameters, state: BatteryState, *, request_w: float, duration_s: float
) -> BatteryState:
    """Advance the battery.

    Parameters
    ----------
    parameters : BatteryParameters
        The device.
    state : BatteryState
        At the start of the step.
    request_w : float
        AC power asked for, generator frame, W. Clipped to what is possible.
    duration_s : float
        Length of the step in s, > 0; long steps are cut into pieces of one second.

    Returns
    -------
    BatteryState
        At the end of the step. Charged + stored before = discharged + lost + stored after.
    """
    assert duration_s > 0.0, "a step takes time"
    pieces = max(1, math.ceil(duration_s / SUBSTEP_S))
    assert pieces <= SUBSTEPS_MAX, "step too long"
    after = state
    for _ in range(pieces):
        after = _substep(parameters, after, request_w, piece_s=duration_s / pieces)
    net_wh = (after.energy_wh_discharged - state.energy_wh_discharged) - (
        after.energy_wh_charged - state.energy_wh_charged
    )
    return replace(after, mean_w=net_wh * SECONDS_PER_HOUR / duration_s)


def _substep(
    parameters: BatteryParameters, state: BatteryState, request_w: float, *, piece_s: float
) -> BatteryState:
    """One piece of a step, short against the taper."""
    low_w, high_w = power_limits_w(parameters, state)
    target_w = clip(request_w, low_w, high_w)
    end_w, mean_w = ramp_toward(
        state.power_w, target_w, ramp_w_per_s=parameters.ramp_w_per_s, duration_s=piece_s
    )
    hours = piece_s / SECONDS_PER_HOUR
    charged_wh, discharged_wh = _split_wh(state.power_w, end_w, mean_w=mean_w, hours=hours)
    into_wh = charged_wh * parameters.efficiency_charge
    out_wh = discharged_wh / parameters.efficiency_discharge
    standby_wh = min(parameters.standby_w * hours, max(0.0, state.energy_wh + into_wh - out_wh))
    energy_wh = state.energy_wh + into_wh - out_wh - standby_wh
    assert -_TOLERANCE_WH <= energy_wh <= parameters.energy_wh_capacity + _TOLERANCE_WH, (
        "battery left its bounds"
    )
    energy_wh = clip(energy_wh, 0.0, parameters.energy_wh_capacity)
    lost_wh = (charged_wh - into_wh) + (out_wh - discharged_wh) + standby_wh
    return BatteryState(
        energy_wh=energy_wh,
        power_w=end_w,
        mean_w=mean_w,
        energy_wh_charged=state.energy_wh_charged + charged_wh,
        energy_wh_discharged=state.energy_wh_discharged + discharged_wh,
        energy_wh_lost=state.energy_wh_lost + lost_wh,
        throughput_wh=state.throughput_wh + into_wh + out_wh,
    )


def _split_wh(start_w: float, end_w: float, *, mean_w: float, hours: float) -> tuple[float, float]:
    """Charged and discharged AC energy of a piece whose power may cross zero on the way.

    The net is exactly ``mean_w * hours``. Where the power changes its sign the smaller part
    is taken from a straight line, which is the ramp itself unless the target was reached.
    """
    net_wh = mean_w * hours
    minor_wh = 0.0
    if start_w * end_w < 0.0:
        minor_w = min(abs(start_w), abs(end_w))
        minor_wh = 0.5 * minor_w * (minor_w / (abs(start_w) + abs(end_w))) * hours
    if net_wh >= 0.0:
        return minor_wh, net_wh + minor_wh
    return minor_wh - net_wh, minor_wh
