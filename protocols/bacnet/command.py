"""What a power means for the object that is commanded, and the way back.

A *level* is a state of the device in which it takes or gives about a share of its rating: a
shed step of a lighting panel, on and off of a fan, a shift of a comfort setpoint. Powers are W
in the generator frame (+ toward the grid), so that a load's are <= 0.
"""

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from protocols.bacnet.units import UnitFacts
from protocols.vocabulary.errors import LocalProtocolError

TOLERANCE_RATIO: Final = 0.02
"""A level that takes this share more than asked still counts as what was asked."""


class Meaning(enum.Enum):
    """What presentValue of a commanded object is.

    LIMIT: greatest power. SETPOINT: the power itself, of both signs. SHED: number of a shed
    level. ON_OFF: runs or not. SETPOINT_SHIFT: by how much the comfort setpoint is moved.
    """

    LIMIT = "limit"
    SETPOINT = "setpoint"
    SHED = "shed"
    ON_OFF = "on-off"
    SETPOINT_SHIFT = "setpoint-shift"


@dataclass(frozen=True, slots=True)
class Level:
    """A presentValue, and the power that comes with it as a share of the rating, >= 0."""

    value: float
    share: float


@dataclass(frozen=True, slots=True)
class Scale:
    """How a power is written.

    Attributes
    ----------
    unit : UnitFacts
        Of presentValue: W (or kW ...), or a share of the rating (percent).
    sign : float
        -1 if a positive presentValue is consumption, +1 if it is generation.
    rating_w : float
        Magnitude that 100 % stands for, W, > 0.
    """

    unit: UnitFacts
    sign: float
    rating_w: float


@dataclass(frozen=True, slots=True)
class Words:
    """A presentValue to write, and the power it amounts to, W."""

    value: float
    power_w: float


def power_words(power_w: float, scale: Scale, *, bounds: tuple[float, float], limit: bool) -> Words:
    """Put a power into a presentValue that is a limit or a setpoint.

    Parameters
    ----------
    power_w : float
        Asked, W, generator frame.
    scale : Scale
        How it is written.
    bounds : tuple of float
        Least and greatest presentValue the object takes.
    limit : bool
        A limit is a magnitude: what lies on the other side of zero is written as 0.

    Raises
    ------
    LocalProtocolError
        If the power is not finite or cannot be expressed.
    """
    if not math.isfinite(power_w):
        raise LocalProtocolError(f"{power_w} W is not a power")
    wanted = power_w * scale.sign
    if limit:
        wanted = max(wanted, 0.0)
    value = scale.unit.theirs(wanted / _per_unit(scale))
    value = min(max(value, bounds[0]), bounds[1])
    return Words(value, value_power_w(value, scale))


def value_power_w(value: float, scale: Scale) -> float:
    """Power a presentValue stands for, W, generator frame."""
    return scale.unit.ours(value) * _per_unit(scale) * scale.sign + 0.0


def _per_unit(scale: Scale) -> float:
    """W for one of the unit."""
    if scale.unit.unit == "W":
        return 1.0
    if scale.unit.unit == "1" and scale.rating_w > 0.0:
        return scale.rating_w
    raise LocalProtocolError(f"a power cannot be written in {scale.unit.unit}")


def level_words(power_w: float, levels: Sequence[Level], *, sign: float, rating_w: float) -> Words:
    """Choose the level that does most of what is allowed.

    The level with the greatest power that does not go beyond what was asked; if all do, the
    one that goes beyond least.

    Parameters
    ----------
    power_w : float
        Asked, W, generator frame.
    levels : sequence of Level
        At least one.
    sign : float
        -1 for a load, +1 for a generator.
    rating_w : float
        What a share of 1 is, W, > 0.

    Raises
    ------
    LocalProtocolError
        If the power is not finite.
    """
    if not math.isfinite(power_w):
        raise LocalProtocolError(f"{power_w} W is not a power")
    wanted = max(power_w * sign, 0.0)
    allowed = [x for x in levels if x.share * rating_w <= wanted * (1.0 + TOLERANCE_RATIO)]
    if allowed:
        chosen = max(allowed, key=lambda level: level.share)
    else:
        chosen = min(levels, key=lambda level: level.share)
    return Words(chosen.value, sign * chosen.share * rating_w + 0.0)


def level_share(value: float, levels: Sequence[Level]) -> float | None:
    """Share of the rating a presentValue stands for; None if it is no level."""
    for level in levels:
        if abs(level.value - value) < 1e-6 * max(1.0, abs(value)):
            return level.share
    return None


def comfort_left(value: float | None, bounds: tuple[float, float], *, margin: float) -> str:
    """Say in which way comfort is not kept.

    Parameters
    ----------
    value : float or None
        Measured, such as the room in degC; None if it is not known.
    bounds : tuple of float
        Least and greatest.
    margin : float
        How far inside it must be, >= 0: 0 to go on, more to begin again.

    Returns
    -------
    str
        Empty if it is kept; what is not measured is not kept.
    """
    if value is None:
        return "is not known"
    if value < bounds[0] + margin:
        return f"{value:.1f} is below {bounds[0] + margin:g}"
    if value > bounds[1] - margin:
        return f"{value:.1f} is above {bounds[1] - margin:g}"
    return ""
