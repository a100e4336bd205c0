"""What strangers send: answered in the standard's terms, never with an error of the server."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.openadr.messages.payload import ROOTS
from protocols.openadr.messages.registration import OadrPoll, OadrQueryRegistration
from protocols.openadr.messages.report import OadrRegisterReport
from protocols.openadr.xml import decode, encode
from protocols.sansio.http import HttpRequest
from tests.unit.protocols.openadr.vtn.world import (
    PREFIX,
    World,
    created,
    event_order,
    registration,
    telemetry,
)

SERVICES = ("EiRegisterParty", "EiEvent", "EiReport", "EiOpt", "OadrPoll")
LAUGHS = (
    b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>"""
)
OUTSIDE = b"""<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>"""


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"<", 400),
        (b"\xff\xfe\x00", 400),
        (LAUGHS, 400),
        (OUTSIDE, 400),
        (b"<a>" * 5_000 + b"</a>" * 5_000, 400),
        (b"<a/>", 200),
        (b"<oadrPayload/>", 200),
        (encode(OadrPoll(ven_id="x")).replace(b"2012/07", b"2012/08"), 200),
        (encode(OadrPoll(ven_id="x")).replace(b"oadrPoll", b"oadrPull"), 200),
        (encode(OadrPoll(ven_id="x")).replace(b"ei:venID", b"ei:venId"), 200),
    ],
)
def test_hostile_bytes_get_an_error_and_a_line(service: str, body: bytes, status: int) -> None:
    """If it fails, one request brings the VTN down, or reads its files."""
    answer = World().post(service, body)
    assert answer.reply.status == status
    assert answer.changes == ()
    assert [one.name for one in answer.happenings] == ["payload.refused"]
    assert b"root:" not in answer.reply.body
    if status == 200:
        reply = decode(answer.reply.body)
        assert reply.ei_response.response_code in {"453", "454", "459"}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("GET", f"{PREFIX}/OadrPoll", "", 405),
        ("POST", f"{PREFIX}/Nothing", "application/xml", 404),
        ("POST", "/", "application/xml", 404),
        ("POST", f"{PREFIX}/OadrPoll", "application/json", 415),
        ("POST", f"{PREFIX}/OadrPoll", "", 415),
        ("POST", f"{PREFIX}/OadrPoll", "text/xml; charset=utf-8", 200),
    ],
)
def test_what_is_not_openadr_gets_its_http_status(
    method: str, path: str, content: str, *, status: int
) -> None:
    """If it fails, a wrong address or type ends in an error of the server."""
    world = World()
    request = HttpRequest(
        method=method, path=path, content_type=content, body=encode(OadrPoll(ven_id="x"))
    )
    assert world.vtn.answer(request, world.now, world.draw()).reply.status == status


def test_a_payload_at_the_wrong_service_is_a_compliance_error() -> None:
    """If it fails, a VEN that mixes its services up is not told so."""
    world = World()
    ven = world.registered()
    for service, message in (
        ("EiEvent", OadrPoll(ven_id=ven.ven_id)),
        ("OadrPoll", OadrQueryRegistration(request_id="q")),
        ("EiOpt", registration("x")),
        ("EiReport", created(ven.ven_id, "e")),
    ):
        reply = world.say(service, message)
        assert reply.ei_response.response_code == "459"  # type: ignore[union-attr]


def test_one_ven_never_sees_another_vens_data() -> None:
    """If it fails, a building learns what its neighbour was ordered."""
    world = World()
    one, other = world.registered("one"), world.registered("other")
    order = event_order(world.now + timedelta(hours=1))
    world.order(replace(order, target=replace(order.target, ven_id=(one.ven_id,))), "secret")
    assert b"secret" not in world.post("OadrPoll", encode(OadrPoll(ven_id=other.ven_id))).reply.body
    assert other.answer("secret").ei_response.response_code == "452"  # type: ignore[union-attr]


SAMPLES = [
    encode(message)
    for message in (
        OadrPoll(ven_id="ven"),
        registration("ven & <1> 東京"),
        created("ven", "e"),
        OadrRegisterReport(request_id="r", oadr_report=(telemetry(),), ven_id="ven"),
    )
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damaged_payloads_never_end_in_an_error_of_ours(data: st.DataObject) -> None:
    """If it fails, a damaged message crashes the VTN for everybody."""
    sample = bytearray(data.draw(st.sampled_from(SAMPLES)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(sample) - 1))
        kind = data.draw(st.integers(0, 2))
        if kind == 0:
            sample[place] = data.draw(st.integers(0, 255))
        elif kind == 1:
            del sample[place : place + data.draw(st.integers(1, 40))]
        else:
            sample[place:place] = data.draw(st.binary(min_size=1, max_size=20))
        if not sample:
            break
    world = World()
    world.say("EiRegisterParty", registration("ven", ven_id="ven"))
    for service in SERVICES:
        assert world.post(service, bytes(sample)).reply.status in {200, 400}


@pytest.mark.parametrize("root", sorted(ROOTS))
def test_every_payload_of_the_standard_is_answered(root: str) -> None:
    """If it fails, a payload that only a VTN sends crashes a VTN that receives it."""
    world = World(now=datetime(2026, 7, 22, tzinfo=UTC))
    empty = encode(OadrPoll(ven_id="x")).replace(b"oadr:oadrPoll", root.encode())
    for service in SERVICES:
        answer = world.post(service, empty)
        assert answer.reply.status == 200
