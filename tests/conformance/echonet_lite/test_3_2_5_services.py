"""ECHONET Lite Specification part II, 3.2.5 and 4.2: what a node answers to each service."""

from typing import Any

import pytest

from protocols.echonet_lite.frame import CONTROLLER, NODE_PROFILE, Eoj, Esv, Frame, Property
from protocols.echonet_lite.frame import decode_frame as decode
from protocols.echonet_lite.node import ANSWER_EDT_BYTES_MAX, LocalNode, LocalObject, LocalProperty

CHARGING = b"\x42"
STANDBY = b"\x44"


def test_get_is_answered_with_the_values_in_the_order_asked(battery: Any) -> None:
    """A controller could not read the device."""
    (answer,) = battery.ask(Esv.GET, Property(0xE4), Property(0xDA))
    assert answer.esv is Esv.GET_RES
    assert answer.properties == (Property(0xE4, b"\x32"), Property(0xDA, STANDBY))


def test_an_answer_goes_back_where_the_request_came_from(battery: Any) -> None:
    """A controller would not recognise the answer as its own."""
    (answer,) = battery.ask(Esv.GET, Property(0xE4))
    assert (answer.tid, answer.seoj, answer.deoj) == (0x1234, Eoj(2, 0x7D, 1), CONTROLLER)


def test_get_of_an_unknown_property_is_52_with_pdc_0(battery: Any) -> None:
    """A controller would take a property that is not there for an empty value."""
    (answer,) = battery.ask(Esv.GET, Property(0xE4), Property(0xF0))
    assert answer.esv is Esv.GET_SNA
    assert answer.properties == (Property(0xE4, b"\x32"), Property(0xF0))


def test_get_of_a_property_that_can_only_be_set_is_52() -> None:
    """A device would give away a value it must not."""
    only_set = LocalProperty(epc=0xD7, edt=b"\x00", gettable=False, settable=True)
    target = LocalObject(Eoj(2, 0x7D, 1), [only_set])
    assert target.get(0xD7) is None


def test_setc_that_is_done_is_71_with_pdc_0(battery: Any) -> None:
    """A controller could not tell that its Set arrived."""
    (answer,) = battery.ask(Esv.SET_C, Property(0xEB, bytes(4)), Property(0xDA, CHARGING))
    assert answer.esv is Esv.SET_RES
    assert answer.properties == (Property(0xEB), Property(0xDA))
    assert battery.first.value(0xDA) == CHARGING


def test_setc_refused_in_part_is_51_and_the_rest_is_done(battery: Any) -> None:
    """A controller would think a refused value was taken, or a taken one refused."""
    (answer,) = battery.ask(Esv.SET_C, Property(0xDA, CHARGING), Property(0xE4, b"\x01"))
    assert answer.esv is Esv.SET_C_SNA
    assert answer.properties == (Property(0xDA), Property(0xE4, b"\x01"))
    assert battery.first.value(0xDA) == CHARGING
    assert battery.first.value(0xE4) == b"\x32"


@pytest.mark.parametrize(
    ("epc", "edt"),
    [
        (0xE4, "01"),
        (0xF0, "01"),
        (0xDA, "47"),
        (0xDA, "4242"),
        (0xDA, ""),
        (0xEB, "07D0"),
        (0xEB, "3B9ACA00"),
        (0xEB, "FFFFFFFF"),
        (0xA6, "65"),
        (0xA6, "FE"),
    ],
    ids=[
        "read only",
        "unknown",
        "unknown code",
        "too long",
        "empty",
        "too short",
        "over range",
        "overflow code",
        "over 100 %",
        "underflow code",
    ],
)
def test_a_set_that_does_not_fit_is_refused_with_its_edt(battery: Any, epc: int, edt: str) -> None:
    """A device would act on a value that its class does not have."""
    (answer,) = battery.ask(Esv.SET_C, Property(epc, bytes.fromhex(edt)))
    assert answer.esv is Esv.SET_C_SNA
    assert answer.properties == (Property(epc, bytes.fromhex(edt)),)
    assert battery.handler.taken == []


def test_the_device_itself_may_refuse(battery: Any) -> None:
    """A simulated device could not show what a stubborn one does to the driver."""
    battery.handler.refused = {0xDA}
    (answer,) = battery.ask(Esv.SET_C, Property(0xDA, CHARGING))
    assert answer.esv is Esv.SET_C_SNA
    assert answer.properties == (Property(0xDA, CHARGING),)
    assert battery.first.value(0xDA) == STANDBY


def test_the_device_hears_of_each_value_it_takes(battery: Any) -> None:
    """A Set would change a number in a table and nothing in the world."""
    battery.ask(Esv.SET_C, Property(0xEB, b"\x00\x00\x07\xd0"), Property(0xDA, CHARGING))
    assert battery.handler.taken == [(0xEB, b"\x00\x00\x07\xd0"), (0xDA, CHARGING)]


def test_seti_that_is_done_has_no_answer(battery: Any) -> None:
    """The group would be flooded by answers nobody asked for."""
    assert battery.ask(Esv.SET_I, Property(0xDA, CHARGING)) == []
    assert battery.first.value(0xDA) == CHARGING


