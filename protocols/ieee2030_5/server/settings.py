"""What an operator decides of a server, and the standard's fixed limits of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

DEFAULT_POLL_RATE_S: Final = 300
DEFAULT_POST_RATE_S: Final = 300
PAGE_MAX: Final = 255
"""Most items of a page, and of a list in a notification."""
LOG_MAX: Final = 100
"""Log events kept per device; the oldest goes first."""
SUBSCRIPTIONS_MAX: Final = 1_000
"""Per certificate."""
MIRRORS_MAX: Final = 10_000
"""Per certificate."""
METERS_MAX: Final = 64
"""Quantities per mirror."""
DEVICES_MAX: Final = 100_000
"""Per aggregator."""
LINGER_S: Final = 10
"""How long after its last possible end an event is still listed."""
CANCELLED_S: Final = 300
"""How long a cancelled event is listed at least, for clients that poll slowly."""
FORGET_S: Final = 86_400
"""How long after its end an event is known, for late responses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneMoment:
    """A time zone's rules around a moment.

    Attributes
    ----------
    offset_s : int
        Standard time minus UTC.
    dst_offset_s : int
        What daylight saving time adds while it lasts; 0 where there is none.
    dst_start, dst_end : int
        Present or next period of daylight saving time, s since 1970; 0 where there is none.
    """

    offset_s: int
    dst_offset_s: int = 0
    dst_start: int = 0
    dst_end: int = 0


def no_zone(now: int) -> ZoneMoment:
    """Rules of UTC."""
    del now
    return ZoneMoment(offset_s=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """What an operator decides.

    Attributes
    ----------
    poll_rate_s : int
        Poll rate of every resource that has none of its own.
    post_rate_s : int
        How often devices are to send readings and status.
    csip_aus : bool
        Whether the extension CSIP-AUS 1.2 is spoken.
    open_registration : bool
        Whether a device with a valid certificate may register itself.
    welcome_primacy : int or None
        Primacy of the program that a device gets when it registers itself; None gives it none.
        There are clients that look for programs only once, so it must not come later.
    enterprise_number : int
        IANA private enterprise number in the mRIDs made here.
    zone : callable
        Rules of the server's time zone around a moment.
    """

    poll_rate_s: int = DEFAULT_POLL_RATE_S
    post_rate_s: int = DEFAULT_POST_RATE_S
    csip_aus: bool = True
    open_registration: bool = True
    welcome_primacy: int | None = 1
    enterprise_number: int = 0
    zone: Callable[[int], ZoneMoment] = no_zone
