"""The day file of a grid company (でんき予報): several small tables in one file. Pure.

Publishers use one grammar and different columns: an UPDATE line, tables of one row about the
peak, a table of 24 hours, more tables of one row about the next day, a table of 288 five
minutes. What differs is data (:class:`DayFile`), one per publisher's module.

Powers come in 10 MW and leave in W; demand is consumption and positive, as published. What
had not happened when the file was published is missing, also where the publisher writes 0.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from cloud_coordinator.gateway.exchanges import fields
from cloud_coordinator.gateway.exchanges.fields import Bounds, Reading, missing
from cloud_coordinator.gateway.exchanges.files import Layout, PublishedFile, shown, split_line
from cloud_coordinator.gateway.exchanges.whereabouts import PUBLISHERS, grid_area
from cloud_coordinator.services.publications import Publication, Quality, Series, Stage
from protocols.vocabulary.intervals import utc_from_seconds

W_PER_10_MW: Final = 1e7
HOUR_S: Final = 3600
FIVE_MINUTES_S: Final = 300
DAY_S: Final = 86_400
_POWER: Final = Bounds(low=0.0, high=10_000.0)
_SHARE: Final = Bounds(low=0.0, high=1_000.0)
_RESERVE: Final = Bounds(low=-100.0, high=1_000.0)
_TEMPERATURE: Final = Bounds(low=-60.0, high=60.0)
_HOURS: Final = re.compile(r"(\S+)~(\S+)")
_MONTH_AND_DAY: Final = re.compile(r"(1[0-2]|0?[1-9])[/月](3[01]|[12]\d|0?[1-9])日?")
_NEXT_DAY: Final = "翌日の"
_ABSENT: Final = {"": Quality.BLANK, "*": Quality.NOT_OBSERVED, "-": Quality.NOT_OBSERVED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What a column says: a kind, the factor to its unit, and possible values as published.

    Attributes
    ----------
    happens : bool
        Whether it is measured, so that it cannot be there before the slot is over.
    """

    kind: str
    factor: float
    bounds: Bounds
    happens: bool = False


DEMAND: Final = Column(kind="demand_w", factor=W_PER_10_MW, bounds=_POWER, happens=True)
PV: Final = Column(kind="pv_w", factor=W_PER_10_MW, bounds=_POWER, happens=True)
FORECAST: Final = Column(kind="demand_forecast_w", factor=W_PER_10_MW, bounds=_POWER)
SUPPLY: Final = Column(kind="supply_capacity_w", factor=W_PER_10_MW, bounds=_POWER)
USAGE: Final = Column(kind="usage_ratio", factor=0.01, bounds=_SHARE)
RESERVE: Final = Column(kind="reserve_ratio", factor=0.01, bounds=_RESERVE)
PV_SHARE: Final = Column(kind="pv_share", factor=0.01, bounds=_SHARE, happens=True)

