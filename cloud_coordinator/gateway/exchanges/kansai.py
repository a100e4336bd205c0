"""Kansai: day file; with temperatures, and 予想値 where others write 予測値. Pure."""

from typing import Final

from cloud_coordinator.gateway.exchanges.power_usage import (
    DEMAND,
    FORECAST,
    PEAKS_NEXT_DAY,
    PEAKS_TODAY,
    PV,
    SUPPLY,
    TEMPERATURES_NEXT_DAY,
    USAGE,
    DayFile,
)

LAYOUTS: Final = (
    DayFile(
        name="kansai-power-usage",
        area="kansai",
        hours={
            "当日実績(万kW)": DEMAND,
            "予想値(万kW)": FORECAST,
            "使用率(%)": USAGE,
            "供給力想定値(万kW)": SUPPLY,
        },
        minutes={
            "当日実績(5分間隔値)(万kW)": DEMAND,
            "太陽光発電実績(5分間隔値)(万kW)": PV,
        },
        before=(*PEAKS_TODAY, "最大使用率(%)"),
        after=(*PEAKS_NEXT_DAY, TEMPERATURES_NEXT_DAY),
    ).layout(),
)
