"""Machines that generate: the PV inverter and the fuel cell. An order bounds their output."""

import math
from collections.abc import Callable
from dataclasses import replace

from firmware_sim.devices.contract import Reading, Span
from firmware_sim.devices.machine import MachineState
from firmware_sim.physics.fuel_cell import (
    FuelCellOrder,
    FuelCellParameters,
    FuelCellPhase,
    FuelCellState,
    step_fuel_cell,
)
from firmware_sim.physics.pv import PvParameters, PvState, step_pv


class PvMachine:
    """A PV inverter; without an order it gives what the sky offers.

    Parameters
    ----------
    parameters : PvParameters
        The inverter.
    sky_w : callable
        Power the modules offer, W, at a time of the simulated world in s.
    """

    def __init__(self, parameters: PvParameters, sky_w: Callable[[float], float]) -> None:
        self._parameters = parameters
        self._sky_w = sky_w
        self._asked_w: float | None = None
        self._limit_w = math.inf
        self._frequency_hz = 50.0
        self._inverter = PvState(limit_w=parameters.power_w_rated)

    def ask(self, power_w: float | None) -> None:
        """Order an output, or None for all there is."""
        self._asked_w = power_w

    def limit(self, *, power_w_min: float, power_w_max: float) -> None:  # noqa: ARG002 - PV never absorbs
        """Bound its output from now on."""
        self._limit_w = max(0.0, power_w_max)

    def advance(self, span: Span) -> Reading:
        """Generate what the sky offers and order and limit let through."""
        self._frequency_hz = span.frequency_hz
        rated_w = self._parameters.power_w_rated
        ordered_w = rated_w if self._asked_w is None else max(0.0, self._asked_w)
        bound_w = min(ordered_w, self._limit_w)
        self._inverter = step_pv(
            self._parameters,
            self._inverter,
            available_w=self._sky_w(span.world_s[1]),
            limit_w=span.drift.of(bound_w) if bound_w < rated_w else bound_w,
            duration_s=span.duration_s,
        )
        return Reading(power_w=self._inverter.power_w, mean_w=self._inverter.mean_w)

    def state(self) -> MachineState:
        """Tell what it would tell."""
        return MachineState(
            power_w=self._inverter.power_w,
            power_w_min=0.0,
            power_w_max=self._parameters.power_w_rated,
            energy_wh_out=self._inverter.energy_wh_generated,
            running=self._inverter.available_w > 1.0,
            frequency_hz=self._frequency_hz,
        )

    def restart(self) -> None:
        """Lose order and limit."""
        self._asked_w = None
        self._limit_w = math.inf


class FuelCellMachine:
    """A fuel cell; without an order it follows the household load, an order of 0 stops it.

    Parameters
    ----------
    parameters : FuelCellParameters
        The physics; it runs already at the start, at its minimum.
    """

    def __init__(self, parameters: FuelCellParameters) -> None:
        self._parameters = parameters
        self._asked_w: float | None = None
        self._limit_w = math.inf
        self._frequency_hz = 50.0
        self._cell = replace(
            FuelCellState(), phase=FuelCellPhase.GENERATING, power_w=parameters.power_w_min
        )

    def ask(self, power_w: float | None) -> None:
        """Order an output, or None for load following."""
        self._asked_w = power_w

    def limit(self, *, power_w_min: float, power_w_max: float) -> None:  # noqa: ARG002 - it only generates
        """Bound its output from now on; below its minimum it stops."""
        self._limit_w = max(0.0, power_w_max)

    def advance(self, span: Span) -> Reading:
        """Generate, start or stop."""
        self._frequency_hz = span.frequency_hz
        wanted_w = -span.house_w if self._asked_w is None else self._asked_w
        target_w = min(span.drift.of(wanted_w), self._limit_w)
        stopped = self._asked_w is not None and self._asked_w <= 0.0
        runs = not stopped and self._limit_w >= self._parameters.power_w_min
        order = FuelCellOrder(runs=runs, target_w=target_w)
        self._cell = step_fuel_cell(self._parameters, self._cell, order, duration_s=span.duration_s)
        return Reading(power_w=self._cell.power_w, mean_w=self._cell.mean_w)

    def state(self) -> MachineState:
        """Tell what it would tell; its draw while starting is told as it is."""
        return MachineState(
            power_w=self._cell.power_w,
            power_w_min=0.0,
            power_w_max=self._parameters.power_w_rated,
            energy_wh_out=self._cell.energy_wh_generated,
            energy_wh_in=self._cell.energy_wh_drawn,
            running=self._cell.phase is FuelCellPhase.GENERATING,
            frequency_hz=self._frequency_hz,
        )

    def restart(self) -> None:
        """Lose order and limit."""
        self._asked_w = None
        self._limit_w = math.inf
