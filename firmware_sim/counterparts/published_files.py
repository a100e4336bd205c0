"""Files as grid companies and the weather service publish them, with simulated values. Pure.

Made from a seed and the day alone, so that the same request gives the same bytes. What has not
happened at ``now`` is written as the publishers do: 0 in hourly tables, empty in the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

import numpy as np

from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import jst_moment, market_day

_HOURS: Final = 24
_FIVE_MINUTES: Final = 288
_HALF_HOURS: Final = 48
_PEAK_10_MW: Final = {
    "hokkaido": 450, "tohoku": 1200, "tokyo": 4500, "chubu": 2100, "hokuriku": 450,
    "kansai": 2300, "chugoku": 900, "shikoku": 420, "kyushu": 1300, "okinawa": 130,
}  # fmt: skip
AREAS: Final = tuple(_PEAK_10_MW)
_MIX_NAMES: Final = (
    "エリア需要,原子力,火力(LNG),火力(石炭),火力(石油),火力(その他),水力,地熱,バイオマス,"
    "太陽光発電実績,太陽光出力制御量,風力発電実績,風力出力制御量,揚水,蓄電池,連系線,その他,合計"
)
_JMA_FIRST: Final = (
    "date,時,気圧(hPa),気圧(hPa).1,降水量 (mm),気温 (℃),露点 温度 (℃),蒸気圧 (hPa),湿度 (％),"
    "風向・風速(m/s),風向・風速(m/s).1,日照 時間 (h),全天 日射量 (MJ/㎡),雪(cm),雪(cm).1,天気,雲量,"
    "視程 (km)"
)
_JMA_SECOND: Final = (
    "時,現地,海面,降水量 (mm),気温 (℃),露点 温度 (℃),蒸気圧 (hPa),湿度 (％),風速,風向,"
    "日照 時間 (h),全天 日射量 (MJ/㎡),降雪,積雪,天気,雲量,視程 (km)"
)
_DIRECTIONS: Final = ("北", "北東", "東", "南東", "南", "南西", "西", "北西", "静穏")


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How one company writes its day file."""

    hours: str
    minutes: str
    updated: str = "{day.month}/{day.day}"
    temperatures: bool = False
    reserve: bool = False


_MINUTES: Final = "DATE,TIME,当日実績(５分間隔値)(万kW),太陽光発電実績(５分間隔値)(万kW)"
STYLES: Final = {
    "tokyo": Style(
        hours="DATE,TIME,当日実績(万kW),予測値(万kW),使用率(%),供給力(万kW)",
        minutes=_MINUTES + ",太陽光発電量(電力使用量に対する割合)(%)",
    ),
    "kansai": Style(
        hours="DATE,TIME,当日実績(万kW),予想値(万kW),使用率(%),供給力想定値(万kW)",
        minutes=_MINUTES,
        temperatures=True,
    ),
    "kyushu": Style(
        hours="DATE,TIME,当日実績(万kW),予測値(万kW),使用率(%),予備率(%),供給力想定値(万kW)",
        minutes=_MINUTES.replace("値)(", "値）("),
        reserve=True,
    ),
    "hokkaido": Style(
        hours="DATE,TIME,当日実績(万kW),予測値(万kW),使用率(%),供給力想定値(万kW)",
        minutes=_MINUTES,
        updated="{day.month}月{day.day}日",
    ),
}
"""Day files by area."""


def demand_10_mw(area: str, day: date, *, steps: int, seed: int) -> FloatArray:
    """Simulate the demand of a day in 10 MW, shape (steps,), > 0."""
    random = np.random.default_rng((seed, AREAS.index(area), day.toordinal()))
    hours = (np.arange(steps) + 0.5) * _HOURS / steps
    shape = 0.72 - 0.16 * np.cos((hours - 3.0) / 12.0 * np.pi) - 0.05 * np.cos(hours / 6.0 * np.pi)
    noise = random.normal(0.0, 0.004, _FIVE_MINUTES).reshape(steps, -1).mean(axis=1)
    weekend = 0.9 if day.weekday() >= 5 else 1.0  # noqa: PLR2004  Saturday
    return np.asarray(_PEAK_10_MW[area] * weekend * (shape + noise), dtype=np.float64)


