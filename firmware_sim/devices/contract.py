"""What a site asks of its devices, and what a device is told when time passes."""

from dataclasses import dataclass, field
from typing import Protocol

from firmware_sim.faults import Drift, Fault, FaultKind, FaultState


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time and what a device can see of its house in it.

    Attributes
    ----------
    start_s, end_s : float
        Unix time in s, ``start_s < end_s``.
    world_shift_s : float
        Added to a Unix time it gives the time of day and year the simulated world is in.
    house_w : float
        Power of the household load alone, generator frame, <= 0.
    others_w : float
        Power of everything at the site except this device, generator frame.
    drift : Drift
        How far the device strays.
    frequency_hz : float
        Of the grid, at the end.
    """

    start_s: float
    end_s: float
    world_shift_s: float = 0.0
    house_w: float = 0.0
    others_w: float = 0.0
    drift: Drift = field(default=Drift())
    frequency_hz: float = 50.0

    @property
    def duration_s(self) -> float:
        """Length in s, > 0."""
        return self.end_s - self.start_s

    @property
    def world_s(self) -> tuple[float, float]:
        """Start and end in the simulated world's time, s."""
        return self.start_s + self.world_shift_s, self.end_s + self.world_shift_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The truth about a device at one moment, generator frame.

    Attributes
    ----------
    power_w : float
        Now.
    mean_w : float
        Over the last span.
    soc : float or None
        0..1, None without storage or car.
    """

    power_w: float = 0.0
    mean_w: float = 0.0
    soc: float | None = None


class SimulatedDevice(Protocol):
    """A device of any protocol, as its site and the switching of faults see it."""

    @property
    def name(self) -> str:
        """``"site/device"``, the resource id."""

    @property
    def reading(self) -> Reading:
        """The truth after the last advance."""

    @property
    def faults(self) -> FaultState:
        """What is wrong with it now."""

    def advance(self, span: Span) -> None:
        """Let time pass."""

    def switch_on(self, fault: Fault, wall_s: float) -> None:
        """Begin a fault at a Unix time in s; RESTARTED is :meth:`restart` and over at once."""

    def switch_off(self, kind: FaultKind) -> None:
        """End a fault; one that is not on is no error."""

    def restart(self, wall_s: float) -> None:
        """Lose settings and leases, as after a power cut; the physics goes on."""
