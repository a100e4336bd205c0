"""Bands of secondary 1 and the rules they are made from."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from importlib.resources import files

import numpy as np
import pytest

from cloud_coordinator.market.bands import Band, Called, CommandStep, band
from cloud_coordinator.market.product import ProductRule
from cloud_coordinator.market.rules import RuleBook, load_rule_book, parse_rule_set
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.obligation import Service

BOOK = load_rule_book()
OLD = date(2022, 4, 1)


def rule(name: str = "eprx-2025-04-01", day: date = date(2025, 6, 1)) -> ProductRule:
    return BOOK.rule(name, Service.SECONDARY_1, day)


def ramp(
    seconds: list[float],
    steps: list[CommandStep],
    *,
    uplink_s: float = 0.0,
    applied_on: date | None = OLD,
) -> Band:
    called = Called(award_w=1000.0, steps=tuple(steps), uplink_s=uplink_s, applied_on=applied_on)
    return band(np.array(seconds), called, rule())


def test_rising_command_lag_120() -> None:
    """R10: a ramp that the market accepts would be judged a failure, or the other way round."""
    found = ramp(
        [100.0, 122.0, 212.0, 302.0, 900.0],
        [CommandStep(at_s=0.0, power_w=1000.0)],
        uplink_s=2.0,
    )
    assert found.lower_w.tolist() == pytest.approx([-100.0, -100.0, 400.0, 900.0, 900.0])
    assert found.upper_w.tolist() == pytest.approx([1100.0] * 5)


def test_rising_command_lag_30() -> None:
    """R10 for plants connected since 2023 would use the old lag."""
    step = CommandStep(at_s=0.0, power_w=1000.0)
    for applied_on in (date(2023, 4, 1), None):
        found = ramp([100.0, 212.0], [step], uplink_s=2.0, applied_on=applied_on)
        assert found.lower_w.tolist() == pytest.approx([151.852, 566.667], abs=1e-3)


def test_falling_command_is_the_mirror_image() -> None:
    """Coming down would be judged by the wrong side."""
    steps = [CommandStep(at_s=0.0, power_w=1000.0), CommandStep(at_s=1000.0, power_w=0.0)]
    found = ramp([999.0, 1100.0, 1212.0, 1302.0], steps, uplink_s=2.0)
    assert found.lower_w.tolist() == pytest.approx([900.0, -100.0, -100.0, -100.0])
    assert found.upper_w.tolist() == pytest.approx([1100.0, 1100.0, 600.0, 100.0])


def test_overlapping_changes_open_the_band() -> None:
    """A second command during a ramp would make the first ramp a failure."""
    steps = [CommandStep(at_s=0.0, power_w=1000.0), CommandStep(at_s=100.0, power_w=500.0)]
    found = ramp([150.0], steps)
    assert found.lower_w[0] == pytest.approx(1000.0 / 180.0 * 30.0 - 100.0)
    assert found.upper_w[0] == pytest.approx(1100.0)


def test_before_the_first_command_nothing_is_owed() -> None:
    """Delivery before any command would be asked for."""
    found = ramp([0.0], [])
    assert (found.lower_w[0], found.upper_w[0]) == (-100.0, 100.0)
    assert found.holds(np.array([100.0]))[0]
    assert not found.holds(np.array([np.nan]))[0]


def test_rule_sets_have_dates() -> None:
    """An award of 2026 would be settled by the rules of 2025."""
    assert rule().price_cap_jpy_per_kw_30min == Decimal("19.51")
    assert BOOK.rule(
        "eprx-2026-03-14", Service.SECONDARY_1, date(2026, 3, 14)
    ).price_cap_jpy_per_kw_30min == Decimal(15)
    with pytest.raises(ConfigError, match=r"eprx-2025-04-01.*secondary1.*2026-03-14"):
        rule(day=date(2026, 3, 14))


def test_the_market_settles_by_the_set_of_the_day() -> None:
    """A statement would be made by a rule set that only steers, or by an old one."""
    days = {date(2025, 4, 1): "eprx-2025-04-01", date(2026, 3, 13): "eprx-2025-04-01"}
    days |= {date(2026, 3, 14): "eprx-2026-03-14", date(2031, 1, 1): "eprx-2026-03-14"}
    for day, name in days.items():
        for service in set(Service) - {Service.ENERGY}:
            assert BOOK.settling(service, day).rule_set_id == name
    with pytest.raises(ConfigError, match="2025-03-31"):
        BOOK.settling(Service.SECONDARY_1, date(2025, 3, 31))
    with pytest.raises(ConfigError, match="energy"):
        BOOK.settling(Service.ENERGY, date(2026, 7, 22))


def test_the_tables_hold_the_figures_of_the_market() -> None:
    """A wrong figure in a table would be a wrong bid or a wrong bill."""
    day = date(2025, 6, 1)
    seen = {
        service: (one.response_s, one.block_minutes, one.min_bid_kw, one.tolerance.basis)
        for service in set(Service) - {Service.ENERGY}
        for one in [BOOK.settling(service, day)]
    }
    assert seen == {
        Service.PRIMARY: (10, 180, 1000, "award"),
        Service.PRIMARY_OFFLINE: (30, 180, 1000, "award"),
        Service.SECONDARY_1: (300, 180, 1000, "award"),
        Service.SECONDARY_2: (300, 180, 1000, "award"),
        Service.TERTIARY_1: (900, 180, 1000, "award"),
        Service.TERTIARY_2: (3600, 30, 1000, "award"),
        Service.COMPOUND: (10, 180, 1000, "award"),
    }
    for one in BOOK.rules:
        if not one.settles:
            strict = BOOK.settling(one.service, day)
            assert one.response_s <= strict.response_s
            assert one.tolerance.pass_ratio >= strict.tolerance.pass_ratio
    assert len({one.version for one in BOOK.rules}) == 3


def _text() -> str:
    folder = files("cloud_coordinator.market")
    return folder.joinpath("eprx-2026-03-14.toml").read_text("utf-8")


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("", "[", "not TOML"),
        ('id = "primary"', 'id = "primary9"', "primary9"),
        ('id = "secondary1"', 'id = "primary"', "twice"),
        ("settles = true", "settles = 1", "settles"),
        ('effective_from = "2026-03-14"', 'effective_from = "soon"', "effective_from"),
        ('min_bid_kw = "1000"', 'min_bid_kw = "-1"', "min_bid_kw"),
        ('min_bid_kw = "1000"', 'min_bid_kw = "NaN"', "min_bid_kw"),
        ('step_kw = "1"', 'step_kw = "0"', "step_kw"),
        ('lines = ["dedicated"]', 'lines = ["radio"]', "radio"),
        ('shape = "ramp"', 'shape = "round"', "round"),
        ('pass_ratio = "0.9"', 'pass_ratio = "9"', "pass_ratio"),
        ("strikes = 3", "strikes = 0", "strikes"),
        ('direction = "up"', 'direction = "up"\nmood = "good"', "mood"),
    ],
)
def test_a_bad_rule_file_is_named(old: str, new: str, cause: str) -> None:
    """A broken rule file would crash the coordinator, or be half believed."""
    with pytest.raises(ConfigError, match=r"rules\.toml") as caught:
        parse_rule_set(_text().replace(old, new, 1), "rules.toml")
    assert cause in str(caught.value)


def test_rule_sets_that_contradict_are_refused() -> None:
    """Which of two rules settles a day would depend on the order of files."""
    rules = parse_rule_set(_text(), "rules.toml")
    with pytest.raises(ConfigError, match="primary on one day"):
        RuleBook((*rules, replace(rules[0], rule_set_id="other")))
