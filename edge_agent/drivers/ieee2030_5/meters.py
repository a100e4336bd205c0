"""What a device measures, from its mirrors: which values count, their direction, their time.

Pure reading of the server's records. A value is of the end of its period as the device itself
states it, never later than it came.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from protocols.ieee2030_5.server.desk_devices import MeterValue
from protocols.templates.ieee2030_5 import Ieee2030_5Wire
from protocols.vocabulary.intervals import utc_from_seconds

W, WH, V, HZ = 38, 72, 29, 33
"""Units (uom) of ReadingType."""
FORWARD, NET, REVERSE = 1, 4, 19
"""Flow directions of ReadingType; any other is none."""
PREMISES: Final = 0x02
"""Role flag: measured where the premises are connected, so not the device's own."""
_WHOLE_PHASES: Final = frozenset({None, 0, 224})
_EXTREMES: Final = frozenset({8, 9})
"""Data qualifiers maximum and minimum: no power that ever lasted."""
_MULTIPLIER_MAX: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """A quantity of the device.

    Attributes
    ----------
    value : float
        W toward the grid, Wh, V or Hz.
    at : datetime
        Aware UTC.
    extreme : bool
        It is the greatest or least of its period and not what it was.
    """

    value: float
    at: datetime
    extreme: bool = False


def power_of(values: Iterable[MeterValue], wire: Ieee2030_5Wire) -> Metered | None:
    """Active power toward the grid; None if it measures none."""
    found = [value for value in values if _unit(value) == W]
    plain = [value for value in found if not _is_extreme(value)]
    flows: dict[int, MeterValue] = {}
    for value in plain or found:
        flow = _flow(value)
        if flow not in flows or flows[flow].received_at <= value.received_at:
            flows[flow] = value
    sign = 1.0 if wire.forward_delivers else -1.0
    if NET in flows:
        return _metered(flows[NET], sign)
    if FORWARD in flows or REVERSE in flows:
        parts = [
            _metered(flows[flow], factor)
            for flow, factor in ((FORWARD, sign), (REVERSE, -sign))
            if flow in flows
        ]
        return Metered(
            value=sum(part.value for part in parts) + 0.0,
            at=min(part.at for part in parts),
            extreme=any(part.extreme for part in parts),
        )
    if 0 in flows:
        return _metered(flows[0], 1.0 if wire.plain_delivers else -1.0)
    return None


def energy_of(
    values: Iterable[MeterValue], wire: Ieee2030_5Wire, *, delivered: bool
) -> Metered | None:
    """Energy that it has delivered, or taken; None if it does not measure it."""
    wanted = FORWARD if delivered is wire.forward_delivers else REVERSE
    found = [value for value in values if _unit(value) == WH and _flow(value) == wanted]
    return _metered(max(found, key=lambda value: value.received_at), 1.0) if found else None


def plain_of(values: Iterable[MeterValue], unit: int) -> Metered | None:
    """Quantity without a direction, such as a voltage; None if it does not measure it."""
    found = [value for value in values if _unit(value) == unit]
    return _metered(max(found, key=lambda value: value.received_at), 1.0) if found else None


def own_values(values: Iterable[MeterValue]) -> tuple[MeterValue, ...]:
    """Those that the device measures at itself, over all phases."""
    return tuple(
        value
        for value in values
        if value.reading_type is not None
        and not value.role_flags & PREMISES
        and value.reading_type.phase in _WHOLE_PHASES
        and abs(value.reading_type.power_of_ten_multiplier or 0) <= _MULTIPLIER_MAX
    )


def _metered(value: MeterValue, factor: float) -> Metered:
    kind = value.reading_type
    exponent = 0 if kind is None else kind.power_of_ten_multiplier or 0
    ends = min(value.start + value.duration_s, value.received_at)
    return Metered(
        value=factor * value.value * 10.0**exponent + 0.0,
        at=utc_from_seconds(float(max(ends, 0))),
        extreme=_is_extreme(value),
    )


def _unit(value: MeterValue) -> int | None:
    return None if value.reading_type is None else value.reading_type.uom


def _flow(value: MeterValue) -> int:
    flow = None if value.reading_type is None else value.reading_type.flow_direction
    return flow if flow in {FORWARD, NET, REVERSE} and flow is not None else 0


def _is_extreme(value: MeterValue) -> bool:
    return value.reading_type is not None and value.reading_type.data_qualifier in _EXTREMES
