"""What a household takes: a base, appliances from a seed, or a measured course.

Generator frame: the power is <= 0.
"""

import math
from dataclasses import dataclass

from firmware_sim.physics.noise import smooth, uniform
from firmware_sim.physics.ramp import SECONDS_PER_HOUR

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Appliance:
    """Something that runs now and then.

    Attributes
    ----------
    name : str
        For people.
    power_w : float
        While it runs, > 0.
    length_s : float
        How long it runs.
    slot_s : float
        Once at most in each slot of this length.
    chance : float
        Probability that it runs in a slot, 0..1.
    hours : tuple of float
        Local hours between which a slot must begin.
    """

    name: str
    power_w: float
    length_s: float
    slot_s: float
    chance: float
    hours: tuple[float, float] = (0.0, 24.0)


APPLIANCES = (
    Appliance(name="refrigerator", power_w=90.0, length_s=900.0, slot_s=2400.0, chance=1.0),
    Appliance(
        name="kettle", power_w=1100.0, length_s=180.0, slot_s=7200.0, chance=0.4, hours=(6.0, 23.0)
    ),
    Appliance(
        name="microwave", power_w=900.0, length_s=240.0, slot_s=3600.0, chance=0.25, hours=(6, 22)
    ),
    Appliance(
        name="cooker", power_w=1600.0, length_s=1500.0, slot_s=10800.0, chance=0.5, hours=(6, 21)
    ),
    Appliance(
        name="washer", power_w=350.0, length_s=2700.0, slot_s=14400.0, chance=0.3, hours=(7, 20)
    ),
    Appliance(
        name="cooling", power_w=600.0, length_s=1800.0, slot_s=3600.0, chance=0.5, hours=(10, 24)
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Household:
    """Base load in W (> 0), appliances and the seed that says when they run."""

    base_w: float = 180.0
    seed: int = 0
    appliances: tuple[Appliance, ...] = APPLIANCES


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadState:
    """Power at the end of the last step, its mean, and the energy taken so far (>= 0)."""

    power_w: float
    mean_w: float = 0.0
    energy_wh_taken: float = 0.0


def household_w(household: Household, local_s: float) -> float:
    """Consumption at a moment of local time in s, W, > 0 means it takes."""
    hour = (local_s % _DAY_S) / 3600.0
    evening = 0.5 * math.exp(-(((hour - 20.0) / 3.0) ** 2))
    flicker = 0.8 + 0.4 * smooth(household.seed, local_s / 20.0)
    total_w = household.base_w * (1.0 + evening) * flicker
    for number, appliance in enumerate(household.appliances):
        if _runs(appliance, seed=household.seed, number=number, local_s=local_s):
            total_w += appliance.power_w
    return total_w


def _runs(appliance: Appliance, *, seed: int, number: int, local_s: float) -> bool:
    """Whether an appliance runs; each slot has its own hashed start."""
    slot = math.floor(local_s / appliance.slot_s)
    begins_s = slot * appliance.slot_s
    hour = (begins_s % _DAY_S) / 3600.0
    if not appliance.hours[0] <= hour < appliance.hours[1]:
        return False
    if uniform(seed, number, slot, 0) >= appliance.chance:
        return False
    free_s = max(0.0, appliance.slot_s - appliance.length_s)
    on_s = begins_s + free_s * uniform(seed, number, slot, 1)
    return on_s <= local_s < on_s + appliance.length_s


def step_load(state: LoadState, *, taken_w: float, duration_s: float) -> LoadState:
    """Advance the load.

    Parameters
    ----------
    state : LoadState
        At the start of the step.
    taken_w : float
        Consumption at the end of the step, >= 0 W.
    duration_s : float
        > 0 s; the power is taken as a straight line.
    """
    power_w = -max(0.0, taken_w)
    mean_w = 0.5 * (state.power_w + power_w)
    return LoadState(
        power_w=power_w,
        mean_w=mean_w,
        energy_wh_taken=state.energy_wh_taken - mean_w * duration_s / SECONDS_PER_HOUR,
    )
