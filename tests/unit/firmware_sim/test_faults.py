"""The decision of a faulty device, without sockets and physics."""

import pytest

from firmware_sim.devices.echonet_lite.faulty import (
    Handling,
    handling,
    pretence,
    refusal,
    shown_map,
)
from firmware_sim.faults import Fault, FaultKind, FaultState, MapFault
from firmware_sim.wire_faults import shape
from protocols.echonet_lite.frame import CONTROLLER, Eoj, Esv, Frame, Property
from protocols.echonet_lite.property_map import decode_property_map
from protocols.vocabulary.errors import RemoteProtocolError

BATTERY = Eoj.parse("027D01")
SET = Frame(5, CONTROLLER, BATTERY, Esv.SET_C, (Property(0xDA, b"\x42"),))
GET = Frame(6, CONTROLLER, BATTERY, Esv.GET, (Property(0xDA),))


def state(*faults: Fault) -> FaultState:
    """State with these faults."""
    result = FaultState()
    for fault in faults:
        result = result.with_fault(fault)
    return result


def departures_s(faults: FaultState, number: int) -> tuple[float, ...]:
    """When copies of a frame leave."""
    return tuple(part.delay_s for part in shape(faults, b"\x10\x81", number))


@pytest.mark.parametrize(
    ("kind", "on_set", "on_get"),
    [
        (FaultKind.SILENT, Handling.IGNORE, Handling.IGNORE),
        (FaultKind.REFUSING, Handling.REFUSE, Handling.SERVE),
        (FaultKind.NO_EFFECT, Handling.PRETEND, Handling.SERVE),
        (FaultKind.DRIFTING, Handling.SERVE, Handling.SERVE),
        (FaultKind.STUCK, Handling.SERVE, Handling.SERVE),
        (FaultKind.LATE, Handling.SERVE, Handling.SERVE),
    ],
)
def test_each_fault_hits_the_requests_it_names(
    kind: FaultKind, on_set: Handling, on_get: Handling
) -> None:
    """A test of the agent against one fault could really be a test against another."""
    faults = state(Fault(kind=kind))
    assert handling(faults, SET) is on_set
    assert handling(faults, GET) is on_get
    assert handling(faults.without(kind), SET) is Handling.SERVE


def test_refusal_echoes_what_was_not_taken() -> None:
    """A refusing device could look as if it had taken the value."""
    answer = refusal(SET)
    assert (answer.esv, answer.tid, answer.seoj) == (Esv.SET_C_SNA, 5, BATTERY)
    assert answer.properties == (Property(0xDA, b"\x42"),)


def test_pretence_looks_exactly_like_success() -> None:
    """A device that acknowledges without effect could be told apart by its answer alone."""
    answer = pretence(SET)
    assert answer is not None
    assert (answer.esv, answer.properties) == (Esv.SET_RES, (Property(0xDA),))


def test_departures() -> None:
    """Duplicates and late datagrams could fail to appear in tests that count on them."""
    assert departures_s(FaultState(), 0) == (0.0,)
    assert departures_s(state(Fault(kind=FaultKind.SILENT)), 0) == ()
    duplicate = Fault(kind=FaultKind.DUPLICATE, delay_s=0.1)
    assert departures_s(state(duplicate), 0) == (0.0, 0.1)
    late = state(Fault(kind=FaultKind.LATE, delay_s=3.0, every=2))
    assert [departures_s(late, number) for number in range(4)] == [(0.0,), (3.0,)] * 2
    both = late.with_fault(duplicate)
    assert departures_s(both, 1) == (3.0, 3.1)


def test_wrong_maps_are_wrong_in_the_way_they_say() -> None:
    """A driver that trusts a wrong map would pass a test that shows it a right one."""
    true = frozenset(range(0x80, 0x98))
    with pytest.raises(RemoteProtocolError):
        decode_property_map(shown_map(true, MapFault.COUNT))
    assert decode_property_map(shown_map(true, MapFault.MISSING)) < true
    assert decode_property_map(shown_map(true, MapFault.EXTRA)) > true
