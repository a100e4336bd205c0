"""Events on their way to VENs: told until confirmed, modified, cancelled, and over in time."""

from dataclasses import replace
from datetime import timedelta

import pytest

from protocols.openadr.messages.elements import EiTarget, OptType, Properties
from protocols.openadr.messages.event import (
    EiRequestEvent,
    EventStatus,
    OadrDistributeEvent,
    OadrRequestEvent,
)
from protocols.openadr.messages.registration import OadrResponse
from protocols.openadr.vtn.operator import NamedVen
from protocols.vocabulary.errors import LocalProtocolError
from tests.unit.protocols.openadr.vtn.world import (
    START,
    VenFace,
    World,
    event_order,
    interval,
    registration,
)

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def described(reply: OadrDistributeEvent) -> list[tuple[str, int, EventStatus]]:
    """Return identifier, modification and status of each event."""
    descriptors = [one.ei_event.event_descriptor for one in reply.oadr_event]
    return [(one.event_id, one.modification_number, one.event_status) for one in descriptors]


def asked(ven: VenFace, limit: int | None = None) -> OadrDistributeEvent:
    """All events of a VEN."""
    request = EiRequestEvent(request_id="q", ven_id=ven.ven_id, reply_limit=limit)
    reply = ven.say("EiEvent", OadrRequestEvent(ei_request_event=request))
    assert isinstance(reply, OadrDistributeEvent)
    return reply


def test_an_event_is_told_until_it_is_confirmed() -> None:
    """If it fails, an event whose delivery failed once never reaches the building."""
    world = World(now=START - 2 * HOUR)
    ven = world.registered()
    world.order(event_order(), "e")
    assert described(ven.events()) == [("e", 0, EventStatus.FAR)]
    assert described(ven.events()) == [("e", 0, EventStatus.FAR)]
    world.restart()
    assert described(ven.events()) == [("e", 0, EventStatus.FAR)]
    ven.answer("e")
    assert isinstance(ven.poll(), OadrResponse)
    world.restart()
    assert isinstance(ven.poll(), OadrResponse)
    (answer,) = world.state.events.answers.to("e")
    assert (answer.opt_type, answer.modification_number) == ("optIn", 0)


def test_a_ven_that_never_answers_cannot_poll_without_a_pause() -> None:
    """If it fails, one broken VEN keeps the VTN busy for ever."""
    world = World(now=START - 2 * HOUR)
    ven = world.registered()
    world.order(event_order(), "e")
    for _ in range(3):
        ven.events()
    assert isinstance(ven.poll(), OadrResponse)
    world.now += timedelta(seconds=10)
    ven.events()


def test_the_worked_timeline_is_on_the_wire() -> None:
    """If it fails, a VEN ramps, starts or ends at another moment than was ordered."""
    world = World(now=START - 2 * HOUR)
    ven = world.registered()
    world.order(event_order(), "e")
    told = asked(ven).oadr_event[0]
    assert told.ei_event.ei_active_period.properties == event_order().period
    assert told.ei_event.event_descriptor.market_context == "http://market.example/a&b"
    for minutes, status, value in (
        (-11, EventStatus.FAR, 0.0),
        (-10, EventStatus.NEAR, 0.0),
        (0, EventStatus.ACTIVE, 2.0),
        (19, EventStatus.ACTIVE, 2.0),
        (20, EventStatus.ACTIVE, 1.0),
        (60, EventStatus.COMPLETED, 0.0),
    ):
        world.now = START + minutes * MINUTE
        event = asked(ven).oadr_event[0].ei_event
        assert event.event_descriptor.event_status is status
        assert event.ei_event_signals.ei_event_signal[0].current_value == value
    world.now = START + 65 * MINUTE
    assert asked(ven).oadr_event == ()


def test_a_modification_is_told_to_who_answered_the_one_before() -> None:
    """If it fails, a building carries out what was ordered first and not what holds."""
    world = World(now=START - 2 * HOUR)
    ven = world.registered()
    world.order(event_order(), "e")
    ven.events()
    ven.answer("e")
    later = event_order(START + HOUR)
    _, changes = world.operator.modify(later, "e", world.now)
    world.keep(changes)
    world.restart()
    assert described(ven.events()) == [("e", 1, EventStatus.FAR)]
    ven.answer("e", 0)
    assert described(ven.events()) == [("e", 1, EventStatus.FAR)]
    ven.answer("e", 1, OptType.OPT_OUT)
    assert isinstance(ven.poll(), OadrResponse)
    (answer,) = world.state.events.answers.to("e")
    assert (answer.opt_type, answer.modification_number) == ("optOut", 1)


def test_a_cancellation_is_told_until_it_is_confirmed_and_then_gone() -> None:
    """If it fails, a building goes on with an event that was called off."""
    world = World(now=START - 2 * HOUR)
    ven = world.registered()
    world.order(event_order(), "e")
    ven.events()
    ven.answer("e")
    _, changes = world.operator.cancel("e", world.now)
    world.keep(changes)
    for _ in range(2):
        assert described(ven.events()) == [("e", 1, EventStatus.CANCELLED)]
        world.restart()
    ven.answer("e", 1)
    assert isinstance(ven.poll(), OadrResponse)
    assert asked(ven).oadr_event == ()
    with pytest.raises(LocalProtocolError, match="cancelled"):
        world.operator.cancel("e", world.now)


