"""How the exchange judges an order: its own reading of the rules, in integers. Pure.

Written from the rules and not from the coordinator's validator, so that one can be wrong without
the other. Times are minutes of market time (JST) against the day of delivery.

Notes
-----
JEPX trading rules as in japan-market 4: day-ahead from ten days and a night before until 10:00 of
the day before; intraday from 17:00 of the day before until one hour before delivery.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final

from protocols.vocabulary.calendar import jst_moment

AREAS: Final = (
    "hokkaido", "tohoku", "tokyo", "chubu", "hokuriku", "kansai", "chugoku", "shikoku", "kyushu",
)  # fmt: skip
AREA_NAMES: Final = ("北海道", "東北", "東京", "中部", "北陸", "関西", "中国", "四国", "九州")
LOT_KWH: Final = 50
HIGHEST_SEN: Final = 99_999
REASONS: Final[Mapping[str, str]] = {
    "E01": "受付時間外: the market does not take orders for this slot now",
    "E02": "数量単位: energy is no multiple of 50 kWh",
    "E03": "呼値: price is no multiple of 0.01 JPY/kWh",
    "E04": "価格範囲: price is not in 0 to 999.99 JPY/kWh",
    "E05": "時刻コード: slot is not in 1 to 48",
    "E06": "エリア: area has no market",
    "E07": "売買区分: side is neither sell nor buy",
    "E08": "数値: energy or price is no number",
}
_DECIMAL: Final = re.compile(r"(\d{1,10})(?:\.(\d{1,6}))?")
_SPOT_OPENS_DAYS: Final = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One order as it is written.

    Attributes
    ----------
    slot : int
        時刻コード.
    side, energy_kwh, price : str
        As sent.
    """

    slot: int
    side: str
    energy_kwh: str
    price: str


def judge_order(line: OrderLine, *, market: str, area: str, day: date, now: datetime) -> str:
    """Code of the first rule that is broken; empty if none is.

    Parameters
    ----------
    line : OrderLine
        The order.
    market : str
        ``spot`` or ``intraday``.
    area : str
        Where.
    day : date
        Of delivery, JST.
    now : datetime
        Aware.
    """
    energy, price = hundredths(line.energy_kwh), hundredths(line.price)
    known = (
        (area in AREAS, "E06"),
        (line.side in {"sell", "buy"}, "E07"),
        (1 <= line.slot <= 48, "E05"),  # noqa: PLR2004  half hours of a day
    )
    wrong = next((code for holds, code in known if not holds), "")
    if wrong or energy is None or price is None:
        return wrong or _finer(line)
    rules = (
        (energy > 0 and energy % (LOT_KWH * 100) == 0, "E02"),
        (price <= HIGHEST_SEN, "E04"),
        (_open(market, day, line.slot, now=now), "E01"),
    )
    return next((code for holds, code in rules if not holds), "")


def hundredths(text: str) -> int | None:
    """Hundredths of a decimal; None if it is none, or finer."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        return None
    fraction = (match[2] or "").rstrip("0")
    if len(fraction) > 2:  # noqa: PLR2004  hundredths
        return None
    return int(match[1]) * 100 + int(fraction.ljust(2, "0"))


def _finer(line: OrderLine) -> str:
    if _DECIMAL.fullmatch(line.price) and hundredths(line.price) is None:
        return "E03"
    if _DECIMAL.fullmatch(line.energy_kwh) and hundredths(line.energy_kwh) is None:
        return "E02"
    return "E04" if line.price.startswith("-") else "E08"


def market_minutes(day: date, now: datetime) -> float:
    """Minutes of market time since the day of delivery began."""
    return (now - jst_moment(day, time())).total_seconds() / 60.0


def _open(market: str, day: date, slot: int, *, now: datetime) -> bool:
    minutes = market_minutes(day, now)
    if market == "spot":
        return -_SPOT_OPENS_DAYS * 1440 <= minutes <= -1440 + 600
    return -1440 + 1020 <= minutes <= (slot - 1) * 30 - 60


def spot_is_over(day: date, now: datetime) -> bool:
    """Whether the day-ahead market of a day is closed."""
    return market_minutes(day, now) > -1440 + 600
