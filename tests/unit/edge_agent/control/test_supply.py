"""Supply curves and filling by price."""

from typing import Any

import pytest

from edge_agent.control.inputs import Tariff
from edge_agent.control.supply import (
    Curve,
    default_stored_value,
    fill,
    is_controllable,
    supply_of,
    total_of,
)
from protocols.vocabulary.resource import Capability

TARIFF = Tariff(import_jpy_per_kwh=30.0, export_jpy_per_kwh=8.0)


def test_a_store_rests_between_its_charge_and_discharge_price(paper: Any) -> None:
    """The battery would wear itself out for less than its wear costs."""
    curve = supply_of(paper.battery(), -5000.0, 5000.0, stored_value=20.0)
    assert curve.power_at(20.0) == 0.0
    assert curve.power_at(20.0 * 0.95 - 3.0 - 0.01) < 0.0
    assert curve.power_at(20.0 / 0.95 + 3.0 + 0.01) > 0.0
    assert curve.power_at(0.0) == -5000.0
    assert curve.power_at(100.0) == 5000.0


def test_the_cheaper_store_gives_first_and_equals_share(paper: Any) -> None:
    """The dear battery would be used while the cheap one rests."""
    cheap = supply_of(paper.battery("a"), -5000.0, 5000.0, stored_value=17.0)
    dear = supply_of(paper.battery("b"), -5000.0, 5000.0, stored_value=20.0)
    _, powers = fill([cheap, dear], 3000.0)
    assert powers == pytest.approx([3000.0, 0.0])
    _, powers = fill([cheap, cheap], 3000.0)
    assert powers == pytest.approx([1500.0, 1500.0])


def test_photovoltaic_is_held_back_last(paper: Any) -> None:
    """Sunshine would be thrown away while the battery has room."""
    sun = supply_of(paper.photovoltaic(), 0.0, 3000.0, stored_value=0.0)
    store = supply_of(paper.battery(), -2000.0, 2000.0, stored_value=15.0)
    _, powers = fill([sun, store], 1000.0)
    assert powers == pytest.approx([3000.0, -2000.0])
    _, powers = fill([sun, store], 500.0)
    assert powers == pytest.approx([2500.0, -2000.0])


def test_the_default_value_makes_a_site_use_its_own_energy(paper: Any) -> None:
    """Surplus would be sold for 8 and bought back for 30."""
    value = default_stored_value(paper.battery(), TARIFF, 0.5)
    curve = supply_of(paper.battery(), -5000.0, 5000.0, stored_value=value)
    assert curve.power_at(8.0) < 0.0
    assert curve.power_at(30.0) > 0.0


def test_a_charger_wants_to_be_filled(paper: Any) -> None:
    """The car would be empty in the morning."""
    charger = paper.battery("ev-1", power_w_max=0.0)
    value = default_stored_value(charger, TARIFF, 0.5)
    assert supply_of(charger, -5000.0, 0.0, stored_value=value).power_at(30.0) == -5000.0


def test_a_clipped_curve_keeps_its_rest(paper: Any) -> None:
    """A group's limit would make its batteries discharge in the price range of rest."""
    whole = supply_of(paper.battery(), -5000.0, 5000.0, stored_value=20.0)
    only_out = whole.clipped(0.0, 4000.0)
    assert only_out.power_at(20.0) == 0.0
    assert only_out.power_at(0.0) == 0.0
    assert only_out.power_at(100.0) == 4000.0
    for price in (16.0, 17.0, 20.0, 24.2, 24.5, 24.9):
        assert only_out.power_at(price) == pytest.approx(
            min(max(whole.power_at(price), 0.0), 4000.0)
        )


def test_a_sum_of_curves_is_the_sum_at_every_price() -> None:
    """Groups would reach other powers than their members."""
    one = Curve((0.0, 1.0, 5.0), (-10.0, 0.0, 4.0))
    two = Curve((0.5, 2.0), (0.0, 6.0))
    total = total_of([one, two])
    for k in range(-4, 28):
        price = k / 4.0
        assert total.power_at(price) == pytest.approx(one.power_at(price) + two.power_at(price))


def test_a_device_that_takes_no_setpoint_is_not_counted_on(paper: Any) -> None:
    """The balance would lean on a meter reading."""
    passive = paper.battery(capabilities=frozenset({Capability.READS_POWER}))
    assert not is_controllable(passive)
    assert is_controllable(paper.photovoltaic())
