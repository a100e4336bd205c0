"""What a run will do is settled before it begins, and the same seed settles the same."""

from dataclasses import replace
from pathlib import Path

import pytest

from firmware_sim.demo.options import DemoOptions
from firmware_sim.demo.plan import Victim, award_power_w, draw_cuts, draw_kills, make_plan
from firmware_sim.relay import CutKind
from protocols.vocabulary.errors import ConfigError

SITES = tuple(f"site-{number:03d}" for number in range(1, 11))
OPTIONS = DemoOptions(
    sites=10,
    duration_s=90,
    cut_share=0.3,
    seed=1,
    chaos_seed=None,
    data=None,
    signal=None,
    signal_start_s=0.0,
    out=Path("nowhere"),
    json_file=None,
    port=None,
    broker=None,
    nats_server=None,
    headless=True,
    keep=False,
)


@pytest.mark.parametrize(
    ("share", "count"), [(0.0, 0), (0.01, 1), (0.3, 3), (0.31, 4), (0.7, 7), (1.0, 10)]
)
def test_as_many_links_are_cut_as_were_asked_for(share: float, count: int) -> None:
    """The report's share of cut links could be another than what was asked for."""
    cuts = draw_cuts(replace(OPTIONS, cut_share=share), SITES)
    assert len({cut.site_id for cut in cuts}) == len(cuts) == count


def test_links_are_cut_in_the_second_third_and_in_both_ways() -> None:
    """A run could test one kind of loss only, or leave no time to come back."""
    cuts = draw_cuts(OPTIONS, SITES)
    assert {(cut.begin_s, cut.end_s) for cut in cuts} == {(30.0, 60.0)}
    assert {cut.kind for cut in cuts} == {CutKind.CLOSED, CutKind.BLACKHOLE}
    assert draw_cuts(OPTIONS, SITES) == cuts
    others = {draw_cuts(replace(OPTIONS, seed=seed), SITES) for seed in range(2, 8)}
    assert others - {cuts}


@pytest.mark.parametrize("seed", range(20))
def test_each_program_is_killed_once_inside_the_run(seed: int) -> None:
    """A chaos run could spare a program, or kill it when the run is over."""
    kills = draw_kills(replace(OPTIONS, chaos_seed=seed), SITES)
    assert {kill.victim for kill in kills} == set(Victim)
    assert len(kills) == len(Victim)
    times_s = [kill.at_s for kill in kills]
    assert times_s == sorted(times_s)
    assert times_s[0] > 0.0
    assert times_s[-1] < 0.9 * OPTIONS.duration_s
    assert all((kill.site_id in SITES) == (kill.victim is Victim.AGENT) for kill in kills)
    assert draw_kills(replace(OPTIONS, chaos_seed=seed), SITES) == kills


def test_nobody_is_killed_without_being_asked() -> None:
    """A plain demo could kill programs."""
    assert draw_kills(OPTIONS, SITES) == ()


@pytest.mark.parametrize("seed", range(10))
def test_the_killed_agent_is_one_whose_link_stands(seed: int) -> None:
    """A cut site's share could not be judged, since its agent was dead at the time."""
    plan = make_plan(replace(OPTIONS, chaos_seed=seed), SITES)
    cut = {one.site_id for one in plan.cuts}
    assert not cut & {kill.site_id for kill in plan.kills}


def test_with_every_link_cut_an_agent_is_killed_all_the_same() -> None:
    """A run with all links cut could fail for want of somebody to kill."""
    plan = make_plan(replace(OPTIONS, chaos_seed=1, cut_share=1.0), SITES)
    assert len(plan.kills) == len(Victim)


def test_commands_fill_the_run_at_the_signals_step(tmp_path: Path) -> None:
    """The fleet could be told another power, or be left without commands."""
    path = tmp_path / "signal.csv"
    path.write_text("".join(f"{5 * row},{row / 100}\n" for row in range(100)))
    plan = make_plan(replace(OPTIONS, signal=path, signal_start_s=50.0), SITES)
    commands = plan.commands(20_000.0)
    assert commands[0] == (0.0, 2_000.0)
    assert commands[-1] == (85.0, 5_400.0)
    assert [at_s for at_s, _ in commands] == [5.0 * row for row in range(18)]


def test_a_signal_shorter_than_the_run_stops_it_before_it_begins(tmp_path: Path) -> None:
    """Programs could be started for a run that cannot be finished."""
    path = tmp_path / "signal.csv"
    path.write_text("0,0\n2,0.5\n4,0.5\n")
    with pytest.raises(ConfigError, match="holds 6 s; 90 s from --signal-start 0"):
        make_plan(replace(OPTIONS, signal=path), SITES)


def test_a_generated_signal_may_begin_anywhere() -> None:
    """The option for the signal's start could work with recorded signals only."""
    whole = make_plan(OPTIONS, SITES).dispatch
    later = make_plan(replace(OPTIONS, signal_start_s=10.0), SITES).dispatch
    assert later.values[:10] == whole.values[5:15]


@pytest.mark.parametrize(
    ("batteries", "award_w"),
    [
        ([(-5_000.0, 5_000.0)], 2_000.0),
        ([(-5_000.0, 5_000.0), (-3_000.0, 6_000.0)], 3_200.0),
        ([(-5_000.0, 5_000.0), (-3_000.0, 2_130.0)], 2_800.0),
        ([(-100.0, 0.0)], 100.0),
        ([], 100.0),
    ],
)
def test_the_award_is_what_the_batteries_can_do_both_ways(
    batteries: list[tuple[float, float]], award_w: float
) -> None:
    """The fleet could be awarded more than it can give or take."""
    told = [{"power_w_min": low, "power_w_max": high} for low, high in batteries]
    assert award_power_w(told) == award_w
