"""ECHONET Lite Specification part II, 3.2.2 and 4.2: the asking side's transactions."""

import pytest

from protocols.echonet_lite.frame import CONTROLLER, Eoj, Esv, Frame, Property, decode_frame
from protocols.echonet_lite.requester import (
    DEVICES_MAX,
    DISCOVERIES_MAX,
    QUEUE_MAX,
    Answered,
    Discovered,
    Event,
    Notified,
    Peer,
    Request,
    Requester,
    TimedOut,
    Unmatched,
    get,
    set_c,
)
from protocols.vocabulary.errors import LocalProtocolError

S = 1_000_000_000
BATTERY = Peer("127.1.1.11", Eoj(2, 0x7D, 1))
METER = Peer("127.1.1.12", Eoj(2, 0x88, 1))
CHARGE = (Property(0xEB, b"\0\0\x07\xd0"), Property(0xDA, b"\x42"))


def sent(requester: Requester) -> list[Frame]:
    return [decode_frame(datagram.data) for datagram in requester.take_datagrams()]


def answer(request: Frame, esv: Esv, *properties: Property) -> Frame:
    return Frame(request.tid, request.deoj, request.seoj, esv, properties)


def one(events: list[Event], kind: type[Event]) -> Event:
    (event,) = events
    assert isinstance(event, kind)
    return event


def started(request: Request) -> tuple[Requester, Frame]:
    requester = Requester(CONTROLLER)
    requester.submit(request, 0)
    (frame,) = sent(requester)
    return requester, frame


def result(requester: Requester, frame: Frame, now_ns: int = S) -> Answered:
    event = one(requester.receive(BATTERY.address, frame, now_ns), Answered)
    assert isinstance(event, Answered)
    return event


def test_a_get_goes_out_as_the_worked_frame() -> None:
    """Devices would not understand our requests."""
    requester = Requester(CONTROLLER)
    requester.submit(get(BATTERY, [0xE4, 0xD3]), 0)
    (datagram,) = requester.take_datagrams()
    assert datagram.address == BATTERY.address
    assert datagram.data == bytes.fromhex("1081000105FF01027D016202E400D300")


def test_a_complete_answer_is_done() -> None:
    """A good reading would be asked for again."""
    requester, frame = started(get(BATTERY, [0xE4, 0xD3]))
    reply = answer(frame, Esv.GET_RES, Property(0xD3, b"\0\0\0\0"), Property(0xE4, b"\x32"))
    event = result(requester, reply)
    assert event.done
    assert event.values == {0xE4: b"\x32", 0xD3: b"\0\0\0\0"}
    assert event.missing == frozenset()
    assert requester.next_deadline_ns() is None


@pytest.mark.parametrize("esv", [Esv.GET_RES, Esv.GET_SNA])
def test_a_partial_answer_says_what_is_missing(esv: Esv) -> None:
    """Values that a device leaves out of a long answer would never be read."""
    requester, frame = started(get(BATTERY, [0xE4, 0xD3, 0xCF]))
    event = result(requester, answer(frame, esv, Property(0xE4, b"\x32"), Property(0xD3)))
    assert not event.done
    assert event.values == {0xE4: b"\x32"}
    assert event.missing == {0xD3, 0xCF}


def test_values_nobody_asked_for_are_left_out() -> None:
    """A device that answers with another property would overwrite a point."""
    requester, frame = started(get(BATTERY, [0xE4]))
    event = result(
        requester, answer(frame, Esv.GET_RES, Property(0xE4, b"\x32"), Property(0xD3, b"\x01"))
    )
    assert event.values == {0xE4: b"\x32"}


def test_71_is_received() -> None:
    """A Set that arrived would be called lost."""
    requester, frame = started(set_c(BATTERY, CHARGE))
    event = result(requester, answer(frame, Esv.SET_RES, Property(0xEB), Property(0xDA)))
    assert event.done
    assert event.refused == frozenset()


def test_51_is_not_done_whatever_its_pdcs_say() -> None:
    """Emulators answer 51 with PDC 0 for values they did not take."""
    requester, frame = started(set_c(BATTERY, CHARGE))
    event = result(requester, answer(frame, Esv.SET_C_SNA, Property(0xEB), Property(0xDA)))
    assert not event.done
    assert event.refused == frozenset()


def test_51_names_the_refused_by_their_echo() -> None:
    """People could not see which value the device did not like."""
    requester, frame = started(set_c(BATTERY, CHARGE))
    event = result(requester, answer(frame, Esv.SET_C_SNA, Property(0xEB), CHARGE[1]))
    assert not event.done
    assert event.refused == {0xDA}


