"""A VEN through its day: registration, events, opts, reports, losses and restarts."""

from dataclasses import replace
from datetime import timedelta

import pytest

from protocols.openadr.codes import ResponseCode
from protocols.openadr.messages.elements import EiTarget, OptType, Properties, QualifiedEventID
from protocols.openadr.messages.event import (
    EventStatus,
    OadrCreatedEvent,
    OadrDistributeEvent,
    ResponseRequired,
)
from protocols.openadr.messages.opt import OadrCancelOpt, OadrCreateOpt
from protocols.openadr.messages.registration import (
    OadrCanceledPartyRegistration,
    OadrCancelPartyRegistration,
    OadrCreatePartyRegistration,
    OadrPoll,
    OadrRequestReregistration,
    OadrResponse,
)
from protocols.openadr.messages.report import (
    OadrCanceledReport,
    OadrCancelReport,
    OadrCreatedReport,
    OadrCreateReport,
    OadrRegisteredReport,
    OadrRegisterReport,
    OadrUpdatedReport,
    OadrUpdateReport,
)
from protocols.openadr.ven.calls import Call, Purpose, Service
from protocols.openadr.ven.role import OptWish
from protocols.openadr.ven.settings import VenSettings
from protocols.openadr.ven.verdicts import Verdict, refused
from tests.unit.protocols.openadr.samples import at, distribute, event, interval, signal
from tests.unit.protocols.openadr.ven.bed import (
    OK,
    POINT,
    VenBed,
    created,
    refusal,
    request,
    said,
)

NOON = at("12:00")


def _registered(**changes: object) -> VenBed:
    bed = VenBed(**changes)  # type: ignore[arg-type]
    bed.run(NOON)
    bed.sent.clear()
    return bed


def _purposes(calls: list[Call]) -> list[Purpose]:
    return [call.purpose for call in calls]


def test_a_new_ven_queries_registers_announces_and_asks_for_its_events() -> None:
    """If it fails, a new site never takes part."""
    bed = VenBed()
    assert _purposes(bed.run(NOON)) == [
        Purpose.QUERY, Purpose.REGISTER, Purpose.ANNOUNCE, Purpose.RESYNC, Purpose.POLL,
    ]  # fmt: skip
    assert bed.ven.register.now.ven_id == "VEN-1"


def test_a_restart_registers_nothing_anew_but_asks_for_all_events() -> None:
    """If it fails, every restart is a new VEN at the VTN, or one that missed an event."""
    bed = _registered()
    bed.restart()
    assert _purposes(bed.run(NOON)) == [Purpose.RESYNC, Purpose.POLL]


def test_polls_as_often_as_the_vtn_asks_and_no_more() -> None:
    """If it fails, a thousand sites overrun their VTN, or learn of an event too late."""
    bed = _registered()
    wait = bed.ven.wake_at() - NOON
    assert timedelta(seconds=10) <= wait <= timedelta(seconds=10.5)
    assert bed.step(NOON + timedelta(seconds=9)) is None
    assert _purposes(bed.run(NOON + timedelta(seconds=11))) == [Purpose.POLL]


def test_a_failed_poll_is_not_an_empty_set() -> None:
    """If it fails, a site drops its event because the network did."""
    bed = _registered()
    bed.polled(distribute(event(start="12:00")), NOON + timedelta(seconds=11))
    bed.vtn_down = True
    for seconds in range(20, 600, 10):
        bed.step(NOON + timedelta(seconds=seconds))
    assert len(bed.orders(NOON + timedelta(minutes=10))) == 1
    bed.vtn_down = False
    error = distribute(vtn_id="vtn-1")
    bed.polled(
        replace(error, ei_response=refusal(ResponseCode.INVALID_DATA)), NOON + timedelta(hours=0.5)
    )
    bed.polled(OadrResponse(ei_response=OK), NOON + timedelta(hours=0.6))
    assert len(bed.orders(NOON + timedelta(minutes=40))) == 1


def test_failures_wait_longer_and_longer_and_within_bounds() -> None:
    """If it fails, a site hammers a VTN that is down, or comes back an hour late."""
    bed = VenBed()
    bed.vtn_down = True
    now, waits = NOON, []
    for _ in range(14):
        assert bed.step(now) is not None
        waits.append(bed.ven.wake_at() - now)
        now = bed.ven.wake_at()
    assert timedelta(seconds=1) <= waits[0] <= timedelta(seconds=2)
    assert timedelta(minutes=2.5) <= waits[-1] <= timedelta(minutes=5)


