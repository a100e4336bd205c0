"""Japan Meteorological Agency: hourly observations of one station (時ごとの値). Pure.

Two header rows name the columns, units among the names. Hours are 1 to 24 and name the end:
row 1 is the slot [0:00, 1:00). Sums (rain, sunshine, irradiance, snowfall) are over that slot,
the others are readings at its end.

Marks: ``--`` nothing happened (0); ``×``, ``///`` not observed; ``)`` nearly all readings,
``]`` too few, ``#`` doubtful; ``0+`` and ``10-`` cloud a little more or less. Empty: not part
of the station's programme at that hour.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cloud_coordinator.gateway.exchanges import fields
from cloud_coordinator.gateway.exchanges.fields import Bounds, Reading, missing
from cloud_coordinator.gateway.exchanges.files import Layout, PublishedFile, shown
from cloud_coordinator.gateway.exchanges.whereabouts import station
from cloud_coordinator.services.publications import Publication, Quality, Stage

PUBLISHER: Final = "Japan Meteorological Agency"
_NAME: Final = "jma-hourly"
_HOURS: Final = 24
_HOUR_S: Final = 3600
_SUFFIXES: Final = {
    ")": Quality.QUASI_GOOD,
    "]": Quality.INSUFFICIENT,
    "#": Quality.DOUBTFUL,
    "+": Quality.BOUNDED,
    "-": Quality.BOUNDED,
}
_MISSING: Final = {
    "": Quality.BLANK,
    "×": Quality.NOT_OBSERVED,
    "x": Quality.NOT_OBSERVED,
    "///": Quality.NOT_OBSERVED,
    "*": Quality.NOT_OBSERVED,
}
_NUMBER: Final = re.compile(r"-?\d{1,5}(\.\d{1,3})?", re.ASCII)
_COMPASS: Final = (
    "北", "北北東", "北東", "東北東", "東", "東南東", "南東", "南南東",
    "南", "南南西", "南西", "西南西", "西", "西北西", "北西", "北北西",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """A column: kind, factor to its unit, possible values as published."""

    kind: str
    factor: float
    bounds: Bounds


def _item(kind: str, factor: float, low: float, high: float) -> _Item:  # noqa: PLR0917  a row of the table below
    return _Item(kind=kind, factor=factor, bounds=Bounds(low=low, high=high))


_ITEMS: Final[Mapping[tuple[str, str], _Item | None]] = {
    ("気圧(hPa)", "現地"): _item("station_pressure_pa", 100.0, 500.0, 1100.0),
    ("気圧(hPa)", "海面"): _item("sea_level_pressure_pa", 100.0, 850.0, 1100.0),
    ("降水量(mm)", "降水量(mm)"): _item("precipitation_m", 0.001, 0.0, 300.0),
    ("気温(°C)", "気温(°C)"): _item("temperature_c", 1.0, -60.0, 60.0),
    ("露点温度(°C)", "露点温度(°C)"): _item("dew_point_c", 1.0, -80.0, 50.0),
    ("蒸気圧(hPa)", "蒸気圧(hPa)"): _item("vapour_pressure_pa", 100.0, 0.0, 100.0),
    ("湿度(%)", "湿度(%)"): _item("humidity_ratio", 0.01, 0.0, 100.0),
    ("風向・風速(m/s)", "風速"): _item("wind_speed_m_per_s", 1.0, 0.0, 100.0),
    ("風向・風速(m/s)", "風向"): _item("wind_direction_deg", 1.0, 0.0, 360.0),
    ("日照時間(h)", "日照時間(h)"): _item("sunshine_s", 3600.0, 0.0, 1.0),
    ("全天日射量(MJ/m2)", "全天日射量(MJ/m2)"): _item(
        "irradiance_w_per_m2", 1e6 / _HOUR_S, 0.0, 5.5
    ),
    ("雪(cm)", "降雪"): _item("snowfall_m", 0.01, 0.0, 200.0),
    ("雪(cm)", "積雪"): _item("snow_depth_m", 0.01, 0.0, 1500.0),
    ("天気", "天気"): None,
    ("雲量", "雲量"): _item("cloud_ratio", 0.1, 0.0, 10.0),
    ("視程(km)", "視程(km)"): _item("visibility_m", 1000.0, 0.0, 200.0),
}
"""Columns by both header rows; the weather's picture is not taken."""


