"""What the site's meter said, kept for reports: seconds for a while, minutes for a week.

Minutes are durable records, one per hour of them, so that a report that could not be sent, or is
asked for later, is made of what was measured. A second without a measurement is a gap: nothing
is carried over.
"""

import json
import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from edge_agent.northbound.port import SiteSecond
from protocols.openadr.messages.elements import (
    Item,
    OadrPayloadResourceStatus,
    PowerAttributes,
)
from protocols.openadr.ven.readings import Reading
from protocols.openadr.ven.settings import DataPoint
from protocols.sansio.records import Change, RecordBook

KEPT: Final = timedelta(days=7)
"""How long minutes are kept."""
SECONDS_KEPT: Final = 900
_KIND: Final = "minutes/"
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE_S: Final = 60
_WHOLE: Final = 0.5
_GOOD: Final = "Quality Good - Non Specific"
_UNCERTAIN: Final = "Quality Uncertain - Non Specific"

POWER: Final = "meter.power"
POWER_HISTORY: Final = "meter.power.history"
ENERGY_HISTORY: Final = "meter.energy.history"
STATUS: Final = "site.status"

_WATT: Final = Item(
    kind="powerReal",
    item_description="RealPower",
    item_units="W",
    si_scale_code="none",
    power_attributes=PowerAttributes(hertz=50.0, voltage=200.0, ac=True),
)
_WATT_HOUR: Final = Item(
    kind="energyReal", item_description="RealEnergy", item_units="Wh", si_scale_code="none"
)

POINTS: Final = (
    DataPoint(
        r_id=POWER,
        report_name="TELEMETRY_USAGE",
        report_type="usage",
        reading_type="Mean",
        item_base=_WATT,
        resource_id="meter",
        min_period=timedelta(seconds=1),
    ),
    DataPoint(
        r_id=STATUS,
        report_name="TELEMETRY_STATUS",
        report_type="x-resourceStatus",
        reading_type="x-notApplicable",
        resource_id="site",
        min_period=timedelta(seconds=1),
    ),
    DataPoint(
        r_id=POWER_HISTORY,
        report_name="HISTORY_USAGE",
        report_type="usage",
        reading_type="Mean",
        item_base=_WATT,
        resource_id="meter",
    ),
    DataPoint(
        r_id=ENERGY_HISTORY,
        report_name="HISTORY_USAGE",
        report_type="usage",
        reading_type="Summed",
        item_base=_WATT_HOUR,
        resource_id="meter",
    ),
)
"""What a site offers; power as OpenADR sees usage: + is taken from the grid."""


