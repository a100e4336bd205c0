"""JEPX bid curves of one day: cumulated offers by price, per slot and divided region. Pure.

First come the curves of the whole country, 48 slots; then, slot by slot, those of the regions
(分断エリア連番) into which the areas were divided; which areas a region holds is not in the file.
Kept of a curve is where it crosses: for the whole country that is the system price. The points
stay with whoever reads them with :func:`read_curves`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Final

from cloud_coordinator.gateway.exchanges import fields
from cloud_coordinator.gateway.exchanges.fields import Bounds, Reading, missing
from cloud_coordinator.gateway.exchanges.files import Layout, PublishedFile, shown
from cloud_coordinator.gateway.exchanges.jepx_files import (
    PUBLISHER,
    SYSTEM,
    scaled,
    slot_start_s,
)
from cloud_coordinator.services.publications import Publication, Quality, Series, Stage
from protocols.vocabulary.calendar import SLOT_S, SLOTS_A_DAY

_NAME: Final = "jepx-bid-curves"
_HEADER: Final = (
    "電力受渡日",
    "商品コード",
    "入札価格(円/kWh)",
    "売入札量累積(MW)",
    "買入札量累積(MW)",
    "分断エリア連番",
)
_PRICE: Final = Bounds(low=0.0, high=999.99)
_POWER: Final = Bounds(low=0.0, high=1e6)
_W_PER_MW: Final = 1_000_000
_REGIONS: Final = frozenset({"", *(str(number) for number in range(9))})


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """A price and what was offered up to it, or asked for down to it.

    Attributes
    ----------
    price_jpy_per_kwh : float
        >= 0.
    sell_w, buy_w : float
        Cumulated, >= 0.
    """

    price_jpy_per_kwh: float
    sell_w: float
    buy_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BidCurve:
    """Curves of one slot and region.

    Attributes
    ----------
    number : int
        Slot, 1 to 48.
    region : str
        ``""`` is the whole country.
    points : tuple of CurvePoint
        Prices never fall, nor do offers; demand never rises.
    """

    number: int
    region: str
    points: tuple[CurvePoint, ...]

    @property
    def crossing(self) -> tuple[float, float] | None:
        """Price (JPY/kWh) and power (W) at which offers meet demand; None if they never do.

        Demand at a point includes who asks at just that price; the lowest price at which offers
        cover those who would pay more is the price, and who asks at it gets what is left.
        """
        above = [point.buy_w for point in self.points[1:]] + [0.0]
        for point, demand_w in zip(self.points, above, strict=True):
            if point.sell_w >= demand_w:
                return point.price_jpy_per_kwh, min(point.sell_w, point.buy_w)
        return None


def read_curves(file: PublishedFile) -> tuple[date, tuple[BidCurve, ...]]:
    """Read the curves of a day.

    Raises
    ------
    ImportRefusedError
        If the file is not as its layout promises.
    """
    rows = list(_rows(file))
    if not rows:
        raise file.refusal(len(file.lines), "has no curve")
    curves: list[BidCurve] = []
    last = (False, 0, "")
    for (number, region), group in groupby(rows, key=lambda row: row[2:4]):
        members = list(group)
        place = (region != "", number, region)
        if place <= last:
            raise file.refusal(members[0][0], f"slot {number} is out of order")
        last = place
        points = tuple(member[4] for member in members)
        for before, after, member in zip(points, points[1:], members[1:], strict=False):
            falls = after.price_jpy_per_kwh < before.price_jpy_per_kwh
            if falls or after.sell_w < before.sell_w or after.buy_w > before.buy_w:
                raise file.refusal(member[0], "a cumulated curve turns back")
        curves.append(BidCurve(number=number, region=region, points=points))
    if [one.number for one in curves if not one.region] != list(range(1, SLOTS_A_DAY + 1)):
        raise file.refusal(len(file.lines), f"has not all {SLOTS_A_DAY} slots of the country")
    return rows[0][1], tuple(curves)


def _rows(file: PublishedFile) -> Iterator[tuple[int, date, int, str, CurvePoint]]:
    """Line, day, slot, region and point of each row."""
    first: str | None = None
    day = date.min
    for line in range(2, len(file.lines) + 1):
        texts = file.fields(line, columns=len(_HEADER))
        if first is None:
            first, day = texts[0], _day(file, line, texts[0])
        if texts[0] != first:
            raise file.refusal(line, f"{shown(texts[0])} is another day")
        if not (texts[1].isdecimal() and 1 <= int(texts[1]) <= SLOTS_A_DAY):
            raise file.refusal(line, f"{shown(texts[1])} is no slot")
        if texts[5] not in _REGIONS:
            raise file.refusal(line, f"{shown(texts[5])} is no region")
        point = CurvePoint(
            price_jpy_per_kwh=fields.number(file, line, texts[2], bounds=_PRICE),
            sell_w=scaled(file, line, texts[3], bounds=_POWER, factor=_W_PER_MW),
            buy_w=scaled(file, line, texts[4], bounds=_POWER, factor=_W_PER_MW),
        )
        yield line, day, int(texts[1]), texts[5], point


def _day(file: PublishedFile, line: int, text: str) -> date:
    try:
        found = datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007  a day has no zone
    except ValueError:
        raise file.refusal(line, f"{shown(text)} is not a day YYYYMMDD") from None
    if not fields.YEARS[0] <= found.year <= fields.YEARS[1]:
        raise file.refusal(line, f"the year of {shown(text)} is not possible")
    return found


def _read(file: PublishedFile, _told: str | None) -> Publication:
    """Keep where the curves cross."""
    day, curves = read_curves(file)
    found: list[Series] = []
    for region in sorted({curve.region for curve in curves}):
        mine = [curve for curve in curves if curve.region == region]
        starts = [slot_start_s(day, curve.number) for curve in mine]
        area = f"region-{region}" if region else SYSTEM
        for kind, index in (("spot_crossing_jpy_per_kwh", 0), ("spot_crossing_w", 1)):
            readings = [
                missing(Quality.BLANK)
                if curve.crossing is None
                else Reading(value=curve.crossing[index], quality=Quality.GOOD)
                for curve in mine
            ]
            found.append(
                fields.series(kind, area, step_s=SLOT_S, start_s=starts, readings=readings)
            )
    return Publication(
        layout=_NAME, publisher=PUBLISHER, stage=Stage.FINAL, published_at=None, series=tuple(found)
    )


LAYOUTS: Final = (
    Layout(name=_NAME, recognises=lambda file: fields.header(file.lines[0]) == _HEADER, read=_read),
)
