"""Reading the data catalogue: half hours in their places, gaps, and files that are broken."""

import gzip
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from models.datasets import read_catalogue
from models.day_ahead.history import Series
from protocols.vocabulary.errors import ConfigError

DAY = date(2024, 4, 1)


def _write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))


def _hours(header: str, rows: dict[int, str]) -> list[str]:
    return [header, *(f"2024-04-01T{hour:02d}:00:00+09:00,{row}" for hour, row in rows.items())]


def test_hours_and_half_hours_find_their_slots(tmp_path: Path) -> None:
    """If it fails, every model is taught that noon is somewhere else."""
    _write(
        tmp_path / "tso" / "demand_hourly_10areas_x.csv.gz",
        _hours("start_jst,tokyo_demand_mw,tohoku_demand_mw", {0: "100,", 1: "200,50"}),
    )
    _write(
        tmp_path / "weather" / "jma_hourly_tokyo_x.csv.gz",
        _hours("hour_ending_jst,temp_c", {1: "7.5", 2: ""}),
    )
    _write(
        tmp_path / "eprx" / "eprx_results_x.csv.gz",
        [
            "start_jst,product,block_min,area,awarded_mw,price_avg_jpy_per_kw_30min",
            "2024-04-01T03:00:00+09:00,composite,180,tokyo,5,1.5",
            "2024-04-01T06:00:00+09:00,composite,180,tokyo,0,0",
        ],
    )
    history = read_catalogue(tmp_path)
    assert history.first_day == DAY
    tokyo = history.column(Series.DEMAND, "tokyo")[0]
    assert tokyo[:2].mean() == pytest.approx(100.0)
    assert tokyo[2:4].mean() == pytest.approx(200.0)
    assert np.isnan(tokyo[4:]).all()
    assert np.isnan(history.column(Series.DEMAND, "tohoku")[0, :2]).all()
    warm = history.column(Series.TEMPERATURE, "tokyo")[0]
    assert warm[:2].tolist() == [7.5, 7.5]
    assert np.isnan(warm[2:]).all()
    price = history.column(Series.BALANCING, "compound tokyo")[0]
    assert np.flatnonzero(np.isfinite(price)).tolist() == list(range(6, 12))


def test_a_coming_hour_does_not_show_in_the_last_one(tmp_path: Path) -> None:
    """If it fails, half an hour of the future leaks through the curve between hourly means."""
    path = tmp_path / "tso" / "demand_hourly_10areas_x.csv.gz"
    found = []
    for coming in ("300", "900"):
        _write(path, _hours("start_jst,tokyo_demand_mw", {0: "100", 1: "200", 2: coming}))
        found.append(read_catalogue(tmp_path).column(Series.DEMAND, "tokyo")[0, :4])
    assert found[0].tolist() == found[1].tolist()


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    """If it fails, a training stops with a page of Python instead of a file name."""
    with pytest.raises(ConfigError, match="none of the tables"):
        read_catalogue(tmp_path)
    _write(tmp_path / "tso" / "demand_hourly_10areas_x.csv.gz", ["a,b", "1,2"])
    with pytest.raises(ConfigError, match=r"demand_hourly_10areas_x.*start_jst"):
        read_catalogue(tmp_path)
    (tmp_path / "tso" / "demand_hourly_10areas_x.csv.gz").write_bytes(b"\x1f\x8b broken")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_catalogue(tmp_path)


def test_the_catalogue_beside_us_can_be_read() -> None:
    """If it fails, `make train` cannot reproduce the shipped models."""
    folder = Path(__file__).parents[4] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here: the data catalogue is no part of the repository")
    history = read_catalogue(folder, first_day=date(2024, 3, 1), last_day=date(2024, 3, 31))
    assert history.days == 31
    assert history.first_day + timedelta(days=30) == date(2024, 3, 31)
    assert np.isfinite(history.column(Series.SPOT, "tokyo")).all()
    assert np.isfinite(history.column(Series.PV, "kyushu")).mean() > 0.9
