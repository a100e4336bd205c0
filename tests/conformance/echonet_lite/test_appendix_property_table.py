"""ECHONET Appendix (release R): access, type, unit and scale of the properties we use."""

from decimal import Decimal

import pytest

from protocols.echonet_lite.composite_codecs import COMPOSITES
from protocols.echonet_lite.properties import (
    Access,
    PropertySpec,
    is_turned,
    lookup,
    properties_of,
    required_epcs,
)

CLASSES = (
    0x0000,
    0x0EF0,
    0x027D,
    0x0279,
    0x027E,
    0x02A1,
    0x027C,
    0x026B,
    0x0288,
    0x028D,
    0x02A5,
    0x0130,
)
LETTERS = {
    Access.REQUIRED: "GSI",
    Access.OPTIONAL: "gsi",
    Access.CONDITIONAL: "ccc",
    Access.NONE: "---",
}


def access(spec: PropertySpec) -> str:
    return "".join(
        LETTERS[rule][place] for place, rule in enumerate((spec.get, spec.set_, spec.inf))
    )


def expected(text: str) -> list[tuple[int, int, str, str, str, str]]:
    rows = [line.split() for line in text.strip().splitlines()]
    return [
        (int(row[0], 16), int(epc, 16), row[2], row[3], *row[4:6])
        for row in rows
        for epc in row[1].split(",")
    ]


# class EPCs access type unit multiplier, as device-protocols gives them; "i" on every Get
# property, because a device may announce what it may be asked for
TABLE = expected("""
0000 80 GsI code1 - 1
0000 81 GSI raw1or17 - 1
0000 82 G-i raw4 - 1
0000 83 g-i raw17 - 1
0000 84 g-i uint16 W 1
0000 85 g-i uint32 kWh 0.001
0000 88 G-I code1 - 1
0000 8A G-i raw3 - 1
0000 93 gsi code1 - 1
0000 97 gsi time - 1
0000 98 gsi date - 1
0000 9D,9E,9F G-i map - 1
0EF0 80 G-I code1 - 1
0EF0 83 G-i raw17 - 1
0EF0 D3 G-i raw3 - 1
0EF0 D4 G-i uint16 - 1
0EF0 D5 g-I instances - 1
0EF0 D6 G-i instances - 1
0EF0 D7 G-i classes - 1
027D 89 G-i uint16 - 1
027D 8C G-i text12 - 1
027D 97 Gsi time - 1
027D 98 Gsi date - 1
027D A0,A1,A2,A3,A4,A5 G-i uint32 Wh 1
027D A6,A7 gsi uint8 % 1
027D A8,A9 G-i uint32 kWh 0.001
027D AA,AB GSI uint32 Wh 1
027D C1,C2 GsI code1 - 1
027D C8,C9 G-i range_uint32 W 1
027D CF G-I code1 - 1
027D D3 g-i int32 W 1
027D D6,D8 g-i uint32 kWh 0.001
027D DA GSI code1 - 1
027D DB G-i code1 - 1
027D E2 c-i uint32 Wh 1
027D E3 c-i uint16 Ah 0.1
027D E4 c-i uint8 % 1
027D E5 g-i uint8 % 1
027D E6 G-i code1 - 1
027D EB,EC gsi uint32 W 1
0279 83 G-i raw17 - 1
0279 A0 cci uint8 % 1
0279 A1 cci uint16 W 1
0279 B0 c-i schedule % 1
0279 B1 c-I moment - 1
0279 B4 c-i uint16 W 1
0279 C1 GSi code1 - 1
0279 C3 c-i uint16 W 1
0279 C4 c-i uint8 % 1
0279 D0,D1 G-i code1 - 1
0279 E0 G-i uint16 W 1
0279 E1 G-i uint32 kWh 0.001
0279 E3 g-i uint32 kWh 0.001
0279 E5 gsi uint8 % 1
0279 E6 gsi uint16 W 1
0279 E8 Gsi uint16 W 1
027E C0,C2 G-i uint32 Wh 1
027E C4 G-i uint8 % 1
027E C5,C6 G-i uint32 W 1
027E C7 G-I code1 - 1
027E C8,C9 G-i range_uint32 W 1
027E CD -S- code1 - 1
027E D3 g-i int32 W 1
027E D6,D8 g-i uint32 kWh 0.001
027E DA GSI code1 - 1
027E DC,DD GsI code1 - 1
027E E0 gsi int32 W 1
027E E1 g-I code1 - 1
027E E2 G-i uint32 Wh 1
027E E4 G-i uint8 % 1
027E E6 G-i vehicle_id - 1
027E E7,EA gsi uint32 Wh 1
027E EB,EC gsi uint32 W 1
02A1 C5 G-i uint32 W 1
02A1 C7 G-I code1 - 1
02A1 CC G-i code1 - 1
02A1 CD -Si code1 - 1
02A1 CE,CF,D0 G-i uint32 Wh 1
02A1 D3 g-i uint32 W 1
02A1 D8 g-i uint32 kWh 0.001
02A1 DA GSI code1 - 1
02A1 E2 G-i uint32 Wh 1
02A1 E4 G-i uint8 % 1
02A1 E7 gsi uint32 Wh 1
02A1 EB gsi uint32 W 1
02A1 ED gsi uint16 A 0.1
027C C2,C4 G-i uint16 W 1
027C C5 G-i uint32 kWh 0.001
027C C7 g-i uint16 m3/h 0.001
027C C8 g-i uint32 m3 0.001
027C CA gsi code1 - 1
027C CB G-I code1 - 1
027C CC g-i uint16 W 1
027C D0 G-i code1 - 1
027C D1 GSi span - 1
027C D2 GSi code1 - 1
027C E1,E2 g-i uint16 L 1
026B B0 GSI code1 - 1
026B B2 G-I code1 - 1
026B B3 gsi uint8 Celsius 1
026B C0,C7 GSi code1 - 1
026B C8 G-i code1 - 1
026B C9 G-i uint8 - 1
026B CA,CD GSi code1 - 1
026B CB G-i uint32x4 Wh 1
026B CC G-i uint16x4 Wh 1
026B CE G-i uint32x3 Wh 1
026B CF G-i uint16x3 Wh 1
026B D9 gsi surplus Wh 10
026B DB,DC,DD g-i uint16 W 1
026B E1,E2 g-i uint16 L 1
0288 D0 G-i reading_pair - 1
0288 D3 g-i uint32 - 1
0288 D7 G-i uint8 digits 1
0288 E0 G-i uint32 - 1
0288 E3 c-i uint32 - 1
0288 E1 G-i kwh_unit kWh 1
0288 E2 G-i history - 1
0288 E4 c-i history - 1
0288 E5 GSi uint8 days 1
0288 E7 G-i int32 W 1
0288 E8 G-i currents A 0.1
0288 EA G-i reading - 1
0288 EB c-i reading - 1
02A5 D0 G-i code1 - 1
02A5 E0,E3 G-i uint32 kWh 0.001
02A5 E7 G-i int32 W 1
02A5 E8 G-i instances - 1
0130 80,8F,A0,B0 GSI code1 - 1
0130 B3 GSi uint8 Celsius 1
0130 B8 g-i uint16x4 W 1
0130 B9 g-i uint16 A 0.1
0130 BA g-i uint8 % 1
0130 BB,BE g-i int8 Celsius 1
028D D3 g-i uint32 - 1
028D D4 G-i kwh_unit kWh 1
028D D7 G-i uint8 digits 1
028D E0 GSi uint8 days 1
028D E1,E3 G-i uint32 - 1
028D E2,E4 G-i history - 1
028D E7 G-i int32 W 1
028D E8 G-i currents A 0.1
028D EA,EB G-i reading - 1
""")


