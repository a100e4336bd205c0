"""A heat-pump water heater: a tank that is filled with heat and drawn from.

Heat is counted in thermal Wh above the temperature of the cold water. Generator frame: the
electrical power is <= 0.
"""

import math
from dataclasses import dataclass

from firmware_sim.physics.noise import uniform
from firmware_sim.physics.ramp import SECONDS_PER_HOUR

_DAY_S = 86_400.0
_NIGHT_BEGINS_H = 23.0
_NIGHT_ENDS_H = 7.0
_NIGHT_BELOW = 0.95
_FULL = 1.0 - 1e-9
_DRAWS = (
    (6.5, 0.08, 600.0),
    (7.5, 0.05, 300.0),
    (12.2, 0.04, 300.0),
    (18.8, 0.10, 600.0),
    (20.5, 0.38, 1200.0),
    (22.0, 0.10, 900.0),
)
"""Usual draws of a household: local hour, share of the tank, length in s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterHeaterParameters:
    """What does not change.

    Attributes
    ----------
    energy_wh_capacity : float
        Heat in a full tank, Wh thermal.
    power_w_rated : float
        Electrical power while heating, > 0 W.
    efficiency : float
        Heat out per electricity in (COP), > 0.
    loss_per_h : float
        Share of the stored heat lost in an hour, 0..1.
    reheat_below : float
        Filling below which automatic operation heats at any hour if daytime reheat is allowed.
    """

    energy_wh_capacity: float = 18_000.0
    power_w_rated: float = 1200.0
    efficiency: float = 3.5
    loss_per_h: float = 0.005
    reheat_below: float = 0.3

    def __post_init__(self) -> None:
        """Check ranges."""
        assert self.energy_wh_capacity > 0.0, "tank capacity must be positive"
        assert self.power_w_rated > 0.0, "heater rating must be positive"
        assert self.efficiency > 0.0, "heat per electricity must be positive"
        assert 0.0 <= self.loss_per_h < 1.0, "tank loss out of range"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterHeaterState:
    """Heat in the tank, whether it heats, power at the end of the step, and counters.

    ``energy_wh_electric`` * efficiency + heat before = heat after + drawn + lost.
    """

    energy_wh: float
    heats: bool = False
    power_w: float = 0.0
    mean_w: float = 0.0
    energy_wh_electric: float = 0.0
    energy_wh_drawn: float = 0.0
    energy_wh_lost: float = 0.0
    energy_wh_unmet: float = 0.0


def draw_w(parameters: WaterHeaterParameters, *, seed: int, local_s: float) -> float:
    """Heat the household draws at a moment, W thermal, >= 0.

    Parameters
    ----------
    parameters : WaterHeaterParameters
        The tank.
    seed : int
        Which household; times and amounts vary with it and the day.
    local_s : float
        World time in s shifted to local time.
    """
    day = math.floor(local_s / _DAY_S)
    total_w = 0.0
    for number, (hour, share, length_s) in enumerate(_DRAWS):
        shift_s = 3600.0 * (uniform(seed, day, number, 0) - 0.5)
        amount = share * (0.6 + 0.8 * uniform(seed, day, number, 1))
        begins_s = day * _DAY_S + hour * 3600.0 + shift_s
        if begins_s <= local_s < begins_s + length_s:
            total_w += amount * parameters.energy_wh_capacity * SECONDS_PER_HOUR / length_s
    return total_w


def wants_heat(
    parameters: WaterHeaterParameters,
    state: WaterHeaterState,
    *,
    local_s: float,
    reheat_allowed: bool,
) -> bool:
    """Whether automatic operation heats: at night until full, by day when nearly empty."""
    filling = state.energy_wh / parameters.energy_wh_capacity
    hour = (local_s % _DAY_S) / 3600.0
    night = hour >= _NIGHT_BEGINS_H or hour < _NIGHT_ENDS_H
    if filling >= _FULL:
        return False
    if night:
        return state.heats or filling < _NIGHT_BELOW
    if not reheat_allowed:
        return False
    return filling < (2.0 * parameters.reheat_below if state.heats else parameters.reheat_below)


def step_water_heater(
    parameters: WaterHeaterParameters,
    state: WaterHeaterState,
    *,
    heats: bool,
    heat_drawn_w: float,
    duration_s: float,
) -> WaterHeaterState:
    """Advance the tank.

    Parameters
    ----------
    parameters : WaterHeaterParameters
        The device.
    state : WaterHeaterState
        At the start of the step.
    heats : bool
        Whether it should heat; it stops by itself when the tank is full.
    heat_drawn_w : float
        Heat taken out, W thermal, >= 0; what the tank has not is counted as unmet.
    duration_s : float
        > 0 s.
    """
    hours = duration_s / SECONDS_PER_HOUR
    lost_wh = state.energy_wh * (1.0 - (1.0 - parameters.loss_per_h) ** hours)
    wanted_wh = heat_drawn_w * hours
    most_wh = parameters.power_w_rated * hours if heats else 0.0
    held_wh = state.energy_wh - lost_wh
    drawn_wh = min(wanted_wh, held_wh + most_wh * parameters.efficiency)
    room_wh = parameters.energy_wh_capacity - held_wh + drawn_wh
    electric_wh = min(most_wh, room_wh / parameters.efficiency)
    goes_on = heats and electric_wh >= most_wh
    return WaterHeaterState(
        energy_wh=held_wh + electric_wh * parameters.efficiency - drawn_wh,
        heats=goes_on,
        power_w=-parameters.power_w_rated if goes_on else 0.0,
        mean_w=-electric_wh / hours if electric_wh > 0.0 else 0.0,
        energy_wh_electric=state.energy_wh_electric + electric_wh,
        energy_wh_drawn=state.energy_wh_drawn + drawn_wh,
        energy_wh_lost=state.energy_wh_lost + lost_wh,
        energy_wh_unmet=state.energy_wh_unmet + wanted_wh - drawn_wh,
    )
