"""Bands of secondary 1 and the rules they are made from."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from cloud_coordinator.market.bands import CommandStep, ramp_band
from cloud_coordinator.market.rules import ProductRule, load_rule_book, parse_rule_book
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.obligation import Service

BOOK = load_rule_book()


def rule(name: str = "eprx-2025-04-01", day: date = date(2025, 6, 1)) -> ProductRule:
    return BOOK.rule(name, Service.SECONDARY_1, day)


def test_rising_command_lag_120() -> None:
    """R10: a ramp that the market accepts would be judged a failure, or the other way round."""
    band = ramp_band(
        np.array([100.0, 122.0, 212.0, 302.0, 900.0]),
        [CommandStep(at_s=0.0, power_w=1000.0)],
        rule(),
        award_w=1000.0,
        uplink_s=2.0,
    )
    assert band.lower_w.tolist() == pytest.approx([-100.0, -100.0, 400.0, 900.0, 900.0])
    assert band.upper_w.tolist() == pytest.approx([1100.0] * 5)


def test_rising_command_lag_30() -> None:
    """R10 for resources connected since 2023 would use the old lag."""
    band = ramp_band(
        np.array([100.0, 212.0]),
        [CommandStep(at_s=0.0, power_w=1000.0)],
        rule("eprx-2026-03-14", date(2026, 7, 22)),
        award_w=1000.0,
        uplink_s=2.0,
    )
    assert band.lower_w.tolist() == pytest.approx([151.852, 566.667], abs=1e-3)


def test_falling_command_is_the_mirror_image() -> None:
    """Coming down would be judged by the wrong side."""
    steps = [CommandStep(at_s=0.0, power_w=1000.0), CommandStep(at_s=1000.0, power_w=0.0)]
    band = ramp_band(
        np.array([999.0, 1100.0, 1212.0, 1302.0]), steps, rule(), award_w=1000.0, uplink_s=2.0
    )
    assert band.lower_w.tolist() == pytest.approx([900.0, -100.0, -100.0, -100.0])
    assert band.upper_w.tolist() == pytest.approx([1100.0, 1100.0, 600.0, 100.0])


def test_overlapping_changes_open_the_band() -> None:
    """A second command during a ramp would make the first ramp a failure."""
    steps = [CommandStep(at_s=0.0, power_w=1000.0), CommandStep(at_s=100.0, power_w=500.0)]
    band = ramp_band(np.array([150.0]), steps, rule(), award_w=1000.0)
    assert band.lower_w[0] == pytest.approx(1000.0 / 180.0 * 30.0 - 100.0)
    assert band.upper_w[0] == pytest.approx(1100.0)


def test_before_the_first_command_nothing_is_owed() -> None:
    """Delivery before any command would be asked for."""
    band = ramp_band(np.array([0.0]), [], rule(), award_w=1000.0)
    assert (band.lower_w[0], band.upper_w[0]) == (-100.0, 100.0)
    assert band.holds(np.array([100.0]))[0]
    assert not band.holds(np.array([np.nan]))[0]


def test_rule_sets_have_dates() -> None:
    """An award of 2026 would be settled by the rules of 2025."""
    assert rule().price_cap_jpy_per_kw_30min == Decimal("19.51")
    assert BOOK.rule(
        "eprx-2026-03-14", Service.SECONDARY_1, date(2026, 3, 14)
    ).price_cap_jpy_per_kw_30min == Decimal(15)
    with pytest.raises(ConfigError, match=r"eprx-2025-04-01.*secondary1.*2026-03-14"):
        rule(day=date(2026, 3, 14))


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"rule_sets": [{"id": "x"}]}', '{"rule_sets": [{"id": "x", "products": 1}]}'],
)
def test_bad_rule_file_is_named(text: str) -> None:
    """A broken rule file would crash the coordinator with a stack trace."""
    with pytest.raises(ConfigError, match=r"rules\.json"):
        parse_rule_book(text, "rules.json")
