"""Who is counted with a curve and who with what it holds."""

import numpy as np

from cloud_coordinator.services.membership import BOOT_S, Sighting, classify
from cloud_coordinator.services.tracking import Rows

N = 5


def rows(signal_id: list[int], heard: list[bool] | None = None) -> Rows:
    return Rows(
        heard=np.array(heard if heard is not None else [True] * N),
        second=np.full(N, 100),
        signal_id=np.array(signal_id),
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
) -> Sighting:
    return Sighting(
        live=np.array(live),
        greeted=np.isin(np.arange(N), greeted),
        required_id=required_id,
        unmoved=np.isin(np.arange(N), unmoved),
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
