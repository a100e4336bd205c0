"""What is known of one configured client beside the server's own records: when it called.

The server's records (:mod:`protocols.ieee2030_5.server`) say what it told; this says whether it
is still there, and lets others wait for what it does next.
"""

import asyncio
import math
from dataclasses import dataclass, field

from edge_agent.config.site import DeviceConfig
from protocols.templates.ieee2030_5 import Ieee2030_5Wire
from protocols.templates.template import Template
from protocols.vocabulary.identifiers import ResourceId, SiteId
from protocols.vocabulary.intervals import Clock

_NS_PER_S = 1_000_000_000


@dataclass(slots=True, kw_only=True)
class Client:
    """One configured client.

    Attributes
    ----------
    config, template, wire
        What was configured, and what its family is.
    site_id, resource_id : SiteId, ResourceId
        Where, and ``<site>/<device id>``.
    clock : Clock
        Time.
    address : str
        Where it last called from.
    heard_ns : int or None
        When it last called in this life, monotonic.
    read_ns : dict
        When it last read an address, or was told what is there, monotonic: of its own program's
        controls and default.
    met : bool
        It has been met.
    said : int
        How many times it has called.
    """

    config: DeviceConfig
    template: Template
    wire: Ieee2030_5Wire
    site_id: SiteId
    resource_id: ResourceId
    clock: Clock
    address: str = ""
    heard_ns: int | None = None
    read_ns: dict[str, int] = field(default_factory=dict)
    met: bool = False
    said: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def lfdi(self) -> str:
        """Its identity: 40 hexadecimal digits, upper case."""
        return self.config.identity or ""

    def hear(self, address: str) -> None:
        """Take note that it called, once what it said is kept."""
        self.address = address
        self.heard_ns = self.clock.monotonic_ns()
        self.said += 1
        self._news.set()
        self._news = asyncio.Event()

    def note_read(self, path: str) -> None:
        """Take note that it knows what is at an address now."""
        self.read_ns[path] = self.clock.monotonic_ns()

    def silent_s(self) -> float:
        """How long it has not called, s; inf if never in this life."""
        if self.heard_ns is None:
            return math.inf
        return (self.clock.monotonic_ns() - self.heard_ns) / _NS_PER_S

    async def news(self, timeout_s: float, *, after: int) -> bool:
        """Wait until it has called more than a number of times; False if not in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.said <= after:
                    await self._news.wait()
        except TimeoutError:
            return False
        return True
