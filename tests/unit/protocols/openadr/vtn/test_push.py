"""A VEN in push mode: told at its address, once it is due, and again if it did not take it."""

from datetime import timedelta

from protocols.openadr.messages.event import OadrDistributeEvent
from protocols.openadr.messages.registration import OadrResponse
from protocols.openadr.messages.report import (
    OadrCreatedReport,
    OadrCreateReport,
    OadrRegisteredReport,
    OadrRegisterReport,
)
from protocols.openadr.vtn.push import Push
from protocols.openadr.xml import decode, encode
from tests.unit.protocols.openadr.vtn.world import (
    START,
    VenFace,
    World,
    event_order,
    good,
    registration,
    telemetry,
)


def pushed(world: World) -> VenFace:
    """Register a VEN with an address, which has heard that this VTN has no reports."""
    message = registration(
        "p", oadr_http_pull_model=False, oadr_transport_address="http://127.0.0.9:9/"
    )
    reply = world.say("EiRegisterParty", message)
    ven = VenFace(world, reply.ven_id, reply.registration_id)  # type: ignore[union-attr, arg-type]
    push = due(world, ven)
    assert isinstance(decode(push.body), OadrRegisterReport)
    answer = OadrRegisteredReport(ei_response=good(), ven_id=ven.ven_id)
    world.keep(world.pusher.replied(push, encode(answer), world.now).changes)
    return ven


def due(world: World, ven: VenFace) -> Push:
    """Return what is to be pushed now."""
    assert world.pusher.waiting() == (ven.ven_id,)
    push = world.pusher.next(ven.ven_id, world.now, world.draw())
    assert push is not None
    return push


def test_an_event_is_pushed_until_it_is_confirmed() -> None:
    """If it fails, a VEN that does not poll never hears of an event."""
    world = World(now=START - timedelta(hours=2))
    ven = pushed(world)
    world.order(event_order(), "e")
    push = due(world, ven)
    assert push.url == "http://127.0.0.9:9/OpenADR2/Simple/2.0b/EiEvent"
    assert isinstance(decode(push.body), OadrDistributeEvent)
    assert isinstance(decode(due(world, ven).body), OadrDistributeEvent)
    taken = OadrResponse(ei_response=good(), ven_id=ven.ven_id)
    world.pusher.replied(push, encode(taken), world.now)
    assert world.pusher.next(ven.ven_id, world.now, world.draw()) is None
    ven.answer("e")
    assert world.pusher.next(ven.ven_id, world.now, world.draw()) is None
    assert world.pusher.waiting() == ()


def test_a_reply_to_a_push_counts_like_a_request() -> None:
    """If it fails, a report request that a VEN confirms in its reply is pushed for ever."""
    world = World()
    ven = pushed(world)
    (request,) = ven.offer(telemetry()).oadr_report_request
    push = due(world, ven)
    assert push.url.endswith("/EiReport")
    assert isinstance(decode(push.body), OadrCreateReport)
    confirmed = OadrCreatedReport(
        ei_response=good(), oadr_pending_reports=(request.report_request_id,), ven_id=ven.ven_id
    )
    world.keep(world.pusher.replied(push, encode(confirmed), world.now).changes)
    world.restart()
    assert world.pusher.next(ven.ven_id, world.now, world.draw()) is None


def test_a_hostile_reply_to_a_push_is_a_line_in_the_log() -> None:
    """If it fails, a VEN can bring the VTN down by what it answers."""
    world = World()
    ven = pushed(world)
    ven.offer(telemetry())
    push = due(world, ven)
    answer = world.pusher.replied(push, b"<!DOCTYPE a><a/>", world.now)
    assert [one.name for one in answer.happenings] == ["push.refused"]