def test_an_event_is_answered_once_and_ordered() -> None:
    """If it fails, an event is not carried out, or answered again at each poll."""
    bed = _registered()
    calls = bed.polled(distribute(event(priority=1)), NOON + timedelta(seconds=11))
    assert _purposes(calls) == [Purpose.POLL, Purpose.ANSWER, Purpose.POLL]
    bed.polled(distribute(event(priority=1)), NOON + timedelta(seconds=30))
    assert [said(one) for one in bed.answers()] == [("e1", 0, OptType.OPT_IN, "200")]


def test_no_answer_where_none_is_wanted() -> None:
    """If it fails, a VTN that wants no answers gets a thousand."""
    bed = _registered()
    bed.polled(distribute(event(), required=ResponseRequired.NEVER), NOON + timedelta(seconds=11))
    assert bed.answers() == []
    assert len(bed.ven.events.held()) == 1


def test_an_answer_that_was_lost_is_given_after_the_restart_and_only_then() -> None:
    """If it fails, the VTN counts a site as silent that said yes, or hears it twice."""
    bed = _registered()
    bed.replies[Purpose.POLL] = distribute(event())
    bed.step(NOON + timedelta(seconds=11))
    bed.vtn_down = True
    bed.step(NOON + timedelta(seconds=11))
    bed.vtn_down = False
    bed.restart()
    bed.run(NOON + timedelta(seconds=20))
    bed.restart()
    bed.run(NOON + timedelta(seconds=40))
    assert len(bed.answers()) == 2, "one that was lost, one that arrived"


def test_delay_is_drawn_once_per_version_and_survives_a_restart() -> None:
    """If it fails, a restart in an event moves it: a site steps twice."""
    bed = _registered()
    wide = event(start="13:00", startafter=timedelta(hours=1))
    bed.polled(distribute(wide), NOON + timedelta(seconds=11))
    (before,) = bed.orders(NOON)
    assert at("13:00") < before.start < at("14:00")
    bed.restart()
    bed.polled(distribute(wide), NOON + timedelta(seconds=30))
    assert bed.orders(NOON) == (before,)
    changed = event(start="13:00", startafter=timedelta(hours=1), modification=1)
    bed.polled(distribute(changed), NOON + timedelta(seconds=60))
    assert bed.orders(NOON)[0].start != before.start


def test_a_modification_replaces_and_an_older_version_does_not() -> None:
    """If it fails, a site carries out an event that was changed long ago."""
    bed = _registered()
    later = NOON + timedelta(seconds=11)
    bed.polled(distribute(event(start="13:00")), later)
    three = signal(interval(60, 3.0))
    changed = event(start="13:00", signals=(three,), modification=2)
    bed.polled(distribute(changed), NOON + timedelta(seconds=22))
    bed.polled(distribute(event(start="13:00", modification=1)), NOON + timedelta(seconds=40))
    assert [one.value for one in bed.orders(NOON)] == [3.0]
    assert [said(one)[1:] for one in bed.answers()] == [
        (0, OptType.OPT_IN, "200"),
        (2, OptType.OPT_IN, "200"),
        (1, OptType.OPT_OUT, "450"),
    ]


def test_cancelled_by_word_and_by_absence() -> None:
    """If it fails, a site sheds load for an event that was called off."""
    bed = _registered()
    later = NOON + timedelta(seconds=11)
    bed.polled(distribute(event("a", start="13:00"), event("b", start="13:00")), later)
    cancelled = event("a", start="13:00", modification=1, status=EventStatus.CANCELLED)
    bed.polled(distribute(cancelled, event("b", start="13:00")), NOON + timedelta(seconds=22))
    assert {one.event_id for one in bed.orders(NOON)} == {"b"}
    bed.polled(distribute(), NOON + timedelta(seconds=33))
    assert bed.orders(at("13:30")) == ()
    bed.restart()
    assert bed.orders(at("13:30")) == (), "nor after a restart"


def test_a_running_event_with_tolerance_is_not_stopped_everywhere_at_once() -> None:
    """If it fails, cancelling an event makes all sites step up in the same second."""
    bed = _registered()
    wide = event(start="11:00", duration=timedelta(hours=3), startafter=timedelta(minutes=30),
                 signals=(signal(interval(180, 1.0)),))  # fmt: skip
    bed.polled(distribute(wide), NOON + timedelta(seconds=11))
    (running,) = bed.orders(NOON)
    delay = running.start - at("11:00")
    bed.polled(distribute(), NOON + timedelta(seconds=22))
    (ending,) = bed.orders(NOON)
    assert ending.end == NOON + timedelta(seconds=22) + delay


