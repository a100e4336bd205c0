"""ECHONET Lite devices from templates, without sockets: the wire shows what the file says."""

import pytest

from firmware_sim.devices.contract import Span
from firmware_sim.devices.echonet_lite.build import echonet_device
from firmware_sim.devices.echonet_lite.node import SimulatedNode
from firmware_sim.faults import Fault, FaultKind
from protocols.echonet_lite.frame import (
    CONTROLLER,
    Eoj,
    Esv,
    Frame,
    Property,
    decode_frame,
    encode_frame,
)
from protocols.echonet_lite.properties import decode_value, lookup
from protocols.echonet_lite.property_map import decode_property_map
from protocols.templates.catalogue import catalogue, template_of
from protocols.templates.echonet_lite import EchonetWire

T0 = 1_784_689_200.0
TEMPLATES = tuple(name for name, each in catalogue().items() if isinstance(each.wire, EchonetWire))


def node_of(template_id: str) -> SimulatedNode:
    """Device that has lived for a few seconds."""
    node = echonet_device(template_of(template_id), "s/d", seed=1, soc_start=0.5, wall_s=T0)
    live(node, 5)
    return node


def live(node: SimulatedNode, seconds: int, *, from_s: float = T0) -> None:
    """Let time pass."""
    for second in range(seconds):
        begin_s = from_s + second
        span = Span(start_s=begin_s, end_s=begin_s + 1.0, others_w=-500.0, house_w=-500.0)
        node.advance(span)


def eoj_of(template_id: str) -> Eoj:
    """Object of a template's device."""
    wire = template_of(template_id).wire
    assert isinstance(wire, EchonetWire)
    return Eoj.of(wire.class_code, 1)


def ask(node: SimulatedNode, eoj: Eoj, esv: Esv, *properties: Property) -> Frame:
    """Ask one thing and return the answer."""
    frame = Frame(7, CONTROLLER, eoj, esv, properties)
    (out,) = node.receive(encode_frame(frame), T0 + 5.0)
    return decode_frame(out.data)


@pytest.mark.parametrize("template_id", TEMPLATES)
def test_maps_and_values_are_those_of_the_template(template_id: str) -> None:
    """If it fails, a template says of a product what its simulation does not show."""
    node, eoj = node_of(template_id), eoj_of(template_id)
    wire = template_of(template_id).wire
    assert isinstance(wire, EchonetWire)
    assert not node.lacking
    get_map = ask(node, eoj, Esv.GET, Property(0x9F)).properties[0].edt
    set_map = ask(node, eoj, Esv.GET, Property(0x9E)).properties[0].edt
    readable, settable = decode_property_map(get_map), decode_property_map(set_map)
    assert wire.readable <= readable
    assert settable - {0x81} == wire.settable - {0x81}
    for epc in sorted(readable):
        answer = ask(node, eoj, Esv.GET, Property(epc))
        assert answer.esv is Esv.GET_RES, f"{epc:02X}"
        spec = lookup(wire.class_code, epc)
        assert spec is not None
        assert decode_value(spec, answer.properties[0].edt).reason in {
            "",
            "not measured",
            "undefined",
        }
    hidden = frozenset(range(0x80, 0x100)) - readable
    for epc in sorted(hidden)[:10]:
        assert ask(node, eoj, Esv.GET, Property(epc)).esv is Esv.GET_SNA


def test_a_product_that_takes_one_property_at_a_time_takes_no_two() -> None:
    """If it fails, a driver that sends too much at once is never refused."""
    node, eoj = node_of("echonet-battery-watchdog"), eoj_of("echonet-battery-watchdog")
    two = (Property(0xEB, b"\0\0\x03\xe8"), Property(0xDA, b"\x42"))
    assert ask(node, eoj, Esv.SET_C, *two).esv is Esv.SET_C_SNA
    for one in two:
        assert ask(node, eoj, Esv.SET_C, one).esv is Esv.SET_RES
    assert node.appliance.asked_w == -1000.0


def test_a_product_of_few_answers_per_frame_leaves_the_rest_empty() -> None:
    """If it fails, a driver that takes silence on a property for a value is never caught."""
    node, eoj = node_of("echonet-meter-route-b"), eoj_of("echonet-meter-route-b")
    epcs = (0xD3, 0xD7, 0xE0, 0xE1, 0xE3, 0xE7)
    answer = ask(node, eoj, Esv.GET, *(Property(epc) for epc in epcs))
    assert answer.esv is Esv.GET_SNA
    assert [bool(entry.edt) for entry in answer.properties] == [True] * 4 + [False] * 2


