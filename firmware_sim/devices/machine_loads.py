"""Machines that take: water heater, building climate, lighting; and the meter that only shows.

An order is the power they should take (<= 0), a limit the most they may; they never take more
than they have use for.
"""

import math

from firmware_sim.devices.contract import Reading, Span
from firmware_sim.devices.machine import MachineState
from firmware_sim.physics.hvac import (
    ClimateOrder,
    ClimateParameters,
    ClimateState,
    LightingParameters,
    LightingState,
    step_climate,
    step_lighting,
)
from firmware_sim.physics.meter import MeterState, step_meter
from firmware_sim.physics.water_heater import (
    WaterHeaterParameters,
    WaterHeaterState,
    draw_w,
    step_water_heater,
    wants_heat,
)

_JST_S = 9 * 3600.0
_HALF = 0.5
_COLD_C, _HOT_C = 15.0, 65.0


class WaterHeaterMachine:
    """A heat-pump water heater: on or off at its rating; without an order it fills at night.

    Parameters
    ----------
    parameters : WaterHeaterParameters
        The physics.
    filling : float
        Share of the tank that is hot at the start, 0..1.
    seed : int
        Which household draws from it.
    """

    def __init__(self, parameters: WaterHeaterParameters, *, filling: float, seed: int) -> None:
        self._parameters = parameters
        self._seed = seed
        self._asked_w: float | None = None
        self._most_w = math.inf
        self._frequency_hz = 50.0
        self._tank = WaterHeaterState(energy_wh=filling * parameters.energy_wh_capacity)

    def ask(self, power_w: float | None) -> None:
        """Order heating (about its rating), rest (about 0), or None for its own night."""
        self._asked_w = power_w

    def limit(self, *, power_w_min: float, power_w_max: float) -> None:  # noqa: ARG002 - it never generates
        """Bound what it takes; below its rating it cannot run."""
        self._most_w = max(0.0, -power_w_min)

    def advance(self, span: Span) -> Reading:
        """Heat, or do not, and let the household draw."""
        self._frequency_hz = span.frequency_hz
        local_s = _HALF * sum(span.world_s) + _JST_S
        self._tank = step_water_heater(
            self._parameters,
            self._tank,
            heats=self._heats(local_s),
            heat_drawn_w=draw_w(self._parameters, seed=self._seed, local_s=local_s),
            duration_s=span.duration_s,
        )
        return Reading(power_w=self._tank.power_w, mean_w=self._tank.mean_w, soc=self._filling())

    def state(self) -> MachineState:
        """Tell what it would tell."""
        return MachineState(
            power_w=self._tank.power_w,
            power_w_min=-self._parameters.power_w_rated,
            power_w_max=0.0,
            soc=self._filling(),
            energy_wh_capacity=self._parameters.energy_wh_capacity,
            energy_wh_in=self._tank.energy_wh_electric,
            running=self._tank.heats,
            temperature_c=_COLD_C + (_HOT_C - _COLD_C) * self._filling(),
            frequency_hz=self._frequency_hz,
        )

    def restart(self) -> None:
        """Lose order and limit."""
        self._asked_w = None
        self._most_w = math.inf

    def _filling(self) -> float:
        return self._tank.energy_wh / self._parameters.energy_wh_capacity

    def _heats(self, local_s: float) -> bool:
        """Whether it heats now."""
        if self._most_w < self._parameters.power_w_rated:
            return False
        if self._asked_w is not None:
            return -self._asked_w >= _HALF * self._parameters.power_w_rated
        return wants_heat(self._parameters, self._tank, local_s=local_s, reheat_allowed=True)


