"""Files of the exchange and the balancing market: what they say, and what is refused."""

import csv
import gzip
import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from cloud_coordinator.gateway.exchanges.files import (
    ImportRefusedError,
    decode_published,
    open_published,
)
from cloud_coordinator.gateway.exchanges.jepx_curves import read_curves
from cloud_coordinator.gateway.exchanges.jepx_files import SHARE_MIN, system_price_share
from cloud_coordinator.gateway.exchanges.layouts import read_publication
from cloud_coordinator.services.publications import Publication, Quality, Series, Stage
from protocols.vocabulary.calendar import SLOTS_A_DAY, Slot

VECTORS = Path(__file__).parents[4] / "vectors" / "published"
PUBLISHED = Path(__file__).parents[5].parent / "shared" / "data" / "raw_samples"
SPOT = "spot_summary_2021.csv"
YEAR = 365 * SLOTS_A_DAY


def read(name: str) -> Publication:
    return read_publication(open_published(VECTORS / name))


def named(publication: Publication) -> Mapping[tuple[str, str], Series]:
    return {(one.kind, one.area): one for one in publication.series}


def refusal(name: str, *, line: int, old: str, new: str) -> ImportRefusedError:
    """Change one line of a vector and try to read it."""
    lines = list(open_published(VECTORS / name).lines)
    assert old in lines[line - 1], lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    data = "".join(text + "\n" for text in lines).encode()
    with pytest.raises(ImportRefusedError) as caught:
        read_publication(decode_published(data, source="x.csv"))
    return caught.value


@pytest.mark.parametrize(
    ("name", "layout", "stage"),
    [
        (SPOT, "jepx-spot-summary", Stage.FINAL),
        ("intraday_2021.csv", "jepx-intraday", Stage.FINAL),
        ("spot_bid_curves_20210502.csv", "jepx-bid-curves", Stage.FINAL),
        ("202105_3-2_prompt.csv", "eprx-results", Stage.PRELIMINARY),
        ("202404_1-0_prompt.csv", "eprx-results", Stage.PRELIMINARY),
        ("202503_1-0_result.csv", "eprx-results", Stage.FINAL),
        ("202606_2-1_prompt.csv", "eprx-results", Stage.PRELIMINARY),
        ("202606_1-0_rt_prompt.csv", "eprx-results-by-resource", Stage.PRELIMINARY),
        ("202602_tieline_daily_result.csv", "eprx-interconnectors", Stage.FINAL),
        ("2027_Requirement.csv", "eprx-requirement", Stage.PRELIMINARY),
    ],
)
def test_each_layout_of_each_year_is_known_by_its_header(
    *, name: str, layout: str, stage: Stage
) -> None:
    """If it fails, results of a year could not be taken in, or would be read as another's."""
    found = read(name)
    assert (found.layout, found.stage) == (layout, stage)


def test_a_suspended_area_has_no_price_and_a_spike_is_believed() -> None:
    """If it fails, a blackout would look like free energy, or 252 yen like an error."""
    found = named(read(SPOT))
    hokkaido = found["spot_price_jpy_per_kwh", "hokkaido"]
    assert np.isnan(hokkaido.value[:4]).all()
    assert set(hokkaido.quality[:4]) == {Quality.BLANK}
    assert found["spot_price_jpy_per_kwh", "system"].value[35] == 252.0
    assert found["spot_contracted_wh", "system"].value[0] == 7_000_050_000.0
    start = Slot(day=date(2021, 5, 2), number=36).interval.start.timestamp()
    assert hokkaido.start_s[35] == start


def test_a_shifted_system_price_is_refused_with_its_line() -> None:
    """If it fails, a year of prices of another season trains the models and values the bids."""
    day = [row.split(",") for row in open_published(VECTORS / SPOT).lines]
    lines = [",".join(day[0])]
    for index in range(30):
        for row in day[1:49]:
            moved = [f"2021/06/{index + 1:02}", *row[1:]]
            moved[5] = f"{float(row[5]) + (90.0 if index >= 2 else 0.0):.2f}"
            lines.append(",".join(moved))
    data = "".join(line + "\n" for line in lines).encode("cp932")
    with pytest.raises(ImportRefusedError, match="a column is shifted") as caught:
        read_publication(decode_published(data, source="spot_summary_2022.csv"))
    assert caught.value.line == 2 + 2 * SLOTS_A_DAY
    short = "".join(line + "\n" for line in [lines[0], *lines[97:145]]).encode("cp932")
    system = named(read_publication(decode_published(short, source="x")))[
        "spot_price_jpy_per_kwh", "system"
    ]
    assert set(system.quality) == {Quality.DOUBTFUL}, "a day is too short to be sure"


def test_the_trap_is_set_where_no_good_year_falls_in() -> None:
    """If it fails, good years would be refused, or the broken file taken."""
    folder = PUBLISHED.parent / "jepx"
    paths = sorted(folder.glob("jepx_spot_30min_*"))
    if not paths:
        pytest.skip(f"no prices as published: {folder} is not there")
    with gzip.open(paths[-1], "rt") as file:
        rows = np.array(
            [[float(x or "nan") for x in r[1:11]] for r in list(csv.reader(file))[-YEAR:]]
        )
    system, areas = rows[:, 0], rows[:, 1:].T
    assert system_price_share(system, areas)[1] > SHARE_MIN + 0.05
    shifted = np.roll(system, 90 * SLOTS_A_DAY)
    assert system_price_share(shifted, areas)[1] < SHARE_MIN - 0.2


