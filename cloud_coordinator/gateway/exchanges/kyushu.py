"""Kyushu: day file; a reserve ratio stands between usage and supply. Pure."""

from typing import Final

from cloud_coordinator.gateway.exchanges.power_usage import (
    DEMAND,
    FORECAST,
    PEAKS_NEXT_DAY,
    PEAKS_TODAY,
    PV,
    RESERVE,
    SUPPLY,
    USAGE,
    DayFile,
)

LAYOUTS: Final = (
    DayFile(
        name="kyushu-power-usage",
        area="kyushu",
        hours={
            "当日実績(万kW)": DEMAND,
            "予測値(万kW)": FORECAST,
            "使用率(%)": USAGE,
            "予備率(%)": RESERVE,
            "供給力想定値(万kW)": SUPPLY,
        },
        minutes={
            "当日実績(5分間隔値)(万kW)": DEMAND,
            "太陽光発電実績(5分間隔値)(万kW)": PV,
        },
        before=PEAKS_TODAY,
        after=("最大使用率(%)", *PEAKS_NEXT_DAY),
    ).layout(),
)
