"""Compound values: ranges, lists, dates, meter readings, histories, forecasts.

Plain data in the specification's own terms; how they lie in an EDT is
:mod:`protocols.echonet_lite.composite_codecs`. Local times stay the device's own dates and
times of day; whoever knows the device's clock makes them instants.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from typing import TypeVar

from protocols.echonet_lite.frame import Eoj
from protocols.echonet_lite.spec import NumberType, PropertySpec
from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError

KindT = TypeVar("KindT")

Item = int | Decimal | None
"""A number of a compound value; None where the device says it has none."""


@dataclass(frozen=True, slots=True)
class Range:
    """Smallest and largest settable value (C8, C9, CA, CB ...), in the row's unit."""

    minimum: Item
    maximum: Item


@dataclass(frozen=True, slots=True)
class Currents:
    """Instantaneous currents of a meter (0288 E8) in A; T is None on one-phase two-wire."""

    r_phase_a: Item
    t_phase_a: Item


@dataclass(frozen=True, slots=True)
class Moment:
    """Date and time of day on the device's own clock."""

    day: date
    clock: time


@dataclass(frozen=True, slots=True)
class Reading:
    """Energy counts of a meter at a moment: (normal,) or (normal, reverse); EA, EB, D0.

    A count times the meter's coefficient (D3) and unit (E1) is kWh: :func:`energy_kwh`.
    """

    at: Moment
    counts: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class History:
    """One day of half-hour counts (0288 E2, E4): ``day`` 0 is today; None if unset."""

    day: int | None
    counts: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """PV output schedule (0279 B0): per cent for 96 half hours from ``start``'s midnight."""

    start: date | None
    percent: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """Start and end of a day's window (027C D1)."""

    start: time
    end: time


@dataclass(frozen=True, slots=True)
class SurplusForecast:
    """Surplus energy for 24 hours from an hour of a day (026B D9), Wh each."""

    month: int
    day: int
    hour: int
    energy_wh: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class OperatingTime:
    """Cumulative operating time (super class 9A): a count of ``unit``."""

    unit: str
    count: int


Composite = (
    bytes
    | str
    | date
    | time
    | Decimal
    | frozenset[int]
    | tuple[Eoj, ...]
    | tuple[int, ...]
    | tuple[Item, ...]
    | Range
    | Currents
    | Moment
    | Reading
    | History
    | Schedule
    | TimeSpan
    | SurplusForecast
    | OperatingTime
)


@dataclass(frozen=True, slots=True)
class CompositeType:
    """A kind of compound value.

    Attributes
    ----------
    size_min, size_max : int
        Bytes, both included.
    read : callable
        Turns an EDT of a fitting size into a value. ValueError: the value is impossible.
    write : callable
        Turns a value into an EDT. LocalProtocolError: the value is of another kind.
    item : NumberType or None
        What its items are made of.
    sizes : frozenset of int
        The only sizes allowed within the bounds; empty if all are.
    """

    size_min: int
    size_max: int
    read: Callable[[PropertySpec, bytes], Composite]
    write: Callable[[PropertySpec, object], bytes]
    item: NumberType | None = None
    sizes: frozenset[int] = frozenset()

    def fits(self, edt: bytes) -> bool:
        """Whether an EDT has a size this kind can have."""
        if self.sizes:
            return len(edt) in self.sizes
        return self.size_min <= len(edt) <= self.size_max

    def decode(self, spec: PropertySpec, edt: bytes) -> Composite:
        """Read an EDT.

        Raises
        ------
        RemoteProtocolError
            If its size is wrong or its own count disagrees.
        ValueError
            If it has the right form and cannot be true, such as a 31st of June.
        """
        if not self.fits(edt):
            raise RemoteProtocolError(
                f"{spec}: {len(edt)} bytes instead of {self.size_min}..{self.size_max}"
            )
        return self.read(spec, edt)

    def encode(self, spec: PropertySpec, value: object) -> bytes:
        """Write a value.

        Raises
        ------
        LocalProtocolError
            If the value is of another kind or does not fit.
        """
        try:
            edt = self.write(spec, value)
        except (ValueError, OverflowError):
            raise LocalProtocolError(f"{spec} ({spec.type}) cannot hold {value!r}") from None
        if not self.fits(edt):
            raise LocalProtocolError(f"{spec} ({spec.type}): {len(edt)} bytes do not fit")
        return edt


def expect(spec: PropertySpec, value: object, kind: type[KindT]) -> KindT:
    """Return the value if it is of the kind.

    Raises
    ------
    LocalProtocolError
        If it is not.
    """
    if not isinstance(value, kind):
        raise LocalProtocolError(f"{spec} ({spec.type}) cannot hold {value!r}")
    return value


def energy_kwh(count: int, *, coefficient: int = 1, unit_kwh: Decimal = Decimal(1)) -> Decimal:
    """Energy of a meter's count, exact.

    Parameters
    ----------
    count : int
        From E0, E3, EA, EB, E2, E4 or D0.
    coefficient : int
        D3; 1 if the meter does not have it.
    unit_kwh : Decimal
        E1, kWh per count.
    """
    return count * coefficient * unit_kwh
