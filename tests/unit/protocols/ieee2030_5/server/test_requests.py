"""Requests as they come: pages, errors, writes, and everything again after a restart."""

import pytest

from protocols.ieee2030_5.resources.der import (
    ActivePower,
    DERCapability,
    DERControlList,
    DERSettings,
)
from protocols.ieee2030_5.resources.devices import (
    ConnectionPoint,
    DeviceCapability,
    EndDeviceList,
    LogEvent,
    LogEventList,
    Time,
)
from protocols.ieee2030_5.resources.elements import DateTimeInterval
from protocols.ieee2030_5.resources.messages import DERControlResponse, ResponseList
from protocols.ieee2030_5.resources.metering import (
    MirrorMeterReading,
    MirrorMeterReadingList,
    MirrorUsagePoint,
    MirrorUsagePointList,
    Reading,
    ReadingType,
)
from protocols.ieee2030_5.server.settings import LOG_MAX, ZoneMoment
from protocols.ieee2030_5.xml import decode
from tests.unit.protocols.ieee2030_5.server.town import ANNE, NOW, Town

METER = "AB" * 16


def _mirror(*, post: int | None = None) -> MirrorUsagePoint:
    kind = ReadingType(uom=38, power_of_ten_multiplier=1, flow_direction=1)
    return MirrorUsagePoint(
        mrid="CD" * 16,
        role_flags=3,
        service_category_kind=0,
        status=1,
        device_lfdi=ANNE,
        mirror_meter_reading=(MirrorMeterReading(mrid=METER, reading_type=kind),),
        post_rate=post,
    )


def _reading(value: int) -> MirrorMeterReading:
    period = DateTimeInterval(duration=60, start=NOW)
    return MirrorMeterReading(mrid=METER, reading=Reading(value=value, time_period=period))


def test_without_a_limit_a_list_has_one_item() -> None:
    """If it fails, clients that page as the standard says miss or repeat items."""
    town = Town()
    town.register()
    program = town.program()
    for number in range(5):
        town.issue(program, 60 * number, 60)
    one = decode(town.ask("GET", "/derp/1/derc").reply.body, DERControlList)
    assert (one.all, one.results, len(one.der_control)) == (5, 1, 1)
    paged: list[str] = []
    for start in range(0, 8, 2):
        query = (("s", str(start)), ("l", "2"))
        page = decode(town.ask("GET", "/derp/1/derc", query=query).reply.body, DERControlList)
        assert page.all == 5
        paged += [control.mrid for control in page.der_control]
    whole = town.get("/derp/1/derc", DERControlList).der_control
    assert paged == [control.mrid for control in whole]
    assert [c.interval.start - NOW for c in whole] == [0, 60, 120, 180, 240]
    none = decode(town.ask("GET", "/derp/1/derc", query=(("l", "0"),)).reply.body, DERControlList)
    assert (none.all, none.results) == (5, 0)


@pytest.mark.parametrize(
    "query",
    [(("l", "-1"),), (("s", "x"),), (("l", ""),), (("l", "1"), ("l", "2")), (("s", "9" * 20),)],
)
def test_a_query_that_is_none_is_refused(query: tuple[tuple[str, str], ...]) -> None:
    """If it fails, nonsense in a query is answered with something that looks like a list."""
    assert Town().status("GET", "/edev", query=query) == 400


def test_the_first_page_leads_to_the_others() -> None:
    """If it fails, a client that follows links only finds nothing."""
    town = Town(poll_rate_s=77)
    town.register()
    found = town.get("/dcap", DeviceCapability)
    assert found.poll_rate == 77
    assert found.end_device_list_link is not None
    assert (found.end_device_list_link.href, found.end_device_list_link.all) == ("/edev", 1)
    assert found.time_link is not None
    assert found.mirror_usage_point_list_link is not None


