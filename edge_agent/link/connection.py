"""One MQTT connection after the other: the shell that moves the link's bytes.

MQTT 3.1.1, QoS 0, clean session, the broker list in turn, back-off with full jitter. It knows
topics and bytes only; what they mean is :mod:`protocols.link`.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import aiomqtt
import structlog

from edge_agent.config.site import Broker
from protocols.vocabulary.errors import ConfigError

BACKOFF_FIRST_S: Final = 0.3
BACKOFF_MAX_S: Final = 10.0
BACKOFF_FACTOR: Final = 2.0
CONNECT_TIMEOUT_S: Final = 5.0
INCOMING_MAX: Final = 1_000
PUBLISH_TIMEOUT_S: Final = 2.0

log = structlog.get_logger()


class LinkPeer(Protocol):
    """Who is told what happens on the connection."""

    def link_up(self) -> None:
        """Handle a new connection, subscribed and ready to publish."""

    def link_down(self) -> None:
        """Handle the end of the connection; nothing can be published now."""

    def link_message(self, topic: str, payload: bytes) -> None:
        """Handle a message as it came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionTopics:
    """What to subscribe to, and the last will's topic and payload."""

    subscribe: Sequence[str]
    will_topic: str
    will_payload: bytes


def backoff_s(attempt: int, jitter: float) -> float:
    """Wait before connection attempt number ``attempt``.

    Parameters
    ----------
    attempt : int
        0 for the first attempt after a connection was lost.
    jitter : float
        Uniform draw from 0..1, passed in.

    Returns
    -------
    float
        Seconds, between half and all of an exponentially growing span, at most 10 s.
    """
    span = min(BACKOFF_FIRST_S * BACKOFF_FACTOR ** min(attempt, 16), BACKOFF_MAX_S)
    return span * (0.5 + 0.5 * jitter)


class Connection:
    """Keeps one connection to one of the brokers, for as long as ``run`` runs.

    Parameters
    ----------
    client_id : str
        The site id (settled 10).
    brokers : sequence of Broker
        In order of preference.
    topics : ConnectionTopics
        Subscriptions and last will.
    keepalive_s : int
        MQTT keep-alive.
    jitter : callable
        Gives a uniform draw from 0..1.
    tls : callable or None
        Makes the TLS context of a new connection, so that a renewed certificate counts from
        the next one on; None for plain brokers.
    """

    def __init__(  # noqa: PLR0913  each is one decision of the wiring
        self,
        *,
        client_id: str,
        brokers: Sequence[Broker],
        topics: ConnectionTopics,
        keepalive_s: int,
        jitter: Callable[[], float],
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        self._tls = tls
        self._client_id = client_id
        self._brokers = brokers
        self._topics = topics
        self._keepalive_s = keepalive_s
        self._jitter = jitter
        self._client: aiomqtt.Client | None = None
        self._drop = asyncio.Event()
        self._was_up = False

    @property
    def connected(self) -> bool:
        """Whether something can be published now."""
        return self._client is not None

    def drop(self) -> None:
        """Give up the present connection; ``run`` makes a new one. For a silent peer."""
        self._drop.set()

    async def publish(self, topic: str, payload: bytes) -> bool:
        """Hand a message to the broker, QoS 0.

        Returns
        -------
        bool
            False if there was no connection or it broke; the session will send again.
        """
        client = self._client
        if client is None:
            return False
        try:
            await client.publish(topic, payload, qos=0, timeout=PUBLISH_TIMEOUT_S)
        except aiomqtt.MqttError:
            return False
        return True

    async def run(self, peer: LinkPeer) -> None:
        """Connect, listen, reconnect; ends only by cancellation."""
        attempt = 0
        while True:
            broker = self._brokers[attempt % len(self._brokers)]
            self._was_up = False
            try:
                await self._one_connection(broker, peer)
            except (aiomqtt.MqttError, OSError, TimeoutError, ConfigError) as error:
                if self._was_up or attempt == 0:
                    log.warning("link.lost", broker=broker.url, cause=str(error))
            attempt = 0 if self._was_up else attempt + 1
            await asyncio.sleep(backoff_s(attempt, self._jitter()))

    async def _one_connection(self, broker: Broker, peer: LinkPeer) -> None:
        self._drop.clear()
        context = self._tls() if self._tls is not None and broker.tls else None
        client = aiomqtt.Client(
            broker.host,
            broker.port,
            identifier=self._client_id,
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=True,
            keepalive=self._keepalive_s,
            timeout=CONNECT_TIMEOUT_S,
            max_queued_incoming_messages=INCOMING_MAX,
            tls_context=context,
            will=aiomqtt.Will(self._topics.will_topic, self._topics.will_payload, qos=0),
        )
        async with client:
            await client.subscribe([(topic, 0) for topic in self._topics.subscribe])
            self._client, self._was_up = client, True
            log.info("link.connected", broker=broker.url)
            peer.link_up()
            try:
                await self._listen(client, peer)
            finally:
                self._client = None
                peer.link_down()

    async def _listen(self, client: aiomqtt.Client, peer: LinkPeer) -> None:
        async def messages() -> None:
            async for message in client.messages:
                payload = message.payload
                if isinstance(payload, bytes):
                    peer.link_message(message.topic.value, payload)

        listener = asyncio.create_task(messages())
        dropped = asyncio.create_task(self._drop.wait())
        try:
            await asyncio.wait({listener, dropped}, return_when=asyncio.FIRST_COMPLETED)
            if listener.done():
                listener.result()
        finally:
            for task in (listener, dropped):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, aiomqtt.MqttError):
                    await task
