"""ECHONET Lite Specification part II, 3.2: the frame format, on worked frames."""

import pytest

from protocols.echonet_lite.frame import (
    FRAME_BYTES_MAX,
    Eoj,
    Esv,
    Frame,
    Property,
    decode_frame,
    encode_frame,
)
from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError

GET_RES = bytes.fromhex("10810001027D0105FF017202E40132D304FFFFFA24")
SETGET = bytes.fromhex("1081000905FF01027D016E01DA014401E400")


def block(text: str) -> tuple[Property, ...]:
    pairs = (entry.partition("=") for entry in text.split())
    return tuple(Property(int(epc, 16), bytes.fromhex(edt)) for epc, _, edt in pairs)


def frame_of(row: dict[str, str]) -> Frame:
    return Frame(
        tid=int(row["tid"]),
        seoj=Eoj.parse(row["seoj"]),
        deoj=Eoj.parse(row["deoj"]),
        esv=Esv(int(row["esv"], 16)),
        properties=block(row["properties"]),
        second=block(row["second"]),
    )


def test_a_worked_frame_decodes_to_its_meaning(frames: dict[str, str]) -> None:
    """A device's frame would be read as something it does not say."""
    assert decode_frame(bytes.fromhex(frames["hex"])) == frame_of(frames)


def test_a_worked_frame_encodes_to_its_bytes(frames: dict[str, str]) -> None:
    """Devices of other makers would not understand what we send."""
    assert encode_frame(frame_of(frames)) == bytes.fromhex(frames["hex"])


def test_every_truncation_of_a_worked_frame_is_refused(frames: dict[str, str]) -> None:
    """Half a datagram would be taken for a whole answer."""
    data = bytes.fromhex(frames["hex"])
    for length in range(len(data)):
        with pytest.raises(RemoteProtocolError):
            decode_frame(data[:length])


def test_a_byte_behind_the_last_property_is_refused(frames: dict[str, str]) -> None:
    """A frame whose counts are wrong would be half read."""
    with pytest.raises(RemoteProtocolError):
        decode_frame(bytes.fromhex(frames["hex"]) + b"\x00")


@pytest.mark.parametrize("head", ["1082", "1080", "0081", "FFFF"])
def test_other_formats_are_refused(head: str) -> None:
    """A free-format message (EHD2 82) would be read as properties."""
    with pytest.raises(RemoteProtocolError):
        decode_frame(bytes.fromhex(head) + GET_RES[2:])


def test_every_service_code_that_the_specification_does_not_have_is_refused() -> None:
    """A reserved service would be acted upon by guess."""
    known = {int(esv) for esv in Esv}
    refused = 0
    for code in set(range(256)) - known:
        with pytest.raises(RemoteProtocolError):
            decode_frame(GET_RES[:10] + bytes((code,)) + GET_RES[11:])
        refused += 1
    assert refused == 256 - 16


def test_opc_zero_is_refused() -> None:
    """A frame that asks for nothing would get an answer that says nothing."""
    with pytest.raises(RemoteProtocolError):
        decode_frame(GET_RES[:11] + b"\x00")


@pytest.mark.parametrize("opc", [1, 3, 255])
def test_opc_that_disagrees_with_the_properties_is_refused(opc: int) -> None:
    """A wrong count would cut off or invent properties."""
    with pytest.raises(RemoteProtocolError):
        decode_frame(GET_RES[:11] + bytes((opc,)) + GET_RES[12:])


@pytest.mark.parametrize("pdc", [0, 3, 5, 255])
def test_pdc_that_disagrees_with_the_data_is_refused(pdc: int) -> None:
    """The next property would begin in the middle of this one's value."""
    with pytest.raises(RemoteProtocolError):
        decode_frame(GET_RES[:16] + bytes((pdc,)) + GET_RES[17:])


def test_setget_without_its_second_block_is_refused() -> None:
    """A SetGet cut after its Set block would set and never read."""
    with pytest.raises(RemoteProtocolError):
        decode_frame(SETGET[:15])


def test_a_datagram_longer_than_udp_can_carry_is_refused() -> None:
    """Memory could be filled by what cannot have come from the wire."""
    with pytest.raises(RemoteProtocolError):
        decode_frame(GET_RES + bytes(FRAME_BYTES_MAX))


@pytest.mark.parametrize("tid", [-1, 0x10000])
def test_a_tid_of_three_bytes_is_not_sent(tid: int) -> None:
    """Our own bug would reach the wire as a broken frame."""
    with pytest.raises(LocalProtocolError):
        encode_frame(Frame(tid, Eoj(5, 255, 1), Eoj(2, 125, 1), Esv.GET, (Property(0xE4),)))


@pytest.mark.parametrize(
    "properties",
    [
        (),
        tuple(Property(0x80) for _ in range(256)),
        (Property(0x80, bytes(256)),),
        (Property(0x100),),
    ],
    ids=["none", "too many", "too long", "no byte"],
)
def test_properties_that_do_not_fit_are_not_sent(properties: tuple[Property, ...]) -> None:
    """Our own bug would reach the wire as a frame that says something else."""
    with pytest.raises(LocalProtocolError):
        encode_frame(Frame(1, Eoj(5, 255, 1), Eoj(2, 125, 1), Esv.SET_C, properties))


def test_a_second_block_is_only_for_setget() -> None:
    """A Get with two blocks would be refused by every device."""
    one = (Property(0x80),)
    with pytest.raises(LocalProtocolError):
        encode_frame(Frame(1, Eoj(5, 255, 1), Eoj(2, 125, 1), Esv.GET, one, one))


def test_a_frame_longer_than_a_datagram_is_not_sent() -> None:
    """The socket would refuse what the codec made, far from the cause."""
    properties = tuple(Property(0x86, bytes(255)) for _ in range(255))
    with pytest.raises(LocalProtocolError):
        encode_frame(Frame(1, Eoj(5, 255, 1), Eoj(2, 125, 1), Esv.SET_C, properties))


@pytest.mark.parametrize("text", ["", "027D", "027D0101", "027G01", "02 7D 01", "0x27D1"])
def test_an_object_code_is_six_hexadecimal_digits(text: str) -> None:
    """A typing error in a site's file would address another device."""
    with pytest.raises(LocalProtocolError):
        Eoj.parse(text)


def test_an_object_code_reads_and_prints() -> None:
    """People could not find a device of the log in the site's file."""
    eoj = Eoj.parse("027d01")
    assert (eoj, str(eoj), eoj.class_code) == (Eoj(2, 0x7D, 1), "027D01", 0x027D)
