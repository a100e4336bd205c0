"""Reports: what is offered and asked, what is kept, and what is never counted twice."""

from dataclasses import replace
from datetime import timedelta

import pytest

from protocols.openadr.messages.elements import (
    EiResponse,
    EiTarget,
    OptType,
    Properties,
    QualifiedEventID,
)
from protocols.openadr.messages.opt import (
    OadrCanceledOpt,
    OadrCancelOpt,
    OadrCreatedOpt,
    OadrCreateOpt,
)
from protocols.openadr.messages.registration import OadrResponse
from protocols.openadr.messages.report import (
    OadrCanceledReport,
    OadrCancelReport,
    OadrCreatedReport,
    OadrCreateReport,
    OadrUpdatedReport,
)
from protocols.openadr.vtn.settings import WantedReport
from protocols.vocabulary.errors import LocalProtocolError
from tests.unit.protocols.openadr.vtn.world import (
    SETTINGS,
    START,
    VenFace,
    World,
    event_order,
    good,
    telemetry,
)

MINUTE = timedelta(minutes=1)


def offered(world: World) -> tuple[VenFace, str]:
    """Make a VEN that reports; return it and the identifier of the request."""
    ven = world.registered()
    (request,) = ven.offer(telemetry()).oadr_report_request
    return ven, request.report_request_id


def values(world: World, ven: VenFace) -> list[tuple[str, float]]:
    """Start and value of everything a VEN reported."""
    return [
        (f"{reading.start:%H:%M}", float(str(reading.points["power"]["value"])))
        for reading in world.state.reports.readings.of(ven.ven_id)
    ]


def test_what_is_offered_is_asked_for_at_once_and_until_it_is_confirmed() -> None:
    """If it fails, the meter values the market wants every minute never come."""
    world = World()
    ven = world.registered()
    (request,) = ven.offer(telemetry(shortest_s=90)).oadr_report_request
    specifier = request.report_specifier
    assert specifier.granularity == timedelta(seconds=90)
    assert specifier.report_back_duration == timedelta(seconds=90)
    assert specifier.specifier_payload[0].r_id == "power"
    for _ in range(2):
        reply = ven.poll()
        assert isinstance(reply, OadrCreateReport)
        assert reply.oadr_report_request == (request,)
        world.restart()
    confirmed = OadrCreatedReport(
        ei_response=good(), oadr_pending_reports=(request.report_request_id,), ven_id=ven.ven_id
    )
    ven.say("EiReport", confirmed)
    assert isinstance(ven.poll(), OadrResponse)


def test_a_ven_that_offers_again_keeps_its_request() -> None:
    """If it fails, each restart of a VEN leaves one more report running."""
    world = World()
    ven, request_id = offered(world)
    (again,) = ven.offer(telemetry()).oadr_report_request
    assert again.report_request_id == request_id
    assert ven.offer().oadr_report_request == ()
    world.restart()
    assert world.state.reports.offers(ven.ven_id) == ()
    assert world.state.reports.asked(ven.ven_id) == ()


def test_readings_are_durable_and_counted_once() -> None:
    """If it fails, delivered energy is lost in a crash, or counted twice after a lost reply."""
    world = World()
    ven, request_id = offered(world)
    reply = ven.update(request_id, START, 1.0, 2.0)
    assert isinstance(reply, OadrUpdatedReport)
    assert reply.ei_response.response_code == "200"
    ven.update(request_id, START, 1.0, 2.0)
    ven.update(request_id, START + MINUTE, 2.5, 3.0)
    expected = [("06:00", 1.0), ("06:01", 2.5), ("06:02", 3.0)]
    assert values(world, ven) == expected
    assert world.state.reports.readings.duplicates == 2
    world.restart()
    assert values(world, ven) == expected


def test_a_report_nobody_asked_for_is_refused() -> None:
    """If it fails, a VEN can fill the disk with what nobody wants."""
    world = World()
    ven, _ = offered(world)
    reply = ven.update("made-up", START, 1.0)
    assert reply.ei_response.response_code == "452"  # type: ignore[union-attr]
    assert values(world, ven) == []


def test_old_readings_go_first() -> None:
    """If it fails, the record book grows until the disk is full."""
    world = World(replace(SETTINGS, readings_kept=3))
    ven, request_id = offered(world)
    for number in range(6):
        ven.update(request_id, START + number * MINUTE, float(number))
    assert [value for _, value in values(world, ven)] == [3.0, 4.0, 5.0]
    assert sum(key.startswith("reading/") for key in world.book) == 3


