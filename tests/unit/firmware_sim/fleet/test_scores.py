"""Scores of courses whose scores a person can say."""

import numpy as np
import pytest

from firmware_sim.fleet.scores import compensated_s, score


def test_a_course_that_follows_two_seconds_late() -> None:
    """If it fails, the report tells a late fleet from a wrong one by luck."""
    commanded = 1_000.0 * np.sin(np.arange(200) / 9.0)
    late = np.concatenate([[0.0, 0.0], commanded[:-2]])
    found = score(commanded, late, award_w=1_000.0)
    assert found.lag_s == 2
    assert found.correlation == pytest.approx(1.0)
    assert found.delay_score == pytest.approx(1.0 - 2.0 / 300.0)
    assert found.within_1pct_at_lag == 1.0
    assert found.within_5pct < 0.5


def test_a_loss_is_made_up_for_when_three_seconds_in_a_row_are_good() -> None:
    """If it fails, one lucky second counts as a repaired fleet."""
    seconds = np.arange(100, 110)
    error_w = np.array([0.0, 0.0, -200.0, -90.0, -10.0, -60.0, -40.0, -30.0, 0.0, 0.0])
    assert compensated_s(seconds, error_w, at_s=102.0, award_w=1_000.0) == 4.0
    assert compensated_s(seconds, error_w - 500.0, at_s=102.0, award_w=1_000.0) is None
