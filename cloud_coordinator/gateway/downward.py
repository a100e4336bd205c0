"""The way down to the sites: what the services queue, sent until it is receipted.

Implements the services' ``Downlink``. Commitments and commands wait in the site's session;
signals are broadcast at once and never wait. Nothing is signed here: with an identity the bus is
a :class:`~cloud_coordinator.gateway.sealed_bus.SealedBus`, which seals each message as it leaves,
also when it is sent again.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import structlog

from cloud_coordinator.gateway.bus import Bus
from cloud_coordinator.gateway.sessions import Sessions
from cloud_coordinator.services.records import OfferRequest
from protocols.link.downlink import MAX_PENDING, DownlinkMessage
from protocols.link.messages import Command, ObligationMessage, Plain, SignalMessage
from protocols.link.site_session import SiteSession
from protocols.link.topics import TopicKind, Topics, signal_topic
from protocols.link.wire import encode
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.errors import LocalProtocolError
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.intervals import Clock, Interval
from protocols.vocabulary.offer import DispatchSignal

OFFER_REQUEST_VALID: Final = timedelta(minutes=5)
"""How long a site may still take up a request for an offer."""
AT_ONCE_MAX: Final = 64
"""Messages that are sent when they are queued, between two turns of the gateway; a fleet's
commitments would stop the loop for a second."""
_EPOCH_SHIFT: Final = 32

_log = structlog.get_logger(__name__)


class Downward:
    """Queues for sites and broadcasts to zones.

    Parameters
    ----------
    bus : Bus
        Where messages go.
    sessions : Sessions
        Where they wait for their receipt.
    clock : Clock
        For validity and re-sending.
    epoch : int
        Epoch of the lease of our partitions.
    """

    def __init__(self, bus: Bus, sessions: Sessions, *, clock: Clock, epoch: int) -> None:
        self._bus = bus
        self._sessions = sessions
        self._clock = clock
        self._epoch = epoch
        self._sequence = epoch << _EPOCH_SHIFT
        self._at_once = AT_ONCE_MAX

    def begin_turn(self) -> None:
        """Let some more messages go at once; what is beyond waits for the gateway's turns."""
        self._at_once = AT_ONCE_MAX

    def send_commitment(self, commitment: Commitment) -> None:
        """Send a commitment to its site until it is receipted or over."""
        obligation = commitment.obligation
        now = self._clock.now()
        if obligation.interval.end <= now:
            return
        message = ObligationMessage(
            sequence=self._next_sequence(),
            epoch=self._epoch,
            validity=Interval(start=now, end=obligation.interval.end),
            commitment=commitment,
        )
        self._queue(SiteId(obligation.target), message)

    def request_offer(self, request: OfferRequest) -> None:
        """Ask a site to commit a curve; the same request that still waits is not doubled."""
        payload: dict[str, Plain] = {
            "start_s": int(request.interval.start.timestamp()),
            "end_s": int(request.interval.end.timestamp()),
            "service": request.service.value,
        }
        now = self._clock.now()
        end = min(now + OFFER_REQUEST_VALID, request.interval.end)
        waiting = self._sessions.get(request.site_id).downlink.pending
        if end <= now or any(
            isinstance(message, Command)
            and message.payload == payload
            and message.validity.end > now
            for message in waiting
        ):
            return
        message = Command(
            sequence=self._next_sequence(),
            epoch=self._epoch,
            validity=Interval(start=now, end=end),
            kind="offer",
            payload=payload,
        )
        self._queue(request.site_id, message)

    def send_command(
        self, site_id: SiteId, kind: str, payload: Mapping[str, Plain], *, valid: timedelta
    ) -> bool:
        """Send a command of people to a site until it is receipted or over."""
        now = self._clock.now()
        message = Command(
            sequence=self._next_sequence(),
            epoch=self._epoch,
            validity=Interval(start=now, end=now + valid),
            kind=kind,
            payload=payload,
        )
        self._queue(site_id, message)
        return True

    def send_signal(self, signal: DispatchSignal) -> None:
        """Broadcast to the zone, once; a site that misses it shows so in its telemetry."""
        self._bus.publish(signal_topic(signal.zone), encode(SignalMessage(signal=signal)))

    def send_due(self, session: SiteSession, now_ns: int) -> None:
        """Send what waits for a site and is due, and drop what nobody may act on any more."""
        if not session.downlink.pending:
            return
        for message in session.downlink.expired(self._clock.now()):
            _log.warning("downlink.expired", site_id=session.site_id, sequence=message.sequence)
        topics = Topics(session.site_id)
        for message in session.downlink.due(now_ns):
            kind = TopicKind.COMMAND if isinstance(message, Command) else TopicKind.OBLIGATION
            try:
                self._bus.publish(topics.topic(kind), encode(message))
            except LocalProtocolError as error:
                _log.error("downlink.refused", site_id=session.site_id, cause=str(error))

    def _queue(self, site_id: SiteId, message: DownlinkMessage) -> None:
        session = self._sessions.get(site_id)
        now_ns = self._clock.monotonic_ns()
        session.downlink.expired(self._clock.now())
        if len(session.downlink.pending) >= MAX_PENDING:
            _log.error("downlink.full", site_id=site_id, pending=MAX_PENDING)
            return
        session.downlink.queue(message, now_ns)
        if self._at_once > 0:
            self._at_once -= 1
            self.send_due(session, now_ns)
        self._sessions.touch(session, now_ns)

    def _next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence
