"""Values as they come off the wire, and as they go onto it."""

import math

import pytest
from bacpypes3.constructeddata import Any as BacnetAny
from bacpypes3.pdu import PDUData
from bacpypes3.primitivedata import TagList

from edge_agent.drivers.bacnet.values import Value, encoded, plain
from protocols.bacnet.objects import Datatype


def off_the_wire(octets: str) -> BacnetAny:
    """Tags of these octets."""
    return BacnetAny(TagList.decode(PDUData(bytes.fromhex(octets))))


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        ("00", None),
        ("11", True),
        ("2105", 5),
        ("22ffff", 65_535),
        ("31ff", -1),
        ("4440d00000", 6.5),
        ("5508401a000000000000", 6.5),
        ("73004162", "Ab"),
        ("8204a0", (True, False, True, False)),
        ("9162", 98),
        ("c4020004d2", 1234),
        ("0000444120000000", (None, None, 10.0, None)),
        ("3e4440d000003f", 6.5),
        ("3e3f", ()),
    ],
)
def test_each_kind_of_value_is_decoded(octets: str, value: Value) -> None:
    """If it fails, a device's number is read as another one."""
    assert plain(off_the_wire(octets)) == value


@pytest.mark.parametrize("octets", ["447fc00000", "43404000", "b405060708"])
def test_what_is_no_number_is_not_made_one(octets: str) -> None:
    """If it fails, NaN, half a number or a time of day is a power."""
    value = plain(off_the_wire(octets))
    found = value if isinstance(value, tuple) else (value,)
    assert not any(isinstance(one, float) and math.isfinite(one) for one in found)


def test_a_priority_that_holds_something_odd_is_held_all_the_same() -> None:
    """If it fails, a slot with a date in it counts as free."""
    value = plain(off_the_wire("000ea47b0701ffb4010203000f00"))
    assert isinstance(value, tuple)
    assert value[0] is None
    assert value[1] is not None
    assert value[2] is None


@pytest.mark.parametrize(
    ("value", "datatype", "back"),
    [
        (None, Datatype.REAL, None),
        (5.0, Datatype.REAL, 5.0),
        (1.0, Datatype.BINARY, 1),
        (3.0, Datatype.UNSIGNED, 3),
        (-2.0, Datatype.UNSIGNED, 0),
        (-2.0, Datatype.INTEGER, -2),
    ],
)
def test_what_is_written_is_of_the_objects_type(
    value: float | None, datatype: Datatype, back: object
) -> None:
    """If it fails, a controller rejects every command for its datatype."""
    assert plain(encoded(value, datatype)) == back
