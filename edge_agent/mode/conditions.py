"""What the mode table looks at, and the named conditions it speaks of. Pure."""

import enum
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

NANOSECONDS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeInputs:
    """The health of a site at one cycle. Ages are in s of monotonic time.

    Attributes
    ----------
    link_silent_s : float
        Since the coordinator was last heard; ``inf`` if never.
    link_steady_s : float
        How long the link has been heard without a gap; 0 while it is silent.
    meter_silent_s : float
        Since the last good value of the meter; ``inf`` if never.
    devices_lost, devices_total : int
        Controllable devices without a usable power, and all of them.
    clock_error_s : float
        Jump of the wall clock against monotonic time, or its stated uncertainty.
    journal_failed_s : float
        How long the journal's disk has refused; 0 when it works.
    healthy_s : float
        Since any of stop, journal, clock, meter and all-devices was last at fault; ``inf`` if
        none was since the agent started.
    override_left_s : float
        Rest of a technician's override; 0 without one.
    stop : bool
        Whether an emergency stop is in force.
    """

    link_silent_s: float
    link_steady_s: float
    meter_silent_s: float
    devices_lost: int
    devices_total: int
    clock_error_s: float = 0.0
    journal_failed_s: float = 0.0
    healthy_s: float = math.inf
    override_left_s: float = 0.0
    stop: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The times after which a condition counts, s.

    Attributes
    ----------
    link_late_s, link_lost_s : float
        Silence after which the link is late, and lost.
    link_back_s : float
        How long a lost link must be steady before it is believed again.
    link_recovered_s : float
        The same for a late one.
    meter_lost_s : float
        Silence of the meter that control may bridge.
    clock_error_s : float
        Greatest tolerated jump of the wall clock.
    journal_lost_s : float
        How long the disk may refuse.
    healthy_s : float
        How long all must be well before SAFE is left.
    override_max_s : float
        Longest override a technician may set.
    """

    link_late_s: float = 3.5
    link_lost_s: float = 10.0
    link_back_s: float = 15.0
    link_recovered_s: float = 10.0
    meter_lost_s: float = 30.0
    clock_error_s: float = 2.0
    journal_lost_s: float = 0.0
    healthy_s: float = 10.0
    override_max_s: float = 4 * 3600.0


class Condition(enum.Enum):
    """Named conditions of the table."""

    STOP = "emergency stop"
    JOURNAL_LOST = "journal disk lost"
    CLOCK_LOST = "clock lost"
    METER_LOST = "meter lost"
    DEVICES_LOST = "all devices lost"
    UNSETTLED = "not yet well for long enough"
    OVERRIDE = "technician override"
    OVERRIDE_ENDED = "technician override ended"
    LINK_LOST = "link lost"
    LINK_LATE = "link late"
    LINK_BACK = "link back and steady"
    LINK_RECOVERED = "link in time again"
    DEVICE_LOST = "a device lost"
    WELL = "well"


Predicate = Callable[[ModeInputs, Thresholds], bool]


def _override(inputs: ModeInputs, thresholds: Thresholds) -> bool:
    """Whether a technician's hand is on the site, for no longer than it may be."""
    return 0.0 < inputs.override_left_s <= thresholds.override_max_s


def _steady(inputs: ModeInputs, thresholds: Thresholds, least_s: float) -> bool:
    """Whether the link is in time and has been for long enough."""
    return inputs.link_silent_s < thresholds.link_late_s and inputs.link_steady_s >= least_s


PREDICATES: Mapping[Condition, Predicate] = MappingProxyType(
    {
        Condition.STOP: lambda i, _: i.stop,
        Condition.JOURNAL_LOST: lambda i, t: i.journal_failed_s > t.journal_lost_s,
        Condition.CLOCK_LOST: lambda i, t: not abs(i.clock_error_s) <= t.clock_error_s,
        Condition.METER_LOST: lambda i, t: not i.meter_silent_s <= t.meter_lost_s,
        Condition.DEVICES_LOST: lambda i, _: 0 < i.devices_total <= i.devices_lost,
        Condition.UNSETTLED: lambda i, t: not i.healthy_s >= t.healthy_s,
        Condition.OVERRIDE: _override,
        Condition.OVERRIDE_ENDED: lambda i, t: not _override(i, t),
        Condition.LINK_LOST: lambda i, t: not i.link_silent_s < t.link_lost_s,
        Condition.LINK_LATE: lambda i, t: not i.link_silent_s < t.link_late_s,
        Condition.LINK_BACK: lambda i, t: _steady(i, t, t.link_back_s),
        Condition.LINK_RECOVERED: lambda i, t: _steady(i, t, t.link_recovered_s),
        Condition.DEVICE_LOST: lambda i, _: i.devices_lost > 0,
        Condition.WELL: lambda _i, _t: True,
    }
)
"""Each condition as a question; a NaN never counts as well."""

FAULTS = (
    Condition.STOP,
    Condition.JOURNAL_LOST,
    Condition.CLOCK_LOST,
    Condition.METER_LOST,
    Condition.DEVICES_LOST,
)
"""Conditions that lead to SAFE from anywhere."""


def faults(inputs: ModeInputs, thresholds: Thresholds) -> tuple[Condition, ...]:
    """Conditions that hold now and demand SAFE; the cycle's ``healthy_s`` counts without them."""
    return tuple(c for c in FAULTS if PREDICATES[c](inputs, thresholds))


@dataclass(frozen=True, slots=True, kw_only=True)
class SteadyWatch:
    """How long something has been well without a break.

    Attributes
    ----------
    since_ns : int or None
        Monotonic time since which it is; None while it is not.
    """

    since_ns: int | None = None

    def seen(self, now_ns: int, *, well: bool) -> "SteadyWatch":
        """Return the watch after one more look at monotonic time ``now_ns``."""
        if not well:
            return SteadyWatch()
        return self if self.since_ns is not None else SteadyWatch(since_ns=now_ns)

    def steady_s(self, now_ns: int) -> float:
        """Length of the present good time in s; 0 while it is not good."""
        if self.since_ns is None:
            return 0.0
        return max(now_ns - self.since_ns, 0) / NANOSECONDS_PER_S
