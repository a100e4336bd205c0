"""The one feature builder."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from models.features import (
    SiteHistory,
    build_features,
    calendar,
    input_specs,
    missing_ratio,
    resampled,
    without_gaps,
)

NOW = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)


def test_features_have_the_shapes_the_contract_names() -> None:
    """Training and inference would disagree about what a model sees."""
    past = SiteHistory(
        until=NOW, step_s=60.0, load_w=np.full(300, -500.0), pv_w=np.full(300, 100.0)
    )
    made = build_features(past, step_s=1800.0, lookback=6, horizon=4, scale_w=1000.0)
    specs = {spec.name: spec.shape for spec in input_specs(lookback=6, horizon=4)}
    assert {name: array.shape for name, array in made.items()} == specs
    assert all(array.dtype == np.float32 for array in made.values())
    assert made["history"][0, -1] == pytest.approx([-0.5, 0.1])


def test_means_ignore_what_is_not_known_and_keep_what_is_missing() -> None:
    """A gap in the history would look like an hour without load."""
    values = np.array([np.nan, -100.0, -300.0, np.nan, np.nan, np.nan, -7.0, -9.0])
    past = SiteHistory(until=NOW, step_s=1.0, load_w=values, pv_w=np.zeros(8))
    load_w, _ = resampled(past, step_s=2.0, count=5)
    assert load_w == pytest.approx([np.nan, -100.0, -300.0, np.nan, -8.0], nan_ok=True)
    assert missing_ratio(load_w) == pytest.approx(0.4)
    assert without_gaps(load_w) == pytest.approx([-100.0, -100.0, -300.0, -154.0, -8.0])


def test_a_history_of_nothing_gives_zeros_and_says_that_all_is_missing() -> None:
    """A new site would crash its forecaster."""
    empty = np.zeros(0)
    past = SiteHistory(until=NOW, step_s=1.0, load_w=empty, pv_w=empty)
    load_w, _ = resampled(past, step_s=2.0, count=3)
    assert missing_ratio(load_w) == 1.0
    assert list(without_gaps(load_w)) == [0.0, 0.0, 0.0]


def test_the_calendar_repeats_with_the_day_and_the_week() -> None:
    """Morning would look like evening to the model."""
    today = calendar(NOW, step_s=1800.0, count=4)
    tomorrow = calendar(NOW + timedelta(days=1), step_s=1800.0, count=4)
    next_week = calendar(NOW + timedelta(days=7), step_s=1800.0, count=4)
    assert today[:, [0, 3]] == pytest.approx(tomorrow[:, [0, 3]], abs=1e-9)
    assert today[:, [0, 1, 3, 4]] == pytest.approx(next_week[:, [0, 1, 3, 4]], abs=1e-9)
    assert abs(today[:, 1] - tomorrow[:, 1]).max() > 0.1
    assert (np.abs(today) <= 1.0).all()


def test_training_and_inference_see_the_same_at_the_same_moment() -> None:
    """The model would be asked about something it was never taught."""
    drawn = np.random.default_rng(1)
    load, pv = -drawn.random(600) * 1000.0, drawn.random(600) * 3000.0
    whole = SiteHistory(until=NOW, step_s=60.0, load_w=load, pv_w=pv)
    earlier = SiteHistory(
        until=NOW - timedelta(minutes=60), step_s=60.0, load_w=load[:540], pv_w=pv[:540]
    )
    long = build_features(whole, step_s=1800.0, lookback=8, horizon=2, scale_w=1000.0)
    short = build_features(earlier, step_s=1800.0, lookback=6, horizon=4, scale_w=1000.0)
    assert np.array_equal(long["history"][0, :6], short["history"][0])
    assert long["known"][0] == pytest.approx(short["known"][0], abs=1e-6)
