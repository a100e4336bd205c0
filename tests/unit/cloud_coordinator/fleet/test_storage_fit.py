"""Efficiency and wear of a battery from one event."""

from importlib.resources import files

import numpy as np
import pytest

from cloud_coordinator.fleet.characteristics import BatteryWear, load_priors, parse_priors
from cloud_coordinator.fleet.storage_fit import (
    half_cycles,
    round_trip_efficiency,
    turning_points,
    wear_jpy_per_kwh,
)
from protocols.vocabulary.errors import ConfigError

WEAR = BatteryWear(life_lost=5e-4, exponent=2.0, replacement_jpy_per_kwh=100_000.0, usual_depth=0.2)


def test_efficiency_from_energy_and_charge() -> None:
    """If it fails, energy is counted on that the battery loses."""
    power_w = np.concatenate([np.full(1800, -2000.0), np.full(1800, 1500.0)])
    flow = np.where(power_w > 0.0, power_w / 0.95, power_w * 0.95) / 3600.0
    soc = 0.4 - np.cumsum(flow) / 5000.0
    assert round_trip_efficiency(power_w, soc, capacity_wh=5000.0) == pytest.approx(
        0.9025, abs=2e-3
    )
    assert round_trip_efficiency(power_w, np.full(3600, 0.5), capacity_wh=50_000.0) is None
    assert round_trip_efficiency(power_w, soc, capacity_wh=500.0) is None, "more out than in"
    assert round_trip_efficiency(power_w[1800:], soc[1800:], capacity_wh=5000.0) == pytest.approx(
        0.9025, abs=2e-3
    )


def test_cycles_are_counted_inside_cycles() -> None:
    """If it fails, a ripple on a deep cycle hides the deep cycle, and wear is sold for nothing."""
    soc = np.interp(np.arange(50), [0, 10, 20, 30, 49], [0.2, 0.8, 0.6, 0.9, 0.2])
    points = turning_points(soc)
    assert points == pytest.approx([0.2, 0.8, 0.6, 0.9, 0.2])
    counted = sorted((round(depth, 6), count) for depth, count in half_cycles(points))
    assert counted == [(0.2, 1.0), (0.7, 0.5), (0.7, 0.5)]


def test_a_full_cycle_costs_its_part_of_the_battery() -> None:
    """If it fails, wear in JPY/kWh is not what the source's formula says."""
    soc = np.interp(np.arange(100), [0, 50, 99], [0.0, 1.0, 0.0])
    # one cycle of depth 1: 5e-4 of 100,000 JPY for 2 kWh of throughput per kWh of capacity
    assert wear_jpy_per_kwh(soc, WEAR) == pytest.approx(25.0)
    assert wear_jpy_per_kwh(np.full(100, 0.5), WEAR) is None
    assert wear_jpy_per_kwh(np.full(3, np.nan), WEAR) is None
    assert WEAR.jpy_per_kwh(0.2) == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("change", "cause"),
    [("strength = 5.0", "strength"), ("[kind.pv]", "no [kind.pv]"), ("gain = 0.96", "gain")],
)
def test_a_broken_table_is_named(change: str, cause: str) -> None:
    """If it fails, a slip in the priors shows as a fleet that fails."""
    text = files("cloud_coordinator.fleet").joinpath("characteristics.toml").read_text("utf-8")
    broken = text.replace(change, "[kind.other]" if change.startswith("[") else "x = 1", 1)
    with pytest.raises(ConfigError, match=cause.replace("[", r"\[").replace("]", r"\]")):
        parse_priors(broken, "priors.toml")
    assert load_priors().strength == 5.0
