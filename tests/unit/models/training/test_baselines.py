"""What the models must beat is computed fairly: the gate holds for the naive rules as well."""

from datetime import timedelta

import numpy as np
import pytest

from models.day_ahead.targets import TARGETS
from models.training.baselines import Linear, naive, with_error_quantiles
from models.training.samples import build_samples
from models.training.scores import score
from tests.unit.models.day_ahead.synthetic import LAST_DAY, country

HISTORY = country()
DEMAND = TARGETS[0]
DAYS = [LAST_DAY - timedelta(days=k) for k in range(40, -1, -1)]
SAMPLES = build_samples(HISTORY, DEMAND, days=DAYS, tick=lambda: None)
TOKYO = DEMAND.places.index("tokyo")


def test_the_naive_day_knows_yesterday_until_ten() -> None:
    """If it fails, our models are compared with a rule that is too weak, or that cheats."""
    rows = HISTORY.column(DEMAND.series, "tokyo")
    chosen = (SAMPLES.place == TOKYO) & (SAMPLES.ordinal == LAST_DAY.toordinal())
    one = SAMPLES.of(chosen)
    day, week = (naive(HISTORY, DEMAND, one, back=back)[0] for back in (1, 7))
    assert day[:20] == pytest.approx(rows[-2, :20].astype(np.float32))
    assert day[20:] == pytest.approx(rows[-3, 20:].astype(np.float32))
    assert week == pytest.approx(rows[-8].astype(np.float32))


def test_error_quantiles_come_from_before_the_test() -> None:
    """If it fails, a baseline is calibrated on what it is scored on."""
    first = LAST_DAY - timedelta(days=10)
    answer = naive(HISTORY, DEMAND, SAMPLES, back=7)
    banded = with_error_quantiles(answer, SAMPLES, first)
    changed = SAMPLES.truth.copy()
    changed[SAMPLES.ordinal >= first.toordinal()] *= 5.0
    other = type(SAMPLES)(
        **{
            name: getattr(SAMPLES, name)
            for name in ("slots", "day", "frame", "level", "place", "ordinal")
        },
        truth=changed,
    )
    assert with_error_quantiles(answer, other, first).tobytes() == banded.tobytes()
    assert (banded[:, :, 0] <= banded[:, :, 2]).all()


def test_a_line_through_the_features_beats_the_week() -> None:
    """If it fails, the linear regression that our models must beat is broken."""
    first = (LAST_DAY - timedelta(days=7)).toordinal()
    before, asked = SAMPLES.of(SAMPLES.ordinal < first), SAMPLES.of(SAMPLES.ordinal >= first)
    linear = np.repeat(Linear(before).answer(asked)[:, :, None], 3, axis=2)
    week = np.repeat(naive(HISTORY, DEMAND, asked, back=7)[:, :, None], 3, axis=2)
    assert score(linear, asked).mae < score(week, asked).mae


def test_scores_of_known_numbers() -> None:
    """If it fails, the table that decides which model is shipped is wrong."""
    one = SAMPLES.of(np.array([0]))
    band = np.stack([one.truth - 1.0, one.truth + 2.0, one.truth + 3.0], axis=2)
    found = score(band, one)
    assert found.mae == pytest.approx(2.0, abs=1e-3)
    assert found.coverage == 1.0
    assert found.pinball == pytest.approx((0.1 * 1.0 + 0.5 * 2.0 + 0.1 * 3.0) / 3.0, abs=1e-3)
    assert score(band, one, place=99).slots == 0
