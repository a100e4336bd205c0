"""Files of grid companies and the weather service: what they say, and what is refused."""

import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from cloud_coordinator.gateway.exchanges.files import (
    ImportRefusedError,
    decode_published,
    open_published,
)
from cloud_coordinator.gateway.exchanges.layouts import LAYOUTS, read_publication
from cloud_coordinator.services.publications import Publication, Quality, Series, Stage
from protocols.vocabulary.calendar import Slot

VECTORS = Path(__file__).parents[4] / "vectors" / "published"
TEPCO = "tokyo_20210502_power_usage.csv"
NOON = "tokyo_20210502_power_usage_noon.csv"
YEAR = "tokyo_juyo-2021.csv"
MIX = "eria_jukyu_202105_09.csv"
JMA = "sendai_20210502_hourly.csv"


def read(name: str) -> Publication:
    return read_publication(open_published(VECTORS / name))


def by_name(publication: Publication) -> Mapping[tuple[str, int], Series]:
    return {(one.kind, one.step_s): one for one in publication.series}


def changed(name: str, *, line: int, old: str, new: str) -> bytes:
    """Bytes of a vector with something of one line replaced."""
    file = open_published(VECTORS / name)
    lines = list(file.lines)
    assert old in lines[line - 1], lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    return "".join(text + "\n" for text in lines).encode()


@pytest.mark.parametrize(
    ("name", "layout", "area", "rows"),
    [
        (TEPCO, "tepco-power-usage", "tokyo", 986),
        ("kansai_20210502_power_usage.csv", "kansai-power-usage", "kansai", 703),
        ("kyushu_20210502_power_usage.csv", "kyushu-power-usage", "kyushu", 722),
        ("hokkaido_20210502_power_usage.csv", "hokkaido-power-usage", "hokkaido", 698),
        (YEAR, "tso-hourly-demand", "tokyo", 48),
        ("chugoku_juyo-2021.csv", "chugoku-hourly-demand", "chugoku", 48),
        (MIX, "tso-supply-mix", "kyushu", 18 * 96),
        (JMA, "jma-hourly", "sendai", 15 * 24),
    ],
)
def test_each_layout_is_known_by_its_header_alone(
    *, name: str, layout: str, area: str, rows: int
) -> None:
    """If it fails, a renamed file is read by the columns of another company."""
    file = open_published(VECTORS / name)
    assert [one.name for one in LAYOUTS if one.recognises(file)] == [layout]
    renamed = decode_published((VECTORS / name).read_bytes(), source="/tmp/x/1.csv")
    found = read_publication(renamed, area=area)
    assert (found.layout, found.rows) == (layout, rows)
    assert {one.area for one in found.series} == {area}
    assert read(name).series[0].area == area


def test_the_six_tables_of_a_day_file() -> None:
    """If it fails, demand, forecast and PV of an area are off by a table, an hour or a factor."""
    found = read(TEPCO)
    series = by_name(found)
    first = Slot(day=date(2021, 5, 2), number=1).interval.start.timestamp()
    hours, minutes = series["demand_w", 3600], series["demand_w", 300]
    assert hours.start_s.tolist() == [first + 3600 * at for at in range(24)]
    assert minutes.start_s.tolist() == [first + 300 * at for at in range(288)]
    lines = open_published(VECTORS / TEPCO).lines
    at = next(n for n, text in enumerate(lines) if text.startswith("DATE,"))
    demand, forecast, usage, supply = (float(one) for one in lines[at + 1].split(",")[2:])
    assert hours.value[0] == demand * 1e7
    assert series["demand_forecast_w", 3600].value[0] == forecast * 1e7
    assert series["usage_ratio", 3600].value[0] == pytest.approx(usage / 100)
    assert series["supply_capacity_w", 3600].value[0] == supply * 1e7
    assert series["pv_w", 300].value.max() > 1e9
    assert series["peak_demand_forecast_hour", 86_400].value.tolist() == [16.0]
    next_day = series["next_day_peak_demand_forecast_w", 86_400]
    assert next_day.start_s.tolist() == [first + 86_400]
    assert found.stage is Stage.PRELIMINARY
    assert found.published_at is not None
    assert found.published_at.timestamp() == first + 86_400 + 600
    assert found.missing == 0


def test_what_has_not_happened_is_missing_and_never_zero() -> None:
    """If it fails, a file of noon tells the forecast that an afternoon without demand came."""
    series = by_name(read(NOON))
    for step_s, over in ((3600, 12), (300, 144)):
        demand = series["demand_w", step_s]
        assert (demand.value[:over] > 0).all()
        assert all(math.isnan(one) for one in demand.value[over:])
        assert set(demand.quality[over:].tolist()) == {Quality.NOT_YET}
    assert (series["demand_forecast_w", 3600].value > 0).all()


def test_the_supply_mix_is_in_the_frame_of_the_grid() -> None:
    """If it fails, pumping counts as supply, or megawatts as watts."""
    series = by_name(read(MIX))
    assert series["demand_w", 1800].value[0] == 7161e6
    assert series["pumped_storage_w", 1800].value[0] == -143e6
    assert series["interconnection_w", 1800].value[0] == 716e6