def test_seti_that_is_refused_is_50(battery: Any) -> None:
    """A controller would never learn that its SetI was refused."""
    (answer,) = battery.ask(Esv.SET_I, Property(0xE4, b"\x01"))
    assert (answer.esv, answer.properties) == (Esv.SET_I_SNA, (Property(0xE4, b"\x01"),))


def test_inf_req_is_answered_by_inf(battery: Any) -> None:
    """A controller could not ask for an announcement."""
    (answer,) = battery.ask(Esv.INF_REQ, Property(0xCF))
    assert (answer.esv, answer.properties) == (Esv.INF, (Property(0xCF, STANDBY),))


def test_inf_req_of_an_unknown_property_is_53(battery: Any) -> None:
    """Uecho answers 53 always; ours would do so never."""
    (answer,) = battery.ask(Esv.INF_REQ, Property(0xCF), Property(0xF0))
    assert answer.esv is Esv.INF_SNA
    assert answer.properties == (Property(0xCF, STANDBY), Property(0xF0))


def test_infc_is_confirmed_with_pdc_0(battery: Any) -> None:
    """A device would repeat its notification for ever."""
    (answer,) = battery.ask(Esv.INFC, Property(0xDA, CHARGING), Property(0xE4, b"\x01"))
    assert answer.esv is Esv.INFC_RES
    assert answer.properties == (Property(0xDA), Property(0xE4))
    assert battery.first.value(0xDA) == STANDBY


def test_setget_sets_and_then_reads(battery: Any) -> None:
    """The answer's second block would be missing or hold the value before the Set."""
    request = decode(bytes.fromhex("1081000905FF01027D016E02DA0142EB04000007D002DA00EB00"))
    (answer,) = battery.node.respond(request)
    assert answer.frame.esv is Esv.SET_GET_RES
    assert answer.frame.properties == (Property(0xDA), Property(0xEB))
    assert answer.frame.second == (Property(0xDA, CHARGING), Property(0xEB, b"\0\0\x07\xd0"))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Property(0xE4, b"\x01"), Property(0xE4)),
        (Property(0xDA, CHARGING), Property(0xF0)),
    ],
    ids=["set refused", "get unknown"],
)
def test_setget_not_done_in_either_block_is_5e(
    battery: Any, first: Property, second: Property
) -> None:
    """Half a SetGet would be reported as the whole."""
    request = Frame(9, CONTROLLER, Eoj(2, 0x7D, 1), Esv.SET_GET, (first,), (second,))
    (answer,) = battery.node.respond(request)
    assert answer.frame.esv is Esv.SET_GET_SNA


def test_instance_00_is_answered_by_every_instance_with_its_own_seoj(battery: Any) -> None:
    """Npm echonet-lite answers as instance 00: nobody could tell the devices apart."""
    answers = battery.ask(Esv.GET, Property(0xE4), instance=0)
    assert [str(answer.seoj) for answer in answers] == ["027D01", "027D02"]


def test_instance_00_of_the_node_profile_is_answered_by_instance_01(battery: Any) -> None:
    """A controller that asks 0EF000 would not find the node."""
    request = Frame(1, CONTROLLER, Eoj(0x0E, 0xF0, 0), Esv.GET, (Property(0xD6),))
    (answer,) = battery.node.respond(request)
    assert answer.frame.seoj == NODE_PROFILE


def test_an_object_that_is_not_here_has_no_answer(battery: Any) -> None:
    """Two nodes would answer for one device."""
    assert battery.ask(Esv.GET, Property(0xE4), instance=3) == []
    elsewhere = Frame(1, CONTROLLER, Eoj(2, 0x79, 0), Esv.GET, (Property(0xE0),))
    assert battery.node.respond(elsewhere) == []


@pytest.mark.parametrize("esv", [esv for esv in Esv if not esv.is_request])
def test_answers_are_not_answered(battery: Any, esv: Esv) -> None:
    """Two nodes would answer each other for ever."""
    assert battery.ask(esv, Property(0xE4, b"\x32")) == []


def test_a_get_that_asks_for_too_much_gets_what_fits_and_an_sna(battery: Any) -> None:
    """A hostile Get would make the node send a datagram that no socket takes."""
    big = LocalObject(
        Eoj(2, 0x88, 1),
        [LocalProperty(epc=0x86, edt=bytes(250)), LocalProperty(epc=0x80, edt=b"0")],
    )
    node = LocalNode([big], battery_identity())
    asked = (*(Property(0x86) for _ in range(254)), Property(0x80))
    (answer,) = node.respond(Frame(1, CONTROLLER, big.eoj, Esv.GET, asked))
    sizes = [len(entry.edt) for entry in answer.frame.properties]
    assert answer.frame.esv is Esv.GET_SNA
    assert len(sizes) == 255
    assert 1000 <= sum(sizes) <= ANSWER_EDT_BYTES_MAX
    assert sizes[-1] == 1


def battery_identity() -> Any:
    from protocols.echonet_lite.node import NodeIdentity

    return NodeIdentity.of(b"big")
