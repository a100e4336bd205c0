"""The site's meter: the exact sum of everything behind it, and two counters."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import fsum

from firmware_sim.physics.ramp import SECONDS_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterState:
    """What the meter shows, generator frame.

    Attributes
    ----------
    power_w : float
        At the end of the last step, + exports.
    mean_w : float
        Over the last step.
    energy_wh_imported, energy_wh_exported : float
        Counters, never falling.
    """

    power_w: float = 0.0
    mean_w: float = 0.0
    energy_wh_imported: float = 0.0
    energy_wh_exported: float = 0.0


def step_meter(
    state: MeterState,
    *,
    powers_w: Iterable[float],
    means_w: Iterable[float],
    duration_s: float,
) -> MeterState:
    """Advance the meter.

    Parameters
    ----------
    state : MeterState
        At the start of the step.
    powers_w, means_w : iterable of float
        Power at the end and mean over the step of each thing behind the meter, W.
    duration_s : float
        > 0 s. A step whose power changes its direction counts its net.
    """
    mean_w = fsum(means_w)
    energy_wh = mean_w * duration_s / SECONDS_PER_HOUR
    return MeterState(
        power_w=fsum(powers_w),
        mean_w=mean_w,
        energy_wh_imported=state.energy_wh_imported + max(0.0, -energy_wh),
        energy_wh_exported=state.energy_wh_exported + max(0.0, energy_wh),
    )
