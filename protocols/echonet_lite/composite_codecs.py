"""Compound values to EDT and back, one codec per type name of the property table.

Each codec gets the table's row, so that the multiplier, range and "no value" codes of the
items come from the table. Called by :mod:`protocols.echonet_lite.properties` only.
"""

from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from typing import Final

from protocols.echonet_lite.composites import (
    CompositeType,
    Currents,
    History,
    Item,
    Moment,
    OperatingTime,
    Range,
    Reading,
    Schedule,
    SurplusForecast,
    TimeSpan,
    expect,
)
from protocols.echonet_lite.frame import Eoj
from protocols.echonet_lite.property_map import decode_property_map, encode_property_map
from protocols.echonet_lite.spec import NUMBERS, NumberType, PropertySpec
from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError

_DATE_BYTES: Final = 4
_EOJ_BYTES: Final = 3
_CLASS_BYTES: Final = 2
_TEXT_PADDING: Final = "\0 "


def _items(spec: PropertySpec, edt: bytes) -> tuple[Item, ...]:
    """Numbers of an EDT, None for a "no value" code or a count out of range."""
    number = spec.number
    assert number is not None, "a row of items has its number"
    found: list[Item] = []
    for offset in range(0, len(edt), number.size):
        chunk = edt[offset : offset + number.size]
        count = number.decode(chunk)
        readable = chunk not in spec.no_data and spec.minimum <= count <= spec.maximum
        found.append(spec.scaled(count) if readable else None)
    return tuple(found)


def _item_bytes(spec: PropertySpec, items: object) -> bytes:
    """EDT of numbers; None becomes the row's first "no value" code of an item's size."""
    number = spec.number
    assert number is not None, "a row of items has its number"
    nothing = next((code for code in spec.no_data if len(code) == number.size), None)
    parts: list[bytes] = []
    for item in expect(spec, items, tuple):
        if item is not None:
            parts.append(number.encode(_item_count(spec, item)))
        elif nothing is not None:
            parts.append(nothing)
        else:
            raise LocalProtocolError(f"{spec} has no code for no value")
    return b"".join(parts)


def _item_count(spec: PropertySpec, item: object) -> int:
    """Count of one item."""
    if isinstance(item, int | float | Decimal):
        return spec.count_of(item)
    raise LocalProtocolError(f"{spec} cannot hold the item {item!r}")


def _array(number: str, count: int) -> CompositeType:
    """Make the type of a fixed number of equal items, a tuple."""
    size = NUMBERS[number].size * count
    return CompositeType(size, size, _items, _item_bytes, NUMBERS[number])


def _read_range(spec: PropertySpec, edt: bytes) -> Range:
    return Range(*_items(spec, edt))


def _write_range(spec: PropertySpec, value: object) -> bytes:
    value = expect(spec, value, Range)
    return _item_bytes(spec, (value.minimum, value.maximum))


def _read_currents(spec: PropertySpec, edt: bytes) -> Currents:
    return Currents(*_items(spec, edt))


def _write_currents(spec: PropertySpec, value: object) -> bytes:
    value = expect(spec, value, Currents)
    return _item_bytes(spec, (value.r_phase_a, value.t_phase_a))


def _read_raw(_spec: PropertySpec, edt: bytes) -> bytes:
    return edt


def _write_raw(spec: PropertySpec, value: object) -> bytes:
    return expect(spec, value, bytes)


def _read_text(_spec: PropertySpec, edt: bytes) -> str:
    return edt.decode("ascii").rstrip(_TEXT_PADDING)


def _text(size: int) -> CompositeType:
    """ASCII of a fixed size, padded with NUL."""

    def write(spec: PropertySpec, value: object) -> bytes:
        value = expect(spec, value, str)
        return value.encode("ascii").ljust(size, b"\0")

    return CompositeType(size, size, _read_text, write)


def _raw(size_min: int, size_max: int) -> CompositeType:
    """Bytes without a meaning of their own here."""
    return CompositeType(size_min, size_max, _read_raw, _write_raw)


def _read_vehicle(_spec: PropertySpec, edt: bytes) -> bytes:
    if edt[0] != len(edt) - 1:
        raise RemoteProtocolError(f"vehicle id says {edt[0]} bytes and has {len(edt) - 1}")
    return edt[1:]


def _write_vehicle(spec: PropertySpec, value: object) -> bytes:
    value = expect(spec, value, bytes)
    return bytes((len(value),)) + value


def _date(edt: bytes) -> date:
    return date(int.from_bytes(edt[:2], "big"), edt[2], edt[3])


