"""What is known of one configured VEN beside the VTN's own records: when it called."""

import asyncio
import math
from dataclasses import dataclass, field

from edge_agent.config.site import DeviceConfig
from protocols.templates.openadr import OpenAdrWire
from protocols.templates.template import Template
from protocols.vocabulary.identifiers import ResourceId, SiteId
from protocols.vocabulary.intervals import Clock

_NS_PER_S = 1_000_000_000


@dataclass(slots=True, kw_only=True)
class LocalVen:
    """One configured VEN.

    Attributes
    ----------
    config, template, wire
        What was configured, and what its family is.
    ven_id : str
        Its identifier at the VTN: as configured, or the device's id where its certificate names it.
    fingerprint : str or None
        Of its certificate, where that is configured.
    site_id, resource_id : SiteId, ResourceId
        Where, and ``<site>/<device id>``.
    clock : Clock
        Time.
    address : str
        Where it last called from.
    heard_ns : int or None
        When it last called in this life, monotonic.
    met : bool
        It has been met.
    said : int
        How many times it has called.
    """

    config: DeviceConfig
    template: Template
    wire: OpenAdrWire
    ven_id: str
    fingerprint: str | None
    site_id: SiteId
    resource_id: ResourceId
    clock: Clock
    address: str = ""
    heard_ns: int | None = None
    met: bool = False
    said: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def rated_w(self) -> float:
        """The most it consumes, W > 0."""
        least_w = self.config.power_w_min
        return -(self.template.nameplate.power_w_min if least_w is None else least_w)

    def hear(self, address: str) -> None:
        """Take note that it called, once what it said is kept."""
        self.address = address
        self.heard_ns = self.clock.monotonic_ns()
        self.said += 1
        self._news.set()
        self._news = asyncio.Event()

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