def pv_10_mw(area: str, day: date, *, steps: int, seed: int) -> FloatArray:
    """Simulate the PV output of a day in 10 MW, shape (steps,), >= 0."""
    random = np.random.default_rng((seed, AREAS.index(area), day.toordinal(), 1))
    hours = (np.arange(steps) + 0.5) * _HOURS / steps
    sun = np.maximum(np.sin((hours - 6.0) / 12.0 * np.pi), 0.0)
    return np.asarray(0.3 * _PEAK_10_MW[area] * random.uniform(0.2, 1.0) * sun, dtype=np.float64)


def day_file(area: str, day: date, *, now: datetime, seed: int) -> bytes:
    """Day file (でんき予報) of a company of :data:`STYLES`, as it stands at a moment.

    Parameters
    ----------
    area : str
        A key of :data:`STYLES`.
    day : date
        Of the file, JST.
    now : datetime
        Aware, not before the day begins.
    seed : int
        Of the values.
    """
    style = STYLES[area]
    passed_s = (now - jst_moment(day, time())).total_seconds()
    updated = datetime.combine(day, time()) + timedelta(seconds=passed_s)
    hourly = demand_10_mw(area, day, steps=_HOURS, seed=seed)
    peak = int(np.argmax(hourly))
    most = ["最大使用率(%),時間帯", f"83,{peak}:00～{peak + 1}:00", ""]
    if style.temperatures:
        names = "最大使用率(%),予想気温(最低),予想気温(最高),気温実績(最低),気温実績(最高)"
        most = [names, "83,*,*,*,*", ""]
    lines = [
        f"{updated.year}/{updated.month}/{updated.day} {updated.hour}:{updated:%M} UPDATE",
        *_peaks("", style, day, hourly=hourly),
        *(most if style.temperatures else []),
        *_hour_table(style, day, hourly, passed_s=passed_s),
        *([] if style.temperatures else most),
        *_peaks("翌日の", style, day, hourly=hourly),
        *(["予想気温(最低),予想気温(最高)", "*,*", ""] if style.temperatures else []),
        *_minute_table(area, day, passed_s=passed_s, seed=seed),
    ]
    return _encoded(lines, encoding="cp932", line_end="\r\n")


def hourly_file(area: str, first: date, *, days: int, now: datetime, seed: int) -> bytes:
    """Yearly file of hourly demand; Chugoku writes its header and its hours in its own way."""
    own = area == "chugoku"
    today = market_day(now)
    local = datetime.combine(today, time()) + (now - jst_moment(today, time()))
    lines = ["DATA,TIME,実績(万kW)" if own else "DATE,TIME,実績(万kW)"]
    if not own:
        lines[:0] = [f"{_slashed(today)} {local.hour}:{local:%M} UPDATE,,", ",,"]
    for at in range(days):
        day = first + timedelta(days=at)
        for hour, value in enumerate(demand_10_mw(area, day, steps=_HOURS, seed=seed)):
            clock = f"{hour:02d}:00" if own else f"{hour}:00"
            lines.append(f"{_slashed(day)},{clock},{value:.{int(own)}f}")
    return _encoded(
        lines, encoding="utf-8-sig" if own else "cp932", line_end="\r\n" if own else "\n"
    )


