"""ECHONET Appendix: the codes for "no value" never become a number."""

import pytest

from protocols.echonet_lite.properties import decode_value, encode_value, lookup
from protocols.echonet_lite.spec import NUMBERS

CODES = [
    (0x0279, 0xE5, "FF", "overflow"),
    (0x0279, 0xE5, "FE", "underflow"),
    (0x027D, 0xD5, "7FFF", "overflow"),
    (0x027D, 0xD5, "8000", "underflow"),
    (0x0279, 0xE0, "FFFF", "overflow"),
    (0x0279, 0xE0, "FFFE", "underflow"),
    (0x027D, 0xD3, "7FFFFFFF", "overflow"),
    (0x027D, 0xD3, "80000000", "underflow"),
    (0x02A1, 0xD3, "FFFFFFFF", "overflow"),
    (0x02A1, 0xD3, "FFFFFFFE", "underflow"),
    (0x0288, 0xE7, "7FFFFFFE", "not measured"),
    (0x0288, 0xE7, "7FFFFFFF", "overflow"),
    (0x0288, 0xE7, "80000000", "underflow"),
    (0x0288, 0xE0, "FFFFFFFE", "not measured"),
    (0x0288, 0xE3, "FFFFFFFE", "not measured"),
    (0x0288, 0xE5, "FF", "unset"),
    (0x0279, 0xB4, "FFFF", "no setting"),
    (0x0279, 0xC3, "FFFF", "no setting"),
    (0x0279, 0xE8, "FFFF", "no setting"),
    (0x0279, 0xB1, "FFFFFFFFFFFFFF", "no control and no schedule"),
    (0x027C, 0xD1, "FFFFFFFF", "undefined"),
    (0x026B, 0xB3, "FD", "undefined"),
    (0x026B, 0xB4, "FD", "no time limit"),
]


@pytest.mark.parametrize(("class_code", "epc", "edt", "reason"), CODES)
def test_the_code_is_no_value_and_says_why(
    class_code: int, epc: int, edt: str, *, reason: str
) -> None:
    """Pychonet reports 2147483647 W: the optimiser would answer a device that does not know."""
    spec = lookup(class_code, epc)
    assert spec is not None
    decoded = decode_value(spec, bytes.fromhex(edt))
    assert (decoded.value, decoded.reason) == (None, reason)


@pytest.mark.parametrize(
    ("name", "overflow", "underflow"),
    [
        ("int8", "7F", "80"),
        ("uint8", "FF", "FE"),
        ("int16", "7FFF", "8000"),
        ("uint16", "FFFF", "FFFE"),
        ("int32", "7FFFFFFF", "80000000"),
        ("uint32", "FFFFFFFF", "FFFFFFFE"),
    ],
)
def test_each_number_type_has_its_two_codes(name: str, overflow: str, underflow: str) -> None:
    """A type's limit would be read as a reading."""
    number = NUMBERS[name]
    assert number.no_data() == {
        bytes.fromhex(overflow): "overflow",
        bytes.fromhex(underflow): "underflow",
    }
    for count in (number.minimum, number.maximum):
        assert number.encode(count) not in number.no_data()


@pytest.mark.parametrize(
    ("class_code", "epc", "edt"),
    [(0x027D, 0xD3, "7FFFFFFF"), (0x0288, 0xE7, "7FFFFFFE"), (0x0279, 0xB4, "FFFF")],
)
def test_a_device_can_say_that_it_has_no_value(class_code: int, epc: int, edt: str) -> None:
    """A simulated device could not show a sensor that failed."""
    spec = lookup(class_code, epc)
    assert spec is not None
    assert encode_value(spec, None) == bytes.fromhex(edt)


@pytest.mark.parametrize("edt", ["FF", "FE", "00"])
def test_an_enumeration_s_codes_are_never_range_codes(edt: str) -> None:
    """FF of the EV's connection, undefined, would be taken for an overflow."""
    spec = lookup(0x02A1, 0xC7)
    assert spec is not None
    decoded = decode_value(spec, bytes.fromhex(edt))
    assert decoded.value == ("undefined" if edt == "FF" else None)
    assert decoded.reason not in {"overflow", "underflow"}
