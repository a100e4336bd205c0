"""The BACnet part of templates: what is taken, and what is refused in one line."""

import pytest

from protocols.bacnet.command import Level, Meaning
from protocols.bacnet.objects import ObjectId
from protocols.bacnet.units import UNITS
from protocols.templates.bacnet import BacnetWire
from protocols.templates.catalogue import catalogue, parse_template
from protocols.vocabulary.errors import ConfigError

TEXT = """
protocol = "bacnet"
kind = "load"
title = "A load"
title_ja = "負荷"
[wire]
model = "L-1"
[[wire.points]]
quantity = "power_w"
object = "analog-input,1"
units = "kilowatts"
scale = -1.0
[[wire.points]]
quantity = "room_c"
object = "analog-input,2"
units = "degrees-celsius"
[wire.command]
object = "multi-state-value,1"
meaning = "shed"
relinquish_default = 1.0
[[wire.command.levels]]
value = 1
share = 1.0
[[wire.command.levels]]
value = 2
share = 0.5
[[wire.comfort]]
quantity = "room_c"
minimum = 22.0
maximum = 28.0
[timing]
[lease]
mechanism = "watchdog"
default = "level 1"
[nameplate]
power_w_min = -1000.0
[writes]
[evidence]
source = "none"
proof = "simulated"
"""


def test_a_template_is_read_whole() -> None:
    """If it fails, driver and simulator do not know what a device's objects are."""
    wire = parse_template(TEXT, "bacnet-test").wire
    assert isinstance(wire, BacnetWire)
    power, room = wire.points
    assert power.object_id == ObjectId("analog-input", 1)
    assert power.units is UNITS["kilowatts"]
    assert (power.scale, power.fast, room.fast, room.cov) == (-1.0, True, False, True)
    assert wire.command is not None
    assert wire.command.meaning is Meaning.SHED
    assert wire.command.levels == (Level(1.0, 1.0), Level(2.0, 0.5))
    assert (wire.command.minimum, wire.command.maximum) == (1.0, 2.0)
    assert wire.comfort[0].margin == 0.5


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ('object = "analog-input,1"', 'object = "analog-input"', "not an object"),
        ('object = "analog-input,1"', 'object = "load-control,1"', "not one of the types"),
        ('units = "kilowatts"\n', "", "units"),
        ('units = "kilowatts"', 'units = "horsepower"', "units"),
        ('quantity = "power_w"', 'quantity = "room_c"', "quantity twice"),
        ('object = "multi-state-value,1"', 'object = "multi-state-input,1"', "cannot be commanded"),
        ('meaning = "shed"', 'meaning = "limit"', "levels"),
        ('meaning = "shed"', 'meaning = "prayer"', "meaning"),
        ("relinquish_default = 1.0", "relinquish_default = 7.0", "not between"),
        (
            '[[wire.comfort]]\nquantity = "room_c"',
            '[[wire.comfort]]\nquantity = "soc"',
            "not among",
        ),
        ("maximum = 28.0", "maximum = 22.5", "no room"),
        ("share = 0.5", "share = 1.5", "share"),
        ("share = 0.5", "share = 0.5\nshadow = 1", "shadow"),
    ],
)
def test_what_is_wrong_in_a_template_is_named(old: str, new: str, cause: str) -> None:
    """If it fails, a mistake in a template becomes a wrong command instead of a line of text."""
    assert old in TEXT
    with pytest.raises(ConfigError, match=cause):
        parse_template(TEXT.replace(old, new, 1), "bacnet-test")


def test_there_are_templates_for_what_buildings_have() -> None:
    """If it fails, a building's devices cannot be configured."""
    ours = {name: t.wire for name, t in catalogue().items() if isinstance(t.wire, BacnetWire)}
    assert len(ours) >= 10
    meanings = {wire.command.meaning for wire in ours.values() if wire.command is not None}
    assert meanings == set(Meaning)
    for name, wire in ours.items():
        assert any(point.quantity == "power_w" and point.fast for point in wire.points), name
