"""Numbers as the bytes a device sends: rounded, and clipped short of the "no value" codes."""

from datetime import UTC, datetime, timedelta

_JST_S = 9 * 3600
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def unsigned(value: float, size: int) -> bytes:
    """Encode a count >= 0 in ``size`` bytes; the two highest codes mean "no value"."""
    return min(max(round(value), 0), (1 << 8 * size) - 3).to_bytes(size, "big")


def signed(value: float, size: int) -> bytes:
    """Encode a count in ``size`` bytes, two's complement; the extremes mean "no value"."""
    top = (1 << (8 * size - 1)) - 3
    return min(max(round(value), -top), top).to_bytes(size, "big", signed=True)


def rolling(value: float, size: int, *, modulus: int) -> bytes:
    """Encode a counter that starts again at ``modulus``, as a meter's drum does."""
    return (int(value) % modulus).to_bytes(size, "big")


def power_range(low_w: float, high_w: float) -> bytes:
    """Encode a range of power as two uint32 in W, lowest first."""
    return unsigned(low_w, 4) + unsigned(high_w, 4)


def local_time(wall_s: float) -> datetime:
    """Japanese local time of a Unix time in s, as the clock on a device shows it."""
    return _EPOCH + timedelta(seconds=int(wall_s) + _JST_S)


def clock_values(wall_s: float) -> dict[int, bytes]:
    """EPC 97 (hour, minute) and 98 (year, month, day) of a device's clock."""
    local = local_time(wall_s)
    return {0x97: bytes((local.hour, local.minute)), 0x98: date_bytes(local)}


def date_bytes(local: datetime) -> bytes:
    """Year in two bytes, month, day."""
    return local.year.to_bytes(2, "big") + bytes((local.month, local.day))
