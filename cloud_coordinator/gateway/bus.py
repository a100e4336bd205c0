"""The bus as a port: publish, subscribe, close. Nothing of a broker is needed beyond that.

Topics and patterns are in MQTT form (``v1/+/+/up/#``). Delivery is at most once: what must
arrive is sent again by :mod:`protocols.link.session` until it is acknowledged. The two
adapters are :mod:`cloud_coordinator.gateway.nats_bus` and
:mod:`cloud_coordinator.gateway.mqtt_bus`; :mod:`cloud_coordinator.gateway.connect` chooses.
"""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from protocols.vocabulary.errors import LocalProtocolError

MessageCallback = Callable[[str, bytes], None]
"""Called on the event loop with (topic in MQTT form, payload). It must not block."""

INBOX_LIMIT: Final = 65_536
"""Received messages that may wait for their callback; further ones are dropped and counted."""
OUTBOX_LIMIT: Final = 65_536
"""Messages that may wait for the socket; further ones are dropped and counted."""
CONNECT_TIMEOUT_S: Final = 2

_FORBIDDEN_IN_LEVEL = frozenset(".*> \t\r\n\x00")


@dataclass(slots=True)
class BusStatistics:
    """Counters since the bus was made, and whether it is connected now.

    Attributes
    ----------
    connected : bool
        Whether the broker is reached.
    received, sent : int
        Messages handed to callbacks, and to the socket.
    dropped_in : int
        Messages lost because callbacks were too slow.
    dropped_out : int
        Messages not sent: no connection, or the socket was too slow.
    reconnects : int
        How often the connection came back.
    failed_callbacks : int
        Callbacks that raised; each is logged.
    """

    connected: bool = False
    received: int = 0
    sent: int = 0
    dropped_in: int = 0
    dropped_out: int = 0
    reconnects: int = 0
    failed_callbacks: int = 0


class Bus(Protocol):
    """A connected publish and subscribe bus that reconnects and re-subscribes by itself."""

    statistics: BusStatistics

    def publish(self, topic: str, payload: bytes) -> bool:
        """Hand a message to the bus without waiting; False if it was dropped."""

    def publish_many(self, messages: Sequence[tuple[str, bytes]]) -> int:
        """Hand over many messages, (topic, payload), at once; how many were not dropped."""

    async def subscribe(self, pattern: str, callback: MessageCallback) -> None:
        """Call ``callback`` for each message that matches; in force when this returns."""

    async def close(self) -> None:
        """Send what waits, within a second, and disconnect."""


def failure_place(error: BaseException) -> str:
    """File and line where a callback failed, for one line of log instead of a page."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "unknown"


def check_topic(topic: str) -> str:
    """Return the topic if it can travel on every broker.

    Parameters
    ----------
    topic : str
        MQTT form, without wildcards.

    Raises
    ------
    LocalProtocolError
        If a level is empty or holds a dot, a wildcard or white space: on NATS the levels of
        a topic become the tokens of a subject.
    """
    _check(topic)
    if "+" in topic or "#" in topic:
        message = f"topic {topic!r}: wildcards only in subscriptions"
        raise LocalProtocolError(message)
    return topic


def check_pattern(pattern: str) -> str:
    """Return the subscription pattern if every broker reads it alike.

    Raises
    ------
    LocalProtocolError
        As :func:`check_topic`, or if a wildcard is not a whole level, or ``#`` not the last.
    """
    _check(pattern)
    levels = pattern.split("/")
    for index, level in enumerate(levels):
        alone = level in {"+", "#"}
        if not alone and ("+" in level or "#" in level):
            message = f"pattern {pattern!r}: a wildcard must be a whole level"
            raise LocalProtocolError(message)
        if level == "#" and index != len(levels) - 1:
            message = f"pattern {pattern!r}: '#' must be the last level"
            raise LocalProtocolError(message)
    return pattern


def _check(topic: str) -> None:
    if "" in topic.split("/") or not _FORBIDDEN_IN_LEVEL.isdisjoint(topic):
        message = f"topic {topic!r}: no empty level, dot, '*', '>' or white space"
        raise LocalProtocolError(message)
