"""Nothing later than the gate is used: features and answers are the same bit for bit."""

from datetime import timedelta

import numpy as np
import pytest

from models.day_ahead.context import context_of, gate_of
from models.day_ahead.history import DAY_S, History, Series
from models.day_ahead.shipped import shipped_models
from models.day_ahead.targets import TARGETS, Target
from protocols.vocabulary.calendar import jst_moment
from tests.unit.models.day_ahead.synthetic import DAYS, FIRST_DAY, LAST_DAY, country

HISTORY = country()
GATE_S = (gate_of(LAST_DAY) - jst_moment(FIRST_DAY, gate_of(LAST_DAY).min.time())) / timedelta(
    seconds=1
)
SPOILT = -7777.0


def _spoilt_after_the_gate(history: History) -> History:
    """Every value that was not published at 10:00 of the day before, replaced by nonsense.

    The rule is written down here a second time, on purpose: prices of the spot market from
    15:00 of the day before, of balancing from 18:00, everything else after its hour.
    """
    day_s = np.arange(DAYS)[:, None] * float(DAY_S)
    slot_end_s = (np.arange(48)[None, :] + 1) * 1800.0
    columns = {}
    for name, values in history.columns.items():
        if name.series in {Series.SPOT, Series.SELL_BIDS, Series.BUY_BIDS}:
            since = np.broadcast_to(day_s - 9 * 3600.0, values.shape)
        elif name.series is Series.BALANCING:
            since = np.broadcast_to(day_s - 6 * 3600.0, values.shape)
        elif name.series is Series.PV:
            since = day_s + slot_end_s
        else:
            since = day_s + np.ceil(slot_end_s / 3600.0) * 3600.0
        columns[name] = np.where(since > GATE_S, SPOILT, values)
    return History(first_day=history.first_day, days=history.days, columns=columns)


@pytest.mark.parametrize("target", TARGETS, ids=lambda one: one.name)
def test_features_do_not_see_beyond_the_gate(target: Target) -> None:
    """If it fails, scores are promised that no bid handed in at 10:00 can ever reach."""
    honest = context_of(HISTORY, LAST_DAY)
    spoilt = context_of(_spoilt_after_the_gate(HISTORY), LAST_DAY)
    for place in target.places[::3]:
        one, two = target.build(honest, place), target.build(spoilt, place)
        for name, values in one.tensors().items():
            assert values.tobytes() == two.tensors()[name].tobytes(), f"{place} {name}"
        assert one.level == two.level


@pytest.mark.parametrize("target", TARGETS, ids=lambda one: one.name)
def test_answers_do_not_see_beyond_the_gate(target: Target) -> None:
    """If it fails, a backtest earns money with tomorrow's newspaper."""
    model = shipped_models()[target.series][-1]
    place = target.shown
    one = model.answer(target.build(context_of(HISTORY, LAST_DAY), place))
    spoilt = context_of(_spoilt_after_the_gate(HISTORY), LAST_DAY)
    assert one.tobytes() == model.answer(target.build(spoilt, place)).tobytes()


def test_the_spoilt_history_is_really_spoilt() -> None:
    """If it fails, the tests above compare a thing with itself and prove nothing."""
    spoilt = _spoilt_after_the_gate(HISTORY)
    demand = spoilt.column(Series.DEMAND, "tokyo")
    assert (demand[-1] == SPOILT).all()
    assert (demand[-2, 20:] == SPOILT).all()
    assert (demand[-2, :20] != SPOILT).all()
    spot = spoilt.column(Series.SPOT, "tokyo")
    assert (spot[-1] == SPOILT).all()
    assert (spot[-2] != SPOILT).all()


def test_a_later_moment_does_not_show_the_model_more() -> None:
    """If it fails, a model taught at 10:00 is fed what it has never seen the like of."""
    target = TARGETS[0]
    late = context_of(HISTORY, LAST_DAY, known_at=gate_of(LAST_DAY) + timedelta(hours=5))
    one, two = (target.build(c, "tokyo").tensors() for c in (context_of(HISTORY, LAST_DAY), late))
    assert all(one[name].tobytes() == two[name].tobytes() for name in one)


def test_an_hour_that_is_not_over_is_not_known() -> None:
    """If it fails, an hourly mean is used half an hour before it exists."""
    at = jst_moment(LAST_DAY, gate_of(LAST_DAY).min.time()) + timedelta(hours=9, minutes=30)
    known = HISTORY.known_at(at)
    assert np.isfinite(known.column(Series.TEMPERATURE, "tokyo")[-1]).sum() == 18
    assert np.isfinite(known.column(Series.PV, "tokyo")[-1]).sum() == 19
