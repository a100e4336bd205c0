"""Quantities of IEEE 2030.5 to and from SI: powers of ten, hundredths, curves.

Signs are those of the standard's DER controls, which are ours: + discharges toward the grid.
"""

import math
from collections.abc import Callable
from typing import Protocol, TypeVar, cast

from protocols.ieee2030_5.resources.der import DERCurve
from protocols.ieee2030_5.resources.elements import ActivePower
from protocols.ieee2030_5.scalars import Whole
from protocols.ieee2030_5.xml import Part, table_of
from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError

_HUNDREDTHS = 10_000
_MULTIPLIER_MAX = 9


class Quantity(Protocol):
    """A value times a power of ten."""

    @property
    def multiplier(self) -> int:
        """Exponent of ten."""

    @property
    def value(self) -> int:
        """Factor."""


Q = TypeVar("Q", bound=Part)


def encode_active_power(power_w: float) -> ActivePower:
    """Encode a power with the finest multiplier that fits.

    Parameters
    ----------
    power_w : float
        Active power in W, sign of IEEE 2030.5 DER controls (+ discharge). Finite.

    Returns
    -------
    ActivePower
        value (int16) and multiplier (0..9), so that value * 10**multiplier is within half a step.

    Raises
    ------
    LocalProtocolError
        If no multiplier fits.

    Notes
    -----
    IEEE 2030.5-2018, type ActivePower.
    """
    return scaled(ActivePower, power_w)


def scaled(kind: type[Q], amount: float) -> Q:
    """Encode an amount as a quantity with the finest multiplier that fits.

    Parameters
    ----------
    kind : type
        A class with ``multiplier`` and ``value``: ActivePower, WattHour, ...
    amount : float
        In the class's unit.

    Raises
    ------
    LocalProtocolError
        If it is not finite or no multiplier of 0..9 fits.
    """
    if not math.isfinite(amount):
        raise LocalProtocolError(f"{amount} is no {kind.__name__}")
    scalar = next(slot.scalar for slot in table_of(kind).slots if slot.field == "value")
    assert isinstance(scalar, Whole)
    for multiplier in range(_MULTIPLIER_MAX + 1):
        value = round(amount / 10**multiplier)
        if scalar.minimum <= value <= scalar.maximum:
            return cast("Callable[..., Q]", kind)(multiplier=multiplier, value=value)
    raise LocalProtocolError(f"{amount} is beyond {kind.__name__}")


def amount_of(quantity: Quantity) -> float:
    """Amount of a quantity in its unit.

    Raises
    ------
    RemoteProtocolError
        If the power of ten is beyond -9..9: no device here is that big or small.
    """
    if abs(quantity.multiplier) > _MULTIPLIER_MAX:
        raise RemoteProtocolError(f"multiplier {quantity.multiplier} is beyond -9..9")
    return _times_ten_to(quantity.value, quantity.multiplier)


def percent_of_ratio(ratio: float) -> int:
    """PerCent or SignedPerCent of a ratio: hundredths of a percent, clipped to -1..1."""
    return round(min(max(ratio, -1.0), 1.0) * _HUNDREDTHS)


def ratio_of_percent(hundredths: int) -> float:
    """Ratio of a PerCent or SignedPerCent.

    Raises
    ------
    RemoteProtocolError
        If it is beyond -100..100 %.
    """
    if abs(hundredths) > _HUNDREDTHS:
        raise RemoteProtocolError(f"{hundredths} is beyond 100.00 %")
    return hundredths / _HUNDREDTHS


def seconds_of_ramp(hundredths_s: int) -> float:
    """Seconds of a ``...Tms`` field."""
    return hundredths_s / 100


def ratio_per_s_of_gradient(hundredths_percent_per_s: int) -> float:
    """Ratio of setMaxW per second of a ``set...GradW`` field."""
    return hundredths_percent_per_s / _HUNDREDTHS


def points_of(curve: DERCurve) -> tuple[tuple[float, float], ...]:
    """Points of a curve, scaled.

    Returns
    -------
    tuple of (float, float)
        x and y in the units of the curve's type (Hz, percent of VRef; percent of yRefType).

    Raises
    ------
    RemoteProtocolError
        If a multiplier is beyond -9..9, or the curve has no point or more than ten.
    """
    most = 10
    if not 0 < len(curve.curve_data) <= most:
        raise RemoteProtocolError(f"curve with {len(curve.curve_data)} points")
    for multiplier in (curve.x_multiplier, curve.y_multiplier):
        if abs(multiplier) > _MULTIPLIER_MAX:
            raise RemoteProtocolError(f"multiplier {multiplier} is beyond -9..9")
    return tuple(
        (
            _times_ten_to(point.xvalue, curve.x_multiplier),
            _times_ten_to(point.yvalue, curve.y_multiplier),
        )
        for point in curve.curve_data
    )


def _times_ten_to(value: int, exponent: int) -> float:
    """Nearest float of a decimal number; division keeps 6003 times 10**-2 at 60.03."""
    power = float(10 ** abs(exponent))
    return value * power if exponent >= 0 else value / power
