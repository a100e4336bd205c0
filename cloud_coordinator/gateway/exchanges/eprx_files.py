"""EPRX: results by area and by kind of resource, preliminary and final, of all years. Pure.

Line 1 (``H``) names the columns of line 2 (``P``): stage, month, product, blocks a day; line 3
(``TT``) names the columns of the rest. A final file has one column more, 調達区分: the parts
システム約定結果 and 追加調達結果 become kinds of their own, 合計（確報値） the kind that the
preliminary file has too, so that the final value stands above the preliminary one. Lines 1 and 2
may be padded with commas. Blocks may be missing (the publisher's own files have holes), but a
block is there with every item or not at all.

A price where nothing was accepted is published as 0; here it is no value.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from cloud_coordinator.gateway.exchanges import fields
from cloud_coordinator.gateway.exchanges.fields import Bounds, Reading, missing
from cloud_coordinator.gateway.exchanges.files import Layout, PublishedFile, shown
from cloud_coordinator.gateway.exchanges.jepx_files import AREAS, scaled
from cloud_coordinator.services.publications import Publication, Quality, Series, Stage
from protocols.vocabulary.calendar import SLOT_MINUTES, SLOT_S, SLOTS_A_DAY
from protocols.vocabulary.obligation import Service

PUBLISHER: Final = "EPRX"
PRODUCTS: Final[Mapping[str, Service]] = {
    "一次調整力": Service.PRIMARY,
    "一次調整力(オフライン)": Service.PRIMARY_OFFLINE,
    "一次調整力(オフライン枠)": Service.PRIMARY_OFFLINE,
    "二次調整力1": Service.SECONDARY_1,
    "二次調整力2": Service.SECONDARY_2,
    "三次調整力1": Service.TERTIARY_1,
    "三次調整力2": Service.TERTIARY_2,
    "複合商品": Service.COMPOUND,
    "複合": Service.COMPOUND,
}
"""Products by the publisher's name in normal form (full-width signs and circled digits made
narrow). The names of the offline and the compound product are assumed."""
STAGES: Final[Mapping[str, Stage]] = {"速報値": Stage.PRELIMINARY, "確報値": Stage.FINAL}
TOTAL: Final = "total"
W_PER_MW: Final = 1_000_000
_TITLE: Final = "電力需給調整力取引所取引結果"
_H: Final = ("H", _TITLE, "対象年月", "商品区分", "ブロック数")
_AREAS: Final = (*AREAS, "合計")
_KINDS_OF_RESOURCE: Final = {
    "火力発電": "resource-thermal",
    "水力・揚水発電": "resource-hydro",
    "蓄電池": "resource-battery",
    "VPP": "resource-vpp",
    "合計": TOTAL,
}
_PARTS: Final[Mapping[str, str]] = {
    "": "",
    "システム約定結果": "system_",
    "追加調達結果": "additional_",
    "合計(確報値)": "",
}
_POWER: Final = Bounds(low=0.0, high=1e6)
_PRICE: Final = Bounds(low=0.0, high=1e5)
_COUNT: Final = Bounds(low=0.0, high=1e6)
_BLOCK: Final = re.compile(r"(\d{4})(\d{2})(\d{2})B(\d{2})")
_MONTH: Final = re.compile(r"(\d{4})(\d{2})")
_ITEM: Final = re.compile(
    r"(?P<what>[^(\[]+|\(内訳\)自エリアからの(?:落札|約定)量)"
    r"(?:\((?P<by>TSO別|電源属地別)\))?\[(?P<unit>MW|件|円/kW・30分)\]"
)
_WHATS: Final[Mapping[str, str]] = {
    "募集量": "required",
    "応札量合計": "offered",
    "落札量合計": "awarded",
    "応札件数": "offers",
    "落札件数": "awards",
    "最高落札価格": "highest",
    "最低落札価格": "lowest",
    "平均落札価格": "mean",
    "(内訳)自エリアからの落札量": "own_area",
}
_UNITS: Final[Mapping[str, tuple[str, Bounds, int]]] = {
    "MW": ("_w", _POWER, W_PER_MW),
    "件": ("_count", _COUNT, 1),
    "円/kW・30分": ("_jpy_per_kw_30min", _PRICE, 1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the first two lines say.

    Attributes
    ----------
    stage : Stage
        Preliminary or final.
    year, month : int
        Of delivery.
    product : str
        Publisher's name in normal form.
    blocks : int
        Blocks a day, 8 or 48.
    """

    stage: Stage
    year: int
    month: int
    product: str
    blocks: int

    @property
    def step_s(self) -> int:
        """Length of a block, s."""
        return SLOTS_A_DAY // self.blocks * SLOT_S


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """A kind of row."""

    kind: str
    bounds: Bounds
    factor: int
    awarded_kind: str = ""
    """Of a price: the kind that says how much was accepted."""


