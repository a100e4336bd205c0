"""Machines that store: the battery, and the car at its charger."""

import math

from firmware_sim.devices.contract import Reading, Span
from firmware_sim.devices.machine import MachineState
from firmware_sim.physics.battery import BatteryParameters, BatteryState, soc, step_battery
from firmware_sim.physics.ev import EvSession, EvState, energy_wh_target, step_ev
from firmware_sim.physics.ramp import clip


class BatteryMachine:
    """A battery behind its inverter.

    Parameters
    ----------
    parameters : BatteryParameters
        The physics.
    soc_start : float
        0..1.
    default_w : float or None
        What it does without an order; None: it brings the site's meter to zero, discharging
        only down to ``reserve_soc``.
    reserve_soc : float
        0..1.
    """

    def __init__(
        self,
        parameters: BatteryParameters,
        *,
        soc_start: float,
        default_w: float | None,
        reserve_soc: float,
    ) -> None:
        self._parameters = parameters
        self._default_w = default_w
        self._reserve_soc = reserve_soc
        self._asked_w: float | None = None
        self._bounds_w = (-math.inf, math.inf)
        self._span = Span(start_s=0.0, end_s=1.0)
        self._cells = BatteryState(energy_wh=soc_start * parameters.energy_wh_capacity)

    def ask(self, power_w: float | None) -> None:
        """Order a power, or None for the machine's own default."""
        self._asked_w = power_w

    def limit(self, *, power_w_min: float, power_w_max: float) -> None:
        """Bound what it does from now on."""
        self._bounds_w = (min(0.0, power_w_min), max(0.0, power_w_max))

    def advance(self, span: Span) -> Reading:
        """Work toward what is asked."""
        self._span = span
        asked_w = self._default(span) if self._asked_w is None else self._asked_w
        self._cells = step_battery(
            self._parameters,
            self._cells,
            request_w=clip(span.drift.of(asked_w), *self._bounds_w),
            duration_s=span.duration_s,
        )
        return Reading(power_w=self._cells.power_w, mean_w=self._cells.mean_w, soc=self._soc())

    def state(self) -> MachineState:
        """Tell what it would tell."""
        cells, parameters = self._cells, self._parameters
        return MachineState(
            power_w=cells.power_w,
            power_w_min=-parameters.power_w_charge_max,
            power_w_max=parameters.power_w_discharge_max,
            soc=self._soc(),
            energy_wh_capacity=parameters.energy_wh_capacity,
            energy_wh_out=cells.energy_wh_discharged,
            energy_wh_in=cells.energy_wh_charged,
            running=abs(cells.power_w) > 1.0,
            frequency_hz=self._span.frequency_hz,
        )

    def restart(self) -> None:
        """Lose orders and limits."""
        self._asked_w = None
        self._bounds_w = (-math.inf, math.inf)

    def _soc(self) -> float:
        return soc(self._parameters, self._cells)

    def _default(self, span: Span) -> float:
        """Decide by itself, W."""
        if self._default_w is not None:
            return self._default_w
        may_give = self._soc() > self._reserve_soc
        return -span.others_w if span.others_w > 0.0 or may_give else 0.0


class EvMachine:
    """A charger with a car that stays.

    Without an order it charges at its rating until the driver's energy is in, and rests then;
    only one that works both ways goes on when ordered.

    Parameters
    ----------
    parameters : BatteryParameters
        The car's cells behind the charger's rating; discharge rating 0 makes it a charger.
    session : EvSession or None
        The stay, in world time; None: no car comes.
    """

    def __init__(self, parameters: BatteryParameters, session: EvSession | None) -> None:
        self._parameters = parameters
        self._sessions = () if session is None else (session,)
        self._asked_w: float | None = None
        self._bounds_w = (-math.inf, math.inf)
        self._frequency_hz = 50.0
        self._car = EvState()

    def ask(self, power_w: float | None) -> None:
        """Order a power, or None for the machine's own default."""
        self._asked_w = power_w

    def limit(self, *, power_w_min: float, power_w_max: float) -> None:
        """Bound what it does from now on."""
        self._bounds_w = (min(0.0, power_w_min), max(0.0, power_w_max))

    def advance(self, span: Span) -> Reading:
        """Work toward what is asked as long as a car is there."""
        self._frequency_hz = span.frequency_hz
        self._car = step_ev(
            self._parameters,
            self._car,
            sessions=self._sessions,
            request_w=clip(span.drift.of(self._request_w()), *self._bounds_w),
            span_s=span.world_s,
        )
        return Reading(power_w=self._car.power_w, mean_w=self._car.mean_w, soc=self._soc())

    def state(self) -> MachineState:
        """Tell what it would tell."""
        car, parameters = self._car, self._parameters
        return MachineState(
            power_w=car.power_w,
            power_w_min=-parameters.power_w_charge_max,
            power_w_max=parameters.power_w_discharge_max,
            soc=self._soc(),
            energy_wh_capacity=parameters.energy_wh_capacity,
            energy_wh_out=car.battery.energy_wh_discharged,
            energy_wh_in=car.battery.energy_wh_charged,
            running=abs(car.power_w) > 1.0,
            connected=car.session is not None,
            frequency_hz=self._frequency_hz,
        )

    def restart(self) -> None:
        """Lose orders and limits."""
        self._asked_w = None
        self._bounds_w = (-math.inf, math.inf)

    def _soc(self) -> float | None:
        return soc(self._parameters, self._car.battery) if self._car.session else None

    def _request_w(self) -> float:
        """AC power asked for, generator frame; a car that only charges stops when it has it."""
        parameters = self._parameters
        satisfied = self._car.battery.energy_wh >= energy_wh_target(parameters, self._car)
        one_way = parameters.power_w_discharge_max <= 0.0
        if satisfied and (one_way or self._asked_w is None):
            return 0.0
        return -parameters.power_w_charge_max if self._asked_w is None else self._asked_w