def test_an_open_ended_event_holds_until_it_is_cancelled() -> None:
    """If it fails, an event until further notice ends by itself, or never."""
    bed = _registered()
    endless = event(start="12:00", duration=timedelta(), signals=(signal(interval(0, 1.0)),))
    bed.polled(distribute(endless), NOON + timedelta(seconds=11))
    assert bed.orders(NOON + timedelta(days=30))[0].end is None
    bed.polled(distribute(), NOON + timedelta(days=30))
    assert bed.orders(NOON + timedelta(days=30, seconds=1)) == ()


def test_overlapping_events_stand_in_the_order_of_their_priority() -> None:
    """If it fails, an event without priority overrules an emergency."""
    bed = _registered()
    names = {"none": 0, "low": 7, "high": 1, "absent": None}
    bed.polled(
        distribute(*(event(name, start="13:00", priority=n) for name, n in names.items())),
        NOON + timedelta(seconds=11),
    )
    assert [one.event_id for one in bed.orders(NOON)][:2] == ["high", "low"]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (event("x", signals=(replace(signal(interval(1, 1.0)), intervals=()),)), "454"),
        (event("x", start="13:00", startafter=timedelta(days=30)), "454"),
        (event("x", start="13:00", startafter=timedelta(seconds=-1)), "454"),
        (event("x", duration=timedelta(seconds=-1)), "454"),
        (event("x", signals=(signal(interval(60 * 24 * 365 * 200, 1.0)),)), "454"),
        (event("x", target=EiTarget(ven_id=("other",))), "462"),
        (event("x", target=EiTarget(resource_id=("ghost",))), "462"),
    ],
)
def test_a_wrong_event_is_refused_alone(bad: object, code: str) -> None:
    """If it fails, one broken event takes the good ones of its message with it."""
    settings = VenSettings(ven_name="ven", points=(POINT,), resource_ids=("pump",))
    bed = _registered(settings=settings)
    good = event("good", start="13:00", target=EiTarget(ven_id=("ven-1",), resource_id=("pump",)))
    bed.polled(distribute(bad, good), NOON + timedelta(seconds=11))  # type: ignore[arg-type]
    assert [said(one) for one in bed.answers()] == [
        ("x", 0, OptType.OPT_OUT, code),
        ("good", 0, OptType.OPT_IN, "200"),
    ]
    assert {one.event_id for one in bed.orders(NOON)} == {"good"}


def test_a_start_beyond_all_time_breaks_nothing() -> None:
    """If it fails, one absurd date ends the VEN."""
    bed = _registered()
    far = event("x", start="13:00")
    properties = replace(far.ei_active_period.properties, dtstart=at("00:00").replace(year=9999))
    far = replace(far, ei_active_period=replace(far.ei_active_period, properties=properties))
    bed.polled(distribute(far), NOON + timedelta(seconds=11))
    bed.restart()
    bed.polled(distribute(), NOON + timedelta(seconds=30))
    assert said(bed.answers()[0])[3] == "454"


def test_the_sites_word_is_passed_on() -> None:
    """If it fails, the VTN counts on a site that cannot."""
    bed = _registered()
    bed.site.verdicts = {
        "unknown": refused(ResponseCode.SIGNAL_NOT_SUPPORTED, "no such signal"),
        "unable": Verdict(opt_type=OptType.OPT_OUT, cause="no battery"),
    }
    bed.polled(distribute(event("unknown"), event("unable")), NOON + timedelta(seconds=11))
    assert [said(one)[2:] for one in bed.answers()] == [
        (OptType.OPT_OUT, "460"),
        (OptType.OPT_OUT, "200"),
    ]
    assert bed.orders(NOON) == ()


def test_a_test_event_is_answered_and_not_carried_out() -> None:
    """If it fails, a drill switches loads off."""
    drill = event(start="13:00", test="true")
    bed = _registered()
    bed.polled(distribute(drill), NOON + timedelta(seconds=11))
    assert said(bed.answers()[0])[2] is OptType.OPT_IN
    assert bed.orders(NOON) == ()
    acting = _registered(settings=VenSettings(ven_name="ven", acts_on_tests=True))
    acting.polled(distribute(drill), NOON + timedelta(seconds=11))
    assert len(acting.orders(NOON)) == 1


