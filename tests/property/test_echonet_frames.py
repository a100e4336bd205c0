"""Laws of the ECHONET Lite codec over drawn frames, garbage and values."""

import contextlib
import string

from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.echonet_lite.frame import (
    CONTROLLER,
    Eoj,
    Esv,
    Frame,
    Property,
    decode_frame,
    encode_frame,
)
from protocols.echonet_lite.node import (
    LocalNode,
    LocalObject,
    NodeIdentity,
    device_properties,
    local_property,
)
from protocols.echonet_lite.properties import (
    Access,
    PropertySpec,
    check_edt,
    decode_value,
    encode_value,
    properties_of,
)
from protocols.echonet_lite.property_map import decode_property_map, encode_property_map
from protocols.echonet_lite.requester import Peer, Requester, get
from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError

CLASSES = (0x0EF0, 0x027D, 0x0279, 0x027E, 0x02A1, 0x027C, 0x026B, 0x0288, 0x028D, 0x02A5, 0x0130)
SPECS = [spec for class_code in CLASSES for spec in properties_of(class_code)]
BYTE = st.integers(0, 255)

properties = st.builds(Property, BYTE, st.binary(max_size=255))
blocks = st.lists(properties, min_size=1, max_size=12).map(tuple)
eojs = st.builds(Eoj, BYTE, BYTE, BYTE)


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    esv = draw(st.sampled_from(Esv))
    second = draw(blocks) if esv.has_second_block else ()
    return Frame(draw(st.integers(0, 0xFFFF)), draw(eojs), draw(eojs), esv, draw(blocks), second)


@given(frames())
def test_a_frame_survives_the_wire(frame: Frame) -> None:
    """A device would receive something else than was sent."""
    assert decode_frame(encode_frame(frame)) == frame


@given(frames(), st.data())
def test_a_part_of_a_frame_is_refused(frame: Frame, data: st.DataObject) -> None:
    """Half a datagram would be taken for a whole one."""
    encoded = encode_frame(frame)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    refused = False
    try:
        decode_frame(encoded[:cut])
    except RemoteProtocolError:
        refused = True
    assert refused


@given(frames(), st.binary(min_size=1, max_size=20))
def test_bytes_behind_a_frame_are_refused(frame: Frame, tail: bytes) -> None:
    """A frame with wrong counts would be half read."""
    refused = False
    try:
        decode_frame(encode_frame(frame) + tail)
    except RemoteProtocolError:
        refused = True
    assert refused


@given(st.binary(max_size=600) | st.binary(max_size=600).map(lambda tail: b"\x10\x81" + tail))
def test_garbage_is_refused_or_is_a_frame(data: bytes) -> None:
    """One hostile datagram would stop the gateway's reading (as it does uecho's)."""
    with contextlib.suppress(RemoteProtocolError):
        assert encode_frame(decode_frame(data)) == data


@given(st.sets(st.integers(0x80, 0xFF)))
def test_a_map_survives_the_wire(epcs: set[int]) -> None:
    """A device's properties would be lost."""
    assert decode_property_map(encode_property_map(epcs)) == epcs


@given(st.binary(max_size=20))
def test_a_map_from_garbage_is_refused_or_agrees_with_its_count(edt: bytes) -> None:
    """A wrong map would be believed."""
    with contextlib.suppress(RemoteProtocolError):
        assert len(decode_property_map(edt)) == edt[0]


@settings(max_examples=300)
@given(st.sampled_from(SPECS), st.binary(min_size=1, max_size=255))
def test_any_edt_of_any_property_is_read_or_refused(spec: PropertySpec, edt: bytes) -> None:
    """A value that a device should never send would stop the gateway's reading."""
    with contextlib.suppress(RemoteProtocolError):
        decoded = decode_value(spec, edt)
        assert (decoded.value is None) == bool(decoded.reason)
        if decoded.value is not None and spec.type not in {"text12", "map", "schedule"}:
            again = encode_value(spec, decoded.value)
            assert decode_value(spec, again) == decoded


def sized(spec: PropertySpec) -> st.SearchStrategy[bytes]:
    """EDTs of the size of a number."""
    assert spec.number is not None
    return st.binary(min_size=spec.number.size, max_size=spec.number.size)


