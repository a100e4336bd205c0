"""A simulated site: its load, its devices and the meter that sums them, stepped to a moment.

Order within a step: load, then devices in the order of :data:`ORDER`, batteries last, so that
a device that follows the house sees the others as they are now.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from math import fsum

from firmware_sim.devices.contract import Span
from firmware_sim.devices.meter import MeterDevice
from firmware_sim.devices.node import SimulatedNode
from firmware_sim.physics.load import LoadState, step_load
from firmware_sim.physics.meter import step_meter
from firmware_sim.physics.ramp import SECONDS_PER_HOUR

ORDER = ("pv", "fuel-cell", "heat-pump", "ev-charger", "ev-v2h", "battery")
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
    """A device with its place: id, kind, address and node."""

    device_id: str
    kind: str
    address: str
    node: SimulatedNode


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
        The meter; its appliance is ``meter_device``.
    meter_device : MeterDevice
        Shown the sum after each step.
    taken_w : callable
        Household consumption, W, >= 0, at a time of the simulated world in s.
    world_shift_s : float
        World time minus Unix time, s.
    """

    site_id: str
    group: str
    devices: tuple[Placed, ...]
    meter: Placed
    meter_device: MeterDevice
    taken_w: Callable[[float], float]
    world_shift_s: float


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
        self._devices = tuple(sorted(plan.devices, key=lambda placed: ORDER.index(placed.kind)))
        self._meter = plan.meter_device.state
        self._second_began_s = start_s
        self._second_net_wh = self._net_wh()
        self._truths: list[Truth] = []
        plan.meter_device.show(self._meter, start_s)

    @property
    def placed(self) -> tuple[Placed, ...]:
        """Every device with an address, the meter last."""
        return (*self.plan.devices, self.plan.meter)

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
                other.node.reading.power_w for other in self._devices if other is not placed
            )
            placed.node.advance(
                Span(
                    start_s=self._now_s,
                    end_s=end_s,
                    world_shift_s=plan.world_shift_s,
                    house_w=self._load.power_w,
                    others_w=others_w,
                    drift=placed.node.faults.drift,
                )
            )
        readings = [placed.node.reading for placed in self._devices]
        self._meter = step_meter(
            self._meter,
            powers_w=[self._load.power_w, *(reading.power_w for reading in readings)],
            means_w=[self._load.mean_w, *(reading.mean_w for reading in readings)],
            duration_s=duration_s,
        )
        plan.meter_device.show(self._meter, end_s)

    def _truth(self, second: int) -> Truth:
        """Write down the second that has just ended."""
        net_wh = self._net_wh()
        hours = (second - self._second_began_s) / SECONDS_PER_HOUR
        mean_w = (net_wh - self._second_net_wh) / hours
        self._second_began_s, self._second_net_wh = float(second), net_wh
        readings = {placed.device_id: placed.node.reading for placed in self._devices}
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
