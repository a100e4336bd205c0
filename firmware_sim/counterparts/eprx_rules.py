"""How the balancing market judges a bid: its own reading of the rules, in integers. Pure.

Written from the rules and not from the coordinator's validator, so that one can be wrong without
the other.

Notes
-----
EPRX trading rules Art.29-32 and the digest of 2026 (japan-market 1, 9.1). Until 2026-03-13 the
combined market is weekly (Monday 14:00 to Tuesday 14:00 for the next Saturday to Friday, blocks
of three hours) and tertiary 2 daily (12:00 to 14:00 of the day before, half hours); from
2026-03-14 on all are daily (11:30 to 14:00, half hours, cleared at 15:00).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from firmware_sim.counterparts.jepx_rules import AREAS, hundredths, market_minutes

CHANGE: Final = date(2026, 3, 14)
PRODUCTS: Final[Mapping[str, tuple[str, str]]] = {
    "primary": ("1-0", "一次調整力"),
    "primary-offline": ("1-1", "一次調整力（オフライン）"),
    "secondary1": ("2-1", "二次調整力1"),
    "secondary2": ("2-2", "二次調整力2"),
    "tertiary1": ("3-1", "三次調整力1"),
    "tertiary2": ("3-2", "三次調整力2"),
    "compound": ("4-0", "複合商品"),
}
"""Code in the name of a results file, and name; those of offline and compound are assumed."""
LEAST_KW: Final = 1_000
PATTERNS: Final = 20
REASONS: Final[Mapping[str, str]] = {
    "B01": "受付時間外: the market does not take bids for this block now",
    "B02": "最低入札量: power is below 1,000 kW",
    "B03": "入札単位: power is no multiple of 1 kW",
    "B04": "最小約定希望量: is not in 0 to the power",
    "B05": "単価: is no multiple of 0.01 JPY/kW per 30 min",
    "B06": "上限価格: price is above the cap",
    "B07": "ブロック: no such block on that day",
    "B08": "商品: no such product",
    "B09": "エリア: area has no market",
    "B10": "パターン番号: is not in 1 to 20",
    "B11": "パターン重複: another pattern of the same code is bid in this block",
    "B12": "重複入札: the same capacity is bid to the combined market and to tertiary 2",
}
_CAPS_SEN: Final = {
    True: {"primary": 1500, "primary-offline": 1500, "secondary1": 1500, "compound": 1500},
    False: {
        "primary": 1951,
        "primary-offline": 1951,
        "secondary1": 1951,
        "compound": 1951,
        "secondary2": 721,
        "tertiary1": 721,
    },
}
_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class BidLine:
    """One bid as it is written.

    Attributes
    ----------
    product : str
        Of :data:`PRODUCTS`.
    block : int
        From 1.
    unit : str
        電源等コード.
    pattern : int
        パターン番号.
    power_kw, least_kw, price : str
        As sent.
    """

    product: str
    block: int
    unit: str
    pattern: int
    power_kw: str
    least_kw: str
    price: str


def blocks_a_day(product: str, day: date) -> int:
    """8 of three hours, or 48."""
    return 48 if day >= CHANGE or product == "tertiary2" else 8


def judge_bid(line: BidLine, *, area: str, day: date, now: datetime) -> str:
    """Code of the first rule that is broken; empty if none is."""
    if line.product not in PRODUCTS:
        return "B08"
    power, least = hundredths(line.power_kw), hundredths(line.least_kw)
    price = hundredths(line.price)
    if price is None:
        return "B05"
    if power is None or least is None or power % 100 or least % 100:
        return "B03"
    cap = _CAPS_SEN[day >= CHANGE].get(line.product)
    rules = (
        (area in AREAS, "B09"),
        (1 <= line.block <= blocks_a_day(line.product, day), "B07"),
        (1 <= line.pattern <= PATTERNS, "B10"),
        (power >= LEAST_KW * 100, "B02"),
        (0 <= least <= power, "B04"),
        (cap is None or price <= cap, "B06"),
        (_open(line.product, day, now), "B01"),
    )
    return next((code for holds, code in rules if not holds), "")


def is_cleared(product: str, day: date, now: datetime) -> bool:
    """Whether results are out: one hour after the gate."""
    return market_minutes(day, now) >= _window(product, day)[1] + 60


def _open(product: str, day: date, now: datetime) -> bool:
    opens, closes = _window(product, day)
    return opens <= market_minutes(day, now) <= closes


def _window(product: str, day: date) -> tuple[float, float]:
    """First and last minute of the market, counted from the beginning of the day of delivery."""
    if day >= CHANGE:
        return -1440 + 690, -1440 + 840
    if product == "tertiary2":
        return -1440 + 720, -1440 + 840
    saturday = day - timedelta(days=(day.weekday() - _SATURDAY) % 7)
    days = (day - saturday).days
    return (-(days + 5) * 1440 + 840, -(days + 4) * 1440 + 840)