def test_the_time_is_the_given_one_with_the_zone_s_rules() -> None:
    """If it fails, every event on every client is shifted."""
    zone = ZoneMoment(offset_s=3600, dst_offset_s=3600, dst_start=5, dst_end=9)
    shown = Town(zone=lambda now: zone).get("/tm", Time)
    assert (shown.current_time, shown.tz_offset, shown.dst_offset) == (NOW, 3600, 3600)
    assert (shown.dst_start_time, shown.dst_end_time) == (5, 9)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", "/dcap", 405),
        ("PATCH", "/edev", 405),
        ("POST", "/tm", 405),
        ("PUT", "/derp/1/derc/1", 405),
        ("GET", "/", 404),
        ("GET", "/edev/", 404),
        ("GET", "/edev/99999999999999999999", 404),
        ("GET", "/edev/1/der/2", 404),
        ("GET", "/../../etc/passwd", 404),
    ],
)
def test_what_there_is_not_is_said_so(method: str, path: str, status: int) -> None:
    """If it fails, a wrong request is an error of ours."""
    town = Town()
    town.register()
    outcome = town.ask(method, path)
    assert outcome.reply.status == status
    assert outcome.refused
    assert (status == 405) == ("Allow" in dict(outcome.reply.headers))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<",
        b"<a/>",
        b"\xff\xfe",
        b'<!DOCTYPE a [<!ENTITY b "c">]><EndDevice>&b;</EndDevice>',
        b'<EndDevice xmlns="http://ieee.org/2030.5"><sFDI>1</sFDI></EndDevice>',
        b'<EndDevice xmlns="urn:ieee:std:2030.5:ns"/>',
        b'<DERStatus xmlns="urn:ieee:std:2030.5:ns"><readingTime>1</readingTime></DERStatus>',
        b'<EndDevice xmlns="urn:ieee:std:2030.5:ns"><changedTime>1</changedTime>'
        b"<sFDI>1</sFDI></EndDevice>",
        b'<EndDevice xmlns="urn:ieee:std:2030.5:ns">'
        + b"<a>" * 100
        + b"</a>" * 100
        + b"</EndDevice>",
    ],
)
def test_a_body_that_is_none_is_refused_and_changes_nothing(body: bytes) -> None:
    """If it fails, a broken or hostile client stops the server or leaves something behind."""
    town = Town()
    town.keep()
    before = dict(town.stored)
    outcome = town.ask("POST", "/edev", body=body)
    assert outcome.reply.status == 400
    assert b"<Error" in outcome.reply.body
    assert town.stored == before


def test_content_and_answer_have_the_standard_s_type() -> None:
    """If it fails, a form or a page of a browser is taken for a resource."""
    town = Town()
    town.register()
    status = ("PUT", "/edev/1/der/1/ders")
    assert town.status(*status, body=b"<a/>", media="text/xml") == 415
    assert town.status(*status, body=b"<a/>", media="") == 415
    assert town.status("GET", "/dcap", accept="application/sep-exi") == 406
    for accept in ("application/sep+xml; level=-S1", "*/*", "text/html, application/sep+xml"):
        assert town.status("GET", "/dcap", accept=accept) == 200


def test_what_a_device_says_of_itself_is_kept_as_it_said_it() -> None:
    """If it fails, the operator plans with a device that is not the one outside."""
    town = Town()
    town.register()
    assert town.status("GET", "/edev/1/der/1/dercap") == 404
    said = DERCapability(
        modes_supported=3, rtg_max_w=ActivePower(multiplier=0, value=10_000), type=4
    )
    assert town.status("PUT", "/edev/1/der/1/dercap", body=said) == 204
    assert town.get("/edev/1/der/1/dercap", DERCapability).rtg_max_w.value == 10_000
    lacking = b'<DERSettings xmlns="urn:ieee:std:2030.5:ns"><setGradW>50</setGradW></DERSettings>'
    assert town.status("PUT", "/edev/1/der/1/derg", body=lacking) == 400
    assert town.status("GET", "/edev/1/der/1/derg") == 404
    good = DERSettings(
        updated_time=NOW, set_grad_w=50, set_max_w=ActivePower(multiplier=0, value=9_000)
    )
    assert town.status("PUT", "/edev/1/der/1/derg", body=good) == 204


def test_a_response_is_taken_once_and_only_if_it_makes_sense() -> None:
    """If it fails, delivery is proven by responses that nobody gave."""
    town = Town()
    town.register()
    mrid = town.issue(town.program(), 0, 60).resource.mrid

    def say(status: int, *, subject: str = mrid, lfdi: str = ANNE) -> int:
        said = DERControlResponse(end_device_lfdi=lfdi, status=status, subject=subject)
        return town.status("POST", "/derp/1/rsp", body=said)

    assert [say(1), say(2), say(2)] == [201, 201, 204]
    assert say(15) == 400
    assert say(1, subject="FFFFFFFF") == 404
    assert say(1, lfdi="0F423F") == 403
    kept = town.get("/derp/1/rsp", ResponseList)
    assert sorted(r.status or 0 for r in kept.response) == [1, 2]


def test_readings_are_the_latest_of_their_quantity() -> None:
    """If it fails, the coordinator sees an old or a wrong power."""
    town = Town()
    town.register()
    first = town.ask("POST", "/mup", body=_mirror())
    assert (first.reply.status, dict(first.reply.headers)["Location"]) == (201, "/mup/1")
    again = town.ask("POST", "/mup", body=_mirror(post=5))
    assert (again.reply.status, dict(again.reply.headers)["Location"]) == (204, "/mup/1")
    assert town.get("/mup", MirrorUsagePointList).all == 1
    assert town.status("POST", "/mup/1", body=_reading(500)) == 204
    several = MirrorMeterReadingList(mirror_meter_reading=(_reading(600),))
    assert town.status("POST", "/mup/1", body=several) == 204
    (value,) = town.server.devices.values(ANNE)
    assert (value.value, value.start, value.duration_s) == (600, NOW, 60)
    assert value.reading_type is not None
    assert value.reading_type.power_of_ten_multiplier == 1


