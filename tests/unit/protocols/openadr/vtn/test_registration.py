"""Who registers, as whom, and who may speak for whom."""

from dataclasses import replace

import pytest

from protocols.openadr.messages.payload import Payload
from protocols.openadr.messages.registration import (
    OadrCanceledPartyRegistration,
    OadrCancelPartyRegistration,
    OadrCreatedPartyRegistration,
    OadrPoll,
    OadrQueryRegistration,
    OadrRequestReregistration,
    OadrResponse,
)
from protocols.openadr.vtn.operator import NamedVen
from tests.unit.protocols.openadr.vtn.world import SETTINGS, World, good, peer, registration


def code(reply: Payload) -> str:
    """Response code of a reply."""
    return str(reply.ei_response.response_code)  # type: ignore[union-attr]


def test_a_ven_is_known_again_after_both_restart() -> None:
    """If it fails, a restarted building gets another name and its events go nowhere."""
    world = World()
    first = world.registered("Building A & B 東京")
    world.restart()
    again = world.registered("Building A & B 東京")
    assert again.ven_id == first.ven_id
    assert again.registration_id != first.registration_id


def test_a_registration_is_kept_when_the_ven_names_it() -> None:
    """If it fails, a VEN that re-registers as asked is treated as one that forgot everything."""
    world = World()
    ven = world.registered("ven")
    reply = world.expect(
        OadrCreatedPartyRegistration,
        "EiRegisterParty",
        registration("ven", ven_id=ven.ven_id, registration_id=ven.registration_id),
    )
    assert reply.registration_id == ven.registration_id


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"registration_id": "made-up"}, "452"),
        ({"ven_id": "VEN", "registration_id": "made-up"}, "452"),
        ({"oadr_profile_name": "2.0a"}, "459"),
        ({"oadr_transport_name": "xmpp"}, "459"),
        ({"oadr_http_pull_model": False}, "454"),
        (
            {"oadr_http_pull_model": False, "oadr_transport_address": "file:///etc/passwd"},
            "454",
        ),
        ({"oadr_ven_name": "x" * 1_000}, "454"),
    ],
)
def test_a_wrong_registration_is_refused_with_its_code(
    changes: dict[str, object], expected: str
) -> None:
    """If it fails, a VEN with wrong data is taken, or is not told why it is not."""
    world = World()
    world.registered("known")
    reply = world.expect(
        OadrCreatedPartyRegistration, "EiRegisterParty", registration("other", **changes)
    )
    assert code(reply) == expected
    assert reply.ven_id is None
    assert len(world.state.vens.everyone()) == 1


def test_nobody_speaks_for_another_certificate() -> None:
    """If it fails, one building can read and answer another's events."""
    world = World()
    ven = world.registered("a", peer(1))
    for identity in (peer(2), None):
        reply = world.say("OadrPoll", OadrPoll(ven_id=ven.ven_id), identity)
        assert code(reply) == "463"
        stolen = registration("a", ven_id=ven.ven_id)
        reply = world.say("EiRegisterParty", stolen, identity)
        assert code(reply) == "463"
    other = world.registered("a", peer(2))
    assert other.ven_id != ven.ven_id
    claimed = registration("a", ven_id=ven.ven_id)
    assert code(world.say("EiRegisterParty", claimed, peer(2))) == "452"


def test_only_named_vens_register_where_the_operator_says_so() -> None:
    """If it fails, anybody with a certificate of the authority joins the programme."""
    world = World(replace(SETTINGS, named_only=True))
    named = NamedVen(ven_id="VEN-1", fingerprint=peer(1).fingerprint, group_ids=("g",))
    world.keep(world.operator.name_ven(named))
    world.restart()
    assert world.registered("a", peer(1)).ven_id == "VEN-1"
    reply = world.say("EiRegisterParty", registration("b"), peer(2))
    assert code(reply) == "463"


def test_a_query_tells_the_vtn_and_only_the_own_registration() -> None:
    """If it fails, a VEN cannot find out what is spoken here, or learns another's name."""
    world = World()
    query = OadrQueryRegistration(request_id="q")
    reply = world.expect(OadrCreatedPartyRegistration, "EiRegisterParty", query, identity=peer(1))
    assert (reply.vtn_id, reply.ven_id, reply.registration_id) == ("TokyoVtn", None, None)
    assert reply.oadr_profiles[0].oadr_profile_name == "2.0b"
    ven = world.registered("a", peer(1))
    reply = world.expect(OadrCreatedPartyRegistration, "EiRegisterParty", query, identity=peer(1))
    assert reply.ven_id == ven.ven_id
    reply = world.expect(OadrCreatedPartyRegistration, "EiRegisterParty", query, identity=peer(2))
    assert reply.ven_id is None


def test_a_ven_that_left_is_asked_to_register_again() -> None:
    """If it fails, a VEN that left goes on polling and is never told that it has to register."""
    world = World()
    ven = world.registered("a")
    wrong = OadrCancelPartyRegistration(request_id="c", registration_id="wrong", ven_id=ven.ven_id)
    assert code(ven.say("EiRegisterParty", wrong)) == "452"
    right = replace(wrong, registration_id=ven.registration_id)
    reply = ven.say("EiRegisterParty", right)
    assert isinstance(reply, OadrCanceledPartyRegistration)
    assert (code(reply), reply.registration_id) == ("200", ven.registration_id)
    world.restart()
    assert isinstance(ven.poll(), OadrRequestReregistration)


def test_the_operator_ends_a_registration_until_the_ven_has_heard_it() -> None:
    """If it fails, a VEN that is thrown out goes on as if nothing had happened."""
    world = World()
    ven = world.registered("a")
    world.keep(world.operator.end_registration(ven.ven_id))
    for _ in range(2):
        reply = ven.poll()
        assert isinstance(reply, OadrCancelPartyRegistration)
        assert reply.registration_id == ven.registration_id
        world.restart()
    canceled = OadrCanceledPartyRegistration(
        ei_response=good(), registration_id=ven.registration_id, ven_id=ven.ven_id
    )
    assert code(ven.say("EiRegisterParty", canceled)) == "200"
    assert isinstance(ven.poll(), OadrRequestReregistration)


def test_the_operator_can_ask_a_ven_to_register_again() -> None:
    """If it fails, a VEN whose data are stale cannot be made to renew them."""
    world = World()
    ven = world.registered("a")
    world.keep(world.operator.register_again(ven.ven_id))
    assert isinstance(ven.poll(), OadrRequestReregistration)
    again = registration("a", ven_id=ven.ven_id, registration_id=ven.registration_id)
    world.say("EiRegisterParty", again)
    assert isinstance(ven.poll(), OadrResponse)


def test_two_vtns_in_a_process_know_nothing_of_each_other() -> None:
    """If it fails, VENs of one programme see the other programme's events."""
    one, other = World(), World(replace(SETTINGS, vtn_id="OsakaVtn"))
    ven = one.registered("a")
    assert code(other.say("OadrPoll", OadrPoll(ven_id=ven.ven_id))) == "463"
    query = OadrQueryRegistration(request_id="q")
    reply = other.expect(OadrCreatedPartyRegistration, "EiRegisterParty", query)
    assert reply.vtn_id == "OsakaVtn"
