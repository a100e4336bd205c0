"""A bus whose orders are signed and whose receipts are checked: the one border of signatures.

Everything the coordinator sends goes through :meth:`SealedBus.publish`, so nothing downward can
be forgotten: snapshots, obligations, commands and signals are sealed one by one as they leave,
each time with a new sequence and a short window, so what somebody captured is refused at the
gateway whether it is re-sent at once or later. Acknowledgements only matter to a gateway by what
they call durable; one in a few seconds is sealed, and a gateway trims by sealed ones only. Events
and offers must bear the seal of their gateway's own key. Made by main when there is an identity.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from cloud_coordinator.gateway.bus import Bus, MessageCallback
from protocols.identity.signing import SealRefusal, Signer, Statement, Verifier
from protocols.link.topics import Address, TopicKind, parse_topic
from protocols.vocabulary.errors import ConfigError, RemoteProtocolError
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.intervals import Clock

WINDOW_MS: Final = 30_000
"""How long a sealed message may be taken after it was sent."""
ACKNOWLEDGED_EVERY_NS: Final = 4_000_000_000
VERIFIERS_MAX: Final = 200_000
TOPICS_MAX: Final = 200_000
EPOCH_SHIFT: Final = 32
_DOWNWARD: Final = frozenset(
    {TopicKind.SNAPSHOT, TopicKind.OBLIGATION, TopicKind.COMMAND, TopicKind.SIGNAL}
)
_UPWARD: Final = frozenset({TopicKind.EVENT, TopicKind.OFFER})

_log = structlog.get_logger(__name__)

Tap = Callable[[Address, bytes], None]
"""Sees each sealed obligation that leaves and each verified event that comes, as on the wire."""
Refused = Callable[[SiteId, SealRefusal], None]
"""Is told of each message whose seal does not hold."""


def no_tap(_address: Address, _data: bytes) -> None:
    """Keep nothing."""


class SealedBus:
    """A :class:`~cloud_coordinator.gateway.bus.Bus` that signs and verifies.

    Parameters
    ----------
    bus : Bus
        Carries the bytes.
    signer : Signer
        The coordinator's key.
    site_key : callable
        Public key of a site's receipts, 32 bytes; None for a site that is not enrolled.
    clock : Clock
        For windows.
    epoch : int
        Of this run.
    tap : callable
        Keeps evidence.
    """

    def __init__(  # noqa: PLR0913  wiring: each is one collaborator
        self,
        bus: Bus,
        signer: Signer,
        *,
        site_key: Callable[[SiteId], bytes | None],
        clock: Clock,
        epoch: int,
        tap: Tap = no_tap,
    ) -> None:
        self.statistics = bus.statistics
        self.refused: dict[SealRefusal, int] = {}
        self._bus = bus
        self._signer = signer
        self._site_key = site_key
        self._clock = clock
        self._epoch = epoch
        self._tap = tap
        self._sequence = epoch << EPOCH_SHIFT
        self._addresses: OrderedDict[str, Address] = OrderedDict()
        self._acknowledged_ns: dict[str, int] = {}
        self._verifiers: dict[bytes, Verifier] = {}
        self._told: Refused | None = None

    def tell(self, refused: Refused) -> None:
        """Have somebody told of what is refused."""
        self._told = refused

    def publish(self, topic: str, payload: bytes) -> bool:
        """Seal what gives orders and hand it to the bus."""
        return self._bus.publish(topic, self._sealed(topic, payload))

    def publish_many(self, messages: Sequence[tuple[str, bytes]]) -> int:
        """Seal what gives orders of many messages and hand them to the bus at once."""
        return self._bus.publish_many(
            [(topic, self._sealed(topic, payload)) for topic, payload in messages]
        )

    async def subscribe(self, pattern: str, callback: MessageCallback) -> None:
        """Call ``callback`` for each message that matches and, where it must, bears a seal."""

        def verified(topic: str, payload: bytes) -> None:
            if self._believed(topic, payload):
                callback(topic, payload)

        await self._bus.subscribe(pattern, verified)

    async def close(self) -> None:
        """Send what waits and disconnect."""
        await self._bus.close()

    def _sealed(self, topic: str, payload: bytes) -> bytes:
        """Seal a message that gives orders; any other stays as it is."""
        address = self._address(topic)
        if address.kind not in _DOWNWARD and not self._acknowledges(topic, address):
            return payload
        payload = self._seal(address, payload)
        if address.kind is TopicKind.OBLIGATION:
            self._tap(address, payload)
        return payload

    def _acknowledges(self, topic: str, address: Address) -> bool:
        if address.kind is not TopicKind.ACKNOWLEDGEMENT:
            return False
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._acknowledged_ns.get(topic, -ACKNOWLEDGED_EVERY_NS) < (
            ACKNOWLEDGED_EVERY_NS
        ):
            return False
        self._acknowledged_ns[topic] = now_ns
        return True

    def _seal(self, address: Address, payload: bytes) -> bytes:
        self._sequence += 1
        now_ms = round(self._clock.now().timestamp() * 1_000)
        return self._signer.seal(
            Statement(
                kind=address.kind.value,
                scope=str(address.zone or address.site_id),
                sequence=self._sequence,
                epoch=self._epoch,
                not_before_ms=now_ms,
                valid_until_ms=now_ms + WINDOW_MS,
            ),
            payload,
        )

    def _believed(self, topic: str, payload: bytes) -> bool:
        try:
            address = self._address(topic)
        except RemoteProtocolError:
            return True  # the gateway counts and names it
        if address.kind not in _UPWARD or address.site_id is None:
            return True
        refusal = self._judge(address.kind, address.site_id, payload)
        if refusal is None:
            if address.kind is TopicKind.EVENT:
                self._tap(address, payload)
            return True
        self.refused[refusal] = self.refused.get(refusal, 0) + 1
        if self._told is not None:
            self._told(address.site_id, refusal)
        return False

    def _judge(self, kind: TopicKind, site_id: SiteId, payload: bytes) -> SealRefusal | None:
        key = self._site_key(site_id)
        if key is None:
            return SealRefusal.UNKNOWN_KEY
        verifier = self._verifiers.get(key)
        if verifier is None:
            try:
                verifier = Verifier([key])
            except ConfigError as error:
                _log.error("seal.key_unusable", site_id=site_id, cause=str(error))
                return SealRefusal.UNKNOWN_KEY
            if len(self._verifiers) >= VERIFIERS_MAX:
                self._verifiers.clear()
            self._verifiers[key] = verifier
        opened = verifier.open(kind.value, site_id, payload)
        return opened if isinstance(opened, SealRefusal) else None

    def _address(self, topic: str) -> Address:
        address = self._addresses.get(topic)
        if address is None:
            address = parse_topic(topic)
            if len(self._addresses) >= TOPICS_MAX:
                self._addresses.popitem(last=False)
            self._addresses[topic] = address
        return address