def _columns(file: PublishedFile) -> list[_Item | None] | None:
    """Items of the columns after day and hour; None if the header is another."""
    if len(file.lines) < 2:  # noqa: PLR2004  two header rows
        return None
    first = [re.sub(r"\.\d+$", "", name) for name in fields.header(file.lines[0])]
    second = fields.header(file.lines[1])
    if first[:2] != ["date", "時"] or len(first) != len(second) or second[1] != "時":
        return None
    pairs = list(zip(first[2:], second[2:], strict=True))
    if set(pairs) - set(_ITEMS) or len(set(pairs)) != len(pairs):
        return None
    return [_ITEMS[pair] for pair in pairs]


def _read(file: PublishedFile, told: str | None) -> Publication:
    """Read the hours of one day or of days that follow each other."""
    columns, name = _columns(file), station(file, told)
    assert columns is not None, "recognised before"
    starts: list[int] = []
    readings: list[list[Reading]] = [[] for _ in columns]
    for line in range(3, len(file.lines) + 1):
        texts = file.fields(line, columns=len(columns) + 2)
        hour = len(starts) % _HOURS + 1
        if texts[1] != str(hour):
            raise file.refusal(line, f"hour {shown(texts[1])} stands where {hour} is promised")
        start_s = fields.seconds(fields.day(file, line, texts[0]), (hour - 1) * 60)
        if starts and start_s != starts[-1] + _HOUR_S:
            raise file.refusal(line, f"{texts[0]} does not follow the row before")
        starts.append(start_s)
        for into, item, text in zip(readings, columns, texts[2:], strict=True):
            if item is not None:
                into.append(_reading(file, line, text, item=item))
    if not starts or len(starts) % _HOURS:
        raise file.refusal(len(file.lines), "the file ends within a day")
    if fields.day(file, 2, fields.header(file.lines[1])[0]) != fields.day(
        file, 3, file.fields(3, columns=len(columns) + 2)[0]
    ):
        raise file.refusal(3, "the day is another than that of the header")
    return Publication(
        layout=_NAME,
        publisher=PUBLISHER,
        stage=Stage.PRELIMINARY,
        published_at=None,
        series=tuple(
            fields.series(item.kind, name, step_s=_HOUR_S, start_s=starts, readings=into)
            for item, into in zip(columns, readings, strict=True)
            if item is not None
        ),
    )


def _reading(file: PublishedFile, line: int, text: str, *, item: _Item) -> Reading:
    if text in _MISSING:
        return missing(_MISSING[text])
    if text == "--":
        return Reading(value=0.0, quality=Quality.NO_PHENOMENON)
    quality = Quality.GOOD
    if text[-1] in _SUFFIXES:
        quality, text = _SUFFIXES[text[-1]], text[:-1].rstrip()
        if text in _MISSING:
            return missing(_MISSING[text])
    if item.kind == "wind_direction_deg" and _NUMBER.fullmatch(text) is None:
        if text == "静穏":
            return missing(Quality.NO_DIRECTION)
        if text not in _COMPASS:
            raise file.refusal(line, f"{shown(text)} is not a direction")
        return Reading(value=_COMPASS.index(text) * 360.0 / len(_COMPASS), quality=quality)
    return Reading(
        value=fields.number(file, line, text, bounds=item.bounds) * item.factor, quality=quality
    )


LAYOUTS: Final = (
    Layout(name=_NAME, recognises=lambda file: _columns(file) is not None, read=_read),
)