@pytest.mark.parametrize(
    ("name", "line", "old", "new", "cause"),
    [
        (SPOT, 3, ",2,", ",3,", "slot '3' stands where 2"),
        (SPOT, 60, "2021/05/03", "2021/05/04", "does not follow"),
        (SPOT, 5, ".", "..", "is not a number"),
        (SPOT, 7, "2021/05/02,6", "2021/05/02,6,1", "columns"),
        ("intraday_2021.csv", 9, ",8,", ",9,", "slot '9'"),
        ("spot_bid_curves_20210502.csv", 4, "15000.0", "1500.0", "turns back"),
        ("spot_bid_curves_20210502.csv", 9, ",2,", ",1,", "turns back"),
        ("202105_3-2_prompt.csv", 2, "三次調整力2", "四次調整力", "is not known"),
        ("202105_3-2_prompt.csv", 2, ",8", ",9", "blocks a day"),
        ("202105_3-2_prompt.csv", 6, "20210502B01", "20210402B01", "is not in 2021-05"),
        ("202105_3-2_prompt.csv", 6, "落札量", "落選量", "no known item"),
        ("202105_3-2_prompt.csv", 6, "落札量", "応札量", "twice"),
        ("202105_3-2_prompt.csv", 17, "B02", "B01", "twice"),
        ("202503_1-0_result.csv", 2, "確報値", "速報値", "調達区分"),
        ("202503_1-0_result.csv", 9, "システム約定結果", "抽選結果", "no known part"),
        ("202602_tieline_daily_result.csv", 5, "東北", "沖縄", "is no area"),
        ("202602_tieline_daily_result.csv", 8, "B02", "B01", "blocks must rise"),
        ("2027_Requirement.csv", 4, "00:30", "00:31", "is promised"),
        ("2027_Requirement.csv", 2, "2027/3_", "2027/2_", "months must rise"),
    ],
)
def test_a_malformed_file_is_refused_with_its_line(
    *, name: str, line: int, old: str, new: str, cause: str
) -> None:
    """If it fails, half a file or a wrong column would stand among the prices."""
    found = refusal(name, line=line, old=old, new=new)
    assert cause in found.cause
    assert found.line > 0


def test_a_price_where_nothing_was_accepted_is_no_price() -> None:
    """If it fails, bids would be made at 0 yen where nobody ever bought."""
    found = named(read("202105_3-2_prompt.csv"))
    assert found["tertiary2_awarded_w", "chubu"].value[0] == 0.0
    price = found["tertiary2_highest_jpy_per_kw_30min", "chubu"]
    assert math.isnan(price.value[0])
    assert price.quality[0] == Quality.NOT_OBSERVED
    assert price.step_s == 3 * 3600
    assert found["tertiary2_offered_w", "tokyo"].value[0] == 14_125_000.0


def test_final_results_stand_above_preliminary_ones() -> None:
    """If it fails, additional procurement would be counted as cleared by the market."""
    found = named(read("202503_1-0_result.csv"))
    assert found["primary_awarded_w", "tokyo"].value[0] == 15_125_000.0
    assert found["primary_system_awarded_w", "tokyo"].value[0] == 15_125_000.0
    assert found["primary_additional_awarded_w", "tokyo"].value[0] == 0.0
    assert math.isnan(found["primary_additional_required_w", "tokyo"].value[0])


def test_kinds_of_resource_lines_and_what_is_sought() -> None:
    """If it fails, what batteries earn, what lines carry and what is sought would be mixed up."""
    kinds = named(read("202606_1-0_rt_prompt.csv"))
    assert kinds["primary_awarded_w", "resource-battery"].value[0] == 238_051_000.0
    assert math.isnan(kinds["primary_mean_jpy_per_kw_30min", "resource-vpp"].value[0])
    lines = named(read("202602_tieline_daily_result.csv"))
    assert lines["tie_line_limit_daily_forward_w", "tohoku>tokyo"].value[0] == 160e6
    assert lines["tie_line_tertiary2_backward_w", "hokkaido>tohoku"].value[2] == 48_257_000.0
    sought = named(read("2027_Requirement.csv"))["secondary1_sought_w", "tokyo"]
    assert sought.start_s.size == 28 * SLOTS_A_DAY, "a month without values is not decided yet"
    assert sought.value[SLOTS_A_DAY + 47] == 167e6


def test_curves_cross_at_the_published_prices() -> None:
    """If it fails, the depth of the market would be read from the wrong side of a step."""
    _day, curves = read_curves(open_published(VECTORS / "spot_bid_curves_20210502.csv"))
    assert len(curves) == SLOTS_A_DAY + 8
    assert curves[0].crossing == (8.6, 24e9)
    path = PUBLISHED / "jepx" / "spot_bid_curves_20220601.csv.gz"
    if not path.is_file():
        pytest.skip(f"no curves as published: {path} is not there")
    _day, curves = read_curves(open_published(path))
    found = [curve.crossing[0] for curve in curves[:7] if curve.crossing is not None]
    assert found == [17.86, 17.22, 15.93, 15.88, 15.39, 15.64, 15.62], "system prices of that day"
