"""Rules of a time zone for the server's Time resource, from the machine's zone data."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from protocols.ieee2030_5.server.settings import ZoneMoment
from protocols.vocabulary.errors import ConfigError

_DAY: Final = timedelta(days=1)
_SEARCH_DAYS: Final = 400
_HOUR_S: Final = 3_600


def zone_rules(name: str) -> Callable[[int], ZoneMoment]:
    """Rules of a time zone, by its IANA name.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(f"time zone {name!r}: not known") from error

    @lru_cache(maxsize=2)
    def of_hour(hour: int) -> ZoneMoment:
        moment = datetime.fromtimestamp(hour * _HOUR_S, UTC).astimezone(zone)
        offset, saving = moment.utcoffset() or timedelta(), moment.dst() or timedelta()
        start, end = _saving_period(zone, moment)
        if start == end:
            return ZoneMoment(offset_s=int(offset.total_seconds()))
        added = saving or _saving_at(zone, start)
        return ZoneMoment(
            offset_s=int((offset - saving).total_seconds()),
            dst_offset_s=int(added.total_seconds()),
            dst_start=start,
            dst_end=end,
        )

    return lambda now: of_hour(now // _HOUR_S)


def _saving_period(zone: ZoneInfo, moment: datetime) -> tuple[int, int]:
    """Present or next daylight saving time; two equal numbers where there is none."""
    saving = bool(moment.dst())
    turns: list[int] = []
    day = moment - _DAY * _SEARCH_DAYS if saving else moment
    before = bool(_saving_at(zone, int(day.timestamp())))
    for _ in range(2 * _SEARCH_DAYS):
        later = day + _DAY
        after = bool(_saving_at(zone, int(later.timestamp())))
        if after != before:
            turns.append(_turn(zone, int(day.timestamp()), int(later.timestamp())))
            ends_late = not after and turns[-1] > moment.timestamp()
            if ends_late and len(turns) > 1:
                return turns[-2], turns[-1]
        day, before = later, after
    return 0, 0


def _turn(zone: ZoneInfo, low: int, high: int) -> int:
    """Second between two at which saving begins or ends."""
    first = bool(_saving_at(zone, low))
    while high - low > 1:
        middle = (low + high) // 2
        if bool(_saving_at(zone, middle)) == first:
            low = middle
        else:
            high = middle
    return high


def _saving_at(zone: ZoneInfo, at: int) -> timedelta:
    return datetime.fromtimestamp(at, zone).dst() or timedelta()
