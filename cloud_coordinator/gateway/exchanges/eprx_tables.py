"""EPRX: capacity reserved on interconnectors, and what is sought in the months ahead. Pure.

The requirement table stands for every day of its months: per product, month, area and half
hour. A month in which all fields are empty is not decided yet and left out.
"""

import calendar
import re
from collections.abc import Sequence
from datetime import date
from typing import Final

from cloud_coordinator.gateway.exchanges import fields
from cloud_coordinator.gateway.exchanges.eprx_files import (
    PRODUCTS,
    PUBLISHER,
    W_PER_MW,
    block_start_s,
    filled,
    read_head,
)
from cloud_coordinator.gateway.exchanges.fields import Bounds, Reading, missing
from cloud_coordinator.gateway.exchanges.files import Layout, PublishedFile, shown, split_line
from cloud_coordinator.gateway.exchanges.jepx_files import AREAS, scaled
from cloud_coordinator.services.publications import Publication, Quality, Series, Stage
from protocols.vocabulary.calendar import SLOT_MINUTES, SLOT_S, SLOTS_A_DAY

_TIE_LINE: Final = "eprx-interconnectors"
_REQUIREMENT: Final = "eprx-requirement"
_H: Final = ("H", "連系線確保量", "対象年月", "ブロック数", "取引期間")
_T: Final = ("T", "順方向元エリア", "逆方向元エリア")
_POWER: Final = Bounds(low=0.0, high=1e6)
_PERIODS: Final = {"日取引": "daily", "週取引": "weekly"}
_WAYS: Final = {"順方向": "forward", "逆方向": "backward"}
_COLUMN: Final = re.compile(
    r"(?P<of>[^:]+):連系線確保量(?P<limit>上限値)?\((?P<way>順方向|逆方向)\)\[MW\]"
)
_CODES: Final = {
    "Compound": "compound",
    "1": "primary",
    "2-1": "secondary1",
    "2-2": "secondary2",
    "3-1": "tertiary1",
    "3-2": "tertiary2",
}
_TITLE: Final = re.compile(rf"(?P<code>{'|'.join(_CODES)})_Requirement_\[MW\]")
_MONTH: Final = re.compile(r"(\d{4})/(\d{1,2})_")
_WIDTH: Final = len(AREAS) + 1
_MONTHS: Final = 12


def _is_tie_line(file: PublishedFile) -> bool:
    return (
        len(file.lines) >= 3  # noqa: PLR2004  three header lines
        and filled(file.lines[0]) == _H
        and fields.header(file.lines[2])[: len(_T)] == _T
    )


def _read_tie_line(file: PublishedFile, _told: str | None) -> Publication:
    """Read every interconnector of every block."""
    head = read_head(file, _H)
    kinds = [_tie_line_kind(file, name) for name in fields.header(file.lines[2])[len(_T) :]]
    if not kinds or len(set(kinds)) < len(kinds):
        raise file.refusal(3, "no column of power, or one twice")
    starts: dict[str, list[int]] = {}
    readings: dict[str, list[list[Reading]]] = {}
    for line in range(4, len(file.lines) + 1):
        texts = file.fields(line, columns=len(_T) + len(kinds))
        start_s = block_start_s(file, line, texts[0], head=head)
        name = f"{_end(file, line, texts[1])}>{_end(file, line, texts[2])}"
        mine = starts.setdefault(name, [])
        if mine and start_s <= mine[-1]:
            raise file.refusal(line, f"{name}: blocks must rise, each once")
        mine.append(start_s)
        rows = readings.setdefault(name, [[] for _ in kinds])
        for into, text in zip(rows, texts[3:], strict=True):
            into.append(_power(file, line, text))
    if not starts:
        raise file.refusal(len(file.lines), "has no block")
    if len({tuple(mine) for mine in starts.values()}) > 1:
        raise file.refusal(len(file.lines), "not every interconnector has the same blocks")
    return Publication(
        layout=_TIE_LINE,
        publisher=PUBLISHER,
        stage=head.stage,
        published_at=None,
        series=tuple(
            fields.series(kind, name, step_s=head.step_s, start_s=starts[name], readings=into)
            for name in starts
            for kind, into in zip(kinds, readings[name], strict=True)
        ),
    )


def _tie_line_kind(file: PublishedFile, name: str) -> str:
    match = _COLUMN.fullmatch(name)
    if match is None:
        raise file.refusal(3, f"{shown(name)} is no known column")
    way = _WAYS[match["way"]]
    if match["limit"] and match["of"] in _PERIODS:
        return f"tie_line_limit_{_PERIODS[match['of']]}_{way}_w"
    service = PRODUCTS.get(match["of"])
    if match["limit"] or service is None:
        raise file.refusal(3, f"{shown(name)} is no known column")
    return f"tie_line_{service.value.replace('-', '_')}_{way}_w"


