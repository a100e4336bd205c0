"""ECHONET Appendix: EDTs as values and back, with units, scales and compound forms."""

from datetime import date, time
from decimal import Decimal

import pytest

from protocols.echonet_lite.composites import (
    Currents,
    History,
    Moment,
    OperatingTime,
    Range,
    Reading,
    Schedule,
    SurplusForecast,
    TimeSpan,
    energy_kwh,
)
from protocols.echonet_lite.frame import Eoj
from protocols.echonet_lite.properties import (
    PropertySpec,
    Value,
    check_edt,
    decode_value,
    encode_value,
    lookup,
)
from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError

HALF_PAST_TEN = Moment(date(2026, 7, 22), time(10, 30, 0))
HALF_PAST_TEN_HEX = "07EA0716 0A1E00"

VALUES: list[tuple[int, int, str, Value]] = [
    (0x027D, 0xD3, "FFFFFA24", -1500),
    (0x027D, 0xE4, "32", 50),
    (0x027D, 0xA8, "000004D2", Decimal("1.234")),
    (0x027D, 0xD1, "03E7", Decimal("99.9")),
    (0x027D, 0xDA, "43", "discharging"),
    (0x027D, 0xC8, "00000064 000007D0", Range(100, 2000)),
    (0x027D, 0xCA, "000A 00C8", Range(Decimal("1.0"), Decimal("20.0"))),
    (0x0000, 0x97, "0A1E", time(10, 30)),
    (0x0000, 0x98, "07EA0716", date(2026, 7, 22)),
    (0x0000, 0x81, "08", b"\x08"),
    (0x0000, 0x8C, "53494D2D31" + "00" * 7, "SIM-1"),
    (0x0000, 0x9A, "43000003E8", OperatingTime("hour", 1000)),
    (0x0000, 0x9F, "048088CFDA", frozenset({0x80, 0x88, 0xCF, 0xDA})),
    (0x0EF0, 0xD6, "02027D01028801", (Eoj(2, 0x7D, 1), Eoj(2, 0x88, 1))),
    (0x0EF0, 0xD7, "02027D0288", (0x027D, 0x0288)),
    (0x0279, 0xE0, "1388", 5000),
    (0x0279, 0xB1, HALF_PAST_TEN_HEX, HALF_PAST_TEN),
    (
        0x0279,
        0xB0,
        "07EA0716" + "64" * 95 + "FF",
        Schedule(date(2026, 7, 22), (100,) * 95 + (None,)),
    ),
    (0x0279, 0xB0, "FFFFFFFF" + "FF" * 96, Schedule(None, (None,) * 96)),
    (0x027E, 0xE0, "FFFFF448", -3000),
    (0x027E, 0xE6, "03414243", b"ABC"),
    (0x027C, 0xC7, "00FA", Decimal("0.250")),
    (0x027C, 0xD1, "06001700", TimeSpan(time(6, 0), time(23, 0))),
    (0x026B, 0xCB, "000001F4" * 3 + "FFFFFFFF", (500, 500, 500, None)),
    (0x026B, 0xCC, "01F4" * 4, (500,) * 4),
    (0x026B, 0xCE, "000001F4" * 3, (500,) * 3),
    (0x026B, 0xCF, "01F4" * 3, (500,) * 3),
    (
        0x026B,
        0xD9,
        "071605" + "0064" * 23 + "8000",
        SurplusForecast(7, 22, 5, (Decimal(1000),) * 23 + (None,)),
    ),
    (0x0288, 0xE0, "0001E240", 123456),
    (0x0288, 0xE7, "FFFFFCCC", -820),
    (0x0288, 0xE8, "0010 7FFE", Currents(Decimal("1.6"), None)),
    (0x0288, 0xE8, "FFF0 0010", Currents(Decimal("-1.6"), Decimal("1.6"))),
    (0x0288, 0xEA, HALF_PAST_TEN_HEX + "0001E240", Reading(HALF_PAST_TEN, (123456,))),
    (0x0288, 0xEB, HALF_PAST_TEN_HEX + "FFFFFFFE", Reading(HALF_PAST_TEN, (None,))),
    (0x0288, 0xD0, HALF_PAST_TEN_HEX + "0001E24000000005", Reading(HALF_PAST_TEN, (123456, 5))),
    (0x0288, 0xE2, "0001" + "0001E240" * 47 + "FFFFFFFE", History(1, (123456,) * 47 + (None,))),
    (0x0288, 0xE4, "00FF" + "FFFFFFFE" * 48, History(None, (None,) * 48)),
    (0x02A5, 0xE8, "02027901027D01", (Eoj(2, 0x79, 1), Eoj(2, 0x7D, 1))),
]
CASES = pytest.mark.parametrize(
    ("row", "edt", "value"),
    [((class_code, epc), bytes.fromhex(edt), value) for class_code, epc, edt, value in VALUES],
    ids=[f"{class_code:04X}.{epc:02X}-{edt[:16]}" for class_code, epc, edt, _ in VALUES],
)


