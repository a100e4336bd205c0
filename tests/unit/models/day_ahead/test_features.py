"""The features of the day-ahead models: gaps, levels, and one builder for both sides."""

from datetime import date, timedelta

import numpy as np
import pytest

from models.day_ahead.context import context_of, gate_of
from models.day_ahead.daytypes import REST, SATURDAY, WORKING, day_type
from models.day_ahead.frame import MISSING_MAX
from models.day_ahead.history import Column, History, Series
from models.day_ahead.places import PV_PLACE
from models.day_ahead.sky import clear_sky
from models.day_ahead.targets import TARGETS, Target
from models.training.samples import build_samples, normalised_truth, split
from tests.unit.models.day_ahead.synthetic import LAST_DAY, country

HISTORY = country()


@pytest.mark.parametrize("target", TARGETS, ids=lambda one: one.name)
def test_training_and_run_time_see_the_same(target: Target) -> None:
    """If it fails, a model is asked in another language than it was taught in."""
    ticks: list[int] = []
    days = [LAST_DAY - timedelta(days=1), LAST_DAY]
    samples = build_samples(HISTORY, target, days=days, tick=lambda: ticks.append(1))
    context = context_of(HISTORY, LAST_DAY)
    place = target.places.index(target.shown)
    row = np.flatnonzero((samples.place == place) & (samples.ordinal == LAST_DAY.toordinal()))[0]
    tensors = target.build(context, target.shown).tensors()
    assert len(ticks) == 2
    for name, values in tensors.items():
        assert values[0].tobytes() == getattr(samples, name)[row].tobytes()


@pytest.mark.parametrize("target", TARGETS, ids=lambda one: one.name)
def test_nothing_known_is_said_and_not_an_error(target: Target) -> None:
    """If it fails, a broken feed stops the day instead of being answered by the fallback."""
    nothing = History(first_day=LAST_DAY, days=1, columns={})
    features = target.build(context_of(nothing, LAST_DAY), target.shown)
    assert features.missing > MISSING_MAX
    assert features.level > 0.0
    assert np.isfinite(features.offset).all()
    assert np.isfinite(features.unit).all()


def test_a_gap_leaves_the_rest_as_it_is() -> None:
    """If it fails, one missing half hour of the week spoils the whole forecast."""
    columns = dict(HISTORY.columns)
    name = Column(Series.DEMAND, "tokyo")
    columns[name] = columns[name].copy()
    columns[name][-5, 7:11] = np.nan
    holed = History(first_day=HISTORY.first_day, days=HISTORY.days, columns=columns)
    target = TARGETS[0]
    one, two = (target.build(context_of(h, LAST_DAY), "tokyo") for h in (HISTORY, holed))
    assert two.missing < MISSING_MAX
    assert two.level == pytest.approx(one.level, rel=0.01)


def test_a_country_twice_as_large_looks_the_same() -> None:
    """If it fails, a later year with another level of demand is forecast as it was years ago."""
    columns = {
        name: values * (2.0 if name.series in {Series.DEMAND, Series.PV, Series.SPOT} else 1.0)
        for name, values in HISTORY.columns.items()
    }
    twice = History(first_day=HISTORY.first_day, days=HISTORY.days, columns=columns)
    for target in TARGETS[:2]:
        one, two = (target.build(context_of(h, LAST_DAY), "tokyo") for h in (HISTORY, twice))
        assert two.level == pytest.approx(2.0 * one.level)
        assert two.slots == pytest.approx(one.slots, nan_ok=True)


def test_kinds_of_days() -> None:
    """If it fails, New Year is forecast as a working Thursday."""
    assert day_type(date(2025, 1, 2)) == REST
    assert day_type(date(2025, 5, 3)) == REST
    assert day_type(date(2025, 5, 10)) == SATURDAY
    assert day_type(date(2025, 5, 6)) == REST
    assert day_type(date(2025, 5, 7)) == WORKING


def test_the_sun_stands_high_at_noon_in_japan() -> None:
    """If it fails, PV is forecast for the wrong hours: local time was mistaken somewhere."""
    rows = clear_sky(PV_PLACE["tokyo"], date(2024, 12, 31), 2)
    assert rows.shape == (2, 48)
    assert rows.argmax(axis=1).tolist() == [23, 23]
    assert (rows[:, :12] == 0.0).all()
    assert (rows[:, 36:] == 0.0).all()
    assert 450.0 < rows.max() < 650.0


def test_the_split_keeps_the_test_apart() -> None:
    """If it fails, a model is scored on days that it was taught."""
    target = TARGETS[0]
    days = [LAST_DAY - timedelta(days=k) for k in range(20, -1, -1)]
    samples = build_samples(HISTORY, target, days=days, tick=lambda: None)
    first = LAST_DAY - timedelta(days=6)
    for held_year in (1, 2):
        parts = split(samples, first, held_year=held_year)
        for part in (parts.fit, parts.validation, parts.calibration):
            assert (part.ordinal < first.toordinal()).all()
    truth, weight = normalised_truth(samples)
    unit, offset = samples.frame[:, :, 1], samples.frame[:, :, 0]
    assert offset + unit * truth == pytest.approx(samples.truth, rel=1e-4)
    assert (weight > 0.0).all()


def test_the_gate_is_ten_in_the_morning_in_japan() -> None:
    """If it fails, the forecast is made an hour after the bids were due."""
    assert gate_of(date(2025, 4, 2)).isoformat() == "2025-04-01T01:00:00+00:00"