class ClimateMachine:
    """A building's climate: it follows the room, an order or a limit bounds what it takes.

    Parameters
    ----------
    parameters : ClimateParameters
        The building.
    room_c : float
        Temperature at the start.
    """

    def __init__(self, parameters: ClimateParameters, *, room_c: float) -> None:
        self._parameters = parameters
        self._asked_w: float | None = None
        self._most_w = math.inf
        self._shift_k = 0.0
        self._frequency_hz = 50.0
        self._room = ClimateState(room_c=room_c)

    def ask(self, power_w: float | None) -> None:
        """Order the most it may take, or None for what the room needs."""
        self._asked_w = power_w

    def limit(self, *, power_w_min: float, power_w_max: float) -> None:  # noqa: ARG002 - it never generates
        """Bound what it takes."""
        self._most_w = max(0.0, -power_w_min)

    def shift(self, kelvin: float) -> None:
        """Move the comfort temperature, + warmer, until the next restart."""
        self._shift_k = kelvin

    def advance(self, span: Span) -> Reading:
        """Cool or heat the room."""
        self._frequency_hz = span.frequency_hz
        asked_w = math.inf if self._asked_w is None else max(0.0, -span.drift.of(self._asked_w))
        self._room = step_climate(
            self._parameters,
            self._room,
            ClimateOrder(limit_w=min(asked_w, self._most_w), shift_k=self._shift_k),
            local_s=_HALF * sum(span.world_s) + _JST_S,
            duration_s=span.duration_s,
        )
        return Reading(power_w=self._room.power_w, mean_w=self._room.mean_w)

    def state(self) -> MachineState:
        """Tell what it would tell."""
        return MachineState(
            power_w=self._room.power_w,
            power_w_min=-self._parameters.power_w_rated,
            power_w_max=0.0,
            energy_wh_in=self._room.energy_wh_taken,
            running=self._room.power_w < -1.0,
            temperature_c=self._room.room_c,
            frequency_hz=self._frequency_hz,
        )

    def restart(self) -> None:
        """Lose order, limit and shift."""
        self._asked_w = None
        self._most_w = math.inf
        self._shift_k = 0.0


class LightingMachine:
    """A building's lighting: it follows the rooms, an order or a limit dims it.

    Parameters
    ----------
    parameters : LightingParameters
        The building.
    """

    def __init__(self, parameters: LightingParameters) -> None:
        self._parameters = parameters
        self._asked_w: float | None = None
        self._most_w = math.inf
        self._frequency_hz = 50.0
        self._lights = LightingState()

    def ask(self, power_w: float | None) -> None:
        """Order the most it may take, or None for what the rooms need."""
        self._asked_w = power_w

    def limit(self, *, power_w_min: float, power_w_max: float) -> None:  # noqa: ARG002 - it never generates
        """Bound what it takes."""
        self._most_w = max(0.0, -power_w_min)

    def advance(self, span: Span) -> Reading:
        """Light the rooms."""
        self._frequency_hz = span.frequency_hz
        asked_w = math.inf if self._asked_w is None else max(0.0, -span.drift.of(self._asked_w))
        self._lights = step_lighting(
            self._parameters,
            self._lights,
            limit_w=min(asked_w, self._most_w),
            local_s=span.world_s[1] + _JST_S,
            duration_s=span.duration_s,
        )
        return Reading(power_w=self._lights.power_w, mean_w=self._lights.mean_w)

    def state(self) -> MachineState:
        """Tell what it would tell."""
        return MachineState(
            power_w=self._lights.power_w,
            power_w_min=-self._parameters.power_w_rated,
            power_w_max=0.0,
            energy_wh_in=self._lights.energy_wh_taken,
            running=self._lights.power_w < -1.0,
            frequency_hz=self._frequency_hz,
        )

    def restart(self) -> None:
        """Lose order and limit."""
        self._asked_w = None
        self._most_w = math.inf


class MeterMachine:
    """A meter: it shows what the rest of its site does, and nothing can be asked of it."""

    def __init__(self) -> None:
        self._frequency_hz = 50.0
        self._sum = MeterState()

    def ask(self, power_w: float | None) -> None:
        """Do nothing: a meter takes no orders."""

    def limit(self, *, power_w_min: float, power_w_max: float) -> None:
        """Do nothing: a meter takes no limits."""

    def advance(self, span: Span) -> Reading:
        """Sum up; a straight line from what it showed before."""
        self._frequency_hz = span.frequency_hz
        self._sum = step_meter(
            self._sum,
            powers_w=(span.others_w,),
            means_w=(_HALF * (self._sum.power_w + span.others_w),),
            duration_s=span.duration_s,
        )
        return Reading(power_w=self._sum.power_w, mean_w=self._sum.mean_w)

    def state(self) -> MachineState:
        """Tell what it would tell."""
        return MachineState(
            power_w=self._sum.power_w,
            power_w_min=0.0,
            power_w_max=0.0,
            energy_wh_out=self._sum.energy_wh_exported,
            energy_wh_in=self._sum.energy_wh_imported,
            frequency_hz=self._frequency_hz,
        )

    def restart(self) -> None:
        """Do nothing: counters are kept, as by law."""