def test_lower_case_vtn_id_is_ours_and_another_is_not() -> None:
    """If it fails, a stranger's events are obeyed, or our own VTN's are not."""
    bed = _registered()
    bed.polled(
        distribute(event("ours", start="13:00"), vtn_id="vTN-1"), NOON + timedelta(seconds=11)
    )
    calls = bed.polled(distribute(event("theirs"), vtn_id="other"), NOON + timedelta(seconds=30))
    assert {one.event_id for one in bed.orders(NOON)} == {"ours"}
    (answer,) = [one.message for one in calls if isinstance(one.message, OadrCreatedEvent)]
    assert answer.ei_created_event.ei_response.response_code == "452"


@pytest.mark.parametrize(
    "reply",
    [
        OadrRequestReregistration(ven_id="VEN-1"),
        OadrResponse(ei_response=refusal(ResponseCode.NOT_REGISTERED)),
        OadrResponse(ei_response=refusal(ResponseCode.INVALID_ID)),
    ],
)
def test_a_vtn_that_forgot_us_is_registered_with_again(reply: OadrResponse) -> None:
    """If it fails, a site is lost to its VTN after the VTN's restart."""
    bed = _registered()
    bed.polled(distribute(event(start="13:00")), NOON + timedelta(seconds=11))
    calls = bed.polled(reply, NOON + timedelta(seconds=30))
    again = [one.message for one in calls if isinstance(one.message, OadrCreatePartyRegistration)]
    assert again[0].ven_id == "VEN-1", "with the identifiers it has"
    assert Purpose.RESYNC in _purposes(calls)
    assert len(bed.orders(NOON)) == 1, "silence cancels nothing"


def test_identifiers_that_the_vtn_refuses_are_given_up() -> None:
    """If it fails, a site asks for ever for a registration that is gone."""
    bed = _registered()
    bed.replies = {
        Purpose.POLL: OadrRequestReregistration(ven_id="VEN-1"),
        Purpose.REGISTER: replace(created(), ei_response=refusal(ResponseCode.INVALID_ID)),
    }
    bed.run(NOON + timedelta(seconds=30))
    bed.run(NOON + timedelta(seconds=60))
    messages = [one.message for one in bed.sent]
    first, second = [one for one in messages if isinstance(one, OadrCreatePartyRegistration)]
    assert (first.ven_id, second.ven_id) == ("VEN-1", None)


def test_a_registration_cancelled_by_the_vtn_ends_its_events() -> None:
    """If it fails, a site obeys a VTN that has dismissed it."""
    bed = _registered(wanted=[request()])
    running = event(start="11:30", signals=(signal(interval(120, 1.0)),))
    bed.polled(distribute(running), NOON + timedelta(seconds=11))
    other = OadrCancelPartyRegistration(request_id="r", registration_id="other")
    calls = bed.polled(other, NOON + timedelta(seconds=22))
    assert len(bed.orders(NOON + timedelta(seconds=23))) == 1
    assert calls[1].message.ei_response.response_code == "452"  # type: ignore[union-attr]
    ours = OadrCancelPartyRegistration(request_id="r", registration_id="reg-1")
    bed.replies[Purpose.POLL] = ours
    bed.step(NOON + timedelta(seconds=40))
    farewell = bed.step(NOON + timedelta(seconds=40))
    assert farewell is not None
    assert isinstance(farewell.message, OadrCanceledPartyRegistration)
    assert farewell.service is Service.EI_REGISTER_PARTY
    assert bed.orders(NOON + timedelta(seconds=41)) == ()


def test_leaving_ends_everything_and_stays_away() -> None:
    """If it fails, a site that was taken out of a programme is still dispatched by it."""
    bed = _registered()
    running = event(start="11:30", signals=(signal(interval(120, 1.0)),))
    bed.polled(distribute(running), NOON + timedelta(seconds=11))
    bed.ven.deregister()
    calls = bed.run(NOON + timedelta(seconds=30))
    assert _purposes(calls) == [Purpose.DEREGISTER]
    assert bed.orders(NOON + timedelta(seconds=31)) == ()
    assert bed.run(NOON + timedelta(hours=1)) == []


