"""What the link's gateway needs of the rest, and what it counts.

Ports of :mod:`cloud_coordinator.gateway.link`; the services' intake and the stores are behind
them.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from cloud_coordinator.gateway.live_rows import RowTaker
from cloud_coordinator.gateway.sessions import EntryProgress, TelemetryProgress
from cloud_coordinator.services.ports import EventStore, HistoryWriter
from protocols.link.messages import Event, Hello, Offer, Telemetry
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.identifiers import SiteId, ZoneId
from protocols.vocabulary.offer import DispatchSignal


class UplinkTaker(RowTaker, Protocol):
    """Where live rows and entries go: :class:`cloud_coordinator.services.intake.Intake`."""

    def live(self, site_id: SiteId, telemetry: Telemetry) -> bool:
        """Take live rows into the fleet."""

    def event(self, site_id: SiteId, event: Event) -> None:
        """Store an event; durable on return."""

    def offer(self, offer: Offer) -> None:
        """Store an offer; durable on return."""

    def settle(self) -> None:
        """Do what the offers taken up to now allow; what they stored is durable."""


class GreetingTaker(Protocol):
    """What answers a hello: the intake's other side."""

    def hello(self, hello: Hello) -> None:
        """Register the site."""

    def commitments_of(self, site_id: SiteId) -> tuple[Commitment, ...]:
        """Return what a site still owes."""

    def signal_of(self, zone: ZoneId) -> DispatchSignal | None:
        """Return the signal in force."""


class Taker(UplinkTaker, GreetingTaker, Protocol):
    """The use case behind the link."""


class Batching(Protocol):
    """Makes many writes durable at once."""

    def together(self) -> AbstractContextManager[None]:
        """Make all writes within the context durable when it ends."""


class TelemetryLog(HistoryWriter, TelemetryProgress, Protocol):
    """The telemetry history as the gateway needs it."""

    @property
    def full(self) -> bool:
        """Whether nothing can be appended until a flush succeeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPorts:
    """What the gateway stores into."""

    telemetry: TelemetryLog
    entries: EntryProgress
    events: EventStore
    batching: Batching


@dataclass(slots=True)
class LinkStatistics:
    """Counters since the start.

    ``taken`` are telemetry rows that went to the history, ``duplicates`` and ``ahead`` rows that
    did not; ``held_off`` are messages refused because the disk is too slow, ``dropped`` those that
    came faster than they could be taken; ``blocks`` counts the rows taken by the block, and
    ``rows_cpu_ns``, ``rows_wall_ns`` say what taking live rows cost.
    """

    messages: int = 0
    taken: int = 0
    duplicates: int = 0
    ahead: int = 0
    held_off: int = 0
    dropped: int = 0
    blocks: int = 0
    rows_cpu_ns: int = 0
    rows_wall_ns: int = 0
    flushes: int = 0
