"""Forecasts without a model: persistence and the clear sky."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from edge_agent.forecast.persistence import ClearSkyForecaster, PersistenceForecaster
from edge_agent.forecast.port import Grid
from models.clear_sky import clear_irradiance, cosine_of_zenith
from models.features import SiteHistory
from protocols.vocabulary.measurement import Quality

NOON_TOKYO = datetime(2026, 6, 21, 2, 43, tzinfo=UTC)
"""The sun stands highest over Tokyo (139.7 east) about 11:43 local time in June."""
TOKYO = {"latitude": 35.68, "longitude": 139.7}
NOWHERE = np.full(0, np.nan)


def history(
    load: np.ndarray, pv: np.ndarray, until: datetime, *, step_s: float = 60.0
) -> SiteHistory:
    return SiteHistory(until=until, step_s=step_s, load_w=load, pv_w=pv)


def test_now_is_the_mean_of_the_last_five_minutes() -> None:
    """One kettle would be taken for the whole afternoon, or yesterday's load for now."""
    load = np.concatenate([np.full(100, -9000.0), [-900.0, -1000.0, -1100.0, -1000.0, -1000.0]])
    made = PersistenceForecaster(grid=Grid(step_s=1800.0, steps=4)).forecast(
        history(load, np.zeros(105), NOON_TOKYO), NOON_TOKYO
    )
    assert list(made.load_w) == [-1000.0] * 4
    assert made.quality is Quality.GOOD
    assert made.data_until == NOON_TOKYO


def test_later_steps_are_as_a_day_before_where_that_is_known() -> None:
    """The evening's cooking would be forgotten every noon."""
    minutes = np.arange(24 * 60 + 60)
    load = np.where((minutes % 1440 >= 300) & (minutes % 1440 < 330), -4000.0, -500.0)
    until = NOON_TOKYO
    made = PersistenceForecaster(grid=Grid(step_s=1800.0, steps=48)).forecast(
        history(load, np.zeros(len(load)), until), until
    )
    dip = int(np.argmin(made.load_w))
    begins = until - timedelta(minutes=len(load)) + timedelta(minutes=300, days=1)
    assert made.step_at(begins + timedelta(minutes=15)) == dip
    assert made.load_w[dip] == -4000.0
    assert "day before" in made.reason


def test_gaps_are_not_taken_for_zero() -> None:
    """A lost meter would look like an empty house."""
    load = np.array([-1000.0, np.nan, np.nan, -1000.0, np.nan])
    made = PersistenceForecaster(grid=Grid(step_s=1800.0, steps=2)).forecast(
        history(load, np.full(5, np.nan), NOON_TOKYO), NOON_TOKYO
    )
    assert list(made.load_w) == [-1000.0, -1000.0]


def test_without_any_history_it_says_so() -> None:
    """A guess would be sold as knowledge."""
    for grid in (Grid(step_s=1800.0, steps=2),):
        made = PersistenceForecaster(grid=grid).forecast(
            history(NOWHERE, NOWHERE, NOON_TOKYO), NOON_TOKYO
        )
        assert made.quality is Quality.SUBSTITUTED
        assert "no history" in made.reason
        sky = ClearSkyForecaster(grid=grid, peak_w=5000.0, **TOKYO).forecast(
            history(NOWHERE, NOWHERE, NOON_TOKYO), NOON_TOKYO
        )
        assert sky.quality is Quality.SUBSTITUTED
        assert "assumed" in sky.reason


@pytest.mark.parametrize(
    ("latitude", "longitude", "noon", "height_deg"),
    [
        (35.68, 139.7, datetime(2026, 6, 21, 2, 43, tzinfo=UTC), 90.0 - 35.68 + 23.44),
        (35.68, 139.7, datetime(2026, 12, 21, 2, 39, tzinfo=UTC), 90.0 - 35.68 - 23.44),
        (51.48, 0.0, datetime(2026, 3, 20, 12, 7, tzinfo=UTC), 90.0 - 51.48),
    ],
)
def test_the_sun_stands_where_an_almanac_says(
    latitude: float, longitude: float, *, noon: datetime, height_deg: float
) -> None:
    """PV would be expected at night, or an hour too early."""
    cosine = cosine_of_zenith(
        noon - timedelta(hours=12), 60.0, 1440, latitude=latitude, longitude=longitude
    )
    highest = int(np.argmax(cosine))
    assert abs(highest - 720) <= 4
    height = 90.0 - np.degrees(np.arccos(cosine[highest]))
    assert height == pytest.approx(height_deg, abs=0.6)
    assert cosine.min() < 0.0


def test_a_clear_sky_gives_about_a_kilowatt_at_noon_and_nothing_at_night() -> None:
    """The plan would count on sunshine that physics does not give."""
    values = clear_irradiance(np.array([1.0, 0.5, 0.0, -0.5]))
    assert values[0] == pytest.approx(1037.0, abs=2.0)
    assert values[1] == pytest.approx(490.0, abs=3.0)
    assert list(values[2:]) == [0.0, 0.0]


def test_clouds_are_carried_forward_as_a_ratio() -> None:
    """A grey morning would be followed by a plan for a blue afternoon."""
    sky = ClearSkyForecaster(grid=Grid(step_s=1800.0, steps=24), peak_w=5000.0, **TOKYO)
    until = NOON_TOKYO - timedelta(hours=2)
    cosine = cosine_of_zenith(until - timedelta(hours=2), 60.0, 120, **TOKYO)
    pv = 0.4 * clear_irradiance(cosine) / 1000.0 * 5000.0
    made = sky.forecast(history(np.full(120, -500.0), pv, until), until)
    clear = clear_irradiance(cosine_of_zenith(until, 1800.0, 24, **TOKYO)) * 5.0
    assert made.pv_w == pytest.approx(0.4 * clear, rel=1e-6)
    assert made.quality is Quality.GOOD
    assert made.pv_w[-1] == 0.0
    assert made.pv_w.max() <= 5000.0


def test_at_night_the_ratio_of_the_day_is_kept() -> None:
    """Every sunrise would be planned with an assumed sky."""
    sky = ClearSkyForecaster(grid=Grid(step_s=1800.0, steps=4), peak_w=5000.0, **TOKYO)
    until = NOON_TOKYO + timedelta(hours=10)
    cosine = cosine_of_zenith(until - timedelta(hours=24), 300.0, 288, **TOKYO)
    pv = 0.7 * clear_irradiance(cosine) * 5.0
    made = sky.forecast(history(np.full(288, -500.0), pv, until, step_s=300.0), until)
    assert made.quality is Quality.GOOD
    assert "0.70 of clear sky" in made.reason
