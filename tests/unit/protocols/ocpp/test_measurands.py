"""Meter values of both versions in our quantities."""

import pytest

from protocols.ocpp.measurands import sample_of, triggered
from protocols.ocpp.states import STATES, VERSION_16, VERSION_201, connector_state


def _old(value: str, measurand: str = "Power.Active.Import", **more: str) -> dict[str, object]:
    return {"value": value, "measurand": measurand, **more}


def _new(
    value: object, measurand: str = "Power.Active.Import", **more: object
) -> dict[str, object]:
    return {"value": value, "measurand": measurand, **more}


@pytest.mark.parametrize(
    ("values", "power_w"),
    [
        ([_old("3000.0")], -3000.0),
        ([_old("3.0", unit="kW")], -3000.0),
        ([_old("0")], 0.0),
        ([_old("2500", measurand="Power.Active.Export")], 2500.0),
        ([_old("100"), _old("2500", measurand="Power.Active.Export")], 2400.0),
        ([_new(7, unit_of_measure={"unit": "kW"})], -7000.0),
        ([_new(7, unit_of_measure={"unit": "W", "multiplier": 3})], -7000.0),
        ([_new(70000, unit_of_measure={"unit": "W", "multiplier": -1})], -7000.0),
        ([_old("3000", location="EV")], None),
        ([_old("3000", location="Inlet")], -3000.0),
        ([_old("", unit="W")], None),
        ([_old("nan")], None),
        ([_old("inf")], None),
        ([_old("3000", unit="Wh")], None),
        ([_new(None)], None),
        ([_new({"a": 1})], None),
        ([_new(7, unit_of_measure={"unit": "W", "multiplier": 300})], None),
        ([_old("3000", format="SignedData")], None),
        ([_old("5", measurand="Frequency")], None),
    ],
)
def test_power_is_turned_once_and_never_guessed(
    values: list[dict[str, object]], power_w: float | None
) -> None:
    """If it fails, a charging car counts as generation, in the wrong unit, or from nothing."""
    assert sample_of(values, phases=1, voltage_v=200.0).power_w == power_w


def test_phases_are_a_sum_only_when_all_are_there() -> None:
    """If it fails, a third of a charger's power is taken for the whole."""
    values = [_old("1000", phase=phase) for phase in ("L1", "L2-N", "L3")]
    assert sample_of(values, phases=3, voltage_v=230.0).power_w == -3000.0
    assert sample_of(values[:2], phases=3, voltage_v=230.0).power_w is None
    assert sample_of(values[:1], phases=1, voltage_v=230.0).power_w == -1000.0
    total = [*values, _old("3100")]
    assert sample_of(total, phases=3, voltage_v=230.0).power_w == -3100.0


def test_a_current_alone_is_an_estimate_and_says_so() -> None:
    """If it fails, a power nobody measured passes for measured."""
    current = [_old("15", measurand="Current.Import", phase="L1")]
    sample = sample_of(current, phases=1, voltage_v=200.0)
    assert (sample.power_w, sample.power_estimated) == (-3000.0, True)
    volts = [_old("210", measurand="Voltage", phase="L1-N")]
    sample = sample_of(current + volts, phases=1, voltage_v=200.0)
    assert (sample.power_w, sample.power_estimated) == (-3150.0, False)


def test_energy_and_state_of_charge_have_their_defaults() -> None:
    """If it fails, a value without measurand or unit, as the rules allow, is lost."""
    sample = sample_of([{"value": "1500"}], phases=1, voltage_v=200.0)
    assert sample.energy_wh_charged == 1500.0
    values = [_old("1.5", "Energy.Active.Import.Register", unit="kWh"), _old("80", "SoC")]
    sample = sample_of(values, phases=1, voltage_v=200.0)
    assert (sample.energy_wh_charged, sample.soc) == (1500.0, 0.8)


def test_what_could_not_be_read_is_named() -> None:
    """If it fails, nobody can tell why a charger has no power."""
    sample = sample_of([_old("abc")], phases=1, voltage_v=200.0)
    assert sample.power_w is None
    assert "abc" in sample.refused


def test_values_we_asked_for_are_told_from_others() -> None:
    """If it fails, values from a queue pass for values of now."""
    assert triggered([_old("1", context="Trigger")])
    assert not triggered([_old("1", context="Trigger"), _old("1", context="Sample.Periodic")])
    assert not triggered([])


@pytest.mark.parametrize("version", [VERSION_16, VERSION_201])
def test_every_status_has_a_meaning_and_no_other_word_has(version: str) -> None:
    """If it fails, a status is taken for what it is not, or a car for none."""
    for status, state in STATES[version].items():
        assert connector_state(version, status) == state
        assert not (state.faulted and state.ready)
        assert not (state.connected and state.rests), "with a car a transaction may run"
    assert connector_state(version, "Confused") is None


def test_versions_do_not_know_each_others_words() -> None:
    """If it fails, a charger of one version is understood by the other's table."""
    assert connector_state(VERSION_16, "Occupied") is None
    assert connector_state(VERSION_201, "SuspendedEV") is None
