"""The data file of signals."""

from pathlib import Path

import pytest

from edge_agent.northbound.port import Origin
from edge_agent.northbound.signals import (
    Becomes,
    package_signals,
    parse_signals,
    site_signals,
)
from protocols.vocabulary.errors import ConfigError

GOOD = """
[[signals]]
origin = "openadr"
mode = "SIMPLE.level"
title = "Level"
title_ja = "レベル"
becomes = "limit"
scope = "meter"
side = "lower"
frame = "load"
unit = "level"
levels = [100, 60, 30, 0]
of = "contract-import-w"
authority = "obligation"
"""


def test_every_mode_of_the_standard_is_carried_out_or_refused_with_a_reason() -> None:
    """If it fails, a utility's mode is met by silence."""
    signals = package_signals()
    known = {mode for _, mode in (*signals.supported, *signals.unsupported)}
    assert {
        "opModConnect", "opModEnergize", "opModFixedPFAbsorbW", "opModFixedPFInjectW",
        "opModFixedVar", "opModFixedW", "opModFreqDroop", "opModFreqWatt", "opModMaxLimW",
        "opModTargetVar", "opModTargetW", "opModVoltVar", "opModVoltWatt", "opModWattPF",
        "opModWattVar", "opModExpLimW", "opModImpLimW", "opModGenLimW", "opModLoadLimW",
        "SIMPLE.level", "LOAD_DISPATCH.setpoint", "LOAD_DISPATCH.delta",
        "LOAD_CONTROL.x-loadControlCapacity", "LOAD_CONTROL.x-loadControlLevelOffset",
        "LOAD_CONTROL.x-loadControlPercentOffset", "LOAD_CONTROL.x-loadControlSetpoint",
        "CHARGE_STATE.setpoint", "ELECTRICITY_PRICE.price", "BID_PRICE.price",
    } <= known  # fmt: skip
    assert all(one.why and one.why_ja for one in signals.unsupported.values())
    assert all(one.title and one.title_ja for one in signals.supported.values())


def test_a_site_replaces_an_entry_by_its_own_file(tmp_path: Path) -> None:
    """If it fails, a national profile that differs needs another program."""
    own = tmp_path / "profile.toml"
    own.write_text(GOOD, encoding="utf-8")
    signals = site_signals(own)
    assert signals.supported[Origin.OPENADR, "SIMPLE.level"].levels == (1.0, 0.6, 0.3, 0.0)
    assert len(signals.supported) == len(package_signals().supported)


def test_a_refused_mode_may_become_supported_and_the_other_way_round(tmp_path: Path) -> None:
    """If it fails, a mode stands in both lists and which one counts is luck."""
    text = GOOD.replace("SIMPLE.level", "CHARGE_STATE.setpoint") + (
        '\n[[unsupported]]\norigin = "openadr"\nmodes = ["SIMPLE.level"]\n'
        'why = "no"\nwhy_ja = "否"\n'
    )
    own = tmp_path / "profile.toml"
    own.write_text(text, encoding="utf-8")
    signals = site_signals(own)
    assert (Origin.OPENADR, "SIMPLE.level") not in signals.supported
    assert (Origin.OPENADR, "CHARGE_STATE.setpoint") not in signals.unsupported


WRONG = [
    ('authority = "obligation"', 'authority = "device-safety"', "signals[0].authority"),
    (
        'unit = "level"\nlevels = [100, 60, 30, 0]\nof = "contract-import-w"',
        'unit = "number"',
        "signals[0].unit",
    ),
    ("levels = [100, 60, 30, 0]", "levels = [101]", "signals[0].levels"),
    ("levels = [100, 60, 30, 0]", "levels = []", "signals[0].levels"),
    ('side = "lower"', 'side = "downward"', "signals[0].side"),
    ('scope = "meter"', 'scope = "generation"', "signals[0].side"),
    ('of = "contract-import-w"', 'of = "rating"', "signals[0].of"),
    ('title = "Level"', 'title = "Level"\nspeed = 3', "signals[0].speed"),
    ('mode = "SIMPLE.level"', "", "signals[0].mode"),
    ("[[signals]]", "[[signals", "is not TOML"),
]


@pytest.mark.parametrize(("good", "bad", "place"), WRONG)
def test_a_wrong_file_is_refused_in_one_line(good: str, bad: str, place: str) -> None:
    """If it fails, a slip in a profile moves power the wrong way and nobody is told."""
    with pytest.raises(ConfigError) as refusal:
        parse_signals(GOOD.replace(good, bad), "profile.toml")
    assert place in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_entry_that_is_there_twice_is_refused() -> None:
    """If it fails, the last of two meanings counts without a word."""
    with pytest.raises(ConfigError, match="twice"):
        parse_signals(GOOD + GOOD, "profile.toml")


def test_the_meanings_are_of_all_three_kinds() -> None:
    """If it fails, part of the mapping is not reachable."""
    assert {one.becomes for one in package_signals().supported.values()} == set(Becomes)
