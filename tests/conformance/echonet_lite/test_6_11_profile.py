"""ECHONET Lite Specification part II, 6.11: node profile and the maps of every object."""

from typing import Any

import pytest

from protocols.echonet_lite.frame import CONTROLLER, NODE_PROFILE, Eoj, Esv, Frame, Property
from protocols.echonet_lite.node import (
    INSTANCES_MAX,
    LocalNode,
    LocalObject,
    NodeIdentity,
    device_properties,
    local_property,
)
from protocols.echonet_lite.properties import required_epcs
from protocols.echonet_lite.property_map import decode_property_map
from protocols.vocabulary.errors import LocalProtocolError

NODE_ID = bytes.fromhex("FEFFFFFF") + bytes(9) + b"test"


def profile_value(node: LocalNode, epc: int) -> bytes:
    request = Frame(7, CONTROLLER, NODE_PROFILE, Esv.GET, (Property(epc),))
    (answer,) = node.respond(request)
    assert answer.frame.esv is Esv.GET_RES
    return answer.frame.properties[0].edt


@pytest.mark.parametrize(
    ("epc", "edt"),
    [
        (0x80, "30"),
        (0x82, "010D0100"),
        (0x83, NODE_ID.hex()),
        (0x8A, "FFFFFF"),
        (0xD3, "000002"),
        (0xD4, "0002"),
        (0xD6, "02027D01027D02"),
        (0xD7, "01027D"),
    ],
)
def test_the_node_profile_says(battery: Any, epc: int, edt: str) -> None:
    """Controllers would not find the node's devices."""
    assert profile_value(battery.node, epc) == bytes.fromhex(edt)


def test_the_node_profile_gives_every_required_property(battery: Any) -> None:
    """A controller of another maker would take the node for broken."""
    gettable = decode_property_map(profile_value(battery.node, 0x9F))
    assert required_epcs(NODE_PROFILE.class_code) <= gettable


def test_the_instance_list_notification_is_announced_only(battery: Any) -> None:
    """The map would promise a Get that the worked table does not require."""
    assert 0xD5 in decode_property_map(profile_value(battery.node, 0x9D))
    assert 0xD5 not in decode_property_map(profile_value(battery.node, 0x9F))


def test_the_gateway_is_a_node_too() -> None:
    """Devices that look for their controller would not find the gateway."""
    identity = NodeIdentity.of(b"gw")
    gateway = LocalNode(
        [LocalObject(CONTROLLER, device_properties(CONTROLLER.class_code, identity))], identity
    )
    assert profile_value(gateway, 0xD6) == bytes.fromhex("0105FF01")
    request = Frame(3, Eoj(2, 0x7D, 1), CONTROLLER, Esv.INFC, (Property(0xDA, b"\x42"),))
    (answer,) = gateway.respond(request)
    assert (answer.frame.esv, answer.frame.tid) == (Esv.INFC_RES, 3)


def test_the_maps_of_an_object_are_what_it_really_does(battery: Any) -> None:
    """The driver obeys the maps: a wrong one costs a function or a refused Set."""
    get = decode_property_map(battery.first.value(0x9F))
    settable = decode_property_map(battery.first.value(0x9E))
    for epc in range(0x80, 0x100):
        assert (battery.first.get(epc) is not None) == (epc in get)
        (answer,) = battery.ask(Esv.SET_C, Property(epc, answerable(battery, epc)))
        assert (answer.esv is Esv.SET_RES) == (epc in settable)


def answerable(battery: Any, epc: int) -> bytes:
    """Take the value held, so that a Set of it fits; a byte where there is none."""
    return battery.first.get(epc) or b"\x30"


def test_the_battery_s_super_class_is_complete(battery: Any) -> None:
    """A controller of another maker would take the device for broken."""
    gettable = decode_property_map(battery.first.value(0x9F))
    super_class = {epc for epc in required_epcs(0x027D) if epc < 0xA0}
    assert super_class <= gettable


def test_a_faulty_map_can_be_sent(battery: Any) -> None:
    """The driver's answer to wrong maps could not be tried."""
    battery.first.override_map(0x9F, bytes(17))
    assert battery.first.get(0x9F) == bytes(17)
    assert battery.first.get(0xE4) == b"\x32"


@pytest.mark.parametrize("count", [0, INSTANCES_MAX + 1])
def test_a_node_has_1_to_84_objects(count: int) -> None:
    """The instance list would not fit in its property."""
    identity = NodeIdentity.of(b"many")
    objects = [LocalObject(Eoj.of(0x027D, 1 + i), []) for i in range(count)]
    with pytest.raises(LocalProtocolError):
        LocalNode(objects, identity)


def test_84_objects_fit() -> None:
    """The greatest node of the specification could not be built."""
    objects = [LocalObject(Eoj.of(0x027D, 1 + i), []) for i in range(INSTANCES_MAX)]
    node = LocalNode(objects, NodeIdentity.of(b"many"))
    assert len(profile_value(node, 0xD6)) == 253


def test_two_objects_of_one_code_are_refused() -> None:
    """Half of a node's devices would be unreachable."""
    twin = [LocalObject(Eoj.of(0x027D, 1), []) for _ in range(2)]
    with pytest.raises(LocalProtocolError):
        LocalNode(twin, NodeIdentity.of(b"twin"))


@pytest.mark.parametrize("node_id", [b"", bytes(17), b"\xfe" + bytes(15), b"\xfe" + bytes(17)])
def test_a_node_id_has_17_bytes_and_begins_with_fe(node_id: bytes) -> None:
    """Devices are keyed by this id: a wrong one would mix two of them up."""
    with pytest.raises(LocalProtocolError):
        NodeIdentity(node_id=node_id)


def test_a_property_follows_the_table_s_access() -> None:
    """A simulated device would take Sets that real ones of its class refuse."""
    mode = local_property(0x027D, 0xDA, "standby")
    power = local_property(0x027D, 0xD3, -1500)
    reset = local_property(0x027D, 0xD7, "reset")
    assert (mode.gettable, mode.settable, mode.announced) == (True, True, True)
    assert (power.gettable, power.settable, power.announced) == (True, False, False)
    assert (reset.gettable, reset.settable, reset.announced) == (False, True, False)


def test_a_property_s_access_can_be_narrowed() -> None:
    """A battery without a settable EB could not be simulated."""
    power = local_property(0x027D, 0xEB, 0, access="g")
    assert (power.gettable, power.settable) == (True, False)


def test_a_property_of_no_class_is_refused() -> None:
    """A typing error in a simulated device would go unnoticed."""
    with pytest.raises(LocalProtocolError):
        local_property(0x027D, 0xF0, 1)