def test_71_that_does_not_name_a_value_is_not_done() -> None:
    """A value that the device dropped would be believed set."""
    requester, frame = started(set_c(BATTERY, CHARGE))
    event = result(requester, answer(frame, Esv.SET_RES, Property(0xEB)))
    assert not event.done
    assert event.missing == {0xDA}


def test_setget_reads_its_second_block() -> None:
    """The read-back in the same frame would be lost."""
    request = Request(
        peer=BATTERY, esv=Esv.SET_GET, properties=CHARGE[1:], second=(Property(0xE4),)
    )
    requester, frame = started(request)
    reply = Frame(
        frame.tid,
        BATTERY.eoj,
        CONTROLLER,
        Esv.SET_GET_RES,
        (Property(0xDA),),
        (Property(0xE4, b"\x32"),),
    )
    event = result(requester, reply)
    assert event.done
    assert event.values == {0xE4: b"\x32"}


def test_a_node_without_setget_is_heard() -> None:
    """Its 5E without any property would be taken for silence."""
    request = Request(
        peer=BATTERY, esv=Esv.SET_GET, properties=CHARGE[1:], second=(Property(0xE4),)
    )
    requester, frame = started(request)
    event = result(requester, answer(frame, Esv.SET_GET_SNA))
    assert not event.done
    assert event.missing == {0xDA, 0xE4}


@pytest.mark.parametrize(
    ("address", "seoj", "tid", "esv"),
    [
        ("127.1.1.99", BATTERY.eoj, 1, Esv.GET_RES),
        (BATTERY.address, METER.eoj, 1, Esv.GET_RES),
        (BATTERY.address, BATTERY.eoj, 2, Esv.GET_RES),
        (BATTERY.address, BATTERY.eoj, 1, Esv.SET_RES),
        (BATTERY.address, BATTERY.eoj, 1, Esv.SET_C_SNA),
    ],
    ids=["other address", "other object", "other TID", "other service", "other refusal"],
)
def test_an_answer_that_does_not_match_is_nobody_s(
    address: str, seoj: Eoj, tid: int, *, esv: Esv
) -> None:
    """One device's value would be taken for another's."""
    requester, _ = started(get(BATTERY, [0xE4]))
    stray = Frame(tid, seoj, CONTROLLER, esv, (Property(0xE4, b"\x63"),))
    one(requester.receive(address, stray, S), Unmatched)
    assert requester.waiting(BATTERY) == 1


def test_a_notification_with_our_tid_is_no_answer() -> None:
    """Pychonet takes an INF with the request's TID for the answer."""
    requester, frame = started(get(BATTERY, [0xE4]))
    event = one(
        requester.receive(BATTERY.address, answer(frame, Esv.INF, Property(0xE4, b"\x63")), S),
        Notified,
    )
    assert event == Notified(peer=BATTERY, esv=Esv.INF, properties=(Property(0xE4, b"\x63"),))
    assert requester.waiting(BATTERY) == 1


def test_infc_is_surfaced_too() -> None:
    """A change that a device insists on would be confirmed and forgotten."""
    requester = Requester(CONTROLLER)
    frame = Frame(8, BATTERY.eoj, CONTROLLER, Esv.INFC, (Property(0xDA, b"\x42"),))
    event = one(requester.receive(BATTERY.address, frame, 0), Notified)
    assert isinstance(event, Notified)
    assert event.esv is Esv.INFC


def test_inf_req_is_answered_by_an_inf_with_its_tid() -> None:
    """An asked-for announcement would time out."""
    request = Request(peer=BATTERY, esv=Esv.INF_REQ, properties=(Property(0xCF),))
    requester, frame = started(request)
    event = result(requester, answer(frame, Esv.INF, Property(0xCF, b"\x44")))
    assert event.done
    assert event.values == {0xCF: b"\x44"}


def test_a_request_of_another_node_is_not_ours_to_judge() -> None:
    """Requests to the gateway's own node would be counted as stray answers."""
    requester = Requester(CONTROLLER)
    frame = Frame(1, BATTERY.eoj, CONTROLLER, Esv.GET, (Property(0xD6),))
    assert requester.receive(BATTERY.address, frame, 0) == []


def test_the_same_answer_twice_counts_once() -> None:
    """A duplicated datagram would complete the next request with an old value."""
    requester, frame = started(get(BATTERY, [0xE4]))
    reply = answer(frame, Esv.GET_RES, Property(0xE4, b"\x32"))
    result(requester, reply)
    requester.submit(get(BATTERY, [0xE4]), S)
    one(requester.receive(BATTERY.address, reply, S), Unmatched)
    assert requester.waiting(BATTERY) == 1


