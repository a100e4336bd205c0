"""Topics of the link: what travels where, in MQTT form and as NATS subjects.

``v1/{partition}/{site}/up|dn/...`` and ``v1/z/{zone}/sig``; NATS has ``.`` where MQTT has
``/``. Names are ``[a-z0-9-]`` only, so the two forms map one to one. Called by both gateways;
nothing here subscribes or publishes.
"""

import enum
from dataclasses import dataclass
from typing import Final

from protocols.vocabulary.errors import ConfigError, RemoteProtocolError
from protocols.vocabulary.identifiers import (
    PARTITIONS,
    SiteId,
    ZoneId,
    checked_name,
    partition_of,
)

ROOT: Final = "v1"
ZONES: Final = "z"
MAX_TOPIC_LENGTH: Final = 128
_SITE_LEVELS: Final = 5
_ZONE_LEVELS: Final = 4


class TopicKind(enum.Enum):
    """What a topic carries; the value is its last levels."""

    HELLO = "up/hello"
    TELEMETRY = "up/tel"
    BACKFILL = "up/bf"
    EVENT = "up/evt"
    OFFER = "up/offer"
    STATE = "up/st"
    SNAPSHOT = "dn/snap"
    ACKNOWLEDGEMENT = "dn/ack"
    OBLIGATION = "dn/ob"
    COMMAND = "dn/cmd"
    SIGNAL = "sig"


_SITE_KINDS: Final = {
    tuple(kind.value.split("/")): kind for kind in TopicKind if kind is not TopicKind.SIGNAL
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A parsed topic.

    Attributes
    ----------
    kind : TopicKind
        What it carries.
    site_id, partition : SiteId or None, int or None
        Whose it is; None for a signal.
    zone : ZoneId or None
        The zone of a signal, else None.
    """

    kind: TopicKind
    site_id: SiteId | None = None
    partition: int | None = None
    zone: ZoneId | None = None


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one site, MQTT form.

    Parameters
    ----------
    site_id : SiteId
        Valid site id (:func:`protocols.vocabulary.identifiers.checked_name`).

    Raises
    ------
    ConfigError
        If the site id cannot be a topic level.
    """

    site_id: SiteId

    def __post_init__(self) -> None:
        """Refuse a name that would change the topic's shape."""
        checked_name(self.site_id, "site id")

    def topic(self, kind: TopicKind) -> str:
        """Topic of this site for any kind but SIGNAL."""
        assert kind is not TopicKind.SIGNAL, "signals belong to a zone, not to a site"
        return f"{ROOT}/{partition_of(self.site_id)}/{self.site_id}/{kind.value}"

    @property
    def downlink_filter(self) -> str:
        """MQTT filter for everything sent to this site alone."""
        return f"{ROOT}/{partition_of(self.site_id)}/{self.site_id}/dn/+"


def signal_topic(zone: ZoneId) -> str:
    """Topic of a zone's dispatch signal, MQTT form."""
    return f"{ROOT}/{ZONES}/{checked_name(zone, 'zone')}/{TopicKind.SIGNAL.value}"


def uplink_filter(partition: int | None = None) -> str:
    """MQTT filter for what the sites send: of one partition, or of all."""
    if partition is None:
        return f"{ROOT}/+/+/up/+"
    assert 0 <= partition < PARTITIONS, "no such partition"
    return f"{ROOT}/{partition}/+/up/+"


def to_subject(topic: str) -> str:
    """NATS subject (or wildcard subject) of an MQTT topic (or filter) of this module."""
    return topic.replace("/", ".").replace("+", "*").replace("#", ">")


def to_topic(subject: str) -> str:
    """MQTT topic of a NATS subject.

    Raises
    ------
    RemoteProtocolError
        If the subject contains ``/``, which no topic of ours maps to.
    """
    if "/" in subject:
        message = f"subject {subject[:MAX_TOPIC_LENGTH]!r} contains '/'"
        raise RemoteProtocolError(message)
    return subject.replace(".", "/")


def parse_topic(topic: str) -> Address:
    """Read a topic in MQTT form.

    Parameters
    ----------
    topic : str
        As received from a broker.

    Returns
    -------
    Address
        Kind with site and partition, or kind SIGNAL with the zone.

    Raises
    ------
    RemoteProtocolError
        If it is no topic of this link: unknown shape, bad name, or a partition that is not the
        site's.
    """
    if len(topic) > MAX_TOPIC_LENGTH:
        message = f"topic of {len(topic)} characters, at most {MAX_TOPIC_LENGTH}"
        raise RemoteProtocolError(message)
    levels = topic.split("/")
    if levels[0] == ROOT and len(levels) == _SITE_LEVELS:
        return _site_address(levels, topic)
    if levels[:2] == [ROOT, ZONES] and len(levels) == _ZONE_LEVELS and levels[3] == "sig":
        zone = ZoneId(_name(levels[2], "zone"))
        return Address(kind=TopicKind.SIGNAL, zone=zone)
    message = f"unknown topic {topic!r}"
    raise RemoteProtocolError(message)


def parse_subject(subject: str) -> Address:
    """Read a NATS subject; as :func:`parse_topic`."""
    return parse_topic(to_topic(subject))


def _site_address(levels: list[str], topic: str) -> Address:
    kind = _SITE_KINDS.get((levels[3], levels[4]))
    if kind is None:
        message = f"unknown topic {topic!r}"
        raise RemoteProtocolError(message)
    site_id = SiteId(_name(levels[2], "site id"))
    partition = partition_of(site_id)
    if levels[1] != str(partition):
        message = f"topic {topic!r}: the partition of {site_id} is {partition}"
        raise RemoteProtocolError(message)
    return Address(kind=kind, site_id=site_id, partition=partition)


def _name(level: str, what: str) -> str:
    try:
        return checked_name(level, what)
    except ConfigError as wrong:
        raise RemoteProtocolError(str(wrong)) from wrong
