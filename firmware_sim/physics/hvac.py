"""Loads of a building that can be moved: climate with a room's temperature, and lighting.

Generator frame: the electrical power is <= 0. The room is one thermal mass with one loss to
the outside; the machine cools (or heats) it toward a comfort temperature, in proportion.
"""

import math
from dataclasses import dataclass

from firmware_sim.physics.noise import smooth
from firmware_sim.physics.ramp import SECONDS_PER_HOUR, clip, ramp_toward

_DAY_S = 86_400.0
_CLOUD_S = 900.0
_FULL_AT_K = 1.5
"""Distance from the comfort temperature at which the machine works at its rating."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClimateParameters:
    """What does not change.

    Attributes
    ----------
    power_w_rated : float
        Electrical power at full work, > 0.
    fans_w : float
        Electrical power as long as it is on, >= 0, part of the rating.
    efficiency : float
        Heat moved per electricity, > 0.
    mass_wh_per_k : float
        Thermal mass of the room, > 0.
    loss_w_per_k : float
        Through walls and air, > 0.
    gain_w : float
        People, machines and sun, >= 0.
    comfort_c : float
        Temperature it aims at.
    cools : bool
        Summer; else it heats.
    ramp_w_per_s : float
        > 0.
    """

    power_w_rated: float
    fans_w: float
    efficiency: float
    mass_wh_per_k: float
    loss_w_per_k: float
    gain_w: float
    comfort_c: float
    cools: bool
    ramp_w_per_s: float

    def __post_init__(self) -> None:
        """Check ranges."""
        assert 0.0 <= self.fans_w < self.power_w_rated, "fans take more than the rating"
        assert min(self.efficiency, self.mass_wh_per_k, self.loss_w_per_k) > 0.0, (
            "climate parameters must be positive"
        )
        assert self.ramp_w_per_s > 0.0, "ramp must be positive"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClimateState:
    """Room temperature, power at the end of the step, its mean, energy taken and heat moved.

    ``heat_wh_in`` counts what came in by walls and gains, ``heat_wh_moved`` what the machine
    took out (cooling) or brought in (heating), both thermal:
    mass * (room_c - first room_c) = heat_wh_in -/+ heat_wh_moved.
    """

    room_c: float
    power_w: float = 0.0
    mean_w: float = 0.0
    energy_wh_taken: float = 0.0
    heat_wh_in: float = 0.0
    heat_wh_moved: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClimateOrder:
    """What is asked of the machine.

    Attributes
    ----------
    limit_w : float
        Greatest consumption, >= 0; below the fans it is off.
    shift_k : float
        Added to the comfort temperature.
    """

    limit_w: float
    shift_k: float = 0.0


def outside_c(parameters: ClimateParameters, local_s: float) -> float:
    """Temperature outside at a local time in s: warm in summer, cold when it heats."""
    hour = (local_s % _DAY_S) / 3600.0
    swing_k = 4.0 * math.cos(2.0 * math.pi * (hour - 15.0) / 24.0)
    middle_c = 30.0 if parameters.cools else 5.0
    return middle_c + swing_k


def wanted_w(parameters: ClimateParameters, *, room_c: float, shift_k: float) -> float:
    """Consumption that the room asks for by itself, W, >= 0."""
    away_k = room_c - (parameters.comfort_c + shift_k)
    need_k = away_k if parameters.cools else -away_k
    share = clip(0.5 + 0.5 * need_k / _FULL_AT_K, 0.0, 1.0)
    work_w = parameters.power_w_rated - parameters.fans_w
    return parameters.fans_w + share * work_w


def step_climate(
    parameters: ClimateParameters,
    state: ClimateState,
    order: ClimateOrder,
    *,
    local_s: float,
    duration_s: float,
) -> ClimateState:
    """Advance the room and its machine.

    Parameters
    ----------
    parameters : ClimateParameters
        The building.
    state : ClimateState
        At the start of the step.
    order : ClimateOrder
        Constant over the step.
    local_s : float
        Local time of the simulated world at the middle of the step, s.
    duration_s : float
        > 0 s, short against the room's time constant.
    """
    hours = duration_s / SECONDS_PER_HOUR
    asked_w = wanted_w(parameters, room_c=state.room_c, shift_k=order.shift_k)
    taken_w = min(asked_w, max(0.0, order.limit_w))
    if taken_w < parameters.fans_w:
        taken_w = 0.0
    power_w, mean_w = ramp_toward(
        state.power_w, -taken_w, ramp_w_per_s=parameters.ramp_w_per_s, duration_s=duration_s
    )
    moved_wh = max(0.0, -mean_w - parameters.fans_w) * parameters.efficiency * hours
    into_w = parameters.gain_w + parameters.loss_w_per_k * (
        outside_c(parameters, local_s) - state.room_c
    )
    in_wh = into_w * hours
    change_wh = in_wh - moved_wh if parameters.cools else in_wh + moved_wh
    return ClimateState(
        room_c=state.room_c + change_wh / parameters.mass_wh_per_k,
        power_w=power_w,
        mean_w=mean_w,
        energy_wh_taken=state.energy_wh_taken - mean_w * hours,
        heat_wh_in=state.heat_wh_in + in_wh,
        heat_wh_moved=state.heat_wh_moved + moved_wh,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LightingParameters:
    """Rating in W (> 0), rate of dimming, and the seed that says who is in the rooms."""

    power_w_rated: float
    ramp_w_per_s: float
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LightingState:
    """Power at the end of the step, its mean, and the energy taken so far (>= 0)."""

    power_w: float = 0.0
    mean_w: float = 0.0
    energy_wh_taken: float = 0.0


def lit_w(parameters: LightingParameters, local_s: float) -> float:
    """Consumption without any limit, W, >= 0: more by day, and moving with the rooms."""
    hour = (local_s % _DAY_S) / 3600.0
    open_share = 0.9 if 7.0 <= hour < 21.0 else 0.25  # noqa: PLR2004 - hours of a building
    rooms = 0.75 + 0.25 * smooth(parameters.seed, local_s / _CLOUD_S)
    return parameters.power_w_rated * open_share * rooms


def step_lighting(
    parameters: LightingParameters,
    state: LightingState,
    *,
    limit_w: float,
    local_s: float,
    duration_s: float,
) -> LightingState:
    """Advance the lighting.

    Parameters
    ----------
    parameters : LightingParameters
        The building.
    state : LightingState
        At the start of the step.
    limit_w : float
        Greatest consumption, >= 0.
    local_s : float
        Local time at the end of the step, s.
    duration_s : float
        > 0 s.
    """
    target_w = -min(lit_w(parameters, local_s), max(0.0, limit_w))
    power_w, mean_w = ramp_toward(
        state.power_w, target_w, ramp_w_per_s=parameters.ramp_w_per_s, duration_s=duration_s
    )
    taken_wh = -mean_w * duration_s / SECONDS_PER_HOUR
    return LightingState(
        power_w=power_w, mean_w=mean_w, energy_wh_taken=state.energy_wh_taken + taken_wh
    )
