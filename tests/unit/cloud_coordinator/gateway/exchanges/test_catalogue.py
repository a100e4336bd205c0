"""The data catalogue: columns without gaps, refused whole when malformed."""

import gzip
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from cloud_coordinator.gateway.exchanges.catalogue import Catalogue
from cloud_coordinator.gateway.exchanges.signals import RecordedSignals
from cloud_coordinator.services.market_history import (
    KnownHistory,
    MarketSeries,
    available_from,
)
from protocols.vocabulary.calendar import Slot
from protocols.vocabulary.obligation import Service

DAY = date(2024, 5, 1)
SPOT = "start_jst,system_price_jpy_per_kwh,tokyo_price_jpy_per_kwh\n"
WEATHER = "hour_ending_jst,temp_c,ghi_wm2\n"
RESULTS = (
    "start_jst,product,block_min,area,required_mw,offered_mw,awarded_mw,offer_count,award_count,"
    "price_max_jpy_per_kw_30min,price_min_jpy_per_kw_30min,price_avg_jpy_per_kw_30min\n"
)


def _put(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write(text)


def test_gaps_are_missing_and_hours_are_two_half_hours(tmp_path: Path) -> None:
    """If it fails, a missing price is read as the price of another half hour."""
    _put(
        tmp_path,
        "jepx/jepx_spot_30min_x.csv.gz",
        f"{SPOT}2024-05-01T00:00:00+09:00,9,10.5\n2024-05-01T01:00:00+09:00,9,\n"
        "2024-05-01T01:30:00+09:00,9,12\n",
    )
    _put(
        tmp_path,
        "weather/jma_hourly_tokyo_x.csv.gz",
        f"{WEATHER}2024-05-01T01:00:00+09:00,15.5,0\n2024-05-01T02:00:00+09:00,16,0\n",
    )
    found = Catalogue(tmp_path)
    spot = found.column(MarketSeries.SPOT, "tokyo").of_day(DAY)
    assert (spot[0], spot[3]) == (10.5, 12.0)
    assert np.isnan(spot[[1, 2, 4]]).all()
    warm = found.column(MarketSeries.TEMPERATURE, "tokyo").of_day(DAY)
    assert warm[:4].tolist() == [15.5, 15.5, 16.0, 16.0]
    assert not found.missing()


def test_a_block_is_in_each_of_its_half_hours_and_nothing_awarded_has_no_price(
    tmp_path: Path,
) -> None:
    """If it fails, a block in which nothing was accepted sells at 0 yen."""
    _put(
        tmp_path,
        "eprx/eprx_results_x.csv.gz",
        f"{RESULTS}2024-05-01T00:00:00+09:00,tertiary1,180,tokyo,9,9,9,1,1,3.5,1,2\n"
        "2024-05-01T03:00:00+09:00,tertiary1,180,tokyo,9,0,0,0,0,0.0,0.0,0.0\n"
        "2024-05-01T00:00:00+09:00,tertiary1,180,kyushu,9,9,9,1,1,7,7,7\n",
    )
    results = Catalogue(tmp_path).balancing(Service.TERTIARY_1, "tokyo")
    highest = results.price_highest.of_day(DAY)
    assert highest[:6].tolist() == [3.5] * 6
    assert np.isnan(highest[6:]).all()
    assert results.awarded_mw.of_day(DAY)[6] == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        SPOT,
        "day,price\n1,2\n",
        f"{SPOT}2024-05-01T00:00:00+09:00,9\n",
        f"{SPOT}2024-05-01T00:00:00+09:00,9,ten\n",
        f"{SPOT}yesterday,9,10\n",
        f"{SPOT}0001-05-01T00:00:00+09:00,9,1\n2024-05-01T00:00:00+09:00,9,1\n",
        f"{SPOT}2024-05-01T00:07:00+09:00,9,1\n",
    ],
)
def test_a_malformed_file_is_refused_whole_and_said(tmp_path: Path, text: str) -> None:
    """If it fails, half a file is taken, or one bad file stops every day."""
    _put(tmp_path, "jepx/jepx_spot_30min_x.csv.gz", text)
    found = Catalogue(tmp_path)
    assert not len(found.column(MarketSeries.SPOT, "tokyo").values)
    assert any("jepx_spot_30min" in line for line in found.missing())


def test_a_torn_archive_and_an_empty_folder_are_said(tmp_path: Path) -> None:
    """If it fails, a download that broke off is read as if it were the whole."""
    _put(tmp_path, "jepx/jepx_spot_30min_x.csv.gz", SPOT + "2024-05-01T00:00:00+09:00,9,1\n" * 99)
    path = tmp_path / "jepx/jepx_spot_30min_x.csv.gz"
    path.write_bytes(path.read_bytes()[:-20])
    found = Catalogue(tmp_path)
    assert not len(found.column(MarketSeries.SPOT, "tokyo").values)
    assert not len(found.balancing(Service.PRIMARY, "tokyo").required_mw.values)
    assert len(found.missing()) == 2
    assert not len(RecordedSignals(tmp_path).regulation())


def test_a_gate_sees_nothing_that_was_published_later(tmp_path: Path) -> None:
    """If it fails, bids are made with tomorrow's newspaper."""
    rows = "".join(f"2024-05-0{d}T{h:02d}:00:00+09:00,9,{d}\n" for d in (1, 2) for h in range(24))
    _put(tmp_path, "jepx/jepx_spot_30min_x.csv.gz", SPOT + rows)
    opened = available_from(MarketSeries.SPOT, Slot(day=date(2024, 5, 2), number=1).interval.start)
    assert opened == datetime(2024, 5, 1, 3, tzinfo=UTC)
    before = KnownHistory(Catalogue(tmp_path), opened.replace(hour=2, minute=59))
    after = KnownHistory(Catalogue(tmp_path), opened)
    second = date(2024, 5, 2)
    assert np.isnan(before.column(MarketSeries.SPOT, "tokyo").of_day(second)).all()
    assert after.column(MarketSeries.SPOT, "tokyo").of_day(second)[0] == 2.0


def test_recorded_signals_are_held_between_samples(tmp_path: Path) -> None:
    """If it fails, a signal of every two seconds runs at double speed."""
    _put(tmp_path, "frequency/pjm_regd_2s_x.csv.gz", "second,regd_pu\n0,0.5\n2,-1\n")
    _put(tmp_path, "frequency/gmlc_grid_frequency_1s_x.csv.gz", "second,frequency_pu\n0,bad\n")
    signals = RecordedSignals(tmp_path)
    assert signals.regulation().tolist() == [0.5, 0.5, -1.0]
    assert not len(signals.frequency_pu())
    assert "gmlc" in signals.refused[0]