def test_readings_that_cannot_be_are_refused() -> None:
    """If it fails, a reading without a meaning, or beyond the standard's range, is believed."""
    town = Town()
    town.register()
    town.ask("POST", "/mup", body=_mirror())
    stranger = MirrorMeterReading(mrid="EF" * 16, reading=Reading(value=1))
    assert town.status("POST", "/mup/1", body=stranger) == 400
    huge = (
        f'<MirrorMeterReading xmlns="urn:ieee:std:2030.5:ns"><mRID>{METER}</mRID><Reading>'
        f"<value>{3 * 10**15}</value></Reading></MirrorMeterReading>"
    ).encode()
    assert town.status("POST", "/mup/1", body=huge) == 400
    assert list(town.server.devices.values()) == []


def test_the_operator_s_rates_are_shown() -> None:
    """If it fails, clients poll and report too seldom for the operator, or flood it."""
    town = Town(poll_rate_s=300, post_rate_s=300)
    town.register()
    town.ask("POST", "/mup", body=_mirror(post=1))
    found = town.server.devices.find(ANNE)
    assert found is not None
    town.server.devices.set_post_rate(found, 60)
    town.server.devices.set_poll_rate(ANNE, "EndDeviceList", 30)
    listed = town.get("/edev", EndDeviceList)
    assert (listed.poll_rate, listed.end_device[0].post_rate) == (30, 60)
    assert town.get("/mup/1", MirrorUsagePoint).post_rate == 60
    town.server.devices.clear_poll_rates(ANNE)
    assert town.get("/edev", EndDeviceList).poll_rate == 300


def test_the_log_keeps_the_newest() -> None:
    """If it fails, a talkative device fills the database, or its last words are lost."""
    town = Town()
    town.register()
    for number in range(LOG_MAX + 3):
        event = LogEvent(
            created_date_time=NOW + number,
            function_set=11,
            log_event_code=0,
            log_event_id=number,
            log_event_pen=0,
            profile_id=2,
        )
        assert town.status("POST", "/edev/1/lel", body=event) == 201
    kept = town.get("/edev/1/lel", LogEventList)
    assert (kept.all, kept.log_event[0].log_event_id) == (LOG_MAX, LOG_MAX + 2)


def test_the_australian_extension_is_switched_off_wholly() -> None:
    """If it fails, a strict client of the plain standard stops at an element it cannot know."""
    for csip_aus in (True, False):
        town = Town(csip_aus=csip_aus)
        town.register()
        town.issue(town.program(), 0, 60)
        pages = [
            town.ask("GET", path, query=(("l", "9"),)).reply.body
            for path in ("/dcap", "/edev", "/derp/1/derc")
        ]
        assert (b"csipaus" in b"".join(pages)) == csip_aus
        point = ConnectionPoint(connection_point_id="41020000002")
        wanted = 204 if csip_aus else 404
        assert town.status("PUT", "/edev/1/cp", body=point) == wanted
    wrong = ConnectionPoint(connection_point_id="NOTAVALIDID")
    town = Town()
    town.register()
    assert town.status("PUT", "/edev/1/cp", body=wrong) == 400


def test_a_restart_changes_no_page() -> None:
    """If it fails, a restart loses what was promised, or answers clients differently."""
    town = Town()
    town.register()
    control = town.issue(town.program(), 5, 60)
    town.ask("POST", "/mup", body=_mirror())
    town.ask("POST", "/mup/1", body=_reading(5))
    said = DERControlResponse(end_device_lfdi=ANNE, status=1, subject=control.resource.mrid)
    town.ask("POST", "/derp/1/rsp", body=said)
    paths = (
        "/dcap",
        "/edev",
        "/edev/1/fsa",
        "/derp/1/derc",
        "/derp/1/rsp",
        "/mup",
        "/derp/1/dderc",
    )
    before = [town.ask("GET", path, query=(("l", "9"),)).reply for path in paths]
    values = list(town.server.devices.values())
    town.restart()
    assert [town.ask("GET", path, query=(("l", "9"),)).reply for path in paths] == before
    assert list(town.server.devices.values()) == values
    new = town.issue(town.program(), 5, 60)
    assert new.resource.mrid != control.resource.mrid
    assert new.number == control.number + 1
