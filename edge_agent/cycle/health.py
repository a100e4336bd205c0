"""How well a site is, as the mode table wants to know it. Pure."""

import math
from dataclasses import dataclass, field, replace

from edge_agent.control.inputs import Binding, Frame
from edge_agent.mode.conditions import (
    NANOSECONDS_PER_S,
    ModeInputs,
    SteadyWatch,
    Thresholds,
    faults,
)
from protocols.vocabulary.measurement import ProcessImage, Quality
from protocols.vocabulary.resource import Capability


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What must be remembered from one cycle to the next, in monotonic ns of this process.

    Attributes
    ----------
    started_ns : int
        Start of the agent; a silence is counted from here at most.
    wall_offset_ns : int or None
        Wall minus monotonic time at the last cycle.
    meter_good_ns : int or None
        When the meter was last good.
    journal_failed_ns : int or None
        Since when the journal's disk has refused; None while it works.
    fault_ns : int or None
        When a fault was last seen.
    link : SteadyWatch
        How long the link has been heard without a gap.
    """

    started_ns: int
    wall_offset_ns: int | None = None
    meter_good_ns: int | None = None
    journal_failed_ns: int | None = None
    fault_ns: int | None = None
    link: SteadyWatch = field(default_factory=SteadyWatch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one cycle sees.

    Attributes
    ----------
    now_ns, wall_ns : int
        Monotonic and Unix time, ns.
    heard_ns : int or None
        When the coordinator was last heard.
    override_left_s : float
        Rest of a technician's override.
    stop : bool
        Whether an emergency stop is in force.
    """

    now_ns: int
    wall_ns: int
    heard_ns: int | None
    override_left_s: float = 0.0
    stop: bool = False


def _seconds(later_ns: int, earlier_ns: int) -> float:
    return max(later_ns - earlier_ns, 0) / NANOSECONDS_PER_S


def lost_devices(image: ProcessImage, bindings: tuple[Binding, ...]) -> tuple[int, int]:
    """Count of controllable devices without a usable power, and of all of them."""
    steerable = [
        binding
        for binding in bindings
        if Capability.TAKES_SETPOINT in binding.resource.capabilities
    ]
    lost = sum(image.value(binding.power_point) is None for binding in steerable)
    return lost, len(steerable)


def examine(
    health: Health,
    look: Look,
    *,
    image: ProcessImage,
    frame: Frame,
    thresholds: Thresholds,
) -> tuple[Health, ModeInputs]:
    """Look at the site once.

    Parameters
    ----------
    health : Health
        As the last cycle left it.
    look : Look
        What is seen now.
    image : ProcessImage
        This cycle's measurements.
    frame : Frame
        The site's meter and resources.
    thresholds : Thresholds
        Times after which a condition counts.

    Returns
    -------
    tuple of Health, ModeInputs
        What to remember, and what the mode table wants.
    """
    now_ns = look.now_ns
    offset_ns = look.wall_ns - now_ns
    jump_ns = 0 if health.wall_offset_ns is None else offset_ns - health.wall_offset_ns
    meter = image.points.get(frame.meter_point)
    good = meter is not None and meter.quality is Quality.GOOD
    good_ns = now_ns if good else health.meter_good_ns
    silent_s = _seconds(now_ns, look.heard_ns) if look.heard_ns is not None else math.inf
    link = health.link.seen(now_ns, well=silent_s < thresholds.link_late_s)
    lost, total = lost_devices(image, frame.bindings)
    settling = _seconds(now_ns, health.started_ns) < thresholds.meter_lost_s
    inputs = ModeInputs(
        link_silent_s=silent_s,
        link_steady_s=link.steady_s(now_ns),
        meter_silent_s=_seconds(now_ns, good_ns if good_ns is not None else health.started_ns),
        devices_lost=0 if settling and lost == total else lost,
        devices_total=total,
        clock_error_s=jump_ns / NANOSECONDS_PER_S,
        journal_failed_s=(
            0.0
            if health.journal_failed_ns is None
            else max(_seconds(now_ns, health.journal_failed_ns), 1e-9)
        ),
        override_left_s=look.override_left_s,
        stop=look.stop,
    )
    fault_ns = now_ns if faults(inputs, thresholds) else health.fault_ns
    healthy_s = math.inf if fault_ns is None else _seconds(now_ns, fault_ns)
    health = replace(
        health, wall_offset_ns=offset_ns, meter_good_ns=good_ns, fault_ns=fault_ns, link=link
    )
    return health, replace(inputs, healthy_s=healthy_s)