def test_reports_are_confirmed_and_sent_each_minute() -> None:
    """If it fails, the market's deadline for telemetry is missed."""
    bed = _registered(wanted=[request()])
    minutes = [
        call.message.oadr_report[0]
        for minute in range(1, 5)
        for call in bed.run(NOON + timedelta(minutes=minute, seconds=3))
        if isinstance(call.message, OadrUpdateReport)
    ]
    assert [one.dtstart for one in minutes] == [NOON + timedelta(minutes=n) for n in range(4)]
    (reading,) = minutes[2].intervals
    assert reading.oadr_report_payload[0].payload_float == 2.0
    assert minutes[0].report_request_id == "q1"


def test_what_could_not_be_sent_is_sent_late_and_what_is_due_goes_first() -> None:
    """If it fails, an outage of the line is a hole in the settlement."""
    bed = _registered(wanted=[request()])
    bed.vtn_down = True
    for minute in range(1, 31):
        bed.run(NOON + timedelta(minutes=minute, seconds=3))
    bed.restart()
    bed.vtn_down = False
    bed.sent.clear()
    bed.run(NOON + timedelta(minutes=45, seconds=3))
    spans = [
        (one.dtstart, one.dtstart + one.duration)
        for call in bed.sent
        if isinstance(call.message, OadrUpdateReport)
        for one in call.message.oadr_report
        if one.dtstart is not None and one.duration is not None
    ]
    assert spans[0] == (NOON + timedelta(minutes=44), NOON + timedelta(minutes=45))
    assert sorted(spans)[0][0] == NOON
    told = sum((end - start for start, end in spans), timedelta())
    assert told == timedelta(minutes=45), "each minute once"


def test_readings_that_come_late_are_sent_again_and_nothing_else() -> None:
    """If it fails, what was measured while a site was cut off never reaches the VTN."""
    bed = _registered(wanted=[request()])
    for minute in range(1, 6):
        bed.run(NOON + timedelta(minutes=minute, seconds=3))
    now = NOON + timedelta(minutes=5, seconds=4)
    assert bed.ven.reports.owed_since() is None
    late = (NOON + timedelta(minutes=1, seconds=20), NOON + timedelta(minutes=2))
    bed.ven.reports.owe(late, now)
    bed.ven.reports.owe((NOON + timedelta(minutes=5), NOON + timedelta(minutes=9)), now)
    bed.keep()
    bed.restart()
    assert bed.ven.reports.owed_since() == NOON + timedelta(minutes=1)
    bed.sent.clear()
    bed.run(now)
    (again,) = [call.due.span for call in bed.sent if call.due is not None]
    assert again == (NOON + timedelta(minutes=1), NOON + timedelta(minutes=2)), "whole minutes"
    assert bed.ven.reports.owed_since() is None


def test_a_report_on_its_way_at_a_loss_of_power_is_sent_again() -> None:
    """If it fails, a loss of power at the wrong moment loses a minute for ever."""
    bed = _registered(wanted=[request()])
    now = NOON + timedelta(minutes=1, seconds=3)
    while not isinstance((call := bed.ven.next_call(now, bed.seed())).message, OadrUpdateReport):  # type: ignore[union-attr]
        bed.keep()
        bed.ven.replied(call, OadrResponse(ei_response=OK), now=now, seed=bed.seed())  # type: ignore[arg-type]
    bed.keep()
    bed.restart()
    again = [one for one in bed.run(now) if isinstance(one.message, OadrUpdateReport)]
    assert len(again) == 1


def test_nothing_measured_is_nothing_reported() -> None:
    """If it fails, a dead meter's last value is sold as the present."""
    bed = _registered(wanted=[request()])
    bed.site.measured_until = NOON
    calls = bed.run(NOON + timedelta(minutes=5, seconds=3))
    assert not [one for one in calls if isinstance(one.message, OadrUpdateReport)]