_Second = tuple[float, bool]
"""Usage in W, + import, and whether a person held the site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mean:
    """What a piece of time came to.

    Attributes
    ----------
    usage_w : float
        Mean over the seconds that were measured, + import, W.
    covered : float
        Part of the time that was measured, 0..1.
    overridden : bool
        Whether a person held the site in any of it.
    """

    usage_w: float
    covered: float
    overridden: bool = False


class MeterReadings:
    """The meter's past.

    Parameters
    ----------
    book : RecordBook
        Where minutes are kept; shared with the role's own records.
    """

    def __init__(self, book: RecordBook) -> None:
        self._book = book
        self._seconds: deque[tuple[datetime, _Second]] = deque(maxlen=SECONDS_KEPT)
        self._minutes: dict[datetime, _Mean] = {}
        self._unkept: set[datetime] = set()
        for key, value in book.load().items():
            if key.startswith(_KIND):
                self._minutes.update(_minutes(json.loads(value)))

    def add(self, second: SiteSecond) -> None:
        """Take a second; a second without a measurement is left out."""
        if second.meter_w is None or not math.isfinite(second.meter_w):
            return
        if self._seconds and second.at < self._seconds[-1][0]:
            return
        before = self._seconds[-1][0] if self._seconds else None
        self._seconds.append((second.at, (-second.meter_w, second.is_overridden)))
        if before is not None and _floor(before, _MINUTE) != _floor(second.at, _MINUTE):
            self._close(_floor(before, _MINUTE))

    def _close(self, minute: datetime) -> None:
        """Make a minute of the seconds in it."""
        mean = _mean(self._between(minute, minute + _MINUTE), _MINUTE_S)
        if mean is not None:
            self._minutes[minute] = mean
            self._unkept.add(_floor(minute, _HOUR))

    def keep(self, now: datetime) -> tuple[Change, ...]:
        """Return records of minutes since the last call, and of those that are too old."""
        if not self._unkept:
            return ()
        oldest = _floor(now - KEPT, _HOUR)
        stale = {_floor(at, _HOUR) for at in self._minutes if at < oldest}
        if stale:
            self._minutes = {at: one for at, one in self._minutes.items() if at >= oldest}
        changes = [Change(key=_key(hour), value=None) for hour in stale]
        for hour in self._unkept - stale:
            row = [
                [at.timestamp(), one.usage_w, one.covered, one.overridden]
                for at, one in self._minutes.items()
                if hour <= at < hour + _HOUR
            ]
            changes.append(Change(key=_key(hour), value=json.dumps(row).encode()))
        self._unkept.clear()
        return tuple(changes)

    def read(
        self, r_id: str, span: tuple[datetime, datetime], granularity: timedelta
    ) -> tuple[Reading, ...]:
        """Return readings that begin in a span; from minutes where these are fine enough."""
        return tuple(
            _reading(r_id, start, mean, granularity=granularity)
            for start in _steps(span, granularity)
            if (mean := self._mean_of(start, granularity)) is not None
        )

    def _mean_of(self, start: datetime, granularity: timedelta) -> _Mean | None:
        if granularity % _MINUTE:
            taken = self._between(start, start + granularity)
            return _mean(taken, granularity.total_seconds())
        steps = _steps((start, start + granularity), _MINUTE)
        minutes = [one for at in steps if (one := self._minute(at)) is not None]
        covered = math.fsum(one.covered for one in minutes)
        if covered <= 0.0:
            return None
        usage = math.fsum(one.usage_w * one.covered for one in minutes) / covered
        return _Mean(
            usage_w=usage,
            covered=covered / (granularity / _MINUTE),
            overridden=any(one.overridden for one in minutes),
        )

    def _minute(self, at: datetime) -> _Mean | None:
        """Return a minute, also one that no later second has closed yet."""
        kept = self._minutes.get(at)
        return kept or _mean(self._between(at, at + _MINUTE), _MINUTE_S)

    def _between(self, start: datetime, end: datetime) -> list[_Second]:
        return [second for at, second in self._seconds if start <= at < end]


def _mean(seconds: list[_Second], length_s: float) -> _Mean | None:
    if not seconds:
        return None
    return _Mean(
        usage_w=math.fsum(usage_w for usage_w, _ in seconds) / len(seconds),
        covered=min(1.0, len(seconds) / length_s),
        overridden=any(overridden for _, overridden in seconds),
    )


def _reading(r_id: str, start: datetime, mean: _Mean, *, granularity: timedelta) -> Reading:
    quality = _GOOD if mean.covered >= _WHOLE else _UNCERTAIN
    if r_id == STATUS:
        status = OadrPayloadResourceStatus(oadr_online=True, oadr_manual_override=mean.overridden)
        return Reading(start=start, status=status, quality=quality)
    value = mean.usage_w
    if r_id == ENERGY_HISTORY:
        value *= granularity / _HOUR
    return Reading(start=start, value=round(value, 3), quality=quality)


def _steps(span: tuple[datetime, datetime], step: timedelta) -> Iterator[datetime]:
    at, end = span
    while at < end:
        yield at
        at += step


def _floor(moment: datetime, step: timedelta) -> datetime:
    return moment - (moment - _EPOCH) % step


def _key(hour: datetime) -> str:
    return f"{_KIND}{int(hour.timestamp())}"


def _minutes(rows: Iterable[tuple[float, float, float, bool]]) -> Iterator[tuple[datetime, _Mean]]:
    for at_s, usage_w, covered, overridden in rows:
        mean = _Mean(usage_w=usage_w, covered=covered, overridden=overridden)
        yield datetime.fromtimestamp(at_s, tz=UTC), mean