@pytest.mark.parametrize(
    ("class_code", "epc", "rule", "type_", "unit", "multiplier"),
    TABLE,
    ids=[f"{row[0]:04X}.{row[1]:02X}" for row in TABLE],
)
def test_a_property_is_what_the_appendix_says(  # noqa: PLR0917 - one row of the table
    class_code: int, epc: int, rule: str, type_: str, unit: str, multiplier: str
) -> None:
    """A device's number would be read in another unit, or a Set sent that it must refuse."""
    spec = lookup(class_code, epc)
    assert spec is not None
    assert spec.class_code == class_code
    assert (access(spec), spec.type) == (rule, type_)
    assert (spec.unit or "-", spec.multiplier) == (unit, Decimal(multiplier))
    assert spec.name


def codes_of(class_code: int, epc: int) -> str:
    spec = lookup(class_code, epc)
    assert spec is not None
    return " ".join(f"{code:02X}" for code in sorted(spec.codes))


@pytest.mark.parametrize(
    ("class_code", "epc", "codes"),
    [
        (0x0000, 0x80, "30 31"),
        (0x0000, 0x88, "41 42"),
        (0x0000, 0x93, "41 42 61 62"),
        (0x027D, 0xC1, "00 01 02 03 04"),
        (0x027D, 0xC2, "00 01 02 03 04"),
        (0x027D, 0xCF, "40 41 42 43 44 45 46 48 49"),
        (0x027D, 0xDA, "40 41 42 43 44 45 46 48 49"),
        (0x027D, 0xDB, "00 01 02"),
        (0x0279, 0xA2, "41 42"),
        (0x0279, 0xC1, "41 42 43"),
        (0x0279, 0xD0, "00 01 02 03"),
        (0x0279, 0xD1, "41 42 43 44 45"),
        (0x027E, 0xC7, "30 40 41 42 43 44 FF"),
        (0x027E, 0xCD, "10"),
        (0x027E, 0xDA, "40 42 43 44 46 47 48 49"),
        (0x027E, 0xDC, "00 01 02 03 04 05 06"),
        (0x027E, 0xDD, "00 01 02 03 04 05 06"),
        (0x027E, 0xE1, "40 42 43 44 47 48"),
        (0x02A1, 0xC7, "30 40 41 44 FF"),
        (0x02A1, 0xDA, "40 42 44 47"),
        (0x027C, 0xCA, "41 42"),
        (0x027C, 0xCB, "41 42 43 44 45"),
        (0x027C, 0xD2, "41 42"),
        (0x026B, 0xB0, "41 42 43"),
        (0x026B, 0xB2, "41 42"),
        (0x026B, 0xC7, "00 01"),
        (0x026B, 0xC8, "01 14 15 16 17 18"),
        (0x026B, 0xCA, "00 09 0A 0B 0C 0D 0E 0F 10 11"),
        (0x026B, 0xCD, "00 0A 0B 0C 0D 0E 0F 10 11"),
        (0x0130, 0x8F, "41 42"),
        (0x0130, 0xB0, "40 41 42 43 44 45"),
        (0x0130, 0xA0, "31 32 33 34 35 36 37 38 41"),
    ],
)
def test_an_enumeration_has_exactly_these_codes(class_code: int, epc: int, codes: str) -> None:
    """A mode would be missing, or one that the class does not have would be accepted."""
    assert codes_of(class_code, epc) == codes