def _date_bytes(day: date) -> bytes:
    return day.year.to_bytes(2, "big") + bytes((day.month, day.day))


def _read_date(_spec: PropertySpec, edt: bytes) -> date:
    return _date(edt)


def _write_date(spec: PropertySpec, value: object) -> bytes:
    value = expect(spec, value, date)
    return _date_bytes(value)


def _read_time(_spec: PropertySpec, edt: bytes) -> time:
    return time(edt[0], edt[1])


def _write_time(spec: PropertySpec, value: object) -> bytes:
    value = expect(spec, value, time)
    return bytes((value.hour, value.minute))


def _read_moment(_spec: PropertySpec, edt: bytes) -> Moment:
    return Moment(_date(edt), time(*edt[_DATE_BYTES:]))


def _write_moment(spec: PropertySpec, value: object) -> bytes:
    value = expect(spec, value, Moment)
    clock = value.clock
    return _date_bytes(value.day) + bytes((clock.hour, clock.minute, clock.second))


def _read_span(_spec: PropertySpec, edt: bytes) -> TimeSpan:
    return TimeSpan(time(edt[0], edt[1]), time(edt[2], edt[3]))


def _write_span(spec: PropertySpec, value: object) -> bytes:
    value = expect(spec, value, TimeSpan)
    return bytes((value.start.hour, value.start.minute, value.end.hour, value.end.minute))


def _counted(edt: bytes, size: int) -> list[bytes]:
    """Entries of a list that begins with its own count."""
    listed = edt[1:]
    if len(listed) != edt[0] * size:
        raise RemoteProtocolError(f"list of {edt[0]} entries in {len(listed)} bytes")
    return [listed[offset : offset + size] for offset in range(0, len(listed), size)]


def _read_instances(_spec: PropertySpec, edt: bytes) -> tuple[Eoj, ...]:
    return tuple(Eoj.decode(entry) for entry in _counted(edt, _EOJ_BYTES))


def _write_instances(spec: PropertySpec, value: object) -> bytes:
    entries = expect(spec, value, tuple)
    listed = b"".join(expect(spec, entry, Eoj).encode() for entry in entries)
    return bytes((len(entries),)) + listed


def _read_classes(_spec: PropertySpec, edt: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(entry, "big") for entry in _counted(edt, _CLASS_BYTES))


def _write_classes(spec: PropertySpec, value: object) -> bytes:
    entries = expect(spec, value, tuple)
    listed = b"".join(expect(spec, entry, int).to_bytes(2, "big") for entry in entries)
    return bytes((len(entries),)) + listed


def _read_map(_spec: PropertySpec, edt: bytes) -> frozenset[int]:
    return decode_property_map(edt)


def _write_map(spec: PropertySpec, value: object) -> bytes:
    return encode_property_map(expect(spec, value, frozenset))


_KWH_PER_COUNT: Final[Mapping[int, Decimal]] = {
    0x00: Decimal(1),
    0x01: Decimal("0.1"),
    0x02: Decimal("0.01"),
    0x03: Decimal("0.001"),
    0x04: Decimal("0.0001"),
    0x0A: Decimal(10),
    0x0B: Decimal(100),
    0x0C: Decimal(1000),
    0x0D: Decimal(10_000),
}


def _read_unit(_spec: PropertySpec, edt: bytes) -> Decimal:
    unit = _KWH_PER_COUNT.get(edt[0])
    if unit is None:
        raise ValueError(f"unknown code {edt.hex()}")
    return unit


def _write_unit(_spec: PropertySpec, value: object) -> bytes:
    for code, unit in _KWH_PER_COUNT.items():
        if value == unit:
            return bytes((code,))
    raise ValueError("no code for this unit")


_MOMENT_BYTES: Final = 7


def _read_reading(spec: PropertySpec, edt: bytes) -> Reading:
    return Reading(_read_moment(spec, edt[:_MOMENT_BYTES]), _items(spec, edt[_MOMENT_BYTES:]))


def _write_reading(spec: PropertySpec, value: object) -> bytes:
    value = expect(spec, value, Reading)
    return _write_moment(spec, value.at) + _item_bytes(spec, value.counts)


_DAY_UNSET: Final = 0x00FF
_DAY_MAX: Final = 99


def _read_history(spec: PropertySpec, edt: bytes) -> History:
    day = int.from_bytes(edt[:2], "big")
    if day > _DAY_MAX and day != _DAY_UNSET:
        raise ValueError(f"day {day}")
    return History(None if day == _DAY_UNSET else day, _items(spec, edt[2:]))