def mix_file(area: str, first: date, *, days: int, seed: int) -> bytes:
    """Half-hourly supply mix (エリア需給実績) of whole days, MW."""
    lines = ["単位[MW平均],,,供給力", f"DATE,TIME,{_MIX_NAMES}"]
    for at in range(days):
        day = first + timedelta(days=at)
        demand = 10.0 * demand_10_mw(area, day, steps=_HALF_HOURS, seed=seed)
        pv = np.rint(10.0 * pv_10_mw(area, day, steps=_HALF_HOURS, seed=seed)).astype(int)
        for slot, need in enumerate(np.rint(demand).astype(int).tolist()):
            parts = [0, 0, need // 8, need // 90, need // 28, need // 35, 0, need // 99]
            mix = [*parts, int(pv[slot]), 0, need // 300, 0, -(need // 50), 0, need // 10, 0]
            mix[1] = need - sum(mix)
            clock = f"{slot // 2}:{slot % 2 * 30:02d}"
            lines.append(",".join(map(str, (_slashed(day), clock, need, *mix, need))))
    return _encoded(lines, encoding="utf-8", line_end="\n")


def weather_file(station: str, day: date, *, seed: int) -> bytes:
    """Hourly observations of a day of a station, as a table taken from the service's page."""
    random = np.random.default_rng((seed, sum(station.encode()), day.toordinal()))
    lines = [_JMA_FIRST, f"{day},{_JMA_SECOND}"]
    cloudy = random.uniform(0.2, 1.0)
    for hour in range(1, _HOURS + 1):
        sun = max(0.0, np.sin((hour - 6.5) / 12.0 * np.pi))
        temperature = 18.0 + 6.0 * sun + random.normal(0.0, 0.4)
        light = f"{min(1.0, 1.2 * sun * cloudy):.1f},{3.0 * sun * cloudy:.2f}" if sun else ","
        pressure = 1008.0 + random.normal(0.0, 0.5)
        wind, direction = random.uniform(0.0, 6.0), _DIRECTIONS[int(random.integers(9))]
        quality = ")" if hour == 13 else "]" if hour == 14 else ""  # noqa: PLR2004  two marks a day
        eyes = ",10-,20.0" if hour % 6 == 0 else ",,"
        lines.append(
            f"{day},{hour},{pressure - 3:.1f},{pressure:.1f},--,{temperature:.1f}{quality},"
            f"{temperature - 6:.1f},{15 + 6 * sun:.1f},{65 - 15 * sun:.0f},{wind:.1f},{direction},"
            f"{light},×,×,{eyes}"
        )
    return _encoded(lines, encoding="utf-8", line_end="\n")


def _peaks(prefix: str, style: Style, day: date, *, hourly: FloatArray) -> list[str]:
    """Four tables of one row: peak and highest usage, supply and forecast."""
    peak = int(np.argmax(hourly))
    row = f"{peak}:00～{peak + 1}:00,{style.updated.format(day=day)},22:46"
    lines = []
    for name, value, ratios in (
        ("ピーク時供給力", 1.2, ",ピーク時予備率(%),ピーク時使用率(%)"),
        ("予想最大電力", 1.0, ""),
        ("使用率ピーク時供給力", 1.2, ",使用率ピーク時予備率(%),使用率ピーク時使用率(%)"),
        ("使用率ピーク時予想電力", 1.0, ""),
    ):
        what = "供給力" if ratios else name.removeprefix("使用率ピーク時")
        updated = f"{what}情報更新日,{what}情報更新時刻"
        lines += [
            f"{prefix}{name}(万kW),時間帯,{updated}{ratios}",
            f"{hourly[peak] * value:.0f},{row}" + (",20,83" if ratios else ""),
            "",
        ]
    return lines


def _hour_table(style: Style, day: date, hourly: FloatArray, *, passed_s: float) -> list[str]:
    lines = [style.hours]
    for hour, value in enumerate(hourly.tolist()):
        happened = f"{value:.0f}" if (hour + 1) * 3600 <= passed_s else "0"
        reserve = ",20" if style.reserve else ""
        lines.append(
            f"{_slashed(day)},{hour}:00,{happened},{value * 1.01:.0f},83{reserve},{value * 1.2:.0f}"
        )
    return [*lines, ""]


def _minute_table(area: str, day: date, *, passed_s: float, seed: int) -> list[str]:
    style = STYLES[area]
    demand = demand_10_mw(area, day, steps=_FIVE_MINUTES, seed=seed)
    pv = pv_10_mw(area, day, steps=_FIVE_MINUTES, seed=seed)
    share = style.minutes.count(",") > _MINUTES.count(",")
    lines = [style.minutes]
    for at in range(_FIVE_MINUTES):
        values = [f"{demand[at]:.0f}", f"{pv[at]:.0f}"]
        values += [f"{100 * pv[at] / demand[at]:.0f}"] if share else []
        if (at + 1) * 300 > passed_s:
            values = [""] * len(values)
        clock = f"{at // 12}:{at % 12 * 5:02d}"
        lines.append(",".join([_slashed(day), clock, *values]))
    return lines


def _slashed(day: date) -> str:
    return f"{day.year}/{day.month}/{day.day}"


def _encoded(lines: Sequence[str], *, encoding: str, line_end: str) -> bytes:
    return "".join(line + line_end for line in lines).encode(encoding)
