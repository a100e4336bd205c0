"""JEPX: results of the day-ahead and intraday markets and bid curves, as published. Pure.

Slots are 時刻コード 1 to 48 of the day of delivery. Columns are found by their names: the first
fifteen of the day-ahead file are promised, block volumes are read where they follow, anything
later is not taken. An empty area price is a market that was suspended there.

Two public copies of one year have the system price shifted by 90 days against the area prices.
So the share of slots in which it lies between the lowest and the highest area price is
measured: of 2016 to 2024 every run of 28 days has 63 % or more, a shifted one 35 % in the middle.
A file that has a run of 28 days below :data:`SHARE_MIN` is refused; a shorter one can only be
flagged, for single good days go down to 12 %.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

import numpy as np

from cloud_coordinator.gateway.exchanges import fields
from cloud_coordinator.gateway.exchanges.fields import Bounds, Reading, missing
from cloud_coordinator.gateway.exchanges.files import Layout, PublishedFile, shown
from cloud_coordinator.services.publications import Publication, Quality, Series, Stage
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_MINUTES, SLOT_S, SLOTS_A_DAY

PUBLISHER: Final = "JEPX"
AREAS: Final[Mapping[str, str]] = {
    "北海道": "hokkaido",
    "東北": "tohoku",
    "東京": "tokyo",
    "中部": "chubu",
    "北陸": "hokuriku",
    "関西": "kansai",
    "中国": "chugoku",
    "四国": "shikoku",
    "九州": "kyushu",
}
"""Areas with a price, in the order in which publishers write them."""
SYSTEM: Final = "system"
SHARE_MIN: Final = 0.55
"""Least share of slots with the system price among the area prices, of any 28 days."""
SHARE_DOUBTFUL: Final = 0.45
"""A shorter file, of a day or more, below this has its system price marked doubtful."""
JUDGED_DAYS: Final = 28
_SPOT: Final = "jepx-spot-summary"
_INTRADAY: Final = "jepx-intraday"
_PRICE: Final = Bounds(low=0.0, high=999.99)
_ENERGY: Final = Bounds(low=0.0, high=1e10)
_COUNT: Final = Bounds(low=0.0, high=1e7)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """A column: what it becomes."""

    kind: str
    area: str = SYSTEM
    factor: int = 1
    bounds: Bounds = _PRICE
    may_be_blank: bool = False


def _energy(kind: str) -> _Item:
    return _Item(kind=kind, factor=1000, bounds=_ENERGY)


_SPOT_ITEMS: Final[Mapping[str, _Item]] = {
    "売り入札量(kWh)": _energy("spot_sell_bid_wh"),
    "買い入札量(kWh)": _energy("spot_buy_bid_wh"),
    "約定総量(kWh)": _energy("spot_contracted_wh"),
    "システムプライス(円/kWh)": _Item(kind="spot_price_jpy_per_kwh"),
    **{
        f"エリアプライス{name}(円/kWh)": _Item(
            kind="spot_price_jpy_per_kwh", area=area, may_be_blank=True
        )
        for name, area in AREAS.items()
    },
}
_BLOCK_ITEMS: Final[Mapping[str, _Item]] = {
    "売りブロック入札総量(kWh)": _energy("spot_sell_block_bid_wh"),
    "売りブロック約定総量(kWh)": _energy("spot_sell_block_contracted_wh"),
    "買いブロック入札総量(kWh)": _energy("spot_buy_block_bid_wh"),
    "買いブロック約定総量(kWh)": _energy("spot_buy_block_contracted_wh"),
}
_SPOT_HEADER: Final = ("受渡日", "時刻コード", *_SPOT_ITEMS)
_INTRADAY_ITEMS: Final[Mapping[str, _Item]] = {
    "始値(円/kWh)": _Item(kind="intraday_open_jpy_per_kwh", may_be_blank=True),
    "高値(円/kWh)": _Item(kind="intraday_highest_jpy_per_kwh", may_be_blank=True),
    "安値(円/kWh)": _Item(kind="intraday_lowest_jpy_per_kwh", may_be_blank=True),
    "終値(円/kWh)": _Item(kind="intraday_close_jpy_per_kwh", may_be_blank=True),
    "平均(円/kWh)": _Item(kind="intraday_mean_jpy_per_kwh", may_be_blank=True),
    "約定量合計(kWh)": _energy("intraday_contracted_wh"),
    "約定件数": _Item(kind="intraday_contracts", bounds=_COUNT),
}
_INTRADAY_HEADER: Final = ("年月日", "時刻コード", *_INTRADAY_ITEMS)


def _is_spot(file: PublishedFile) -> bool:
    return fields.header(file.lines[0])[: len(_SPOT_HEADER)] == _SPOT_HEADER


def _is_intraday(file: PublishedFile) -> bool:
    return fields.header(file.lines[0]) == _INTRADAY_HEADER


def _read_spot(file: PublishedFile, _told: str | None) -> Publication:
    """Read whole days that follow each other, and judge the system price."""
    names = fields.header(file.lines[0])
    later = names[len(_SPOT_HEADER) :]
    if len(set(names)) < len(names) and set(later) & set(_SPOT_HEADER):
        raise file.refusal(1, "a promised column is there twice")
    items = [*_SPOT_ITEMS.values(), *(_BLOCK_ITEMS.get(name) for name in later)]
    starts, readings = _rows(file, items)
    if len(starts) % SLOTS_A_DAY:
        raise file.refusal(len(file.lines), "the file ends within a day")
    series = _judged(file, _series(items, starts, readings))
    return _publication(_SPOT, series)


def _read_intraday(file: PublishedFile, _told: str | None) -> Publication:
    """Read slots that follow each other; the last day may not be over."""
    items = list(_INTRADAY_ITEMS.values())
    starts, readings = _rows(file, items)
    return _publication(_INTRADAY, _series(items, starts, readings))


def _publication(layout: str, series: tuple[Series, ...]) -> Publication:
    return Publication(
        layout=layout,
        publisher=PUBLISHER,
        stage=Stage.FINAL,
        published_at=None,
        series=series,
    )


def _rows(
    file: PublishedFile, items: Sequence[_Item | None]
) -> tuple[list[int], list[list[Reading]]]:
    """Read slots from 1 of a day on without a hole; one list of readings per column."""
    starts: list[int] = []
    readings: list[list[Reading]] = [[] for _ in items]
    for line in range(2, len(file.lines) + 1):
        if not file.lines[line - 1].strip():
            if any(text.strip() for text in file.lines[line:]):
                raise file.refusal(line, "a blank line among the slots")
            break
        texts = file.fields(line, columns=len(items) + 2)
        number = len(starts) % SLOTS_A_DAY + 1
        if texts[1] != str(number):
            raise file.refusal(line, f"slot {shown(texts[1])} stands where {number} is promised")
        start_s = slot_start_s(fields.day(file, line, texts[0]), number)
        if starts and start_s != starts[-1] + SLOT_S:
            raise file.refusal(line, f"{shown(texts[0])} does not follow the row before")
        starts.append(start_s)
        for into, item, text in zip(readings, items, texts[2:], strict=True):
            if item is not None:
                into.append(_reading(file, line, text, item=item))
    if not starts:
        raise file.refusal(len(file.lines), "has no slot")
    return starts, readings


def slot_start_s(day: date, number: int) -> int:
    """Start of a slot, seconds since 1970 UTC."""
    return fields.seconds(day, (number - 1) * SLOT_MINUTES)


def _reading(file: PublishedFile, line: int, text: str, *, item: _Item) -> Reading:
    if not text and item.may_be_blank:
        return missing(Quality.BLANK)
    return Reading(
        value=scaled(file, line, text, bounds=item.bounds, factor=item.factor),
        quality=Quality.GOOD,
    )


def scaled(file: PublishedFile, line: int, text: str, *, bounds: Bounds, factor: int) -> float:
    """Read a number and scale it without an error of rounding on the way.

    Raises
    ------
    ImportRefusedError
        If it is no number, or not a possible one.
    """
    fields.number(file, line, text, bounds=bounds)
    return float(Decimal(text) * factor)


def _series(
    items: Sequence[_Item | None], starts: Sequence[int], readings: Sequence[Sequence[Reading]]
) -> tuple[Series, ...]:
    return tuple(
        fields.series(item.kind, item.area, step_s=SLOT_S, start_s=starts, readings=into)
        for item, into in zip(items, readings, strict=True)
        if item is not None
    )


def system_price_share(system: FloatArray, areas: FloatArray) -> tuple[float, float, int]:
    """How often the system price lies among the area prices.

    Parameters
    ----------
    system : FloatArray, shape (n,)
        JPY/kWh.
    areas : FloatArray, shape (a, n)
        JPY/kWh; NaN where the market was suspended, at least one area has a price.

    Returns
    -------
    tuple of float, float and int
        Share of all slots; least share of any run of 28 days (1 if there is none); index of the
        slot at which that run begins.
    """
    among = (system >= np.nanmin(areas, axis=0)) & (system <= np.nanmax(areas, axis=0))
    width = JUDGED_DAYS * SLOTS_A_DAY
    if among.size < width:
        return float(among.mean()), 1.0, 0
    total = np.concatenate(([0], np.cumsum(among)))
    runs = (total[width:] - total[:-width]) / width
    worst = int(np.argmin(runs))
    return float(among.mean()), float(runs[worst]), worst


def _judged(file: PublishedFile, series: tuple[Series, ...]) -> tuple[Series, ...]:
    """Refuse a shifted system price, or mark it doubtful where the file is too short to know."""
    prices = {one.area: one for one in series if one.kind == "spot_price_jpy_per_kwh"}
    system = prices.pop(SYSTEM)
    areas = np.array([one.value for one in prices.values()])
    if bool(np.isnan(areas).all(axis=0).any()):
        nowhere = int(np.argmax(np.isnan(areas).all(axis=0)))
        raise file.refusal(nowhere + 2, "no area has a price")
    share, worst, first = system_price_share(system.value, areas)
    if worst < SHARE_MIN:
        raise file.refusal(
            first + 2,
            f"from here on, in {JUDGED_DAYS} days, the system price lies among the area prices in "
            f"{worst:.0%} of the slots, {SHARE_MIN:.0%} are promised: a column is shifted",
        )
    if share >= SHARE_DOUBTFUL:
        return series
    doubtful = Series(
        kind=system.kind,
        area=SYSTEM,
        step_s=SLOT_S,
        start_s=system.start_s,
        value=system.value,
        quality=np.full(system.value.shape, Quality.DOUBTFUL, dtype=np.int8),
    )
    return tuple(doubtful if one is system else one for one in series)


LAYOUTS: Final = (
    Layout(name=_SPOT, recognises=_is_spot, read=_read_spot),
    Layout(name=_INTRADAY, recognises=_is_intraday, read=_read_intraday),
)
