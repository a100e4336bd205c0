"""A greatest consumption in the words of an event, by the template's signal. Decides nothing.

A setpoint of a load is a ceiling, W <= 0 in the generator frame; events count consumption, >= 0.
Rounded toward less consumption.
"""

import math
from dataclasses import dataclass
from typing import Final

from protocols.openadr.messages.elements import Item, PowerAttributes
from protocols.templates.openadr import CAPACITY, LEVEL, OpenAdrWire
from protocols.vocabulary.errors import DeviceUnsupportedError, LocalProtocolError

NORMAL: Final = 0.0
"""Level of SIMPLE at which nothing is asked."""
_WATTS: Final = Item(
    kind="powerReal",
    item_description="RealPower",
    item_units="W",
    si_scale_code="none",
    power_attributes=PowerAttributes(hertz=50.0, voltage=200.0, ac=True),
)
_STEPS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EventWords:
    """A ceiling.

    Attributes
    ----------
    value : float
        In the signal's unit.
    power_w : float
        What that is, W toward the grid, <= 0.
    duration_s : int
        How long it holds.
    """

    value: float
    power_w: float
    duration_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelWords:
    """No event of ours."""


def ceiling(power_w: float, wire: OpenAdrWire, *, rated_w: float) -> tuple[float, float]:
    """Value of the signal for a ceiling, and what that is in W toward the grid.

    Raises
    ------
    DeviceUnsupportedError
        For a power toward the grid, or less than the deepest level leaves.
    LocalProtocolError
        If it is no number.
    """
    if not math.isfinite(power_w):
        raise LocalProtocolError(f"{power_w} is no power")
    if power_w > 0.0:
        raise DeviceUnsupportedError("an event for a load cannot order power toward the grid")
    taken_w = min(-power_w, rated_w)
    if wire.signal == LEVEL:
        return _level(taken_w, wire, rated_w=rated_w)
    if wire.signal == CAPACITY:
        share = math.floor(_STEPS * taken_w / rated_w + 1e-6) / _STEPS
        return share, -share * rated_w + 0.0
    whole_w = float(math.floor(taken_w))
    return whole_w, -whole_w + 0.0


def _level(taken_w: float, wire: OpenAdrWire, *, rated_w: float) -> tuple[float, float]:
    if taken_w >= rated_w:
        return NORMAL, -rated_w
    for number, share in enumerate(wire.levels, start=1):
        if share * rated_w <= taken_w:
            return float(number), -share * rated_w + 0.0
    least_w = wire.levels[-1] * rated_w
    raise DeviceUnsupportedError(f"{taken_w:.0f} W: its deepest level leaves {least_w:.0f} W")


def unit_of(wire: OpenAdrWire) -> Item | None:
    """Return the unit that the signal carries; None for one without."""
    return None if wire.signal in {LEVEL, CAPACITY} else _WATTS
