"""What the cycle is wired to; made by ``main``, and by scenarios with fakes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from edge_agent.config.site import SiteConfig
from edge_agent.cycle.advice import Advice
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
