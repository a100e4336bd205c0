"""Features of a site: nothing later than now, any size alike, and a site from its first day."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from models.day_ahead.frame import DayFeatures
from models.site.load import load_features
from models.site.past import PAST_SLOTS, SitePast, SitePlace
from models.site.pv import best_ratio, pv_features
from models.training.site_samples import site_past
from models.training.sites import Site, roles
from tests.unit.models.site.synthetic import PLACE, home_past

UNTIL = datetime(2026, 7, 22, 1, 30, tzinfo=UTC)


def build(past: SitePast) -> tuple[DayFeatures, DayFeatures]:
    return load_features(past), pv_features(past)


@pytest.mark.parametrize("is_pv", [False, True], ids=["load", "pv"])
def test_nothing_from_the_moment_of_the_forecast_on_is_seen(*, is_pv: bool) -> None:
    """If it fails, the scores are too good to be true and the site is planned on air."""
    values = np.random.default_rng(1).random(30 * 48) * 1000.0
    site = Site(name="s", origin="o", start=UNTIL, values_w=values, place=PLACE)
    end = 20 * 48 + 7
    poisoned = replace(site, values_w=np.where(np.arange(len(values)) >= end, 1e9, values))
    one, two = (build(site_past(each, end, is_pv=is_pv)) for each in (site, poisoned))
    for first, second in zip(one, two, strict=True):
        np.testing.assert_array_equal(first.slots, second.slots)
        np.testing.assert_array_equal(first.day, second.day)
        assert first.level == second.level


def test_a_shop_of_a_hundred_kilowatts_looks_like_a_home_of_one() -> None:
    """If it fails, a model learned from homes answers nonsense for a factory."""
    past = home_past()
    large = replace(past, consumption_w=100.0 * past.consumption_w, pv_w=100.0 * past.pv_w)
    large = replace(large, place=replace(PLACE, peak_w=100.0 * PLACE.peak_w))
    for one, two in zip(build(past), build(large), strict=True):
        np.testing.assert_allclose(one.slots, two.slots, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(one.day, two.day, rtol=1e-9, atol=1e-12)
        assert two.level == pytest.approx(100.0 * one.level)


def test_one_day_of_past_is_enough_and_what_is_not_known_stays_unknown() -> None:
    """If it fails, a new site has no forecast for two weeks, or one made of zeros."""
    past = home_past()
    young = np.arange(PAST_SLOTS) < PAST_SLOTS - 48
    first_day = replace(
        past,
        consumption_w=np.where(young, np.nan, past.consumption_w),
        pv_w=np.where(young, np.nan, past.pv_w),
    )
    load, pv = build(first_day)
    assert np.isfinite(load.offset).all()
    assert np.isnan(load.slots[:, 1]).all()
    assert np.isfinite(load.slots[:, 0]).all()
    assert np.isfinite(pv.unit).all()
    assert pv.level == pytest.approx(0.75 * PLACE.peak_w, rel=0.6)


def test_it_is_dark_at_night_and_never_brighter_than_lately() -> None:
    """If it fails, the plan sells sunshine at midnight."""
    pv = pv_features(home_past())
    hour_jst = (UNTIL.hour + 9 + np.arange(48) * 0.5 + 0.5) % 24.0
    assert (pv.unit[(hour_jst > 20.5) | (hour_jst < 3.5)] == 0.0).all()
    assert pv.unit.max() <= 1.3 * PLACE.peak_w


def test_a_roof_that_was_never_seen_is_taken_at_its_rating() -> None:
    """If it fails, the first morning is forecast as night."""
    nothing = np.full((14, 48), np.nan)
    assert best_ratio(nothing, np.full((14, 48), 500.0), 4000.0) == pytest.approx(3.0)


def test_weekend_and_clock_are_those_of_the_site() -> None:
    """If it fails, Saturday in Japan begins nine hours late and shops are planned as open."""
    friday_evening_utc = datetime(2026, 7, 24, 15, 0, tzinfo=UTC)
    past = replace(home_past(), until=friday_evening_utc)
    weekend = load_features(past).slots[:, 16]
    assert weekend.all()
    at_utc = replace(past, place=replace(PLACE, clock_s=0))
    assert not load_features(at_utc).slots[:18, 16].any()


def test_sites_that_are_scored_as_new_are_in_no_other_part() -> None:
    """If it fails, the card calls homes new that the model has learned from."""
    place = SitePlace(latitude=0.0, longitude=0.0, clock_s=0, peak_w=1.0)
    sites = [
        Site(name=str(k), origin="ab"[k % 2], start=UNTIL, values_w=np.zeros(1), place=place)
        for k in range(20)
    ]
    parts = roles(sites)
    assert sorted(number for of in parts.values() for number in of) == list(range(20))
    assert len(parts["new"]) == len(parts["held"]) == 4