@pytest.mark.parametrize(
    ("class_code", "epc", "code", "name"),
    [
        (0x027D, 0xDA, 0x42, "charging"),
        (0x027D, 0xDA, 0x43, "discharging"),
        (0x027D, 0xCF, 0x44, "standby"),
        (0x027D, 0xC1, 0x03, "designated power"),
        (0x027E, 0xDA, 0x43, "discharging"),
        (0x027E, 0xC7, 0x43, "chargeable and dischargeable"),
        (0x02A1, 0xDA, 0x42, "charging"),
        (0x027C, 0xCB, 0x41, "generating"),
        (0x0279, 0xD1, 0x41, "output control"),
        (0x0000, 0x88, 0x41, "fault"),
    ],
)
def test_a_code_means(class_code: int, epc: int, code: int, *, name: str) -> None:
    """Charging would be taken for discharging."""
    spec = lookup(class_code, epc)
    assert spec is not None
    assert spec.codes[code] == name


@pytest.mark.parametrize(
    ("class_code", "epc"),
    [
        (0x027D, 0xD3),
        (0x027D, 0xE0),
        (0x027E, 0xD3),
        (0x027E, 0xE0),
        (0x02A1, 0xD3),
        (0x0288, 0xE7),
        (0x0288, 0xE8),
        (0x028D, 0xE7),
        (0x02A5, 0xE7),
        (0x0000, 0x84),
    ],
)
def test_plus_is_absorbed(class_code: int, epc: int) -> None:
    """The classic error: a charging battery would be counted as generation."""
    assert is_turned(class_code, epc)


@pytest.mark.parametrize(
    ("class_code", "epc"),
    [
        (0x0279, 0xE0),
        (0x027C, 0xC4),
        (0x027D, 0xEB),
        (0x027D, 0xEC),
        (0x027D, 0xC8),
        (0x027D, 0xA8),
        (0x027D, 0xE4),
        (0x0288, 0xE0),
        (0x027D, 0xF0),
    ],
)
def test_generation_and_magnitudes_are_not_turned(class_code: int, epc: int) -> None:
    """PV would be counted as load, or a charge setting sent with a sign it has not."""
    assert not is_turned(class_code, epc)


def test_a_device_class_inherits_the_super_class() -> None:
    """An EV's power consumption (84) could not be read."""
    spec = lookup(0x02A1, 0x84)
    assert spec is not None
    assert spec.class_code == 0x0000


def test_a_class_without_a_table_has_the_super_class() -> None:
    """A device of another class could not even be identified."""
    spec = lookup(0x0133, 0x88)
    assert spec is not None
    assert spec.codes[0x41] == "fault"


def test_the_node_profile_does_not_inherit_the_super_class() -> None:
    """The profile's 80 would be read as on instead of booting."""
    spec = lookup(0x0EF0, 0x80)
    assert spec is not None
    assert spec.codes[0x30] == "booting"
    assert lookup(0x0EF0, 0x84) is None


@pytest.mark.parametrize("class_code", CLASSES)
def test_the_table_is_sound(class_code: int) -> None:
    """A slip in a row would surface only when a device sends that property."""
    for spec in properties_of(class_code):
        assert 0x80 <= spec.epc <= 0xFF
        assert (spec.number is not None) or (spec.type in COMPOSITES)
        assert spec.minimum <= spec.maximum
        assert (spec.type == "code1") == bool(spec.codes)
        assert spec.get is not Access.NONE or spec.set_ is not Access.NONE
        if spec.number is not None:
            assert len(spec.number.encode(spec.minimum)) == spec.number.size
            assert len(spec.number.encode(spec.maximum)) == spec.number.size


def test_every_device_must_give_its_maps() -> None:
    """A driver could not judge which map to trust."""
    for class_code in CLASSES:
        assert {0x9D, 0x9E, 0x9F} <= required_epcs(class_code)
