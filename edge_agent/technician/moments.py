"""Times as a technician says and reads them: Japan Standard Time, said with each one.

Japan has had no summer time since 1951, so a fixed offset is the whole calendar needed here.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from protocols.vocabulary.errors import ConfigError

JST: Final = timezone(timedelta(hours=9), "JST")
DAY: Final = timedelta(days=1)
_CLOCK_TIME: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedTime:
    """The second that was asked for.

    Attributes
    ----------
    moment : datetime
        Aware UTC, a whole second.
    span_s : int
        1, or 60 where only the minute was said.
    """

    moment: datetime
    span_s: int

    @property
    def slot_s(self) -> int:
        """Unix second."""
        return int(self.moment.timestamp())


def parse_time(text: str, now: datetime) -> AskedTime:
    """Understand ``14:03``, ``14:03:05`` (JST, the last time it was so) or ISO 8601.

    Parameters
    ----------
    text : str
        What was typed. An ISO time without an offset is JST.
    now : datetime
        Aware UTC.

    Raises
    ------
    ConfigError
        If it is no time, or lies ahead.
    """
    match = _CLOCK_TIME.match(text.strip())
    if match is not None:
        hour, minute, second = (int(part or 0) for part in match.groups())
        local = now.astimezone(JST).replace(hour=hour, minute=minute, second=second, microsecond=0)
        moment = local if local <= now else local - DAY
        span_s = 60 if match.group(3) is None else 1
        return AskedTime(moment=moment.astimezone(UTC), span_s=span_s)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ConfigError(
            f"TIME {text!r}: write 14:03, 14:03:05 or 2026-07-22T14:03:05 (JST), or ISO with "
            "an offset such as 2026-07-22T05:03:05Z"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=JST)
    moment = moment.astimezone(UTC).replace(microsecond=0)
    if moment > now:
        raise ConfigError(f"TIME {text!r}: {shown(moment)} has not come yet")
    return AskedTime(moment=moment, span_s=1)


def shown(moment: datetime) -> str:
    """``2026-07-22 14:03:05 JST``."""
    return f"{moment.astimezone(JST):%Y-%m-%d %H:%M:%S} JST"


def age_text(age_s: float) -> str:
    """Age in the unit a person would use: ``0.4 s``, ``12 min``, ``3.5 h``, ``2 d``."""
    if age_s < 120.0:  # noqa: PLR2004 - two minutes are still told in seconds
        return f"{age_s:.1f} s"
    minutes = age_s / 60.0
    if minutes < 120.0:  # noqa: PLR2004 - two hours are still told in minutes
        return f"{minutes:.0f} min"
    hours = minutes / 60.0
    return f"{hours:.1f} h" if hours < 48.0 else f"{hours / 24.0:.0f} d"  # noqa: PLR2004 - two days