@given(st.data())
def test_a_number_is_its_count_times_the_multiplier(data: st.DataObject) -> None:
    """A scale would be applied twice, or on one way only."""
    numbers = [
        spec for spec in SPECS if spec.type in {"uint8", "uint16", "uint32", "int16", "int32"}
    ]
    spec = data.draw(st.sampled_from(numbers))
    edt = data.draw(sized(spec))
    decoded = decode_value(spec, edt)
    if decoded.value is not None:
        assert decoded.count is not None
        assert decoded.value == decoded.count * spec.multiplier
        assert spec.minimum <= decoded.count <= spec.maximum
        assert encode_value(spec, decoded.value) == edt
        assert encode_value(spec, float(decoded.value)) == edt


@given(st.sampled_from(SPECS), st.integers() | st.floats() | st.text(string.printable, max_size=20))
def test_any_value_is_written_so_that_it_reads_back_or_is_refused(
    spec: PropertySpec, value: float | str
) -> None:
    """A setpoint out of range would wrap around to another one."""
    with contextlib.suppress(LocalProtocolError):
        edt = encode_value(spec, value)
        assert len(edt) <= 255
        if spec.type != "text12":
            assert decode_value(spec, edt).value is not None


def battery() -> LocalNode:
    identity = NodeIdentity.of(b"drawn")
    rows = [
        *device_properties(0x027D, identity),
        *(
            local_property(0x027D, spec.epc, next(iter(spec.codes.values())))
            for spec in properties_of(0x027D)
            if spec.class_code == 0x027D and spec.type == "code1"
        ),
        *(
            local_property(0x027D, spec.epc, 0)
            for spec in properties_of(0x027D)
            if spec.class_code == 0x027D and spec.type in {"uint8", "uint16", "uint32", "int32"}
        ),
    ]
    return LocalNode([LocalObject(Eoj(2, 0x7D, 1), rows)], identity)


@settings(max_examples=200)
@given(
    st.sampled_from(Esv),
    st.lists(st.builds(Property, BYTE, st.binary(max_size=5)), min_size=1, max_size=40).map(tuple),
    st.lists(st.builds(Property, st.integers(0x80, 0xFF)), min_size=1, max_size=40).map(tuple),
)
def test_a_node_answers_any_request_with_the_same_epcs_in_order(
    esv: Esv, asked: tuple[Property, ...], second: tuple[Property, ...]
) -> None:
    """A controller could not match an answer to what it asked, or the node would fall over."""
    node = battery()
    request = Frame(
        5, CONTROLLER, Eoj(2, 0x7D, 1), esv, asked, second if esv.has_second_block else ()
    )
    answers = node.respond(request)
    assert len(answers) <= (1 if esv.is_request else 0)
    for answer in answers:
        assert decode_frame(encode_frame(answer.frame)) == answer.frame
        assert answer.frame.tid == 5
        assert [entry.epc for entry in answer.frame.properties] == [p.epc for p in asked]
        assert [entry.epc for entry in answer.frame.second] == [p.epc for p in request.second]


@settings(max_examples=200)
@given(st.lists(st.builds(Property, st.integers(0x80, 0xFF), st.binary(max_size=9)), min_size=1))
def test_a_node_never_holds_a_value_its_class_does_not_have(asked: list[Property]) -> None:
    """A hostile Set would put a simulated device into an impossible state."""
    node = battery()
    device = node.object(Eoj(2, 0x7D, 1))
    node.respond(Frame(5, CONTROLLER, device.eoj, Esv.SET_I, tuple(asked[:255])))
    for spec in properties_of(0x027D):
        held = device.get(spec.epc)
        if held is not None and spec.set_ is not Access.NONE:
            assert check_edt(spec, held) == ""


@settings(max_examples=100)
@given(st.lists(frames(), max_size=30), st.lists(st.integers(0, 3), max_size=30))
def test_a_requester_survives_anything_that_comes(incoming: list[Frame], steps: list[int]) -> None:
    """A flood of stray frames would lose the answer that counts."""
    peer = Peer("127.1.1.11", Eoj(2, 0x7D, 1))
    requester = Requester(CONTROLLER, first_tid=7)
    wanted = requester.submit(get(peer, [0xE4]), 0)
    requester.take_datagrams()
    for step, frame in enumerate(incoming):
        address = "127.1.1.11" if step in steps else "127.1.1.12"
        for event in requester.receive(address, frame, step):
            assert getattr(event, "request_id", wanted) == wanted
    if requester.waiting(peer):
        reply = Frame(7, peer.eoj, CONTROLLER, Esv.GET_RES, (Property(0xE4, b"\x32"),))
        (event,) = requester.receive(peer.address, reply, 31)
        assert getattr(event, "values", None) == {0xE4: b"\x32"}
