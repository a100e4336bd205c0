"""Topics: one form for MQTT, one for NATS, and no way to speak for somebody else."""

import pytest

from protocols.link.topics import (
    TopicKind,
    Topics,
    parse_subject,
    parse_topic,
    signal_topic,
    to_subject,
    to_topic,
    uplink_filter,
)
from protocols.vocabulary.errors import ConfigError, RemoteProtocolError
from protocols.vocabulary.identifiers import SiteId, ZoneId

SITE_KINDS = [kind for kind in TopicKind if kind is not TopicKind.SIGNAL]


@pytest.mark.parametrize("kind", SITE_KINDS)
def test_both_forms_lead_back_to_the_site(kind: TopicKind) -> None:
    """If it fails, a site's messages are booked for another site or lost."""
    topic = Topics(SiteId("site-001")).topic(kind)
    for address in (parse_topic(topic), parse_subject(to_subject(topic))):
        assert (address.kind, address.site_id, address.partition) == (kind, "site-001", 60)
        assert address.zone is None


def test_the_levels_are_those_brokers_were_configured_for() -> None:
    """If it fails, the brokers' permissions no longer match what gateways publish."""
    topics = Topics(SiteId("site-001"))
    assert topics.topic(TopicKind.TELEMETRY) == "v1/60/site-001/up/tel"
    assert topics.downlink_filter == "v1/60/site-001/dn/+"
    assert to_subject(topics.downlink_filter) == "v1.60.site-001.dn.*"
    assert to_subject(uplink_filter()) == "v1.*.*.up.*"
    assert uplink_filter(60) == "v1/60/+/up/+"


def test_a_signal_belongs_to_its_zone() -> None:
    """If it fails, a dispatch signal moves the sites of another zone."""
    topic = signal_topic(ZoneId("tokyo"))
    assert topic == "v1/z/tokyo/sig"
    address = parse_subject(to_subject(topic))
    assert (address.kind, address.zone, address.site_id) == (TopicKind.SIGNAL, "tokyo", None)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "v1",
        "v2/38/site-001/up/tel",
        "v1/60/site-001/up/unknown",
        "v1/60/site-001/dn/tel",
        "v1/60/site-001/up/tel/more",
        "v1/59/site-001/up/tel",
        "v1/060/site-001/up/tel",
        "v1/60/SITE-001/up/tel",
        "v1/60/site.001/up/tel",
        "v1/60/site-001 /up/tel",
        "v1/60/+/up/tel",
        "v1/60//up/tel",
        "v1/z/tokyo/sig/more",
        "v1/z/-tokyo/sig",
        "v1/z/*/sig",
        "v1/60/" + "s" * 200 + "/up/tel",
    ],
)
def test_anything_else_is_refused(topic: str) -> None:
    """If it fails, a message under an odd name is taken for a site's own."""
    with pytest.raises(RemoteProtocolError):
        parse_topic(topic)


def test_a_slash_cannot_be_smuggled_through_a_subject() -> None:
    """If it fails, one NATS level becomes two MQTT levels and another site's topic."""
    with pytest.raises(RemoteProtocolError, match="contains '/'"):
        to_topic("v1.60/site-001.up.tel")


@pytest.mark.parametrize("name", ["", "Site", "a/b", "a.b", "a+b", "-a", "a-", "s" * 65])
def test_a_name_that_cannot_be_a_level_is_refused_at_home(name: str) -> None:
    """If it fails, a wrong site id in a config publishes under somebody else's name."""
    with pytest.raises(ConfigError):
        Topics(SiteId(name))
    with pytest.raises(ConfigError):
        signal_topic(ZoneId(name))
