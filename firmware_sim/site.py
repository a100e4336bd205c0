"""A simulated site: its load, its devices and the meter that sums them, stepped to a moment.

Order within a step: load, then devices in the order of :data:`ORDER`, batteries last, so that
a device that follows the house sees the others as they are now.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from math import fsum

from firmware_sim.devices.contract import SimulatedDevice, Span
from firmware_sim.physics.load import LoadState, step_load
from firmware_sim.physics.meter import MeterState, step_meter
from firmware_sim.physics.ramp import SECONDS_PER_HOUR
from protocols.templates.template import Template

ORDER = ("pv", "fuel-cell", "heat-pump", "load", "ev-charger", "ev-v2h", "battery")
"""Meters beside the site's own come after these; they show the sum and are no part of it."""

_METER = "meter"
_SHORTEST_S = 1e-3
_LONGEST_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What really was at a site at one second, generator frame.

    Attributes
    ----------
    time_s : int
        Unix second k.
    site_id : str
        Where.
    meter_w : float
        Sum of everything at the moment k.
    meter_mean_w : float
        Mean over [k - 1, k), in the first second over what there is of it.
    energy_wh_imported, energy_wh_exported : float
        The meter's counters at k.
    load_w : float
        Household load, <= 0.
    powers_w : mapping of str to float
        Power of each device but the meter, by device id.
    socs : mapping of str to float
        State of charge of those that have one.
    """

    time_s: int
    site_id: str
    meter_w: float
    meter_mean_w: float
    energy_wh_imported: float
    energy_wh_exported: float
    load_w: float
    powers_w: dict[str, float]
    socs: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A device with its place.

    Attributes
    ----------
    device_id, kind : str
        Within its site, and what it is.
    device : SimulatedDevice
        Itself.
    address, port : str, int
        Where it is found (a charger: whom it calls).
    unit : int
        Modbus unit id, BACnet device instance, else 1.
    template : Template or None
        What it was made from.
    protocol : str
        As templates name it.
    """

    device_id: str
    kind: str
    device: SimulatedDevice
    address: str
    port: int
    unit: int = 1
    template: Template | None = None
    protocol: str = "echonet-lite"


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePlan:
    """What a site is made of.

    Attributes
    ----------
    site_id, group : str
        Id and multicast group.
    devices : tuple of Placed
        Everything but the meter.
    meter : Placed
        The meter at the grid connection.
    show_meter : callable
        Told the sum after each step, with the Unix time.
    meter_start : MeterState
        What its counters stand at.
    taken_w : callable
        Household consumption, W, >= 0, at a time of the simulated world in s.
    world_shift_s : float
        World time minus Unix time, s.
    frequency_hz : callable
        Of the grid, at a time of the simulated world in s.
    """

    site_id: str
    group: str
    devices: tuple[Placed, ...]
    meter: Placed
    show_meter: Callable[[MeterState, float], None]
    meter_start: MeterState
    taken_w: Callable[[float], float]
    world_shift_s: float
    frequency_hz: Callable[[float], float]


class Site:
    """A site that can be stepped.

    Parameters
    ----------
    plan : SitePlan
        What it is made of.
    start_s : float
        Unix time at which it begins, s.
    """

    def __init__(self, plan: SitePlan, *, start_s: float) -> None:
        self.plan = plan
        self._now_s = start_s
        self._load = LoadState(power_w=-max(0.0, plan.taken_w(start_s + plan.world_shift_s)))
        parts = [placed for placed in plan.devices if placed.kind != _METER]
        self._devices = tuple(sorted(parts, key=lambda placed: ORDER.index(placed.kind)))
        self._onlookers = tuple(placed for placed in plan.devices if placed.kind == _METER)
        self._meter = plan.meter_start
        self._second_began_s = start_s
        self._second_net_wh = self._net_wh()
        self._truths: list[Truth] = []
        plan.show_meter(self._meter, start_s)

    @property
    def placed(self) -> tuple[Placed, ...]:
        """Every device with an address, the meter last."""
        return (*self.plan.devices, self.plan.meter)

    @property
    def meter(self) -> MeterState:
        """What the sum of everything is, and its counters."""
        return self._meter

    @property
    def house_w(self) -> float:
        """Power of the household alone, W, <= 0."""
        return self._load.power_w

    def advance(self, to_s: float) -> None:
        """Step to a Unix time in s; whole seconds are met and written down as truth."""
        while to_s - self._now_s >= _SHORTEST_S:
            second = math.floor(self._now_s) + 1
            end_s = min(to_s, float(second), self._now_s + _LONGEST_S)
            self._step(end_s)
            self._now_s = end_s
            if end_s == second:
                self._truths.append(self._truth(second))

    def take_truths(self) -> list[Truth]:
        """Truth of the seconds passed since the last call."""
        taken, self._truths = self._truths, []
        return taken

    def _net_wh(self) -> float:
        return self._meter.energy_wh_exported - self._meter.energy_wh_imported

    def _step(self, end_s: float) -> None:
        """Advance everything by less than a second."""
        plan, duration_s = self.plan, end_s - self._now_s
        taken_w = plan.taken_w(end_s + plan.world_shift_s)
        self._load = step_load(self._load, taken_w=taken_w, duration_s=duration_s)
        for placed in self._devices:
            others_w = self._load.power_w + fsum(
                other.device.reading.power_w for other in self._devices if other is not placed
            )
            placed.device.advance(self._span(placed, end_s, others_w=others_w))
        readings = [placed.device.reading for placed in self._devices]
        self._meter = step_meter(
            self._meter,
            powers_w=[self._load.power_w, *(reading.power_w for reading in readings)],
            means_w=[self._load.mean_w, *(reading.mean_w for reading in readings)],
            duration_s=duration_s,
        )
        plan.show_meter(self._meter, end_s)
        for placed in (*self._onlookers, plan.meter):
            placed.device.advance(self._span(placed, end_s, others_w=self._meter.power_w))

    def _span(self, placed: Placed, end_s: float, *, others_w: float) -> Span:
        """Tell a device about the step."""
        plan = self.plan
        return Span(
            start_s=self._now_s,
            end_s=end_s,
            world_shift_s=plan.world_shift_s,
            house_w=self._load.power_w,
            others_w=others_w,
            drift=placed.device.faults.drift,
            frequency_hz=plan.frequency_hz(end_s + plan.world_shift_s),
        )

    def _truth(self, second: int) -> Truth:
        """Write down the second that has just ended."""
        net_wh = self._net_wh()
        hours = (second - self._second_began_s) / SECONDS_PER_HOUR
        mean_w = (net_wh - self._second_net_wh) / hours
        self._second_began_s, self._second_net_wh = float(second), net_wh
        readings = {placed.device_id: placed.device.reading for placed in self._devices}
        return Truth(
            time_s=second,
            site_id=self.plan.site_id,
            meter_w=self._meter.power_w,
            meter_mean_w=mean_w,
            energy_wh_imported=self._meter.energy_wh_imported,
            energy_wh_exported=self._meter.energy_wh_exported,
            load_w=self._load.power_w,
            powers_w={name: reading.power_w for name, reading in readings.items()},
            socs={n: reading.soc for n, reading in readings.items() if reading.soc is not None},
        )