def test_a_cancelled_report_is_cancelled_until_the_ven_confirms() -> None:
    """If it fails, a VEN reports for ever what nobody wants, or stops what is wanted."""
    world = World()
    ven, request_id = offered(world)
    ven.update(request_id, START, 1.0)
    assert isinstance(ven.poll(), OadrResponse)
    world.keep(world.operator.cancel_report(ven.ven_id, request_id))
    world.restart()
    reply = ven.poll()
    assert isinstance(reply, OadrCancelReport)
    assert reply.report_request_id == (request_id,)
    updated = ven.update(request_id, START + MINUTE, 2.0)
    assert isinstance(updated, OadrUpdatedReport)
    assert updated.oadr_cancel_report is not None
    ven.say("EiReport", OadrCanceledReport(ei_response=good(), ven_id=ven.ven_id))
    assert isinstance(ven.poll(), OadrResponse)
    late = ven.update(request_id, START + MINUTE, 2.0)
    assert late.ei_response.response_code == "200"  # type: ignore[union-attr]


def test_a_single_report_is_over_when_it_came_and_may_come_twice() -> None:
    """If it fails, a report whose reply was lost is refused when it is sent again."""
    world = World(replace(SETTINGS, wanted_reports=()))
    ven = world.registered()
    ven.offer(telemetry())
    once = WantedReport(report_name="", granularity=MINUTE, report_back=timedelta())
    request, changes = world.operator.ask_report(
        ven.ven_id, "telemetry", wanted=once, drawn=world.draw()
    )
    world.keep(changes)
    assert isinstance(ven.poll(), OadrCreateReport)
    for _ in range(2):
        reply = ven.update(request.report_request_id, START, 1.0)
        assert reply.ei_response.response_code == "200"  # type: ignore[union-attr]
    assert world.state.reports.asked(ven.ven_id) == ()
    with pytest.raises(LocalProtocolError, match="does not offer"):
        world.operator.ask_report(ven.ven_id, "other", wanted=once, drawn=world.draw())


def test_what_a_ven_wants_of_this_vtn_is_refused_with_the_code() -> None:
    """If it fails, a VEN waits for reports that never come."""
    world = World()
    ven, _ = offered(world)
    (request,) = ven.offer(telemetry()).oadr_report_request
    wish = OadrCreateReport(request_id="w", oadr_report_request=(request,), ven_id=ven.ven_id)
    assert ven.say("EiReport", wish).ei_response.response_code == "461"  # type: ignore[union-attr]
    end = OadrCancelReport(
        request_id="w", report_request_id=("x",), report_to_follow=False, ven_id=ven.ven_id
    )
    assert ven.say("EiReport", end).ei_response.response_code == "452"  # type: ignore[union-attr]


def opt(ven: VenFace, **changes: object) -> OadrCreateOpt:
    """Make the words of a VEN that is away for an hour."""
    values_: dict[str, object] = {
        "opt_id": "opt-1",
        "opt_type": OptType.OPT_OUT,
        "opt_reason": "x-schedule",
        "ven_id": ven.ven_id,
        "vavailability": (Properties(dtstart=START, duration=timedelta(hours=1)),),
        "created_date_time": START,
        "request_id": "o",
        "ei_target": EiTarget(resource_id=("空調 & <2>",)),
        **changes,
    }
    return OadrCreateOpt(**values_)  # type: ignore[arg-type]


def test_opt_schedules_are_kept_until_they_are_taken_back() -> None:
    """If it fails, a building that said it cannot is dispatched all the same."""
    world = World()
    ven = world.registered()
    for _ in range(2):
        reply = ven.say("EiOpt", opt(ven))
        assert isinstance(reply, OadrCreatedOpt)
        assert (reply.opt_id, reply.ei_response.response_code) == ("opt-1", "200")
    world.restart()
    assert world.state.opts.of(ven.ven_id) == (opt(ven),)
    cancel = OadrCancelOpt(request_id="c", opt_id="opt-1", ven_id=ven.ven_id)
    for code in ("200", "452"):
        reply = ven.say("EiOpt", cancel)
        assert isinstance(reply, OadrCanceledOpt)
        assert reply.ei_response.response_code == code
    world.restart()
    assert world.state.opts.of(ven.ven_id) == ()


def test_an_opt_for_an_event_changes_its_answer() -> None:
    """If it fails, a building that opts out after it opted in is still counted on."""
    world = World(now=START - timedelta(hours=2))
    ven = world.registered()
    world.order(event_order(), "e")
    ven.answer("e")
    which = QualifiedEventID(event_id="e", modification_number=0)
    ven.say("EiOpt", opt(ven, vavailability=(), qualified_event_id=which))
    (answer,) = world.state.events.answers.to("e")
    assert answer.opt_type == "optOut"
    unknown = replace(which, event_id="x")
    for wrong, code in (
        (opt(ven, vavailability=(), qualified_event_id=unknown), "452"),
        (opt(ven, vavailability=()), "454"),
    ):
        response = ven.say("EiOpt", wrong).ei_response  # type: ignore[union-attr]
        assert isinstance(response, EiResponse)
        assert response.response_code == code