def row_of(class_code: int, epc: int) -> PropertySpec:
    spec = lookup(class_code, epc)
    assert spec is not None
    return spec


@CASES
def test_an_edt_means(row: tuple[int, int], edt: bytes, value: Value) -> None:
    """A device would be misread."""
    assert decode_value(row_of(*row), edt).value == value


@CASES
def test_a_value_is_written(row: tuple[int, int], edt: bytes, value: Value) -> None:
    """A device would be told something else."""
    assert encode_value(row_of(*row), value) == edt


@CASES
def test_an_edt_of_another_size_is_the_peer_s_error(
    row: tuple[int, int], edt: bytes, value: Value
) -> None:
    """A value cut short would be read as a smaller one."""
    spec = row_of(*row)
    for wrong in (edt[:-1], edt + b"\x00" * 255):
        if wrong and spec.type not in {"raw1or17", "raw1to255"}:
            with pytest.raises(RemoteProtocolError):
                decode_value(spec, wrong)


@pytest.mark.parametrize(
    ("code", "unit"),
    [
        ("00", "1"),
        ("01", "0.1"),
        ("02", "0.01"),
        ("03", "0.001"),
        ("04", "0.0001"),
        ("0A", "10"),
        ("0B", "100"),
        ("0C", "1000"),
        ("0D", "10000"),
    ],
)
def test_a_meter_s_unit(code: str, unit: str) -> None:
    """A household would be billed a thousandfold."""
    spec = row_of(0x0288, 0xE1)
    assert decode_value(spec, bytes.fromhex(code)).value == Decimal(unit)
    assert encode_value(spec, Decimal(unit)) == bytes.fromhex(code)


def test_an_unknown_unit_is_no_value() -> None:
    """An energy would be computed with a guessed unit."""
    decoded = decode_value(row_of(0x0288, 0xE1), b"\x05")
    assert decoded.value is None
    assert decoded.reason


def test_energy_is_exact() -> None:
    """Binary noise would creep into settled energy: 3 x 0.1 kWh would not be 0.3."""
    assert energy_kwh(3, unit_kwh=Decimal("0.1")) == Decimal("0.3")
    assert energy_kwh(123456, coefficient=20, unit_kwh=Decimal("0.1")) == Decimal("246912.0")


def test_a_scaled_value_is_exact() -> None:
    """A kWh counter would gain digits that the device never sent."""
    assert str(decode_value(row_of(0x027D, 0xA8), b"\x3b\x9a\xc9\xff").value) == "999999.999"


def test_a_number_can_be_had_as_float() -> None:
    """The driver would need to know the kind of each number."""
    assert decode_value(row_of(0x027D, 0xA8), b"\x00\x00\x04\xd2").as_float() == 1.234
    assert decode_value(row_of(0x027D, 0xDA), b"\x43").as_float() is None
    assert decode_value(row_of(0x027D, 0xD3), b"\x7f\xff\xff\xff").as_float() is None


def test_an_enumeration_also_gives_its_code() -> None:
    """A mode could be compared by its English name only."""
    assert decode_value(row_of(0x027D, 0xDA), b"\x43").count == 0x43
    assert encode_value(row_of(0x027D, 0xDA), 0x43) == b"\x43"


def test_an_unknown_code_is_no_value() -> None:
    """A mode of the maker's own would be taken for one we know."""
    decoded = decode_value(row_of(0x027D, 0xDA), b"\x47")
    assert (decoded.value, decoded.count) == (None, 0x47)
    assert "47" in decoded.reason