def _write_history(spec: PropertySpec, value: object) -> bytes:
    value = expect(spec, value, History)
    day = _DAY_UNSET if value.day is None else value.day
    return day.to_bytes(2, "big") + _item_bytes(spec, value.counts)


_NO_DATE: Final = b"\xff\xff\xff\xff"


def _read_schedule(spec: PropertySpec, edt: bytes) -> Schedule:
    day = edt[:_DATE_BYTES]
    return Schedule(None if day == _NO_DATE else _date(day), _items(spec, edt[_DATE_BYTES:]))


def _write_schedule(spec: PropertySpec, value: object) -> bytes:
    value = expect(spec, value, Schedule)
    day = _NO_DATE if value.start is None else _date_bytes(value.start)
    return day + _item_bytes(spec, value.percent)


def _read_surplus(spec: PropertySpec, edt: bytes) -> SurplusForecast:
    month, day, hour = edt[:3]
    date(2000, month, day)  # a leap year: raises on a day no year has
    time(hour)
    return SurplusForecast(month, day, hour, _items(spec, edt[3:]))


def _write_surplus(spec: PropertySpec, value: object) -> bytes:
    value = expect(spec, value, SurplusForecast)
    head = bytes((value.month, value.day, value.hour))
    return head + _item_bytes(spec, value.energy_wh)


_TIME_UNITS: Final[Mapping[int, str]] = {0x41: "second", 0x42: "minute", 0x43: "hour", 0x44: "day"}


def _read_operating(_spec: PropertySpec, edt: bytes) -> OperatingTime:
    unit = _TIME_UNITS.get(edt[0])
    if unit is None:
        raise ValueError(f"unknown code {edt[:1].hex()}")
    return OperatingTime(unit, int.from_bytes(edt[1:], "big"))


def _write_operating(spec: PropertySpec, value: object) -> bytes:
    value = expect(spec, value, OperatingTime)
    for code, unit in _TIME_UNITS.items():
        if unit == value.unit:
            return bytes((code,)) + value.count.to_bytes(4, "big")
    raise ValueError("no code for this unit")


COMPOSITES: Final[Mapping[str, CompositeType]] = {
    "raw1or17": CompositeType(1, 17, _read_raw, _write_raw, None, frozenset({1, 17})),
    "raw1to255": _raw(1, 255),
    **{f"raw{size}": _raw(size, size) for size in (2, 3, 4, 16, 17)},
    "text12": _text(12),
    "vehicle_id": CompositeType(1, 25, _read_vehicle, _write_vehicle),
    "date": CompositeType(4, 4, _read_date, _write_date),
    "time": CompositeType(2, 2, _read_time, _write_time),
    "moment": CompositeType(7, 7, _read_moment, _write_moment),
    "span": CompositeType(4, 4, _read_span, _write_span),
    "map": CompositeType(1, 17, _read_map, _write_map),
    "instances": CompositeType(1, 253, _read_instances, _write_instances),
    "classes": CompositeType(1, 17, _read_classes, _write_classes),
    "range_uint32": CompositeType(8, 8, _read_range, _write_range, NUMBERS["uint32"]),
    "range_uint16": CompositeType(4, 4, _read_range, _write_range, NUMBERS["uint16"]),
    "currents": CompositeType(4, 4, _read_currents, _write_currents, NUMBERS["int16"]),
    "kwh_unit": CompositeType(1, 1, _read_unit, _write_unit),
    "reading": CompositeType(11, 11, _read_reading, _write_reading, NUMBERS["uint32"]),
    "reading_pair": CompositeType(15, 15, _read_reading, _write_reading, NUMBERS["uint32"]),
    "history": CompositeType(194, 194, _read_history, _write_history, NUMBERS["uint32"]),
    "schedule": CompositeType(100, 100, _read_schedule, _write_schedule, NUMBERS["uint8"]),
    "surplus": CompositeType(51, 51, _read_surplus, _write_surplus, NUMBERS["int16"]),
    "operating_time": CompositeType(5, 5, _read_operating, _write_operating),
    "uint32x4": _array("uint32", 4),
    "uint32x3": _array("uint32", 3),
    "uint16x4": _array("uint16", 4),
    "uint16x3": _array("uint16", 3),
}


def item_type(name: str) -> NumberType | None:
    """Find the number a type is, or its items are made of; None if it has none."""
    composite = COMPOSITES.get(name)
    return composite.item if composite is not None else NUMBERS.get(name)
