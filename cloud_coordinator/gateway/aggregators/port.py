"""What a site that is spoken to in another protocol needs of that protocol: a partner."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from protocols.vocabulary.identifiers import SiteId, ZoneId
from protocols.vocabulary.intervals import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was agreed with an aggregator, and is promised for it.

    Attributes
    ----------
    site_id, zone : SiteId, ZoneId
        The site it is in our fleet.
    up_w, down_w : float
        How far it can be called from its baseline, W, >= 0: toward the grid, and away from it.
    up_price, down_price : tuple of float
        JPY/kWh at which the first W and the last W are called: up rises, down falls.
    response_s : float
        Time in which it makes a full change, s.
    step_s : float
        It is told a new power at most this often, s.
    deadband_w : float
        A smaller change is not told.
    reading_s : float
        Length of its readings, s.
    """

    site_id: SiteId
    zone: ZoneId
    up_w: float
    down_w: float
    up_price: tuple[float, float]
    down_price: tuple[float, float]
    response_s: float
    step_s: float
    deadband_w: float
    reading_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What an aggregator is asked for, from now to the end of an interval.

    Attributes
    ----------
    order_id : str
        Of the commitment; the same one asked again with another power replaces.
    interval : Interval
        Of the commitment, whole seconds.
    share_w, baseline_w : float
        Change against the baseline, and the baseline at the meter, W, + toward the grid.
    """

    order_id: str
    interval: Interval
    share_w: float
    baseline_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterReading:
    """Mean power at the meter over a time, W, + toward the grid; ``start`` is aware UTC."""

    start: datetime
    duration_s: int
    power_w: float


class Reply(enum.Enum):
    """What an aggregator said to an order: nothing yet, that it takes part, or not."""

    NONE = "none"
    YES = "yes"
    NO = "no"


class Asked(Protocol):
    """The way down. Everything asked is durable and survives a restart."""

    async def ask(self, ask: Ask, now: datetime) -> None:
        """Ask for a power. ``LocalProtocolError`` if it cannot be said, ``StoreError``."""

    def share_w(self, order_id: str, baseline_w: float) -> float | None:
        """Return what was asked last of an order, None if nothing was."""

    def reply(self, order_id: str) -> Reply:
        """Return the latest reply to an order."""


class Heard(Protocol):
    """The way up."""

    def is_there(self) -> bool:
        """Whether it calls as often as agreed."""

    def readings(self, since: datetime) -> Sequence[MeterReading]:
        """Return readings that began at or after a moment, by time."""


class Partner(Asked, Heard, Protocol):
    """One aggregator in its own protocol."""
