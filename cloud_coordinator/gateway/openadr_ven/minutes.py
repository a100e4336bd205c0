"""What a zone delivered, minute by minute, kept for reports to the VTN.

The live seconds of the running award make a minute at once; where sites were cut off it says so
in its quality, and is made again, better, when their record has come. Minutes are durable
records, one per hour of them. Where nothing was awarded nothing was delivered: no reading.
"""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from protocols.openadr.messages.elements import Item, OadrPayloadResourceStatus, PowerAttributes
from protocols.openadr.ven.readings import Reading
from protocols.openadr.ven.settings import DataPoint
from protocols.sansio.records import Change, RecordBook
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.intervals import Interval

KEPT: Final = timedelta(days=7)
"""How long minutes are kept."""
MINUTE: Final = timedelta(minutes=1)
CLOSED_AFTER: Final = timedelta(seconds=4)
"""How long after its end a minute has its last live second."""
POWER: Final = "delivered.power"
POWER_HISTORY: Final = "delivered.power.history"
STATUS: Final = "fleet.status"
_KIND: Final = "minutes/"
_HOUR: Final = timedelta(hours=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WHOLE: Final = 0.98
"""Part of the seconds and sites of a minute from which on it counts as whole."""
_GOOD: Final = "Quality Good - Non Specific"
_UNCERTAIN: Final = "Quality Uncertain - Non Specific"
_WATT: Final = Item(
    kind="powerReal",
    item_description="RealPower",
    item_units="W",
    si_scale_code="none",
    power_attributes=PowerAttributes(hertz=50.0, voltage=200.0, ac=True),
)


def data_points(zone: str) -> tuple[DataPoint, ...]:
    """Make what is offered for reports: the change against the baseline, each minute."""
    return (
        DataPoint(
            r_id=POWER,
            report_name="TELEMETRY_USAGE",
            report_type="deltaDemand",
            reading_type="Mean",
            item_base=_WATT,
            resource_id=zone,
        ),
        DataPoint(
            r_id=STATUS,
            report_name="TELEMETRY_STATUS",
            report_type="x-resourceStatus",
            reading_type="x-notApplicable",
            resource_id=zone,
        ),
        DataPoint(
            r_id=POWER_HISTORY,
            report_name="HISTORY_USAGE",
            report_type="deltaDemand",
            reading_type="Mean",
            item_base=_WATT,
            resource_id=zone,
        ),
    )


class LiveSecond(Protocol):
    """One second of an award as it is live; ``LivePoint`` of the services is one."""

    @property
    def second(self) -> int:
        """Unix time."""

    @property
    def measured_w(self) -> float:
        """Meter less baseline of the sites that have reported, W."""

    @property
    def reporting(self) -> int:
        """Count the sites that have reported."""

    @property
    def expected(self) -> int:
        """Count the sites that are bound."""


class StoredSeconds(Protocol):
    """Every second of an award as the store has it; ``DeliverySeries`` of settlement is one."""

    @property
    def second(self) -> IntArray:
        """Unix time, without a gap, shape (n,)."""

    @property
    def delivered_w(self) -> FloatArray:
        """Sum of the rows there are, W, shape (n,)."""

    @property
    def sites_present(self) -> IntArray:
        """How many of the sites have a row, shape (n,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """What a minute came to.

    Attributes
    ----------
    delivered_w : float
        Mean of meter less baseline over its seconds, W, + toward the grid.
    covered_s, due_s : float
        Seconds that are there (a second with half of the sites is half a second), and seconds
        of the minute that were awarded.
    """

    delivered_w: float
    covered_s: float
    due_s: float

    @property
    def is_whole(self) -> bool:
        """Whether all sites are in it."""
        return self.covered_s >= _WHOLE * self.due_s


class DeliveredMinutes:
    """The zone's past.

    Parameters
    ----------
    book : RecordBook
        Where minutes are kept; shared with the role's own records.
    factor : float
        From our sign to the peer's: -1 where it counts consumption positive, else +1.
    """

    def __init__(self, book: RecordBook, factor: float) -> None:
        self._factor = factor
        self._minutes: dict[datetime, Minute] = {}
        self._open: dict[datetime, list[tuple[float, float]]] = {}
        self._unkept: set[datetime] = set()
        for key, value in book.load().items():
            if key.startswith(_KIND):
                self._minutes.update(_minutes(json.loads(value)))

    def find(self, minute: datetime) -> Minute | None:
        """Return what is known of a minute."""
        return self._minutes.get(minute)

    def add(self, points: Iterable[LiveSecond], awarded: Interval) -> None:
        """Take live seconds of an award, each once and in order."""
        for point in points:
            if point.reporting == 0 or not math.isfinite(point.measured_w):
                continue
            minute = _floor(datetime.fromtimestamp(point.second, tz=UTC), MINUTE)
            seconds = self._open.setdefault(minute, [])
            seconds.append((point.measured_w, point.reporting / max(point.expected, 1)))
            made = _made(seconds, due_seconds(minute, awarded))
            if made.covered_s > self._covered_s(minute):
                self._minutes[minute] = made

    def correct(
        self, series: StoredSeconds, sites: int, wanted: Sequence[datetime], *, awarded: Interval
    ) -> list[datetime]:
        """Take what the store says of some minutes; return those that became better.

        Parameters
        ----------
        series : StoredSeconds
            Of the whole award.
        sites : int
            How many are bound by it.
        wanted : sequence of datetime
            Begins of minutes.
        awarded : Interval
            Of the award.
        """
        first = int(series.second[0]) if len(series.second) else 0
        better = []
        for minute in wanted:
            start = max(int(minute.timestamp()) - first, 0)
            piece = slice(start, max(int((minute + MINUTE).timestamp()) - first, 0))
            present = series.sites_present[piece]
            delivered = series.delivered_w[piece][present > 0].tolist()
            parts = (present[present > 0] / max(sites, 1)).tolist()
            seconds = list(zip(delivered, parts, strict=True))
            if not seconds:
                continue
            made = _made(seconds, due_seconds(minute, awarded))
            if made.covered_s > self._covered_s(minute):
                self._minutes[minute] = made
                self._unkept.add(_floor(minute, _HOUR))
                better.append(minute)
        return better

    def _covered_s(self, minute: datetime) -> float:
        known = self._minutes.get(minute)
        return 0.0 if known is None else known.covered_s

    def keep(self, now: datetime) -> tuple[Change, ...]:
        """Return records of minutes that closed since the last call, and of those too old."""
        for minute in [one for one in self._open if one + MINUTE + CLOSED_AFTER <= now]:
            del self._open[minute]
            self._unkept.add(_floor(minute, _HOUR))
        if not self._unkept:
            return ()
        oldest = _floor(now - KEPT, _HOUR)
        stale = {_floor(at, _HOUR) for at in self._minutes if at < oldest}
        if stale:
            self._minutes = {at: one for at, one in self._minutes.items() if at >= oldest}
        changes = [Change(key=_key(hour), value=None) for hour in stale]
        for hour in self._unkept - stale:
            row = [
                [at.timestamp(), one.delivered_w, one.covered_s, one.due_s]
                for at, one in self._minutes.items()
                if hour <= at < hour + _HOUR and at not in self._open
            ]
            changes.append(Change(key=_key(hour), value=json.dumps(row).encode()))
        self._unkept.clear()
        return tuple(changes)

    def read(
        self, r_id: str, span: tuple[datetime, datetime], granularity: timedelta
    ) -> tuple[Reading, ...]:
        """Return readings that begin in a span; a gap stays a gap."""
        found, at = [], span[0]
        while at < span[1]:
            steps = [at + k * MINUTE for k in range(max(granularity // MINUTE, 1))]
            minutes = [self._minutes[step] for step in steps if step in self._minutes]
            if minutes:
                found.append(self._reading(r_id, at, minutes))
            at += granularity
        return tuple(found)

    def _reading(self, r_id: str, start: datetime, minutes: Sequence[Minute]) -> Reading:
        quality = _GOOD if all(one.is_whole for one in minutes) else _UNCERTAIN
        if r_id == STATUS:
            status = OadrPayloadResourceStatus(oadr_online=True, oadr_manual_override=False)
            return Reading(start=start, status=status, quality=quality)
        covered = math.fsum(one.covered_s for one in minutes)
        power_w = math.fsum(one.delivered_w * one.covered_s for one in minutes) / covered
        return Reading(start=start, value=round(self._factor * power_w, 3), quality=quality)


def minutes_of(awarded: Interval, since: datetime, until: datetime) -> list[datetime]:
    """List the begins of the minutes of an award that ended in a time."""
    at = _floor(max(awarded.start, since), MINUTE)
    found = []
    while at < awarded.end and at + MINUTE <= until:
        found.append(at)
        at += MINUTE
    return found


def due_seconds(minute: datetime, awarded: Interval) -> float:
    """Count the seconds of a minute that lie in an award."""
    start, end = max(minute, awarded.start), min(minute + MINUTE, awarded.end)
    return max((end - start).total_seconds(), 0.0)


def _made(seconds: Sequence[tuple[float, float]], due_s: float) -> Minute:
    return Minute(
        delivered_w=math.fsum(power_w for power_w, _ in seconds) / len(seconds),
        covered_s=math.fsum(part for _, part in seconds),
        due_s=due_s,
    )


def _floor(moment: datetime, step: timedelta) -> datetime:
    return moment - (moment - _EPOCH) % step


def _key(hour: datetime) -> str:
    return f"{_KIND}{int(hour.timestamp())}"


def _minutes(
    rows: Iterable[tuple[float, float, float, float]],
) -> Iterator[tuple[datetime, Minute]]:
    for at_s, delivered_w, covered_s, due_s in rows:
        yield (
            datetime.fromtimestamp(at_s, tz=UTC),
            Minute(delivered_w=delivered_w, covered_s=covered_s, due_s=due_s),
        )
