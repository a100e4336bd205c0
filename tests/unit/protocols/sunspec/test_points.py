"""Points of SunSpec models: registers to values and back, with codes for "not there"."""

import pytest

from protocols.sunspec.models import MODELS, Layout, layout_for_length, layout_of
from protocols.sunspec.points import Block, encode, encode_text, unimplemented
from protocols.vocabulary.errors import LocalProtocolError


def known(model_id: int) -> Layout:
    found = layout_of(model_id)
    assert found is not None
    return found


def block(model_id: int, **points: int) -> Block:
    """Whole model with raw registers set, everything else not implemented."""
    layout = known(model_id)
    data = bytearray(b"".join(unimplemented(point) for point in layout.points.values()))
    for name, raw in points.items():
        point = layout.points[name]
        begin = 2 * point.offset
        size = 2 * point.size
        data[begin : begin + size] = raw.to_bytes(size, "big", signed=raw < 0)
    return Block(layout=layout, start=0, data=bytes(data))


OFFSETS = {
    1: {"Mn": 2, "Md": 18, "Vr": 42, "SN": 50, "DA": 66},
    103: {"W": 14, "W_SF": 15, "Hz": 16, "WH": 24, "St": 38},
    120: {"DERTyp": 2, "WRtg": 3, "WHRtg": 19, "MaxChaRte": 23, "MaxDisChaRte": 25},
    123: {"WMaxLimPct": 5, "WMaxLimPct_RvrtTms": 7, "WMaxLim_Ena": 9, "WMaxLimPct_SF": 23},
    124: {"WChaMax": 2, "StorCtl_Mod": 5, "OutWRte": 12, "InWRte": 13, "InOutWRte_RvrtTms": 15},
    701: {"St": 3, "InvSt": 4, "W": 10, "Hz": 17, "TotWhInj": 19, "W_SF": 116, "TotWh_SF": 120},
    702: {"WMaxRtg": 2, "WChaRteMaxRtg": 10, "WMax": 26, "WChaRteMax": 34, "W_SF": 45},
    704: {"WSetEna": 22, "WSet": 24, "WSetRvrt": 26, "WSetEnaRvrt": 30, "WSetRvrtTms": 31},
    713: {"WHRtg": 2, "WHAvail": 3, "SoC": 4, "WH_SF": 7, "Pct_SF": 8},
    714: {"NPrt": 4, "DCW": 6, "DCW_SF": 17},
    802: {"WHRtg": 3, "SoC": 11, "ChaSt": 16, "Hb": 18, "W": 47, "SetOp": 50},
}
LENGTHS = {1: 66, 103: 50, 111: 60, 123: 24, 124: 24, 203: 105, 213: 124, 701: 153, 702: 50}
LENGTHS |= {704: 65, 713: 7, 714: 18, 802: 62}


@pytest.mark.parametrize("model_id", OFFSETS)
def test_points_stand_where_the_specification_puts_them(model_id: int) -> None:
    """If it fails, everything is read from the register beside the right one."""
    points = known(model_id).points
    assert {name: points[name].offset for name in OFFSETS[model_id]} == OFFSETS[model_id]


def test_models_have_the_specified_lengths() -> None:
    """If it fails, the walk takes devices for broken that are not, or the other way round."""
    assert {model_id: known(model_id).length for model_id in LENGTHS} == LENGTHS
    assert all(layout_of(model_id) is not None for model_id in MODELS)
    assert layout_of(64_000) is None


def test_repeating_groups_follow_from_the_length() -> None:
    """If it fails, the DC ports of a device with two of them are read wrong."""
    two = layout_for_length(714, 18 + 2 * 25)
    assert two is not None
    assert two.points["Prt.2.DCW"].scale == "DCW_SF"
    assert two.points["Prt.2.DCW"].offset == two.points["Prt.1.DCW"].offset + 25


def test_values_carry_the_scale_factor_of_the_same_registers() -> None:
    """If it fails, a power is wrong by powers of ten whenever a device rescales itself."""
    assert block(701, W=-150, W_SF=1).number("W") == -1500.0
    assert block(701, W=-150, W_SF=-1).number("W") == -15.0
    assert block(701, Hz=5002, Hz_SF=-2).number("Hz") == 50.02
    assert block(713, SoC=625, Pct_SF=-1).number("SoC") == 62.5


@pytest.mark.parametrize(
    ("model_id", "name", "cause"),
    [
        (701, "W", "not implemented (8000)"),
        (701, "Hz", "not implemented (FFFFFFFF)"),
        (701, "TotWhInj", "not implemented (FFFFFFFFFFFFFFFF)"),
        (701, "InvSt", "not implemented (FFFF)"),
        (704, "WSet", "not implemented (80000000)"),
        (103, "WH", "not implemented (00000000)"),
        (111, "W", "not implemented (7FC00000)"),
        (1, "SN", "the text is empty"),
        (701, "Nothing", "has no point Nothing"),
    ],
)
def test_codes_for_nothing_are_no_numbers(model_id: int, name: str, cause: str) -> None:
    """If it fails, "not implemented" becomes a measurement."""
    value = block(model_id).value(name)
    assert value.number is None
    assert cause in value.reason


@pytest.mark.parametrize("factor", [-32768, 11, -11, 300])
def test_a_scale_factor_that_cannot_be_makes_no_number(factor: int) -> None:
    """If it fails, a missing scale factor scales by 10 to the -32768, or not at all."""
    value = block(701, W=100, W_SF=factor).value("W")
    assert value.number is None
    assert "W_SF" in value.reason


def test_registers_that_were_not_read_are_not_guessed() -> None:
    """If it fails, a short answer is read beyond its end."""
    whole = block(701, W=100, W_SF=0)
    part = Block(layout=whole.layout, start=10, data=whole.data[20:40])
    assert part.value("W").number is None
    assert "W_SF" in part.value("W").reason
    assert "beyond" in part.value("InvSt").reason


def test_text_is_cut_at_its_end_whatever_the_bytes() -> None:
    """If it fails, a maker's name of foreign bytes brings the walk down."""
    layout = known(1)
    data = bytearray(2 * layout.size)
    data[4:10] = b"\xff\xfeAcm"[:6].ljust(6, b"\0")
    assert "Acm" in Block(layout=layout, start=0, data=bytes(data)).value("Mn").text


def test_what_does_not_fit_is_not_written() -> None:
    """If it fails, a setpoint wraps around and charges instead of discharging."""
    points = known(704).points
    assert encode(points["WSet"], -2500.0, 1) == bytes.fromhex("FFFFFF06")
    with pytest.raises(LocalProtocolError, match="does not fit WSet"):
        encode(points["WSet"], 1e12, 0)
    with pytest.raises(LocalProtocolError, match="does not fit"):
        encode(points["WMaxLimPct"], -1.0, 0)
    with pytest.raises(LocalProtocolError, match="not implemented"):
        encode(points["WMaxLimPct"], 65535.0, 0)
    with pytest.raises(LocalProtocolError, match="does not fit"):
        encode(points["WSet"], float("nan"), 0)


def test_text_fits_its_registers() -> None:
    """If it fails, a long serial number writes over the point behind it."""
    point = known(1).points["SN"]
    assert encode_text(point, "x" * 99) == b"x" * 32
    assert len(encode_text(point, "a")) == 32
