"""Homes and roofs of the catalogue: read on one clock, scaled alike, and nothing invented."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from models.site.past import PAST_SLOTS
from models.training.site_evaluate import repeated
from models.training.site_samples import SITE_TARGETS, TEST_FROM, site_samples
from models.training.sites import SCALE_W, load_sites, pv_sites
from protocols.vocabulary.errors import ConfigError

DAYS = 12


def write(data: Path, name: str, lines: list[str]) -> None:
    path = data / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress("\n".join(lines).encode()))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two Swiss homes, one of them without a meter for two days; one US roof."""
    random = np.random.default_rng(4)
    rows = ["iso_week,slot_15min,kwh_1,kwh_2"]
    for slot in range(DAYS * 96):
        away = 96 * 3 <= slot < 96 * 5
        one, two = random.uniform(0.1, 0.3), 0.0 if away else random.uniform(1.0, 2.0)
        rows.append(f"{44 + slot // 672},{slot % 672},{one:.3f},{two:.3f}")
    write(tmp_path, "household/ch_heatpump_households_15min_w44.csv.gz", rows)
    roof = ["time_utc,ac_power_kw"]
    for day in range(1, DAYS + 1):
        for minute in range(14 * 60, 24 * 60, 15):
            sun = np.sin(np.pi * (minute - 840) / 600)
            roof.append(f"2018-11-{day:02d}T{minute // 60:02d}:{minute % 60:02d}:00Z,{5 * sun:.3f}")
    write(tmp_path, "pv/us_rooftop_27kw_5min_x.csv.gz", roof)
    return tmp_path


def test_homes_weigh_alike_and_a_meter_that_was_away_is_not_an_empty_home(data: Path) -> None:
    """If it fails, one block of flats rules the model, or homes are learned to take nothing."""
    homes = load_sites(data)
    assert [float(np.nanmean(one.values_w)) for one in homes] == pytest.approx([SCALE_W] * 2)
    assert np.isnan(homes[1].values_w).sum() == 2 * 48
    assert np.isfinite(homes[0].values_w).all()
    assert homes[0].start.weekday() == 0


def test_a_roof_without_an_address_is_found_by_its_noon_and_is_dark_at_night(data: Path) -> None:
    """If it fails, the sun of the features and that of the roof are hours apart."""
    (roof,) = pv_sites(data)
    assert roof.place.longitude == pytest.approx(-105.0, abs=5.0)
    assert np.nanmax(roof.values_w) == pytest.approx(SCALE_W, rel=0.02)
    assert roof.start == datetime(2018, 11, 1, tzinfo=UTC)
    assert (roof.values_w.reshape(-1, 48)[:, 10] == 0.0).all()


def test_no_sample_before_the_test_looks_into_it_and_the_naive_day_is_yesterday(
    data: Path,
) -> None:
    """If it fails, the scores are those of a model that saw the answers."""
    made = site_samples(SITE_TARGETS[0], data, tick=lambda _: None)
    test_day = round(0.8 * DAYS)
    day = made.samples.ordinal - TEST_FROM.toordinal() + test_day
    end = day * 48 + made.clock
    before = made.samples.ordinal < TEST_FROM.toordinal()
    assert (end[before] + 48 <= test_day * 48).all()
    naive = repeated(made, 1)
    for row in range(len(end)):
        values = made.sites[made.samples.place[row]].values_w
        np.testing.assert_allclose(made.samples.truth[row], values[end[row] : end[row] + 48], 1e-5)
        np.testing.assert_allclose(naive[row], values[end[row] - 48 : end[row]], 1e-5)
    assert (end < PAST_SLOTS).all()


def test_a_damaged_file_is_one_clear_line(tmp_path: Path) -> None:
    """If it fails, a torn download gives a page of Python."""
    write(tmp_path, "household/ch_heatpump_households_15min_w44.csv.gz", ["a,b", "1"])
    with pytest.raises(ConfigError, match="columns of the header"):
        load_sites(tmp_path)
    write(tmp_path, "household/ch_heatpump_households_15min_w44.csv.gz", ["kwh_1", "x"])
    with pytest.raises(ConfigError, match="kwh_1"):
        load_sites(tmp_path)