def read_head(file: PublishedFile, names: Sequence[str]) -> Head:
    """Read line 2 by the names of line 1.

    Raises
    ------
    ImportRefusedError
        If a value cannot be.
    """
    found = dict(zip(names, filled(file.lines[1]), strict=False))
    if found.get("H") != "P":
        raise file.refusal(2, f"{shown(file.lines[1])} stands where P is promised")
    stage = STAGES.get(found.get(_TITLE, found.get("連系線確保量", "")))
    if stage is None:
        raise file.refusal(2, f"{shown(file.lines[1])} says neither 速報値 nor 確報値")
    month = _MONTH.fullmatch(found.get("対象年月", ""))
    if month is None or not 1 <= int(month[2]) <= 12:  # noqa: PLR2004  months of a year
        raise file.refusal(2, f"{shown(found.get('対象年月', ''))} is not a month YYYYMM")
    blocks = found.get("ブロック数", "")
    if blocks not in {"8", "48"}:
        raise file.refusal(2, f"{shown(blocks)} blocks a day are not known")
    return Head(
        stage=stage,
        year=int(month[1]),
        month=int(month[2]),
        product=found.get("商品区分", ""),
        blocks=int(blocks),
    )


def block_start_s(file: PublishedFile, line: int, text: str, *, head: Head) -> int:
    """Start of ``20210401B01``, seconds since 1970 UTC.

    Raises
    ------
    ImportRefusedError
        If it is no block of the month.
    """
    match = _BLOCK.fullmatch(text)
    if match is None or not 1 <= int(match[4]) <= head.blocks:
        raise file.refusal(line, f"{shown(text)} is no block of 1 to {head.blocks}")
    try:
        day = date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        raise file.refusal(line, f"{shown(text)} is on no day") from None
    if (day.year, day.month) != (head.year, head.month):
        raise file.refusal(line, f"{shown(text)} is not in {head.year}-{head.month:02}")
    slots = (int(match[4]) - 1) * (SLOTS_A_DAY // head.blocks)
    return fields.seconds(day, slots * SLOT_MINUTES)


def filled(line: str) -> tuple[str, ...]:
    """Fields of a line in normal form, without the commas that only pad it."""
    return fields.header(line.rstrip(", "))


def _shape(file: PublishedFile) -> tuple[Mapping[str, str], bool] | None:
    """Columns of values with their areas, and whether 調達区分 is there; None: another layout."""
    if len(file.lines) < 3 or filled(file.lines[0]) != _H:  # noqa: PLR2004  three header lines
        return None
    names = fields.header(file.lines[2])
    has_part = names[:2] == ("TT", "調達区分")
    values = names[3:] if has_part else names[2:]
    if names[0] != "TT" or names[1 + has_part] != "取引情報":
        return None
    if values == _AREAS:
        return {**AREAS, "合計": TOTAL}, has_part
    if values == tuple(_KINDS_OF_RESOURCE):
        return _KINDS_OF_RESOURCE, has_part
    return None


def _read(file: PublishedFile, _told: str | None) -> Publication:
    """Read blocks that rise, each with every item."""
    shape = _shape(file)
    assert shape is not None, "recognised before"
    columns, has_part = shape
    head = read_head(file, _H)
    service = PRODUCTS.get(head.product)
    if service is None:
        raise file.refusal(2, f"product {shown(head.product)} is not known")
    if has_part != (head.stage is Stage.FINAL):
        raise file.refusal(3, "調達区分 stands in final files and in no others")
    prefix = service.value.replace("-", "_")
    table = _Blocks(file)
    for line in range(4, len(file.lines) + 1):
        texts = file.fields(line, columns=len(columns) + 2 + has_part)
        start_s = block_start_s(file, line, texts[0], head=head)
        part = fields.normal(texts[1]) if has_part else ""
        if part not in _PARTS:
            raise file.refusal(line, f"{shown(texts[1])} is no known part")
        item = _item(
            file, line, fields.normal(texts[1 + has_part]), prefix=f"{prefix}_{_PARTS[part]}"
        )
        values = texts[2 + has_part :]
        row = [_reading(file, line, text, item=item) for text in values]
        table.add(line, start_s, item=item, row=row)
    return Publication(
        layout="eprx-results-by-resource" if columns is _KINDS_OF_RESOURCE else "eprx-results",
        publisher=PUBLISHER,
        stage=head.stage,
        published_at=None,
        series=table.series(tuple(columns.values()), head.step_s),
    )


def _item(file: PublishedFile, line: int, text: str, *, prefix: str) -> _Item:
    match = _ITEM.fullmatch(text)
    what = None if match is None else _WHATS.get(match["what"].replace("約定", "落札"))
    if match is None or what is None:
        raise file.refusal(line, f"{shown(text)} is no known item")
    by = "tso_" if match["by"] == "TSO別" and what != "required" else ""
    unit, bounds, factor = _UNITS[match["unit"]]
    is_price = match["unit"] == "円/kW・30分"
    return _Item(
        kind=f"{prefix}{by}{what}{unit}",
        bounds=bounds,
        factor=factor,
        awarded_kind=f"{prefix}{by}awarded_w" if is_price else "",
    )


def _reading(file: PublishedFile, line: int, text: str, *, item: _Item) -> Reading:
    if text == "-":
        return missing(Quality.NOT_OBSERVED)
    value = scaled(file, line, text, bounds=item.bounds, factor=item.factor)
    return Reading(value=value, quality=Quality.GOOD)


class _Blocks:
    """Rows by block, checked to be whole."""

    def __init__(self, file: PublishedFile) -> None:
        self._file = file
        self._starts: list[int] = []
        self._rows: list[dict[str, list[Reading]]] = []
        self._lines: list[int] = []
        self._items: dict[str, _Item] = {}

    def add(self, line: int, start_s: int, *, item: _Item, row: list[Reading]) -> None:
        """Take a row."""
        if not self._starts or start_s != self._starts[-1]:
            if self._starts and start_s < self._starts[-1]:
                raise self._file.refusal(line, "blocks must rise")
            self._starts.append(start_s)
            self._rows.append({})
            self._lines.append(line)
        if item.kind in self._rows[-1]:
            raise self._file.refusal(line, f"{item.kind} is there twice in its block")
        self._rows[-1][item.kind] = row
        self._items[item.kind] = item

    def series(self, areas: Sequence[str], step_s: int) -> tuple[Series, ...]:
        """Make series of all kinds and areas."""
        if not self._starts:
            raise self._file.refusal(len(self._file.lines), "has no block")
        for line, rows in zip(self._lines, self._rows, strict=True):
            lacking = sorted(set(self._items) - set(rows))
            if lacking:
                raise self._file.refusal(line, f"the block has no {lacking[0]}")
        self._take_away_prices_of_nothing()
        return tuple(
            fields.series(
                kind,
                area,
                step_s=step_s,
                start_s=self._starts,
                readings=[rows[kind][index] for rows in self._rows],
            )
            for kind in self._items
            for index, area in enumerate(areas)
        )

    def _take_away_prices_of_nothing(self) -> None:
        for rows in self._rows:
            for kind, item in self._items.items():
                awarded = rows.get(item.awarded_kind)
                if awarded is not None:
                    rows[kind] = [
                        price if power.value > 0.0 else missing(Quality.NOT_OBSERVED)
                        for price, power in zip(rows[kind], awarded, strict=True)
                    ]


def _results(file: PublishedFile) -> bool:
    shape = _shape(file)
    return shape is not None and shape[0] is not _KINDS_OF_RESOURCE


def _by_resource(file: PublishedFile) -> bool:
    shape = _shape(file)
    return shape is not None and shape[0] is _KINDS_OF_RESOURCE


LAYOUTS: Final = (
    Layout(name="eprx-results", recognises=_results, read=_read),
    Layout(name="eprx-results-by-resource", recognises=_by_resource, read=_read),
)
