"""TEPCO Power Grid: day file, yearly hourly demand, half-hourly supply mix. Pure.

The supply mix (エリア需給実績, layout of 2024) is one all grid companies publish; its total is
the sum of its columns, and that is checked row by row.
"""

from typing import Final

from cloud_coordinator.gateway.exchanges import fields
from cloud_coordinator.gateway.exchanges.fields import Bounds, Reading
from cloud_coordinator.gateway.exchanges.files import Layout, PublishedFile
from cloud_coordinator.gateway.exchanges.hourly_demand import is_hourly, read_hourly
from cloud_coordinator.gateway.exchanges.power_usage import (
    DEMAND,
    FORECAST,
    PEAKS_NEXT_DAY,
    PEAKS_TODAY,
    PV,
    PV_SHARE,
    SUPPLY,
    USAGE,
    Column,
    DayFile,
    value,
)
from cloud_coordinator.gateway.exchanges.whereabouts import PUBLISHERS, grid_area
from cloud_coordinator.services.publications import Publication, Stage
from protocols.vocabulary.calendar import SLOT_S, SLOTS_A_DAY

_YEARLY: Final = "tso-hourly-demand"
_MIX: Final = "tso-supply-mix"
_MIX_UNIT: Final = "単位[MW平均]"
_W_PER_MW: Final = 1e6
_TAKEN: Final = Bounds(low=0.0, high=100_000.0)
_EITHER: Final = Bounds(low=-100_000.0, high=100_000.0)
_MIX_KINDS: Final = {
    "エリア需要": ("demand_w", _TAKEN),
    "原子力": ("nuclear_w", _EITHER),
    "火力(LNG)": ("lng_w", _EITHER),
    "火力(石炭)": ("coal_w", _EITHER),
    "火力(石油)": ("oil_w", _EITHER),
    "火力(その他)": ("other_thermal_w", _EITHER),
    "水力": ("hydro_w", _EITHER),
    "地熱": ("geothermal_w", _EITHER),
    "バイオマス": ("biomass_w", _EITHER),
    "太陽光発電実績": ("pv_w", _TAKEN),
    "太陽光出力制御量": ("pv_curtailed_w", _TAKEN),
    "風力発電実績": ("wind_w", _TAKEN),
    "風力出力制御量": ("wind_curtailed_w", _TAKEN),
    "揚水": ("pumped_storage_w", _EITHER),
    "蓄電池": ("battery_w", _EITHER),
    "連系線": ("interconnection_w", _EITHER),
    "その他": ("other_w", _EITHER),
    "合計": ("supply_w", _TAKEN),
}
"""Kind and possible values, MW; + flows into the grid of the area, demand out of it."""
_SUMMED: Final = tuple(
    name
    for name in _MIX_KINDS
    if name not in {"エリア需要", "太陽光出力制御量", "風力出力制御量", "合計"}
)
_MIX_HEADER: Final = ("DATE", "TIME", *_MIX_KINDS)
_ROUNDING_W: Final = 0.5 * _W_PER_MW * (len(_SUMMED) + 1)

_DAY: Final = DayFile(
    name="tepco-power-usage",
    area="tokyo",
    hours={
        "当日実績(万kW)": DEMAND,
        "予測値(万kW)": FORECAST,
        "使用率(%)": USAGE,
        "供給力(万kW)": SUPPLY,
    },
    minutes={
        "当日実績(5分間隔値)(万kW)": DEMAND,
        "太陽光発電実績(5分間隔値)(万kW)": PV,
        "太陽光発電量(電力使用量に対する割合)(%)": PV_SHARE,
    },
    before=PEAKS_TODAY,
    after=("最大使用率(%)", *PEAKS_NEXT_DAY),
)


def _is_mix(file: PublishedFile) -> bool:
    return (
        fields.header(file.lines[0])[0] == _MIX_UNIT
        and len(file.lines) > 1
        and fields.header(file.lines[1]) == _MIX_HEADER
    )


def _read_mix(file: PublishedFile, told: str | None) -> Publication:
    """Read the half-hourly supply mix; days are whole and follow each other."""
    area = grid_area(file, told)
    columns = {
        name: Column(kind=kind, factor=_W_PER_MW, bounds=bounds)
        for name, (kind, bounds) in _MIX_KINDS.items()
    }
    starts: list[int] = []
    readings: dict[str, list[Reading]] = {name: [] for name in columns}
    for line in range(3, len(file.lines) + 1):
        if not file.lines[line - 1].strip(", "):
            continue
        texts = file.fields(line, columns=len(_MIX_HEADER))
        minute = fields.minute(file, line, texts[1])
        if minute * 60 != len(starts) % SLOTS_A_DAY * SLOT_S:
            raise file.refusal(line, f"{texts[0]} {texts[1]} does not follow the row before")
        start_s = fields.seconds(fields.day(file, line, texts[0]), minute)
        if starts and start_s != starts[-1] + SLOT_S:
            raise file.refusal(line, f"{texts[0]} {texts[1]} does not follow the row before")
        starts.append(start_s)
        for (name, column), text in zip(columns.items(), texts[2:], strict=True):
            readings[name].append(value(file, line, text, column=column))
        total_w = sum(readings[name][-1].value for name in _SUMMED)
        if abs(total_w - readings["合計"][-1].value) > _ROUNDING_W:
            raise file.refusal(line, "the total is not the sum of its columns")
    if not starts or len(starts) % SLOTS_A_DAY:
        raise file.refusal(len(file.lines), "the file ends within a day")
    return Publication(
        layout=_MIX,
        publisher=PUBLISHERS[area],
        stage=Stage.PRELIMINARY,
        published_at=None,
        series=tuple(
            fields.series(column.kind, area, step_s=SLOT_S, start_s=starts, readings=readings[name])
            for name, column in columns.items()
        ),
    )


LAYOUTS: Final = (
    _DAY.layout(),
    Layout(
        name=_YEARLY,
        recognises=lambda file: is_hourly(file, first="DATE"),
        read=lambda file, told: read_hourly(file, told, first="DATE", name=_YEARLY, known=None),
    ),
    Layout(name=_MIX, recognises=_is_mix, read=_read_mix),
)
