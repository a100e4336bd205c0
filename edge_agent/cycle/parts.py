"""What the cycle is wired to; made by ``main``, and by scenarios with fakes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from edge_agent.config.site import SiteConfig
from edge_agent.cycle.advice import Advice
from edge_agent.cycle.digests import RowDigests
from edge_agent.cycle.hand import HandOrder
from edge_agent.cycle.hand_door import NoDoor
from edge_agent.cycle.site_orders import SiteOrders
from edge_agent.drivers.port import Driver
from edge_agent.image.image import LatestValues
from edge_agent.journal.records import Draft, JournalStream
from edge_agent.link.inbox import Inbox
from edge_agent.link.site_link import SiteLink
from edge_agent.points.table import PointSpec
from protocols.vocabulary.intervals import Clock


class Recorder(Protocol):
    """The journal, written."""

    def append(
        self, entries: list[Draft], state: Mapping[str, bytes] | None = None
    ) -> dict[JournalStream, int]:
        """Commit; blocks on the disk."""


class Beat(Protocol):
    """The heartbeat the watchdog looks at."""

    def beat(self) -> None:
        """Say that the cycle is alive."""


class Door(Protocol):
    """Where a person at the gateway gives orders; both calls come from a worker thread."""

    def take(self) -> tuple[HandOrder, ...]:
        """Return what waits."""

    def answer(self, answers: Mapping[str, str]) -> None:
        """Tell per order why it is refused; empty if it is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentParts:
    """What the cycle is wired to."""

    config: SiteConfig
    clock: Clock
    driver: Driver
    specs: tuple[PointSpec, ...]
    latest: LatestValues
    journal: Recorder
    inbox: Inbox
    link: SiteLink
    advice: Advice
    heartbeat: Beat
    orders: SiteOrders
    hand: Door = field(default_factory=NoDoor)
    digests: RowDigests | None = None