def test_history_is_one_report_of_the_past() -> None:
    """If it fails, a VTN that asks for yesterday gets nothing, or gets it every minute."""
    bed = _registered()
    past = Properties(dtstart=at("09:00"), duration=timedelta(hours=2))
    asked = request(back=timedelta())
    asked = replace(asked, report_specifier=replace(asked.report_specifier, report_interval=past))
    calls = bed.polled(
        OadrCreateReport(request_id="r", oadr_report_request=(asked,)), NOON + timedelta(seconds=11)
    )
    reports = [one.message for one in calls if isinstance(one.message, OadrUpdateReport)]
    assert len(reports[0].oadr_report[0].intervals) == 120
    later = bed.run(NOON + timedelta(minutes=10))
    assert not [one for one in later if isinstance(one.message, OadrUpdateReport)]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (request(r_id="ghost"), "461"),
        (request(back=timedelta(seconds=1)), "454"),
    ],
)
def test_a_report_that_is_not_offered_is_refused(asked: object, code: str) -> None:
    """If it fails, a VTN waits for a report that never comes."""
    bed = _registered()
    wish = OadrCreateReport(request_id="r", oadr_report_request=(request("good"), asked))  # type: ignore[arg-type]
    calls = bed.polled(wish, NOON + timedelta(seconds=11))
    (answer,) = [one.message for one in calls if isinstance(one.message, OadrCreatedReport)]
    assert answer.ei_response.response_code == code
    assert answer.oadr_pending_reports == (), "all or none"


def test_metadata_is_sent_again_when_asked_for() -> None:
    """If it fails, a VTN that lost our offer never gets it back."""
    bed = _registered()
    asked = request()
    metadata = replace(
        asked, report_specifier=replace(asked.report_specifier, report_specifier_id="METADATA")
    )
    calls = bed.polled(
        OadrCreateReport(request_id="r", oadr_report_request=(metadata,)),
        NOON + timedelta(seconds=11),
    )
    assert [one for one in calls if isinstance(one.message, OadrRegisterReport)]


def test_reports_end_when_they_are_cancelled() -> None:
    """If it fails, a VTN is sent for ever what it does not want."""
    bed = _registered(wanted=[request("a"), request("b")])
    end = OadrCancelReport(request_id="r", report_request_id=("a",), report_to_follow=False)
    calls = bed.polled(end, NOON + timedelta(seconds=11))
    (answer,) = [one.message for one in calls if isinstance(one.message, OadrCanceledReport)]
    assert answer.oadr_pending_reports == ("b",)
    unknown = OadrCancelReport(request_id="r", report_request_id=("?",), report_to_follow=False)
    calls = bed.polled(unknown, NOON + timedelta(seconds=30))
    (answer,) = [one.message for one in calls if isinstance(one.message, OadrCanceledReport)]
    assert answer.ei_response.response_code == "452"
    bed.replies[Purpose.REPORT] = OadrUpdatedReport(
        ei_response=OK,
        oadr_cancel_report=OadrCancelReport(
            request_id="r", report_request_id=("b",), report_to_follow=False
        ),
    )
    bed.run(NOON + timedelta(minutes=1, seconds=3))
    later = bed.run(NOON + timedelta(minutes=9))
    assert not [one for one in later if isinstance(one.message, OadrUpdateReport)]


def test_an_answer_that_breaks_the_vtn_does_not_stop_the_ven() -> None:
    """If it fails, one defect of a VTN keeps all further events from a site."""
    bed = _registered()
    bed.replies[Purpose.POLL] = distribute(event(start="13:00"))
    now = NOON + timedelta(seconds=11)
    bed.step(now)
    for _ in range(3):
        call = bed.ven.next_call(now, bed.seed())
        assert call is not None
        assert call.purpose is Purpose.ANSWER
        bed.ven.failed(call, now, bed.seed(), was_reached=True)
        now += timedelta(minutes=5)
    assert _purposes(bed.run(now)) == [Purpose.POLL]


def test_a_report_that_breaks_the_vtn_does_not_delay_polls() -> None:
    """If it fails, a VTN that cannot read telemetry cannot dispatch either."""
    bed = _registered(wanted=[request()])
    now = NOON + timedelta(minutes=1, seconds=3)
    call = bed.ven.next_call(now, bed.seed())
    while call is not None and call.purpose is not Purpose.REPORT:
        bed.ven.replied(call, OadrResponse(ei_response=OK), now=now, seed=bed.seed())
        call = bed.ven.next_call(now, bed.seed())
    assert call is not None
    bed.ven.failed(call, now, bed.seed(), was_reached=True)
    assert bed.ven.next_call(now, bed.seed()) is None
    assert _purposes(bed.run(now + timedelta(seconds=11)))[-1] is Purpose.POLL