@pytest.mark.parametrize(
    ("class_code", "epc", "edt"),
    [
        (0x027D, 0xE4, "65"),
        (0x027D, 0xE4, "FD"),
        (0x027D, 0xD3, "3B9ACA00"),
        (0x0288, 0xE0, "05F5E100"),
        (0x0000, 0x98, "07EA061F"),
        (0x0000, 0x97, "1800"),
        (0x0000, 0x98, "00000000"),
        (0x0288, 0xEA, "07EA0716 0A3C00 0001E240"),
        (0x0288, 0xE2, "0064" + "00000000" * 48),
        (0x026B, 0xD9, "0D0105" + "0064" * 24),
        (0x0000, 0x8C, "FF" * 12),
        (0x0000, 0x9A, "4500000000"),
    ],
)
def test_what_cannot_be_true_is_no_value(class_code: int, epc: int, edt: str) -> None:
    """A broken device would be believed: a state of charge of 101 %, a 31st of June."""
    decoded = decode_value(row_of(class_code, epc), bytes.fromhex(edt))
    assert decoded.value is None
    assert decoded.reason


@pytest.mark.parametrize(
    ("class_code", "epc", "edt"),
    [
        (0x0EF0, 0xD6, "02027D01"),
        (0x0EF0, 0xD6, "01027D01FF"),
        (0x0EF0, 0xD7, "02027D"),
        (0x027E, 0xE6, "044142"),
        (0x0000, 0x9F, "028080"),
    ],
)
def test_a_list_that_disagrees_with_its_count_is_the_peer_s_error(
    class_code: int, epc: int, edt: str
) -> None:
    """Devices would be lost from, or invented in, a node's list."""
    with pytest.raises(RemoteProtocolError):
        decode_value(row_of(class_code, epc), bytes.fromhex(edt))


@pytest.mark.parametrize(
    ("class_code", "epc", "value"),
    [
        (0x027D, 0xE4, 101),
        (0x027D, 0xEB, -1),
        (0x027D, 0xEB, 1_000_000_000),
        (0x027D, 0xEB, float("nan")),
        (0x027D, 0xEB, float("inf")),
        (0x027D, 0xEB, Decimal("0.5")),
        (0x027D, 0xA8, Decimal("0.0005")),
        (0x027D, 0xEB, "2000"),
        (0x027D, 0xEB, b"\0\0\0\0"),
        (0x027D, 0xDA, "idle"),
        (0x027D, 0xDA, 0x47),
        (0x027D, 0xDA, None),
        (0x027D, 0xC8, (1, 2)),
        (0x027D, 0xC8, Range(-1, 2)),
        (0x0000, 0x8C, "far too long a name"),
        (0x0000, 0x8C, "電池"),
        (0x0000, 0x81, b"\0\0"),
        (0x0EF0, 0xD6, (0x027D,)),
        (0x0EF0, 0xD7, ("027D",)),
        (0x0288, 0xE2, History(1, (1,) * 47)),
        (0x0288, 0xE1, Decimal("0.5")),
        (0x027E, 0xE6, bytes(25)),
        (0x0000, 0x9A, OperatingTime("week", 1)),
        (0x0000, 0x98, None),
    ],
)
def test_what_the_property_cannot_hold_is_not_sent(
    class_code: int, epc: int, value: Value | None
) -> None:
    """Our own bug would reach a device as another value."""
    with pytest.raises(LocalProtocolError):
        encode_value(row_of(class_code, epc), value)


def test_a_float_is_rounded_to_the_nearest_count() -> None:
    """A setpoint of the optimiser, 1999.6 W, would be cut to 1999 W or refused."""
    assert encode_value(row_of(0x027D, 0xEB), 1999.6) == b"\x00\x00\x07\xd0"
    assert encode_value(row_of(0x027D, 0xD3), -0.4) == b"\x00\x00\x00\x00"


@pytest.mark.parametrize(
    ("class_code", "epc", "edt"),
    [
        (0x027C, 0xD1, "FFFFFFFF"),
        (0x026B, 0xB3, "FD"),
        (0x0288, 0xE5, "FF"),
        (0x0279, 0xE8, "FFFF"),
    ],
)
def test_a_property_s_own_code_may_be_set(class_code: int, epc: int, edt: str) -> None:
    """A setting could not be cleared any more."""
    assert check_edt(row_of(class_code, epc), bytes.fromhex(edt)) == ""


@pytest.mark.parametrize(
    ("class_code", "epc", "edt"),
    [
        (0x027D, 0xEB, "FFFFFFFF"),
        (0x027D, 0xA6, "FE"),
        (0x026B, 0xD9, "8000"),
        (0x027C, 0xD1, "FF"),
    ],
)
def test_a_range_code_or_a_wrong_size_may_not_be_set(class_code: int, epc: int, edt: str) -> None:
    """A device would charge with 4294967295 W."""
    assert check_edt(row_of(class_code, epc), bytes.fromhex(edt))