def test_one_request_is_outstanding_per_device() -> None:
    """Small devices lose the second of two requests that come together."""
    requester = Requester(CONTROLLER)
    requester.submit(get(BATTERY, [0xE4]), 0)
    requester.submit(get(BATTERY, [0xD3]), 0)
    requester.submit(get(METER, [0xE7]), 0)
    first, meter = sent(requester)
    assert (first.properties, meter.deoj) == ((Property(0xE4),), METER.eoj)
    result(requester, answer(first, Esv.GET_RES, Property(0xE4, b"\x32")))
    (second,) = sent(requester)
    assert second.properties == (Property(0xD3),)


def test_a_get_is_repeated_once_and_then_given_up() -> None:
    """One lost datagram would look like a lost device, or a lost one be asked for ever."""
    requester, first = started(get(BATTERY, [0xE4]))
    assert requester.next_deadline_ns() == 2 * S
    assert requester.on_deadline(2 * S) == []
    (again,) = sent(requester)
    assert (again.properties, again.tid != first.tid) == (first.properties, True)
    assert requester.next_deadline_ns() == 4 * S
    event = one(requester.on_deadline(4 * S), TimedOut)
    assert isinstance(event, TimedOut)
    assert event.attempts == 2
    assert requester.next_deadline_ns() is None
    assert sent(requester) == []


def test_an_answer_to_the_first_attempt_does_not_end_the_second() -> None:
    """A reading that is seconds old would be stamped as new."""
    requester, first = started(get(BATTERY, [0xE4]))
    requester.on_deadline(2 * S)
    late = answer(first, Esv.GET_RES, Property(0xE4, b"\x63"))
    one(requester.receive(BATTERY.address, late, 2 * S + 1), Unmatched)
    assert requester.waiting(BATTERY) == 1


@pytest.mark.parametrize("esv", [Esv.SET_C, Esv.SET_I])
def test_a_set_is_never_repeated(esv: Esv) -> None:
    """A device that did it and lost the answer would do it twice, perhaps against the next."""
    requester, _ = started(Request(peer=BATTERY, esv=esv, properties=CHARGE))
    event = one(requester.on_deadline(2 * S), TimedOut)
    assert isinstance(event, TimedOut)
    assert event.attempts == 1
    assert sent(requester) == []


def test_nothing_happens_before_the_deadline() -> None:
    """A slow device would be given up while it still answers."""
    requester, _ = started(get(BATTERY, [0xE4]))
    assert requester.on_deadline(2 * S - 1) == []
    assert sent(requester) == []


def test_a_silent_device_lets_the_next_request_go() -> None:
    """One lost answer would block a device for ever."""
    requester = Requester(CONTROLLER)
    requester.submit(set_c(BATTERY, CHARGE), 0)
    requester.submit(get(BATTERY, [0xDA]), 0)
    sent(requester)
    one(requester.on_deadline(2 * S), TimedOut)
    (frame,) = sent(requester)
    assert frame.esv is Esv.GET


def test_a_set_that_waited_too_long_is_not_sent() -> None:
    """A setpoint of half a minute ago would move a device that just woke up."""
    requester = Requester(CONTROLLER)
    requester.submit(get(BATTERY, [0xE4]), 0)
    old = Request(peer=BATTERY, esv=Esv.SET_C, properties=CHARGE, not_after_ns=3 * S)
    stale = requester.submit(old, 0)
    sent(requester)
    requester.on_deadline(2 * S)
    events = requester.on_deadline(4 * S)
    sent_after = sent(requester)
    assert [frame.esv for frame in sent_after] == [Esv.GET]
    given_up = [event for event in events if isinstance(event, TimedOut)]
    assert [(event.request_id == stale, event.attempts) for event in given_up] == [
        (False, 2),
        (True, 0),
    ]


def test_a_request_that_is_too_late_at_once_is_refused() -> None:
    """The caller would wait for an event that no deadline brings."""
    late = Request(peer=BATTERY, esv=Esv.SET_C, properties=CHARGE, not_after_ns=1)
    with pytest.raises(LocalProtocolError):
        Requester(CONTROLLER).submit(late, 2)


def test_a_get_is_not_repeated_after_its_time() -> None:
    """A background poll would delay the next second's reading."""
    request = Request(peer=BATTERY, esv=Esv.GET, properties=(Property(0xE4),), not_after_ns=S)
    requester, _ = started(request)
    one(requester.on_deadline(2 * S), TimedOut)
    assert sent(requester) == []