def _end(file: PublishedFile, line: int, text: str) -> str:
    """Area at one end; of a divided interconnector with the name of the part."""
    area, _, part = text.partition("_")
    if area not in AREAS or not re.fullmatch(r"[^,]{0,20}", part):
        raise file.refusal(line, f"{shown(text)} is no area")
    return AREAS[area] + (f"/{part}" if part else "")


def _power(file: PublishedFile, line: int, text: str) -> Reading:
    value = scaled(file, line, text, bounds=_POWER, factor=W_PER_MW)
    return Reading(value=value, quality=Quality.GOOD)


def _is_requirement(file: PublishedFile) -> bool:
    return _TITLE.fullmatch(split_line(file.lines[0])[0]) is not None


def _read_requirement(file: PublishedFile, _told: str | None) -> Publication:
    """Read one table per product, one below the other."""
    found: list[Series] = []
    seen: set[str] = set()
    line = 1
    while line <= len(file.lines):
        texts = split_line(file.lines[line - 1])
        if not any(texts):
            line += 1
            continue
        title = _TITLE.fullmatch(texts[0])
        if title is None or any(one not in {"", texts[0]} for one in texts):
            raise file.refusal(line, f"{shown(texts[0])} stands where a title is promised")
        if texts[0] in seen:
            raise file.refusal(line, f"{shown(texts[0])} comes twice")
        seen.add(texts[0])
        found.extend(_table(file, line + 1, kind=f"{_CODES[title['code']]}_sought_w"))
        line += 2 + SLOTS_A_DAY
    if not found:
        raise file.refusal(0, "no month of any table has a value")
    return Publication(
        layout=_REQUIREMENT,
        publisher=PUBLISHER,
        stage=Stage.PRELIMINARY,
        published_at=None,
        series=tuple(found),
    )


def _table(file: PublishedFile, first: int, *, kind: str) -> list[Series]:
    """Read the table of one product: months side by side, each with a column of times."""
    if first > len(file.lines):
        raise file.refusal(len(file.lines), "the file ends too early")
    head = split_line(file.lines[first - 1])
    if not head or len(head) % _WIDTH or len(head) > _WIDTH * _MONTHS:
        raise file.refusal(first, f"has {len(head)} columns, {_WIDTH} a month are promised")
    months = [_month(file, first, head[at : at + _WIDTH]) for at in range(0, len(head), _WIDTH)]
    if months != sorted(set(months)):
        raise file.refusal(first, "months must rise, each once")
    cells: list[list[list[Reading]]] = [[[] for _ in AREAS] for _ in months]
    for row in range(SLOTS_A_DAY):
        line = first + 1 + row
        texts = file.fields(line, columns=len(head))
        for at, into in enumerate(cells):
            mine = texts[at * _WIDTH : (at + 1) * _WIDTH]
            if fields.normal(mine[0]) != _times(row):
                raise file.refusal(line, f"{shown(mine[0])} stands where {_times(row)} is promised")
            for one, text in zip(into, mine[1:], strict=True):
                one.append(_power(file, line, text) if text else missing(Quality.BLANK))
    return _series(kind, months, cells)


def _series(
    kind: str, months: Sequence[date], cells: Sequence[Sequence[Sequence[Reading]]]
) -> list[Series]:
    """Repeat the day of each month on all its days; a month without any value is left out."""
    starts: list[int] = []
    readings: list[list[Reading]] = [[] for _ in AREAS]
    for month, areas in zip(months, cells, strict=True):
        if all(one.quality >= Quality.BLANK for rows in areas for one in rows):
            continue
        for day in range(1, calendar.monthrange(month.year, month.month)[1] + 1):
            begin_s = fields.seconds(month.replace(day=day), 0)
            starts.extend(begin_s + slot * SLOT_S for slot in range(SLOTS_A_DAY))
            for into, rows in zip(readings, areas, strict=True):
                into.extend(rows)
    if not starts:
        return []
    return [
        fields.series(kind, area, step_s=SLOT_S, start_s=starts, readings=into)
        for area, into in zip(AREAS.values(), readings, strict=True)
    ]


def _month(file: PublishedFile, line: int, texts: Sequence[str]) -> date:
    match = _MONTH.fullmatch(texts[0])
    if match is None or not 1 <= int(match[2]) <= _MONTHS or tuple(texts[1:]) != tuple(AREAS):
        raise file.refusal(line, f"{shown(','.join(texts))} is no month with its areas")
    year = int(match[1])
    if not fields.YEARS[0] <= year <= fields.YEARS[1]:
        raise file.refusal(line, f"the year of {shown(texts[0])} is not possible")
    return date(year, int(match[2]), 1)


def _times(row: int) -> str:
    """``00:00~00:30`` of a row counted from 0; the day ends at ``00:00``."""
    ends = [(row + one) * SLOT_MINUTES % (24 * 60) for one in (0, 1)]
    return "~".join(f"{end // 60:02}:{end % 60:02}" for end in ends)


LAYOUTS: Final = (
    Layout(name=_TIE_LINE, recognises=_is_tie_line, read=_read_tie_line),
    Layout(name=_REQUIREMENT, recognises=_is_requirement, read=_read_requirement),
)
