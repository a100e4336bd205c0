"""From a power to a charging limit in a charger's own unit, and back. Pure.

Charging powers are W >= 0 here, for a limit is one; whoever calls turns the sign once. A limit
is rounded toward less charging, and below the smallest current a car accepts it is a pause.
"""

import math
from dataclasses import dataclass
from typing import Final

UNIT_W: Final = "W"
UNIT_A: Final = "A"
_HAIR: Final = 1e-9
"""Keeps a limit that is a whole number of steps from being rounded down by its last bit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """What a charger's limits are made of.

    Attributes
    ----------
    unit : str
        ``"W"`` or ``"A"``.
    phases : int
        1 or 3.
    voltage_v : float
        Phase voltage, > 0.
    current_a_least, power_w_least : float
        What it needs at least to charge; the greater counts.
    step : float
        Resolution of its limits, in its unit.
    power_w_rated : float
        The most it charges with, W.
    direct : bool
        A DC charger: no phases are told with its limits.
    """

    unit: str
    phases: int
    voltage_v: float
    current_a_least: float
    power_w_least: float
    step: float
    power_w_rated: float
    direct: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingLimit:
    """A limit as a charger takes it.

    Attributes
    ----------
    unit : str
        ``"W"`` or ``"A"``.
    value : float
        >= 0, a whole number of the charger's steps.
    power_w : float
        What it amounts to, W >= 0, all connectors together.
    """

    unit: str
    value: float
    power_w: float


def limit_of(supply: Supply, power_w: float, *, shares: int = 1) -> ChargingLimit:
    """Greatest limit that never exceeds a charging power.

    Parameters
    ----------
    supply : Supply
        The charger.
    power_w : float
        Charging power that is allowed, W >= 0; more than the rating is the rating.
    shares : int
        How many connectors each get this limit, >= 1.
    """
    per_unit_w = watts_per_unit(supply)
    each_w = min(power_w, supply.power_w_rated) / shares
    steps = math.floor(each_w / per_unit_w / supply.step + _HAIR)
    value = round(steps * supply.step, 3)
    least_w = max(supply.current_a_least * supply.voltage_v * supply.phases, supply.power_w_least)
    if value * per_unit_w < least_w * (1.0 - _HAIR):
        value = 0.0
    return ChargingLimit(unit=supply.unit, value=value, power_w=value * per_unit_w * shares)


def watts_per_unit(supply: Supply) -> float:
    """W that one unit of a limit is worth."""
    return supply.voltage_v * supply.phases if supply.unit == UNIT_A else 1.0


def limit_power_w(supply: Supply, unit: str, value: float, *, phases: int | None) -> float:
    """Charging power that a limit told by the charger stands for, W.

    Parameters
    ----------
    supply : Supply
        The charger.
    unit, value : str, float
        As told.
    phases : int or None
        As told; a charger uses no more than it has.
    """
    if unit == UNIT_W:
        return value
    used = supply.phases if phases is None else min(phases, supply.phases)
    return value * supply.voltage_v * used