def test_two_overlapping_events_are_both_told_the_active_one_first() -> None:
    """If it fails, a VEN cannot weigh one event against the other."""
    world = World(now=START + MINUTE)
    ven = world.registered()
    world.order(event_order(START + 10 * MINUTE, priority=1), "later")
    world.order(event_order(priority=0), "unweighted")
    world.order(event_order(priority=7), "now")
    assert [name for name, _, _ in described(ven.events())] == ["now", "unweighted", "later"]
    assert len(asked(ven, limit=2).oadr_event) == 2


def test_an_event_that_wants_no_answer_is_told_a_few_times() -> None:
    """If it fails, such an event is told for ever, or a lost reply loses it."""
    world = World(now=START - 2 * HOUR)
    ven = world.registered()
    world.order(event_order(response_required=False), "e")
    for _ in range(3):
        ven.events()
    world.now += MINUTE
    assert isinstance(ven.poll(), OadrResponse)


@pytest.mark.parametrize(
    ("target", "reached"),
    [
        (EiTarget(), ["a", "b"]),
        (EiTarget(ven_id=("a",)), ["a"]),
        (EiTarget(group_id=("group & 1",)), ["b"]),
        (EiTarget(resource_id=("蓄電池",)), ["a"]),
        (EiTarget(group_id=("group & 1",), resource_id=("蓄電池",)), ["a", "b"]),
        (EiTarget(party_id=("nobody",)), []),
    ],
)
def test_an_event_reaches_whom_it_names(target: EiTarget, reached: list[str]) -> None:
    """If it fails, a building is dispatched that was not meant, or one that was is not."""
    world = World(now=START - 2 * HOUR)
    world.keep(world.operator.name_ven(NamedVen(ven_id="a", resource_ids=("蓄電池",))))
    world.keep(world.operator.name_ven(NamedVen(ven_id="b", group_ids=("group & 1",))))
    vens = []
    for name in ("a", "b"):
        world.say("EiRegisterParty", registration(name, ven_id=name))
        vens.append(VenFace(world, name, ""))
    world.order(event_order(target=target), "e")
    assert [ven.ven_id for ven in vens if asked(ven).oadr_event] == reached
    for ven in vens:
        reply = ven.answer("e")
        expected = "200" if ven.ven_id in reached else "452"
        assert reply.ei_response.response_code == expected  # type: ignore[union-attr]


def test_a_ven_of_another_programme_is_not_reached() -> None:
    """If it fails, an event of one market context runs in the other's buildings."""
    world = World(now=START - 2 * HOUR)
    world.keep(world.operator.name_ven(NamedVen(ven_id="a", market_contexts=("urn:other",))))
    world.say("EiRegisterParty", registration("a", ven_id="a"))
    world.order(event_order(), "e")
    assert asked(VenFace(world, "a", "")).oadr_event == ()


@pytest.mark.parametrize(("event_id", "number", "code"), [("x", 0, "452"), ("e", 5, "450")])
def test_an_answer_to_what_there_is_not_gets_its_code(
    event_id: str, number: int, code: str
) -> None:
    """If it fails, a wrong answer is counted, or ends in an error of the server."""
    world = World(now=START - 2 * HOUR)
    ven = world.registered()
    world.order(event_order(), "e")
    reply = ven.answer(event_id, number)
    assert reply.ei_response.response_code == code  # type: ignore[union-attr]
    assert world.state.events.answers.to("e") == ()


def test_a_ven_that_lost_everything_is_told_again() -> None:
    """If it fails, a replaced controller does not know the event that runs in its building."""
    world = World(now=START - 2 * HOUR)
    ven = world.registered()
    world.order(event_order(), "e")
    ven.events()
    ven.answer("e")
    again = world.registered()
    assert described(asked(again)) == [("e", 0, EventStatus.FAR)]
    assert described(again.events()) == [("e", 0, EventStatus.FAR)]


@pytest.mark.parametrize(
    "changes",
    [
        {"signals": ()},
        {"market_context": ""},
        {"period": Properties(dtstart=START, duration=timedelta(minutes=61))},
        {"period": Properties(dtstart=START, duration=timedelta(seconds=0.5))},
        {"period": Properties(dtstart=START, duration=timedelta())},
        {"period": Properties(dtstart=START, duration=HOUR, startafter=-MINUTE)},
    ],
)
def test_an_order_that_breaks_the_profile_is_refused(changes: dict[str, object]) -> None:
    """If it fails, VENs are told an event that means something else to each of them."""
    world = World(now=START - 2 * HOUR)
    with pytest.raises(LocalProtocolError):
        world.order(event_order(**changes), "e")
    assert world.state.events.everything(world.now) == ()


def test_an_event_without_end_lasts_until_it_is_cancelled() -> None:
    """If it fails, an open curtailment is lifted by nobody, or never."""
    world = World(now=START - 2 * HOUR)
    ven = world.registered()
    order = event_order()
    signal = replace(order.signals[0], intervals=(interval(20, 2.0), interval(0, 1.0)))
    period = Properties(dtstart=START, duration=timedelta())
    world.order(event_order(period=period, signals=(signal,)), "e")
    world.now = START + 100 * HOUR
    event = asked(ven).oadr_event[0].ei_event
    assert event.event_descriptor.event_status is EventStatus.ACTIVE
    assert event.ei_event_signals.ei_event_signal[0].current_value == 1.0
    world.operator.cancel("e", world.now)
    assert described(ven.events()) == [("e", 1, EventStatus.CANCELLED)]
    world.now += 25 * HOUR
    assert asked(ven).oadr_event == ()
