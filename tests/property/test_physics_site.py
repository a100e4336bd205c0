"""A whole site, stepped at whatever moments somebody asks it."""

import json
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.scenario.build import build_sites
from firmware_sim.scenario.generate import make_scenario
from firmware_sim.scenario.load import parse_scenario

START_S = 1_800_000_000.4
SCENARIO = parse_scenario(json.dumps(make_scenario(8, 11)), origin="made")


@given(st.lists(st.floats(0.0, 3.0), min_size=1, max_size=20), st.integers(0, 7))
@settings(deadline=None, max_examples=40)
def test_the_meter_is_the_sum_at_every_second(pauses: list[float], index: int) -> None:
    """The meter could show what the devices behind it do not make together."""
    site = build_sites(SCENARIO, now_s=START_S)[index]
    now_s, net_wh, began_s = START_S, 0.0, START_S
    first = site.meter
    for pause in pauses:
        now_s += pause
        site.advance(now_s)
    rows = site.take_truths()
    last = rows[-1].time_s if rows else 1_800_000_000
    assert [row.time_s for row in rows] == list(range(1_800_000_001, last + 1))
    # A site makes no step shorter than a millisecond, so such a second may be told later.
    assert math.floor(now_s - 1e-3) <= last <= math.floor(now_s)
    for row in rows:
        assert row.meter_w == math.fsum([row.load_w, *row.powers_w.values()])
        net_wh += row.meter_mean_w * (row.time_s - began_s) / 3600.0
        began_s = float(row.time_s)
        shown_wh = (row.energy_wh_exported - first.energy_wh_exported) - (
            row.energy_wh_imported - first.energy_wh_imported
        )
        assert math.isclose(shown_wh, net_wh, abs_tol=1e-4)


@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=30))
@settings(deadline=None, max_examples=20)
def test_asking_often_does_not_change_the_energy(pauses: list[float]) -> None:
    """A gateway that polls faster could see another world."""
    asked, left = build_sites(SCENARIO, now_s=START_S)[1], build_sites(SCENARIO, now_s=START_S)[1]
    now_s = START_S
    for pause in pauses:
        now_s += pause
        asked.advance(now_s)
    end_s = math.ceil(now_s) + 1.0
    asked.advance(end_s)
    left.advance(end_s)
    often, seldom = asked.meter, left.meter
    assert math.isclose(often.energy_wh_imported, seldom.energy_wh_imported, abs_tol=0.5)
    assert math.isclose(often.energy_wh_exported, seldom.energy_wh_exported, abs_tol=0.5)
