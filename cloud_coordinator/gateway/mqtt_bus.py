"""The bus on any MQTT 3.1.1 broker: the second engine, which keeps us honest.

paho-mqtt runs its own thread. Received messages are collected in a bounded box and handed to
the event loop in batches, one wake-up per batch; nothing of ours runs in paho's thread except
putting a message into the box.
"""

import asyncio
import contextlib
import threading
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from paho.mqtt.client import (
    Client,
    ConnectFlags,
    DisconnectFlags,
    MQTTMessage,
    MQTTv311,
    topic_matches_sub,
)
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from cloud_coordinator.gateway.bus import (
    CONNECT_TIMEOUT_S,
    INBOX_LIMIT,
    OUTBOX_LIMIT,
    BusStatistics,
    MessageCallback,
    check_pattern,
    check_topic,
    failure_place,
)
from protocols.vocabulary.errors import LinkError

KEEPALIVE_S: Final = 10
RECONNECT_S_MIN: Final = 1
RECONNECT_S_MAX: Final = 4
CLOSE_TIMEOUT_S: Final = 1.0
_BATCH: Final = 512

_log = structlog.get_logger(__name__)


class MqttBus:
    """A :class:`~cloud_coordinator.gateway.bus.Bus` on one MQTT broker, QoS 0 only.

    Made by :func:`connect_mqtt`.
    """

    def __init__(self, host: str, port: int) -> None:
        self.statistics = BusStatistics()
        self._where = f"mqtt://{host}:{port}"
        self._address = (host, port)
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._box: deque[tuple[str, bytes]] = deque()
        self._woken = False
        self._unsent = 0
        self._connected = asyncio.Event()
        self._refusal = ""
        self._closing = False
        self._callbacks: dict[str, MessageCallback] = {}
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"vpp-coordinator-{uuid.uuid4().hex[:8]}",
            clean_session=True,
            protocol=MQTTv311,
        )
        self._client.reconnect_delay_set(RECONNECT_S_MIN, RECONNECT_S_MAX)
        self._client.connect_timeout = CONNECT_TIMEOUT_S
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe

    async def open(self, *, user: str, password: str) -> None:
        """Connect once; afterwards paho reconnects by itself for ever.

        Raises
        ------
        LinkError
            If the broker is not reached within CONNECT_TIMEOUT_S or refuses us.
        """
        if user:
            self._client.username_pw_set(user, password)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await asyncio.to_thread(self._client.connect, *self._address, KEEPALIVE_S)
                self._client.loop_start()
                await self._connected.wait()
        except (TimeoutError, OSError) as error:
            await self.close()
            message = f"{self._where}: {str(error) or 'no answer'}"
            raise LinkError(message) from error
        if self._refusal:
            await self.close()
            message = f"{self._where}: {self._refusal}"
            raise LinkError(message)

    def publish(self, topic: str, payload: bytes) -> bool:
        """Hand a message to the bus without waiting; False if it was dropped."""
        check_topic(topic)
        with self._lock:
            full = self._unsent >= OUTBOX_LIMIT
            if not full and self.statistics.connected:
                self._unsent += 1
        if full or not self.statistics.connected:
            self.statistics.dropped_out += 1
            return False
        info = self._client.publish(topic, payload, qos=0)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            with self._lock:
                self._unsent = max(0, self._unsent - 1)
            self.statistics.dropped_out += 1
            return False
        self.statistics.sent += 1
        return True

    def publish_many(self, messages: Sequence[tuple[str, bytes]]) -> int:
        """Hand over many messages, (topic, payload), at once; how many were not dropped."""
        return sum(self.publish(topic, payload) for topic, payload in messages)

    async def subscribe(self, pattern: str, callback: MessageCallback) -> None:
        """Call ``callback`` for each message that matches; in force when this returns."""
        self._callbacks[check_pattern(pattern)] = callback
        granted: asyncio.Future[None] = self._loop.create_future()
        code, message_id = self._client.subscribe(pattern, qos=0)
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS or message_id is None:
            message = f"{self._where}: subscription {pattern!r} was not sent"
            raise LinkError(message)
        self._waiting[message_id] = granted
        try:
            await asyncio.wait_for(granted, CONNECT_TIMEOUT_S)
        except TimeoutError as error:
            message = f"{self._where}: subscription {pattern!r} was not confirmed"
            raise LinkError(message) from error
        finally:
            self._waiting.pop(message_id, None)

    async def close(self) -> None:
        """Send what waits, within a second, and disconnect."""
        self._closing = True
        self._client.disconnect()  # queued behind what waits; the thread ends after it
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(self._client.loop_stop), CLOSE_TIMEOUT_S)
        self.statistics.connected = False

    # What follows runs in paho's thread and only hands over to the loop.

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        with self._lock:
            if len(self._box) >= INBOX_LIMIT:
                self.statistics.dropped_in += 1
                return
            self._box.append((message.topic, bytes(message.payload)))
            wake, self._woken = not self._woken, True
        if wake:
            self._hand_over(self._drain)

    def _on_publish(
        self,
        _client: Client,
        _data: object,
        _message_id: int,
        _code: ReasonCode,
        _properties: Properties,
    ) -> None:
        with self._lock:
            self._unsent = max(0, self._unsent - 1)

    def _on_connect(
        self,
        _client: Client,
        _data: object,
        _flags: ConnectFlags,
        code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._hand_over(self._connection_up, str(code) if code.is_failure else "")

    def _on_disconnect(
        self,
        _client: Client,
        _data: object,
        _flags: DisconnectFlags,
        code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        with self._lock:
            self._unsent = 0
        self._hand_over(self._connection_down, str(code))

    def _on_subscribe(
        self,
        _client: Client,
        _data: object,
        message_id: int,
        codes: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        refused = any(code.is_failure for code in codes)
        self._hand_over(self._granted, message_id, refused)

    def _hand_over(self, call: Callable[..., None], *arguments: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)

    # What follows runs on the event loop.

    def _drain(self) -> None:
        with self._lock:
            batch = [self._box.popleft() for _ in range(min(_BATCH, len(self._box)))]
            self._woken = bool(self._box)
        if self._woken:
            self._loop.call_soon(self._drain)
        for topic, payload in batch:
            self.statistics.received += 1
            for pattern, callback in self._callbacks.items():
                if topic_matches_sub(pattern, topic):
                    self._call(callback, topic, payload)

    def _call(self, callback: MessageCallback, topic: str, payload: bytes) -> None:
        try:
            callback(topic, payload)
        except Exception as error:  # noqa: BLE001 - as nats-py does: counted and logged here
            self.statistics.failed_callbacks += 1
            _log.error("bus.callback_failed", error=repr(error), place=failure_place(error))

    def _connection_up(self, refusal: str) -> None:
        self._refusal = refusal
        if not refusal:
            again = self._connected.is_set()
            self.statistics.connected = True
            for pattern in self._callbacks:
                self._client.subscribe(pattern, qos=0)
            if again:
                self.statistics.reconnects += 1
                _log.info("bus.back", reconnects=self.statistics.reconnects)
        self._connected.set()

    def _connection_down(self, cause: str) -> None:
        if self.statistics.connected:
            self.statistics.connected = False
        if not self._closing:
            _log.warning("bus.lost", cause=cause)

    def _granted(self, message_id: int, refused: bool) -> None:  # noqa: FBT001 - callback
        granted = self._waiting.get(message_id)
        if granted is None or granted.done():
            return
        if refused:
            granted.set_exception(LinkError(f"{self._where}: the broker refuses a subscription"))
        else:
            granted.set_result(None)


async def connect_mqtt(host: str, port: int, *, user: str = "", password: str = "") -> MqttBus:
    """Connect to an MQTT 3.1.1 broker.

    Raises
    ------
    LinkError
        If it is not reached within CONNECT_TIMEOUT_S.
    """
    bus = MqttBus(host, port)
    await bus.open(user=user, password=password)
    return bus
