"""What a site asks of its devices, and what a device is told when time passes."""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A device that does not do quite what it was told.

    What it works at is ``gain`` times what it should, plus ``offset_w`` (generator frame),
    within its own limits; at rest it rests. It reports truthfully what it does.
    """

    gain: float = 1.0
    offset_w: float = 0.0

    def of(self, power_w: float) -> float:
        """Power it aims at, W, when it should aim at ``power_w``."""
        return self.gain * power_w + self.offset_w if power_w else 0.0


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
    """

    start_s: float
    end_s: float
    world_shift_s: float = 0.0
    house_w: float = 0.0
    others_w: float = 0.0
    drift: Drift = field(default=Drift())

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


class Appliance(Protocol):
    """Physics with settings, behind one ECHONET Lite object."""

    settable: frozenset[int]
    """The Set map, true to what is supported."""

    hidden: frozenset[int]
    """Properties that exist but cannot be got."""

    def values(self, wall_s: float) -> dict[int, bytes]:
        """EDT of every property of its own class at a Unix time, after the last advance."""

    def set_property(self, epc: int, edt: bytes) -> bool:
        """Take a setting that fits the property table, or refuse it with False."""

    def advance(self, span: Span) -> Reading:
        """Let time pass and return the truth at its end."""

    def restart(self) -> None:
        """Lose settings and leases, as after a power cut; the physics goes on."""
