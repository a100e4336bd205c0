"""The fleet against the command, and cut sites against the last share they received."""

import math

import numpy as np
import pytest

from firmware_sim.demo.records import Command, Cut, DeliveryTable, Kill
from firmware_sim.demo.tracking import (
    Holding,
    fleet_w,
    held_ratio,
    holding,
    promised_w,
    track,
    undisturbed,
)

AWARD_W = 1_000.0


def seconds(first: int, count: int) -> np.ndarray:
    """Return consecutive seconds."""
    return np.arange(first, first + count, dtype=np.int64)


def table(delivered_w: list[float], share_w: list[float], *, tolerance_w: float) -> DeliveryTable:
    """One site from second 100 on."""
    return DeliveryTable(
        site_ids=("a",),
        second=seconds(100, len(delivered_w)),
        delivered_w=np.array([delivered_w]),
        share_w=np.array([share_w]),
        tolerance_w=np.array([tolerance_w]),
    )


def cut(begin_s: float, end_s: float, site_id: str = "a") -> Cut:
    """Cut of a link."""
    return Cut(site_id=site_id, kind="closed", begin_s=begin_s, end_s=end_s)


def test_a_command_is_owed_from_its_second_until_the_next() -> None:
    """The fleet could be measured against a command that was not in force."""
    commands = [
        Command(issued_at_s=101.0, power_w=10.0, taken=True),
        Command(issued_at_s=103.0, power_w=-20.0, taken=False),
    ]
    owed = promised_w(seconds(100, 5), commands)
    assert owed.tolist() == [0.0, 10.0, 10.0, -20.0, -20.0]
    assert promised_w(seconds(100, 2), []).tolist() == [0.0, 0.0]


def test_a_missing_sample_delivers_nothing() -> None:
    """A site without a sample could be credited with power that nobody measured."""
    both = DeliveryTable(
        site_ids=("a", "b"),
        second=seconds(100, 2),
        delivered_w=np.array([[5.0, math.nan], [7.0, 7.0]]),
        share_w=np.zeros((2, 2)),
        tolerance_w=np.zeros(2),
    )
    assert fleet_w(both).tolist() == [12.0, 7.0]


def test_five_per_cent_of_the_award_counts_as_followed() -> None:
    """Seconds outside the band could be counted as delivered."""
    promised = np.array([500.0, 500.0, 500.0, 500.0])
    delivered = np.array([500.0, 550.0, 450.0, 550.1])
    found = track(promised, delivered, award_w=AWARD_W)
    assert found.within_award_ratio == 0.75
    assert found.max_pct == pytest.approx(5.01)
    assert found.median_pct == pytest.approx(5.0)
    assert found.rms_pct == pytest.approx(math.sqrt((25.0 + 25.0 + 5.01**2) / 4))


def test_five_per_cent_of_the_command_is_stricter_but_not_at_zero() -> None:
    """A small command could count as followed by doing nothing, or never be followable."""
    promised = np.array([400.0, 400.0, 0.0, 0.0])
    delivered = np.array([420.0, 421.0, 10.0, 11.0])
    found = track(promised, delivered, award_w=AWARD_W)
    assert found.within_command_ratio == 0.5
    assert found.within_award_ratio == 1.0


@pytest.mark.parametrize("lag_s", [0, 1, 3])
def test_the_delay_of_the_answer_is_found(lag_s: int) -> None:
    """The report could call a late fleet exact, or an exact one late."""
    course = np.sin(np.arange(60) / 4.0) * AWARD_W
    promised, delivered = course[lag_s:], course[: 60 - lag_s]
    found = track(promised, delivered, award_w=AWARD_W)
    assert found.lag_s == lag_s
    assert found.rms_at_lag_pct == pytest.approx(0.0, abs=1e-9)


def test_a_cut_site_is_held_to_the_share_it_received_last() -> None:
    """A site that drops its obligation when its link is gone could be called faithful."""
    share_w = [50.0, 50.0, 100.0, 100.0, 100.0, 100.0, 100.0, 100.0, 30.0, 30.0]
    delivered_w = [50.0, 50.0, 90.0, 90.0, 90.0, 100.0, 110.0, 111.0, 99.0, 30.0]
    found = holding(table(delivered_w, share_w, tolerance_w=10.0), cut(102.0, 109.0))
    assert found.share_w == 100.0
    assert found.seconds == 4
    assert found.held == 3
    assert found.left_share == 1
    assert found.worst_w == 11.0
    assert found.unsampled == 0


def test_a_second_without_a_sample_is_not_held() -> None:
    """A dead agent could count as one that kept its promise."""
    share_w, delivered_w = [100.0] * 8, [100.0] * 6 + [math.nan] * 2
    found = holding(table(delivered_w, share_w, tolerance_w=10.0), cut(100.0, 108.0))
    assert (found.seconds, found.held, found.unsampled) == (5, 3, 2)


@pytest.mark.parametrize(
    ("share_w", "site_id"), [([math.nan] * 8, "a"), ([100.0] * 8, "not-in-the-award")]
)
def test_a_site_without_a_known_share_held_nothing(share_w: list[float], site_id: str) -> None:
    """A site that never received a share could be counted as holding it."""
    found = holding(table([100.0] * 8, share_w, tolerance_w=10.0), cut(100.0, 108.0, site_id))
    assert (found.seconds, found.held, found.unsampled) == (5, 0, 5)
    assert math.isnan(found.share_w)


def held(count: int, of: int) -> Holding:
    """Make a site's holding."""
    return Holding(
        site_id="a",
        share_w=0.0,
        seconds=of,
        held=count,
        unsampled=0,
        left_share=0,
        worst_w=0.0,
    )


def test_the_held_ratio_weighs_every_second_alike() -> None:
    """A long failure could be hidden behind a short success."""
    assert held_ratio([held(10, 10), held(0, 30)]) == 0.25
    assert held_ratio([]) is None
    assert held_ratio([held(0, 0)]) is None


def test_calm_seconds_are_those_without_cut_kill_and_return() -> None:
    """The figures of calm seconds could contain the trouble, or leave out too much."""
    kill = Kill(victim="broker", site_id="", at_s=110.0, back_s=112.0)
    calm = undisturbed(seconds(100, 20), [cut(102.0, 104.0)], [kill])
    quiet = [int(second) for second in seconds(100, 20)[calm > 0.0]]
    assert quiet == [100, 101, 107, 108, 109, 115, 116, 117, 118, 119]
    gone = Kill(victim="broker", site_id="", at_s=110.0, back_s=None)
    assert undisturbed(seconds(100, 20), [], [gone]).sum() == 10.0
