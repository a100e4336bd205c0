"""What a DERControlBase asks for, mode by mode, in SI units; decides nothing.

Percentages become ratios, booleans 0 or 1, powers W; a curve mode brings its points. ``rampTms``
says how and not what, so it is no mode.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from protocols.ieee2030_5.resources.der import DERControlBase, DERCurve, FixedVar, FreqDroopType
from protocols.ieee2030_5.resources.elements import (
    ActivePower,
    Link,
    PowerFactorWithExcitation,
    ReactivePower,
)
from protocols.ieee2030_5.units import amount_of, points_of, ratio_of_percent
from protocols.ieee2030_5.xml import table_of
from protocols.vocabulary.errors import RemoteProtocolError

NO_MODES = frozenset({"rampTms"})
_HUNDRED = 100.0

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One mode of a control.

    Attributes
    ----------
    mode : str
        The standard's word.
    value : float
        W or var, a ratio for percentages, 0 or 1 for booleans; 0 for a curve.
    curve : tuple of (float, float)
        x in Hz or as a ratio of VRef, y as a ratio of ``yRefType``; empty without a curve.
    detail : str
        As it was sent, for people.
    """

    mode: str
    value: float
    curve: Points = ()
    detail: str = ""


def modes_of(base: DERControlBase) -> frozenset[str]:
    """Modes that a control sets."""
    return frozenset(
        _word(slot.tag)
        for slot in table_of(DERControlBase).slots
        if getattr(base, slot.field) is not None
    ).difference(NO_MODES)


def curve_links_of(base: DERControlBase) -> frozenset[str]:
    """Addresses of the curves that a control names."""
    values = (getattr(base, slot.field) for slot in table_of(DERControlBase).slots)
    return frozenset(value.href for value in values if isinstance(value, Link))


def asked_of(base: DERControlBase, curves: Mapping[str, DERCurve]) -> tuple[Asked, ...]:
    """All modes of a control.

    Parameters
    ----------
    base : DERControlBase
        From an event or a default.
    curves : Mapping
        Curves by address; a curve that is not among them has no points.

    Raises
    ------
    RemoteProtocolError
        If a value is beyond what the standard allows. The message names the mode.
    """
    found = []
    for slot in table_of(DERControlBase).slots:
        value, mode = getattr(base, slot.field), _word(slot.tag)
        if value is None or mode in NO_MODES:
            continue
        try:
            found.append(_asked(mode, value, curves))
        except RemoteProtocolError as error:
            raise RemoteProtocolError(f"{mode}: {error}") from error
    return tuple(found)


def _asked(mode: str, value: object, curves: Mapping[str, DERCurve]) -> Asked:
    """One mode; curves and droops have no single value."""
    if isinstance(value, Link):
        curve = curves.get(value.href)
        points = () if curve is None else _points(curve)
        return Asked(mode=mode, value=0.0, curve=points, detail=f"curve {value.href}"[:80])
    number, detail = _number(value)
    return Asked(mode=mode, value=number, detail=detail)


def _number(value: object) -> tuple[float, str]:
    """Value in SI units, and as it was sent."""
    number, detail = 0.0, ""
    match value:
        case bool():
            number, detail = float(value), str(value).lower()
        case int():
            number, detail = ratio_of_percent(value), f"{value / _HUNDRED} %"
        case ActivePower() | ReactivePower():
            number, detail = amount_of(value), f"{value.value} * 10^{value.multiplier}"
        case FixedVar():
            number = ratio_of_percent(value.value)
            detail = f"{value.value / _HUNDRED} % of reference {value.ref_type}"
        case PowerFactorWithExcitation():
            number = value.displacement * 10.0**value.multiplier
            if not 0.0 <= number <= 1.0:
                raise RemoteProtocolError(f"power factor {number}")
            detail = "under-excited" if value.excitation else "over-excited"
        case FreqDroopType():
            detail = "frequency droop"
    return number, detail


def _points(curve: DERCurve) -> Points:
    """Points with percentages as ratios; a frequency (curve type 0) stays in Hz."""
    scale = 1.0 if curve.curve_type == 0 else _HUNDRED
    return tuple((x / scale, y / _HUNDRED) for x, y in points_of(curve))


def _word(tag: str) -> str:
    return tag.rpartition("}")[2]