def test_a_signed_v2h_works_at_its_one_power_and_an_amount_ends_it() -> None:
    """If it fails, the signed power is turned, or a lease by amount never ends."""
    node, eoj = node_of("echonet-v2h-signed"), eoj_of("echonet-v2h-signed")
    for entry in (
        Property(0xDC, b"\x06"),
        Property(0xDD, b"\x06"),
        Property(0xE0, (-2000).to_bytes(4, "big", signed=True)),
        Property(0xDA, b"\x46"),
    ):
        assert ask(node, eoj, Esv.SET_C, entry).esv is Esv.SET_RES
    live(node, 10, from_s=T0 + 5.0)
    assert node.reading.power_w == pytest.approx(2000.0)
    node, eoj = node_of("echonet-v2h-power"), eoj_of("echonet-v2h-power")
    for entry in (
        Property(0xDD, b"\x03"),
        Property(0xEC, (3600).to_bytes(4, "big")),
        Property(0xEA, (5).to_bytes(4, "big")),
        Property(0xDA, b"\x43"),
    ):
        assert ask(node, eoj, Esv.SET_C, entry).esv is Esv.SET_RES
    live(node, 20, from_s=T0 + 5.0)
    assert node.reading.power_w == pytest.approx(0.0)
    assert node.appliance.asked_w == 0.0


def test_an_air_conditioner_takes_less_when_it_is_asked_to() -> None:
    """If it fails, power saving of a room's air conditioner is an answer without an effect."""
    template_id = "echonet-air-conditioner-saving"
    node, eoj = node_of(template_id), eoj_of(template_id)
    before_w = node.reading.power_w
    assert node.appliance.asked_w is None
    ask(node, eoj, Esv.SET_C, Property(0xB3, bytes((29,))))
    live(node, 30, from_s=T0 + 5.0)
    assert before_w < node.reading.power_w <= 0.0
    assert node.appliance.asked_w == 0.0
    ask(node, eoj, Esv.SET_C, Property(0x80, b"\x31"))
    live(node, 30, from_s=T0 + 35.0)
    assert node.reading.power_w == 0.0


def test_a_circuit_meter_shows_its_secondary_side() -> None:
    """If it fails, a meter behind a transformer is read without its coefficient and nobody sees."""
    node, eoj = node_of("echonet-sub-meter"), eoj_of("echonet-sub-meter")
    power = ask(node, eoj, Esv.GET, Property(0xE7)).properties[0].edt
    ratio = ask(node, eoj, Esv.GET, Property(0xD3)).properties[0].edt
    shown_w = int.from_bytes(power, "big", signed=True)
    assert shown_w * int.from_bytes(ratio, "big") == pytest.approx(500.0, abs=10.0)


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (FaultKind.WRONG_TRANSACTION, "tid"),
        (FaultKind.WRONG_UNIT, "seoj"),
        (FaultKind.EXCEPTION, "esv"),
        (FaultKind.NO_DATA, "properties"),
        (FaultKind.OUT_OF_RANGE, "properties"),
    ],
)
def test_a_fault_changes_what_it_names_and_ends(kind: FaultKind, what: str) -> None:
    """If it fails, the fault matrix is proven with faults that are not there."""
    node, eoj = node_of("echonet-battery-amount"), eoj_of("echonet-battery-amount")
    wanted = (Property(0xE4), Property(0xDA))
    right = ask(node, eoj, Esv.GET, *wanted)
    node.switch_on(Fault(kind=kind), T0)
    wrong = ask(node, eoj, Esv.GET, *wanted)
    node.switch_off(kind)
    again = ask(node, eoj, Esv.GET, *wanted)
    assert getattr(wrong, what) != getattr(right, what)
    assert again == right


def test_a_clock_that_jumps_shows_another_day_and_measures_the_same() -> None:
    """If it fails, a device's clock moves its measurements, or nothing at all."""
    node, eoj = node_of("echonet-battery-amount"), eoj_of("echonet-battery-amount")
    day = ask(node, eoj, Esv.GET, Property(0x98), Property(0xD3)).properties
    node.switch_on(Fault(kind=FaultKind.CLOCK_JUMP, offset_s=-86_400.0), T0)
    jumped = ask(node, eoj, Esv.GET, Property(0x98), Property(0xD3)).properties
    assert jumped[0] != day[0]
    assert jumped[1] == day[1]
