"""Objects, units, status and priorities as the standard has them."""

import math

import pytest

from protocols.bacnet.objects import (
    ANY_DEVICE,
    OBJECT_TYPES,
    Commanding,
    ObjectId,
    device_id,
    parse_object_id,
)
from protocols.bacnet.priority import Holder, checked_priority, slot, stronger
from protocols.bacnet.status import StatusFlags, status_flags, unusable
from protocols.bacnet.units import UNITS, unit_of
from protocols.vocabulary.errors import LocalProtocolError

CLEAR = StatusFlags()


def test_objects_are_named_as_the_standard_names_them() -> None:
    """If it fails, a template's object is looked for under another type's number."""
    assert parse_object_id("analog-value,10") == ObjectId("analog-value", 10)
    numbers = {name: facts.number for name, facts in OBJECT_TYPES.items()}
    assert numbers["analog-input"] == 0
    assert numbers["multi-state-value"] == 19
    assert numbers["accumulator"] == 23
    assert device_id(ANY_DEVICE).number == 8
    assert str(parse_object_id("binary-output,3")) == "binary-output,3"


@pytest.mark.parametrize(
    "text", ["analog-input", "analog-input,-1", "analog-input,4194303", "load-control,1", "", "AI1"]
)
def test_what_is_no_object_of_ours_is_refused(text: str) -> None:
    """If it fails, a typing mistake in a template is only found on a customer's roof."""
    with pytest.raises(LocalProtocolError):
        parse_object_id(text)


def test_inputs_are_never_commanded_and_outputs_always_are() -> None:
    """If it fails, the driver writes what nobody can give back."""
    never = {n for n, f in OBJECT_TYPES.items() if f.commanding is Commanding.NEVER}
    assert {"analog-input", "binary-input", "multi-state-input", "accumulator"} == never
    always = {n for n, f in OBJECT_TYPES.items() if f.commanding is Commanding.ALWAYS}
    assert always == {"analog-output", "binary-output", "multi-state-output"}


@pytest.mark.parametrize(
    ("unit", "theirs", "ours"),
    [
        ("kilowatts", 1.5, 1500.0),
        ("milliwatts", 1e6, 1000.0),
        ("megajoules", 3.6, 1000.0),
        ("kilowatt-hours", 2.0, 2000.0),
        ("percent", 55.0, 0.55),
        ("degrees-fahrenheit", 77.0, 25.0),
        ("degrees-kelvin", 298.15, 25.0),
        ("delta-degrees-fahrenheit", 9.0, 5.0),
    ],
)
def test_units_are_turned_into_ours_and_back(unit: str, theirs: float, ours: float) -> None:
    """If it fails, a room of 77 degF is told as 77 degC and its cooling never released."""
    facts = UNITS[unit]
    assert facts.ours(theirs) == pytest.approx(ours)
    assert facts.theirs(facts.ours(theirs)) == pytest.approx(theirs)
    assert unit_of(facts.number) is facts


def test_a_unit_that_is_nothing_to_us_is_known_as_such() -> None:
    """If it fails, horsepower is taken for watts."""
    assert unit_of(51) is None


@pytest.mark.parametrize(
    ("value", "flags", "reliability", "cause"),
    [
        (1.0, CLEAR, 0, ""),
        (1, StatusFlags(in_alarm=True), 0, ""),
        (True, CLEAR, 0, ""),
        (None, CLEAR, 0, "no value"),
        ("on", CLEAR, 0, "not a number"),
        (math.nan, CLEAR, 0, "not a finite number"),
        (math.inf, CLEAR, 0, "not a finite number"),
        (1.0, CLEAR, 1, "no sensor"),
        (1.0, CLEAR, 99, "reliability 99"),
        (1.0, StatusFlags(fault=True), 0, "fault flag set"),
        (1.0, StatusFlags(out_of_service=True), 0, "out of service"),
        (1.0, StatusFlags(overridden=True), 0, "overridden by hand"),
    ],
)
def test_a_value_is_good_only_if_nothing_speaks_against_it(
    *, value: object, flags: StatusFlags, reliability: int, cause: str
) -> None:
    """If it fails, a value its own device disowns is steered by."""
    assert unusable(value, flags, reliability) == cause


def test_missing_flags_count_as_clear_and_more_than_four_are_not_read() -> None:
    """If it fails, an odd bit string shifts the flags, and a good value is thrown away."""
    assert status_flags(()) == CLEAR
    assert status_flags((False, True)) == StatusFlags(fault=True)
    assert status_flags((False, False, False, True, True)) == StatusFlags(out_of_service=True)


@pytest.mark.parametrize("priority", [0, 1, 2, 5, 6, 17, -1])
def test_priorities_that_protect_are_not_ours(priority: int) -> None:
    """If it fails, a market event stands above the smoke control."""
    with pytest.raises(LocalProtocolError):
        checked_priority(priority)


def test_the_strongest_above_us_is_in_command() -> None:
    """If it fails, a held device is told as obedient."""
    array: list[float | None] = [None] * 16
    assert stronger(array, 10) is None
    array[9] = 5.0
    array[15] = 1.0
    assert stronger(array, 10) is None
    assert slot(array, 10) == 5.0
    array[7], array[5] = 3.0, 4.0
    assert stronger(array, 10) == Holder(6, 4.0)
    assert str(Holder(6, 4.0)) == "held at priority 6 (minimum on/off): 4"
    assert str(Holder(9, 4.5)) == "held at priority 9: 4.5"
    assert checked_priority(10) == 10
