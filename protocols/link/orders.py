"""What an :class:`protocols.link.edge_session.EdgeSession` asks its shell to do.

Plain facts and orders, in the order in which they are to be carried out. The shell reads the
rows and events from the journal; a session never sees them.
"""

import enum
from dataclasses import dataclass

from protocols.link.messages import Lane, Snapshot, Stream


class HelloReason(enum.Enum):
    """Why a hello is sent, for the log."""

    CONNECTED = "connected"
    REPEATED = "repeated"
    ACKS_SILENT = "acks-silent"
    ACK_REGRESSED = "ack-regressed"
    COORDINATOR_REPLACED = "coordinator-replaced"
    STALLED = "stalled"


class Liveness(enum.Enum):
    """How the link is, judged by the silence of acknowledgements alone."""

    GOOD = "good"
    LATE = "late"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendHello:
    """Build a hello from the journal and publish it."""

    reason: HelloReason


@dataclass(frozen=True, slots=True, kw_only=True)
class SendTelemetry:
    """Publish rows ``first..last`` (inclusive) on the lane's topic, in one message."""

    first: int
    last: int
    lane: Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class SendEvents:
    """Publish entries ``first..last`` of EVENT or OFFER, ascending, one message each."""

    stream: Stream
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplySnapshot:
    """Take the commitments and the signal; idempotent, it may come again."""

    snapshot: Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Durable:
    """The coordinator has entries up to ``sequence`` on disk; older ones may be trimmed."""

    stream: Stream
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessChanged:
    """The link became good, late or lost."""

    liveness: Liveness


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleCoordinator:
    """A message of a replaced coordinator was refused (its epoch is lower)."""

    epoch: int
    epoch_known: int


Order = (
    SendHello
    | SendTelemetry
    | SendEvents
    | ApplySnapshot
    | Durable
    | LivenessChanged
    | StaleCoordinator
)
