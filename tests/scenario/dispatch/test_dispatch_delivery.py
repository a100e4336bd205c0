"""A zone delivers its award: moving command, cut links, sites that stand still, restarts."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from protocols.vocabulary.identifiers import ObligationId
from protocols.vocabulary.obligation import ObligationState, Service
from protocols.vocabulary.offer import share

AWARD = ObligationId("award-1")
AWARD_W = 40_000.0
SECONDS = 300

MakeWorld = Callable[..., Any]
MakeRegulation = Callable[[int, int], np.ndarray]


@pytest.fixture(params=[1, 2])
def seed(request: pytest.FixtureRequest) -> int:
    """Return a seed; it is in the test's name when it fails."""
    return int(request.param)


@pytest.fixture
def start_s(make_world: MakeWorld) -> int:
    """Return the Unix second at which awards start."""
    return int(make_world(sites=0).clock.time_s) + 10


@pytest.fixture
def running(make_world: MakeWorld, make_regulation: MakeRegulation, seed: int) -> Any:
    """Return a world with an award whose command follows a RegD-like signal."""
    world = make_world(sites=20, seed=seed)
    start_s = round(world.clock.time_s) + 10
    world.run_until(start_s - 7)
    world.award(AWARD_W, duration_s=SECONDS)
    for step, part in enumerate(make_regulation(SECONDS, seed)):
        second = start_s + 2 * step
        power_w = AWARD_W * float(part)
        world.at(second + 0.05, lambda k=second, p=power_w: world.command(k, p))
    return world


def within(world: Any, *, limit: float = 0.05, first: int = 0) -> float:
    """Part of the seconds in which delivered is within a part of the award of promised."""
    series = world.coordinator.queries.delivery(AWARD).series
    error = np.abs(series.delivered_w - series.promised_w)[first:]
    assert series.complete.all(), "every second of every site is in the store"
    return float((error <= limit * AWARD_W).mean())


def test_whole_zone(running: Any, start_s: int) -> None:
    """The operator would not get the power it commands."""
    running.run_until(start_s + SECONDS + 5)
    assert within(running) >= 0.95
    statement = running.coordinator.queries.statement(AWARD)
    assert statement.within_tolerance_ratio >= 0.95
    assert statement.band_kept
    assert running.coordinator.queries.award(AWARD).obligation.state is ObligationState.DONE


def test_thirty_percent_cut(running: Any, start_s: int) -> None:
    """Sites that are cut off would be called, and the others not make up for them."""
    cut: list[Any] = []
    running.at(start_s + 100, lambda: cut.extend(running.cut(6)))
    running.run_until(start_s + 150)
    held = [site.share_w for site in cut]
    record = running.coordinator.dispatching.last_record(AWARD)
    assert (record.following, record.held) == (14, 6)
    assert record.held_w == pytest.approx(sum(held), abs=0.02 * AWARD_W)
    running.run_until(start_s + 200)
    assert [site.share_w for site in cut] == held, "a cut site holds its last share"
    running.heal(cut)
    running.run_until(start_s + 215)
    record = running.coordinator.dispatching.last_record(AWARD)
    assert (record.following, record.held) == (20, 0)
    running.run_until(start_s + SECONDS + 5)
    assert within(running) >= 0.95


def test_sites_that_hear_but_stand_still(running: Any, start_s: int) -> None:
    """A fifth of the zone with a stuck device would be counted on to the end."""
    for site in list(running.sites.values())[:4]:
        site.gain = 0.0
    running.run_until(start_s + SECONDS + 5)
    assert within(running, first=30) >= 0.95


def test_offset_at_every_meter(running: Any, start_s: int) -> None:
    """A forecast error at every site would last the whole award."""
    for site in running.sites.values():
        site.drift_w = -150.0
    running.run_until(start_s + SECONDS + 5)
    series = running.coordinator.queries.delivery(AWARD).series
    mean_w = float((series.delivered_w - series.promised_w)[30:].mean())
    assert abs(mean_w) < 0.01 * AWARD_W, "without correction it is 3000 W"


def test_coordinator_killed_and_restarted(running: Any, start_s: int) -> None:
    """After kill -9 the award would be lost, commanded twice, or steered by an old epoch."""
    commitments = len(running.sent_commitments)
    running.run_until(start_s + 100)
    before = running.signals[-1]
    running.kill()
    running.run_until(start_s + 108)
    assert running.signals[-1] is before
    running.restart()
    running.run_until(start_s + 112)
    after = running.signals[-1]
    assert after.epoch == before.epoch + 1
    assert after.signal_id > before.signal_id
    assert len(running.sent_commitments) == max(commitments, 20), "nothing is committed twice"
    running.run_until(start_s + SECONDS + 5)
    assert within(running, first=115) >= 0.95
    assert within(running) >= 0.90


def test_restart_does_not_jerk_the_zone(running: Any, start_s: int) -> None:
    """The first signals of a restarted coordinator would throw every site off its share."""
    running.run_until(start_s + 100.99)
    running.kill()
    running.restart()
    running.run_until(start_s + 103.5)
    record = running.coordinator.dispatching.last_record(AWARD)
    total = sum(
        share(site.curve, {Service.SECONDARY_1: record.multiplier})
        for site in running.sites.values()
    )
    assert total == pytest.approx(record.command_w, abs=0.03 * AWARD_W)


def test_saturation_is_stated_and_leaves_no_wind_up(make_world: MakeWorld, start_s: int) -> None:
    """After a command out of reach the zone would overshoot for minutes."""
    world = make_world(sites=10, seed=4)
    reach_w = sum(float(site.curve.power_w[-1]) for site in world.sites.values())
    world.run_until(start_s - 7)
    world.award(1.5 * reach_w, duration_s=SECONDS)
    world.at(start_s + 0.05, lambda: world.command(start_s, 1.5 * reach_w))
    world.at(start_s + 100.05, lambda: world.command(start_s + 100, 0.5 * reach_w))
    world.run_until(start_s + 99)
    record = world.coordinator.dispatching.last_record(AWARD)
    assert record.shortfall_w == pytest.approx(0.5 * reach_w, rel=0.02)
    allocation = world.coordinator.queries.award(AWARD).allocation
    assert allocation.shortfall_up_w == pytest.approx(0.5 * reach_w)
    world.run_until(start_s + 106)
    series = world.coordinator.queries.delivery(AWARD).series
    assert series.delivered_w[104] == pytest.approx(0.5 * reach_w, rel=0.03)


def test_live_view_tells_measured_from_booked(running: Any, start_s: int) -> None:
    """The page would show power of cut sites as if it were measured."""
    running.at(start_s + 100, lambda: running.cut(6))
    running.run_until(start_s + 130)
    view = running.coordinator.live.view(running.coordinator.now(), last_s=20)
    (shown,) = view.awards
    last = shown.points[-1]
    assert len(shown.points) == 20
    assert (last.reporting, last.expected) == (14, 20)
    assert last.measured_w + last.booked_w == pytest.approx(last.promised_w, abs=0.05 * AWARD_W)
    assert abs(last.booked_w) > 0.0
    silent = [site for site in view.sites if site.link.name == "LOST"]
    assert len(silent) == 6
    assert all(site.age_s is not None and site.age_s > 25.0 for site in silent)