def test_opt_schedule_keeps_us_out_of_events_and_is_told() -> None:
    """If it fails, a site is dispatched on the day it said it could not."""
    bed = _registered()
    wish = OptWish(
        opt_type=OptType.OPT_OUT,
        reason="x-schedule",
        periods=(Properties(dtstart=at("13:00"), duration=timedelta(hours=1)),),
    )
    opt_id = bed.ven.create_opt(wish, NOON, bed.seed())
    (told,) = [one for one in bed.run(NOON) if isinstance(one.message, OadrCreateOpt)]
    assert told.service is Service.EI_OPT
    bed.restart()
    inside, outside = event("in", start="13:30"), event("out", start="14:00")
    bed.polled(distribute(inside, outside), NOON + timedelta(seconds=11))
    assert [said(one)[2] for one in bed.answers()] == [OptType.OPT_OUT, OptType.OPT_IN]
    assert bed.ven.cancel_opt(opt_id, bed.seed())
    assert not bed.ven.cancel_opt(opt_id, bed.seed())
    calls = bed.run(NOON + timedelta(seconds=30))
    assert [one for one in calls if isinstance(one.message, OadrCancelOpt)]


def test_opt_out_of_a_running_event() -> None:
    """If it fails, a site that found it cannot go on is still counted."""
    bed = _registered()
    bed.polled(distribute(event(start="12:00")), NOON + timedelta(seconds=11))
    qualified = QualifiedEventID(event_id="e1", modification_number=0)
    wish = OptWish(opt_type=OptType.OPT_OUT, reason="overrideStatus", event=qualified)
    bed.ven.create_opt(wish, NOON, bed.seed())
    assert bed.orders(NOON + timedelta(minutes=1)) == ()
    bed.keep()
    bed.restart()
    assert bed.orders(NOON + timedelta(minutes=1)) == ()


def test_push_is_answered_at_once_and_events_by_an_own_call() -> None:
    """If it fails, a VTN in push mode hears nothing of its events."""
    settings = VenSettings(ven_name="ven", points=(POINT,), push_address="http://ven/")
    bed = VenBed(settings)
    assert isinstance(bed.ven.pushed(distribute(event()), NOON, bed.seed()), OadrResponse)
    assert bed.ven.events.held() == (), "nothing is taken before there is a registration"
    assert Purpose.POLL not in _purposes(bed.run(NOON))
    reply = bed.ven.pushed(distribute(event(start="13:00")), NOON, bed.seed())
    assert isinstance(reply, OadrResponse)
    assert reply.ei_response.response_code == "200"
    assert _purposes(bed.run(NOON)) == [Purpose.ANSWER]
    wish = OadrCreateReport(request_id="r", oadr_report_request=(request(),))
    confirmed = bed.ven.pushed(wish, NOON, bed.seed())
    assert isinstance(confirmed, OadrCreatedReport)
    assert confirmed.oadr_pending_reports == ("q1",)
    strange = bed.ven.pushed(OadrRegisteredReport(ei_response=OK), NOON, bed.seed())
    assert isinstance(strange, OadrResponse)
    assert strange.ei_response.response_code == "453"
    assert _purposes(bed.run(NOON + timedelta(hours=1))).count(Purpose.RESYNC) == 1


def test_a_flood_of_events_is_bounded() -> None:
    """If it fails, a mad VTN fills the gateway's disk."""
    bed = _registered(settings=VenSettings(ven_name="ven", events_max=3))
    flood = OadrDistributeEvent(
        request_id="r",
        vtn_id="vtn-1",
        oadr_event=distribute(*(event(f"e{n}", start="13:00") for n in range(10))).oadr_event,
    )
    bed.polled(flood, NOON + timedelta(seconds=11))
    assert len(bed.ven.events.held()) == 3
    assert [said(one)[3] for one in bed.answers()].count("454") == 7


def test_events_that_are_over_are_forgotten() -> None:
    """If it fails, the records of a gateway grow for years."""
    bed = _registered()
    bed.polled(
        distribute(event(start="12:00", duration=timedelta(hours=1))), NOON + timedelta(seconds=11)
    )
    bed.polled(distribute(), NOON + timedelta(hours=3))
    assert bed.ven.events.held() == ()
    assert not [key for key in bed.records if key.startswith("event/")]


def test_an_overdue_poll_goes_before_late_reports() -> None:
    """If it fails, catching up on telemetry keeps a new event away."""
    bed = _registered(wanted=[request()])
    now = NOON + timedelta(hours=3)
    first = bed.step(now)
    assert first is not None
    assert isinstance(first.message, OadrPoll)