def test_tids_wrap_to_1_and_skip_the_pending() -> None:
    """Two requests in flight would have the same number."""
    requester = Requester(CONTROLLER, first_tid=65535)
    requester.submit(get(BATTERY, [0xE4]), 0)
    requester.submit(get(METER, [0xE7]), 0)
    assert [frame.tid for frame in sent(requester)] == [65535, 1]
    other = Requester(CONTROLLER, first_tid=65535)
    other.submit(get(BATTERY, [0xE4], timeout_ns=10**9 * S), 0)
    sent(other)
    tids = set()
    for _ in range(65534):
        other.submit(get(METER, [0xE7]), 0)
        (frame,) = sent(other)
        tids.add(frame.tid)
        other.receive(METER.address, answer(frame, Esv.GET_RES, Property(0xE7, b"\0")), 0)
    other.submit(get(METER, [0xE7]), 0)
    assert tids == set(range(1, 65535))
    assert [frame.tid for frame in sent(other)] == [1]


def test_a_device_s_queue_is_bounded() -> None:
    """A silent device would fill the gateway's memory."""
    requester = Requester(CONTROLLER)
    for _ in range(1 + QUEUE_MAX):
        requester.submit(get(BATTERY, [0xE4]), 0)
    with pytest.raises(LocalProtocolError):
        requester.submit(get(BATTERY, [0xE4]), 0)
    assert requester.waiting(BATTERY) == 1 + QUEUE_MAX


def test_the_number_of_devices_in_flight_is_bounded() -> None:
    """A list of wrong addresses would use up the transaction numbers."""
    requester = Requester(CONTROLLER)
    for number in range(DEVICES_MAX):
        requester.submit(get(Peer(f"10.0.{number >> 8}.{number & 255}", BATTERY.eoj), [0x80]), 0)
    with pytest.raises(LocalProtocolError):
        requester.submit(get(BATTERY, [0xE4]), 0)


@pytest.mark.parametrize(
    "request_",
    [
        get(Peer("127.1.1.11", Eoj(2, 0x7D, 0)), [0xE4]),
        get(BATTERY, []),
        get(BATTERY, [0xE4], timeout_ns=0),
        Request(peer=BATTERY, esv=Esv.GET_RES, properties=(Property(0xE4, b"\x32"),)),
        set_c(BATTERY, [Property(0xEB, bytes(256))]),
    ],
    ids=["instance 00", "no EPC", "no time-out", "no request", "too long"],
)
def test_what_is_no_request_to_a_device_is_refused(request_: Request) -> None:
    """Our own bug would reach the wire."""
    requester = Requester(CONTROLLER)
    with pytest.raises(LocalProtocolError):
        requester.submit(request_, 0)
    assert requester.waiting(request_.peer) == 0


def test_a_cancelled_request_is_forgotten() -> None:
    """A setpoint that a newer one replaced would still be sent."""
    requester = Requester(CONTROLLER)
    first = requester.submit(get(BATTERY, [0xE4]), 0)
    queued = requester.submit(set_c(BATTERY, CHARGE), 0)
    requester.submit(get(BATTERY, [0xD3]), 0)
    (outstanding,) = sent(requester)
    assert requester.cancel(queued, 0)
    assert requester.cancel(first, 0)
    assert not requester.cancel(first, 0)
    (frame,) = sent(requester)
    assert frame.properties == (Property(0xD3),)
    reply = answer(outstanding, Esv.GET_RES, Property(0xE4, b"\x32"))
    one(requester.receive(BATTERY.address, reply, 0), Unmatched)


def test_discovery_asks_the_group_and_hears_every_node() -> None:
    """Only the first of many devices would be found."""
    requester = Requester(CONTROLLER)
    requester.discover(0)
    (datagram,) = requester.take_datagrams()
    assert datagram.address is None
    request = decode_frame(datagram.data)
    assert request.properties == (Property(0xD6),)
    for address in ("127.1.1.11", "127.1.1.12", "127.1.1.11"):
        reply = answer(request, Esv.GET_RES, Property(0xD6, b"\x01\x02\x7d\x01"))
        assert requester.receive(address, reply, S) == [
            Discovered(address=address, instance_list=b"\x01\x02\x7d\x01")
        ]


def test_a_discovery_s_window_closes() -> None:
    """A transaction number would be kept for ever."""
    requester = Requester(CONTROLLER)
    requester.discover(0)
    (request,) = sent(requester)
    assert requester.next_deadline_ns() == 2 * S
    assert requester.on_deadline(2 * S) == []
    assert requester.next_deadline_ns() is None
    reply = answer(request, Esv.GET_RES, Property(0xD6, b"\x01\x02\x7d\x01"))
    one(requester.receive("127.1.1.11", reply, 3 * S), Unmatched)


def test_discoveries_are_bounded() -> None:
    """A loop that discovers would flood the group."""
    requester = Requester(CONTROLLER)
    for _ in range(DISCOVERIES_MAX):
        requester.discover(0)
    with pytest.raises(LocalProtocolError):
        requester.discover(0)
