"""Who is counted with a curve and who with what it holds."""

import numpy as np

from cloud_coordinator.services.membership import BOOT_S, Sighting, classify, overdue
from cloud_coordinator.services.tracking import Rows

N = 5


def rows(signal_id: list[int], heard: list[bool] | None = None) -> Rows:
    return Rows(
        heard=np.array(heard if heard is not None else [True] * N),
        second=np.full(N, 100),
        signal_id=np.array(signal_id),
        curve_version=np.zeros(N, dtype=np.int64),
        meter_w=np.zeros(N),
        share_w=np.zeros(N),
    )


def seen(
    live: list[bool],
    *,
    required_id: int = 10,
    age_s: float = 60.0,
    unmoved: tuple[int, ...] = (),
    greeted: tuple[int, ...] = (),
    suspect: tuple[int, ...] = (),
    strayed: tuple[int, ...] = (),
) -> Sighting:
    return Sighting(
        live=np.array(live),
        greeted=np.isin(np.arange(N), greeted),
        required_id=required_id,
        unmoved=np.isin(np.arange(N), unmoved),
        suspect=np.isin(np.arange(N), suspect),
        strayed=np.isin(np.arange(N), strayed),
        age_s=age_s,
    )


ALL = np.ones(N, dtype=np.bool_)


def test_groups() -> None:
    """A cut site would be called, or one that answers be left out."""
    accepted = np.array([True, True, True, True, False])
    members = classify(
        accepted,
        rows([12, 12, 9, 12, 12]),
        seen([True, False, True, True, True], unmoved=(3,)),
    )
    assert members.following.tolist() == [True, False, False, False, False]
    assert members.held.tolist() == [False, True, True, False, False]
    assert members.unmoved.tolist() == [False, False, False, True, False]


def test_nobody_heard_means_all_may_listen() -> None:
    """When only the way up is broken the whole zone would freeze."""
    members = classify(ALL, rows([12] * N), seen([False] * N))
    assert members.following.all()
    assert not members.held.any()


def test_unheard_sites_count_right_after_a_restart() -> None:
    """A restarted coordinator would jerk every site by dispatching the first one heard."""
    live = [True, False, False, False, False]
    heard = rows([12, 0, 0, 0, 0], heard=live)
    assert classify(ALL, heard, seen(live, age_s=BOOT_S - 0.1)).following.all()
    assert classify(ALL, heard, seen(live, age_s=BOOT_S)).following.tolist() == live


def test_a_site_that_comes_back_is_called_from_its_hello_on() -> None:
    """The others would go on making up for it while it already delivers: too much, for seconds."""
    live = [False, True, True, True, True]
    assert classify(ALL, rows([3, 12, 12, 12, 12]), seen(live, greeted=(0,))).following.all()


def test_a_site_with_another_curve_counts_by_its_meter() -> None:
    """If it fails, a site is counted by a curve that it does not use."""
    members = classify(ALL, rows([12] * N), seen([True] * N, strayed=(1,)))
    assert members.following.tolist() == [True, False, True, True, True]
    assert members.unmoved.tolist() == [False, True, False, False, False]


def test_one_missed_tick_makes_suspect() -> None:
    """If it fails, a silent site is counted on for three seconds before anybody makes up for it."""
    silence_s = np.array([0.3, 0.5, 0.7, 1.5, np.inf])
    assert overdue(silence_s, ALL).tolist() == [False, False, False, True, True]
    members = classify(ALL, rows([12] * N), seen([True] * N, suspect=(3,)))
    assert members.held.tolist() == [False, False, False, True, False]


def test_rows_that_are_late_together_suspect_nobody() -> None:
    """If it fails, one slow second of our own gives the whole fleet up."""
    assert not overdue(np.array([1.5, 1.7, 1.9, 2.1, 2.2]), ALL).any()
    assert not overdue(np.empty(0), np.empty(0, dtype=np.bool_)).any()