def test_weather_keeps_its_marks() -> None:
    """If it fails, an unobserved depth of snow is bare ground, or a doubtful reading sure."""
    series = by_name(read(JMA))
    marks = {kind: one.quality.tolist() for (kind, _), one in series.items()}
    assert set(marks["precipitation_m"]) == {Quality.NO_PHENOMENON}
    assert set(series["precipitation_m", 3600].value.tolist()) == {0.0}
    assert set(marks["snow_depth_m"]) == {Quality.NOT_OBSERVED}
    assert marks["temperature_c"][12:14] == [Quality.QUASI_GOOD, Quality.INSUFFICIENT]
    assert marks["cloud_ratio"][5] == Quality.BOUNDED
    assert series["cloud_ratio", 3600].value[5] == pytest.approx(1.0)
    assert marks["wind_direction_deg"][0] == Quality.NO_DIRECTION
    assert series["wind_direction_deg", 3600].value[3] == 315.0
    assert marks["irradiance_w_per_m2"][0] == Quality.BLANK
    assert series["irradiance_w_per_m2", 3600].value[6] == pytest.approx(0.29e6 / 3600)
    assert series["sea_level_pressure_pa", 3600].value[0] == pytest.approx(100_790.0)
    assert series["temperature_c", 3600].start_s[0] % 86_400 == 15 * 3600


@pytest.mark.parametrize(
    ("name", "line", "old", "new", "cause"),
    [
        (TEPCO, 1, "UPDATE", "UPDATED", "no known layout"),
        (TEPCO, 2, "時間帯", "時刻", "not a known column"),
        (TEPCO, 3, "16:00", "26:00", "not a time"),
        (TEPCO, 3, "5/2", "13/2", "month and day"),
        (TEPCO, 16, ",83", "", "5 columns, 6 are promised"),
        (TEPCO, 16, "2021/5/2", "2021/5/3", "another day"),
        (TEPCO, 16, "2021/5/2", "2021/2/30", "not a day|another day"),
        (TEPCO, 17, "2:00", "1:00", "1:00 stands where 2:00 is promised"),
        (TEPCO, 17, "2:00", "25:00", "not a time"),
        (TEPCO, 17, "2:00,", "2:00,-", "is not between"),
        (TEPCO, 17, "2:00,", "2:00,９", "not a number"),
        (TEPCO, 17, "2:00,", "2:00,99999", "is not (between|a number)"),
        (TEPCO, 40, "最大使用率", "最大の率", "stands where"),
        (YEAR, 5, "1:00", "0:00", "is there twice"),
        (YEAR, 5, "1:00", "2:00", "does not follow"),
        (YEAR, 5, "2021/1/1", "2021/13/1", "not a day"),
        (MIX, 3, "7161,0", "7161,90", "not the sum"),
        (MIX, 4, "0:30", "1:00", "does not follow"),
        (MIX, 5, ",70", ",7O", "not a number"),
        (JMA, 3, "05-02,1,", "05-02,2,", "hour '2' stands where 1"),
        (JMA, 3, "静穏", "上", "not a direction"),
        (JMA, 3, "18.1", "181.1", "not between"),
        (JMA, 2, "2021-05-02", "2021-05-03", "another than that of the header"),
    ],
)
def test_a_malformed_file_is_refused_at_its_line(
    *, name: str, line: int, old: str, new: str, cause: str
) -> None:
    """If it fails, a damaged file changes what is known of an area, or nobody learns where."""
    with pytest.raises(ImportRefusedError, match=cause) as caught:
        read_publication(
            decode_published(changed(name, line=line, old=old, new=new), source=f"/{name}")
        )
    assert caught.value.line in {line - 1, line, line + 1}


@pytest.mark.parametrize("name", [TEPCO, MIX, JMA])
def test_a_file_that_ends_early_is_refused(name: str) -> None:
    """If it fails, a day that was cut off by the network counts as a whole day."""
    lines = open_published(VECTORS / name).lines
    for kept in (1, 2, 3, len(lines) // 2, len(lines) - 1):
        data = "".join(text + "\n" for text in lines[:kept]).encode()
        with pytest.raises(ImportRefusedError):
            read_publication(decode_published(data, source=f"/{name}"))


@pytest.mark.parametrize(
    ("source", "told", "name", "cause"),
    [
        ("x.csv", None, YEAR, "says not of which area"),
        ("chubu_juyo.csv", None, TEPCO, "is named chubu, its header is of tokyo"),
        ("x.csv", "edo", TEPCO, "area 'edo' is not one of"),
        ("x.csv", None, JMA, "says not of which station"),
        ("x.csv", "edo", JMA, "station 'edo' is not one of"),
    ],
)
def test_a_file_without_an_owner_is_refused(
    *, source: str, told: str | None, name: str, cause: str
) -> None:
    """If it fails, the demand of one area is stored as that of another."""
    file = decode_published((VECTORS / name).read_bytes(), source=source)
    with pytest.raises(ImportRefusedError, match=cause):
        read_publication(file, area=told)
    if name == TEPCO and told is None:
        assert read_publication(file, area="chubu").publisher.startswith("Chubu")