_PEAKS: Final[Mapping[str, str]] = {
    "ピーク時供給力(万kW)": "peak_supply_capacity",
    "予想最大電力(万kW)": "peak_demand_forecast",
    "使用率ピーク時供給力(万kW)": "usage_peak_supply_capacity",
    "使用率ピーク時予想電力(万kW)": "usage_peak_demand_forecast",
}
_OF_THE_DAY: Final[Mapping[str, Column]] = {
    "最大使用率(%)": Column(kind="usage_ratio_max", factor=0.01, bounds=_SHARE),
    "予想気温(最低)": Column(kind="forecast_temperature_c_min", factor=1, bounds=_TEMPERATURE),
    "予想気温(最高)": Column(kind="forecast_temperature_c_max", factor=1, bounds=_TEMPERATURE),
    "気温実績(最低)": Column(kind="temperature_c_min", factor=1, bounds=_TEMPERATURE),
    "気温実績(最高)": Column(kind="temperature_c_max", factor=1, bounds=_TEMPERATURE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFile:
    """How one publisher fills the grammar.

    Attributes
    ----------
    name : str
        Of the layout.
    area : str
        Area of the company known to use it.
    hours, minutes : mapping of str to Column
        Columns after DATE and TIME of the two tables, in their order, header in normal form.
    before, after : tuple of str
        First columns of the one-row tables before and after the hours, in their order.
    """

    name: str
    area: str
    hours: Mapping[str, Column]
    minutes: Mapping[str, Column]
    before: tuple[str, ...]
    after: tuple[str, ...]

    def layout(self) -> Layout:
        """Make the entry of the registry."""
        return Layout(
            name=self.name,
            recognises=lambda file: _hours_header(file) == ("DATE", "TIME", *self.hours),
            read=self._read,
        )

    def _read(self, file: PublishedFile, told: str | None) -> Publication:
        return _Reader(self, file, grid_area(file, told, known=self.area)).read()


PEAKS_TODAY: Final = tuple(_PEAKS)
TEMPERATURES_NEXT_DAY: Final = "予想気温(最低)"
"""A table of its own, of the next day though its columns do not say so."""
PEAKS_NEXT_DAY: Final = tuple(_NEXT_DAY + name for name in _PEAKS)


def value(file: PublishedFile, line: int, text: str, *, column: Column) -> Reading:
    """Read a field of a column, in its unit; empty and ``*`` are missing.

    Raises
    ------
    ImportRefusedError
        If it is neither missing nor a possible number.
    """
    if text in _ABSENT:
        return missing(_ABSENT[text])
    found = fields.number(file, line, text, bounds=column.bounds)
    return Reading(value=found * column.factor, quality=Quality.GOOD)


class _Reader:
    """Walks once through the lines of a file that is not blank."""

    def __init__(self, layout: DayFile, file: PublishedFile, area: str) -> None:
        self._layout, self._file, self._area = layout, file, area
        self._lines = [at for at, text in enumerate(file.lines, start=1) if text.strip(", ")]
        self._at = 0

    def read(self) -> Publication:
        """Read the whole file."""
        published_at = fields.update_moment(self._file, self._next())
        local_day = self._day_of_hours()
        found: list[Series] = []
        for first in self._layout.before:
            found += self._one_row(first, local_day)
        found += self._table(
            self._layout.hours, local_day, step_s=HOUR_S, published_at=published_at
        )
        for first in self._layout.after:
            found += self._one_row(first, local_day)
        found += self._table(
            self._layout.minutes, local_day, step_s=FIVE_MINUTES_S, published_at=published_at
        )
        if self._at < len(self._lines):
            raise self._file.refusal(self._lines[self._at], "something follows the last table")
        return self._publication(published_at, found)

    def _next(self) -> int:
        if self._at >= len(self._lines):
            raise self._file.refusal(len(self._file.lines), "the file ends too early")
        self._at += 1
        return self._lines[self._at - 1]

    def _day_of_hours(self) -> date:
        """Day of the first row of the 24 hours; the tables before it do not say it."""
        for at, line in enumerate(self._lines[:-1]):
            if self._file.lines[line - 1].startswith("DATE,"):
                first = self._lines[at + 1]
                return fields.day(self._file, first, split_line(self._file.lines[first - 1])[0])
        raise self._file.refusal(len(self._file.lines), "the file ends too early")

    def _header(self, expected: str) -> tuple[int, tuple[str, ...]]:
        line = self._next()
        names = fields.header(self._file.lines[line - 1])
        if names[0] != expected:
            raise self._file.refusal(line, f"{shown(names[0])} stands where {expected} is promised")
        return line, names

    def _one_row(self, first: str, today: date) -> list[Series]:
        """Read a header and its one row: values of the day, and hour and ratios of a peak."""
        _, names = self._header(first)
        line = self._next()
        texts = self._file.fields(line, columns=len(names))
        next_day = first.startswith(_NEXT_DAY) or first == TEMPERATURES_NEXT_DAY
        start_s = fields.seconds(today + timedelta(days=int(next_day)), 0)
        prefix = "next_day_" if next_day else ""
        peak = _PEAKS.get(first.removeprefix(_NEXT_DAY), "usage_max")
        found: list[Series] = []
        for name, text in zip(names, texts, strict=True):
            read = self._field(line, name, text=text, peak=peak)
            if read is not None:
                found.append(
                    fields.series(
                        prefix + read[0],
                        self._area,
                        step_s=DAY_S,
                        start_s=[start_s],
                        readings=[read[1]],
                    )
                )
        return found

    def _publication(self, published_at: datetime, found: Sequence[Series]) -> Publication:
        """Put the tables together; a damaged header could say one thing twice."""
        names = Counter((one.kind, one.step_s) for one in found)
        for (kind, _), times in names.items():
            if times > 1:
                raise self._file.refusal(0, f"says {kind} {times} times")
        return Publication(
            layout=self._layout.name,
            publisher=PUBLISHERS[self._area],
            stage=Stage.PRELIMINARY,
            published_at=published_at,
            series=tuple(found),
        )

    def _field(self, line: int, name: str, *, text: str, peak: str) -> tuple[str, Reading] | None:
        """Kind and value of a column of a one-row table; None for one that is only checked."""
        name = name.removeprefix(_NEXT_DAY)
        if name.endswith("更新日"):
            if text not in _ABSENT and _MONTH_AND_DAY.fullmatch(text) is None:
                raise self._file.refusal(line, f"{shown(text)} is not a month and day")
            return None
        if name.endswith("更新時刻"):
            if text not in _ABSENT:
                fields.minute(self._file, line, text)
            return None
        if name == "時間帯":
            return f"{peak}_hour", self._hour(line, text)
        column = _OF_THE_DAY.get(name)
        if name in _PEAKS:
            column = Column(kind=f"{peak}_w", factor=W_PER_10_MW, bounds=_POWER)
        elif column is None and name.endswith("予備率(%)"):
            column = Column(kind=f"{peak}_reserve_ratio", factor=0.01, bounds=_RESERVE)
        elif column is None and name.endswith("使用率(%)"):
            column = Column(kind=f"{peak}_usage_ratio", factor=0.01, bounds=_SHARE)
        if column is None:
            raise self._file.refusal(line - 1, f"{shown(name)} is not a known column")
        return column.kind, value(self._file, line, text, column=column)

    def _hour(self, line: int, text: str) -> Reading:
        """First hour of ``9:00~10:00``."""
        if text in _ABSENT:
            return missing(_ABSENT[text])
        match = _HOURS.fullmatch(fields.normal(text))
        if match is None:
            raise self._file.refusal(line, f"{shown(text)} is not a span of hours")
        return Reading(value=fields.minute(self._file, line, match[1]) / 60, quality=Quality.GOOD)

    def _table(
        self, columns: Mapping[str, Column], today: date, *, step_s: int, published_at: datetime
    ) -> list[Series]:
        """Read a table with one row for each slot of the day."""
        line, names = self._header("DATE")
        if names != ("DATE", "TIME", *columns):
            raise self._file.refusal(line, "the columns are not those of the layout")
        starts: list[int] = []
        readings: list[list[Reading]] = [[] for _ in columns]
        for at in range(DAY_S // step_s):
            line = self._next()
            texts = self._file.fields(line, columns=len(names))
            if fields.day(self._file, line, texts[0]) != today:
                raise self._file.refusal(line, f"{texts[0]} is another day than {today}")
            if fields.minute(self._file, line, texts[1]) * 60 != at * step_s:
                hour, minutes = divmod(at * step_s // 60, 60)
                cause = f"{texts[1]} stands where {hour}:{minutes:02d} is promised"
                raise self._file.refusal(line, cause)
            starts.append(fields.seconds(today, at * step_s // 60))
            is_over = utc_from_seconds(starts[-1] + step_s) <= published_at
            row = [
                value(self._file, line, text, column=column)
                for text, column in zip(texts[2:], columns.values(), strict=True)
            ]
            if not is_over:
                row = _without_future(row, tuple(columns.values()))
            for into, read in zip(readings, row, strict=True):
                into.append(read)
        return [
            fields.series(column.kind, self._area, step_s=step_s, start_s=starts, readings=into)
            for column, into in zip(columns.values(), readings, strict=True)
        ]


def _without_future(row: Sequence[Reading], columns: Sequence[Column]) -> list[Reading]:
    """Row of a slot that is not over: where nothing is measured yet, publishers write 0."""
    pairs = list(zip(row, columns, strict=True))
    if any(read.value > 0.0 for read, column in pairs if column.happens):
        return list(row)
    return [missing(Quality.NOT_YET) if column.happens else read for read, column in pairs]


def _hours_header(file: PublishedFile) -> Sequence[str]:
    """First header that begins with DATE, in normal form, of a file that begins with UPDATE."""
    if not file.lines[0].rstrip(", ").endswith("UPDATE"):
        return ()
    for line in file.lines:
        if line.startswith("DATE,"):
            return fields.header(line)
    return ()
