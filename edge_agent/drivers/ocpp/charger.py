"""What is known of one configured charger, across its connections.

Fed by what the charger sends (:mod:`edge_agent.drivers.ocpp.answers`), read by the parts of
its field device. A value is of the moment its message arrived; one that waited in the
charger's queue is no value of now. Powers in W, generator frame.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from edge_agent.config.site import DeviceConfig
from edge_agent.drivers.ocpp.link import ChargerLink
from protocols.ocpp.charger_clock import ChargerClock, judged
from protocols.ocpp.charging import Supply
from protocols.ocpp.measurands import Sample, sample_of, triggered
from protocols.ocpp.states import ConnectorState, connector_state
from protocols.ocpp.words import Words, list_of, text_of, time_of, words_of
from protocols.templates.ocpp import OcppWire
from protocols.templates.template import Template
from protocols.vocabulary.errors import DeviceTimeoutError
from protocols.vocabulary.identifiers import ResourceId, SiteId
from protocols.vocabulary.intervals import Clock

WHOLE: Final = 0
"""Number of the connector (EVSE) that stands for the whole charger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A status as it arrived."""

    status: str
    state: ConnectorState
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Meter values as they arrived."""

    sample: Sample
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Nameplate:
    """How a charger names itself when it boots, for people."""

    vendor: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""

    @property
    def about(self) -> str:
        """In one line."""
        named = f"{self.vendor} {self.model}".strip()
        return f"{named} ({self.firmware})" if self.firmware else named


@dataclass(slots=True, kw_only=True)
class Charger:
    """One configured charger.

    Attributes
    ----------
    config, template, wire, supply
        What was configured, what its family is, and what its limits are made of.
    site_id, resource_id : SiteId, ResourceId
        Where, and ``<site>/<device id>``.
    clock : Clock
        Time.
    link : ChargerLink or None
        Its connection, while there is one.
    suspect : ChargerLink or None
        The connection that last failed to answer.
    address : str
        Where it last called from.
    nameplate : Nameplate
        As it last booted.
    booted_on : ChargerLink or None
        Connection on which it last booted.
    met : bool
        It has been met: what its template says it can, it can.
    said : int
        How many things it has said, connecting included.
    refused_until_ns : dict
        When messages may be asked for again that it would not send on this connection.
    told, measured : dict
        Last status and last live values by connector.
    """

    config: DeviceConfig
    template: Template
    wire: OcppWire
    supply: Supply
    site_id: SiteId
    resource_id: ResourceId
    clock: Clock
    link: ChargerLink | None = None
    suspect: ChargerLink | None = None
    address: str = ""
    nameplate: Nameplate = field(default=Nameplate())
    booted_on: ChargerLink | None = None
    met: bool = False
    said: int = 0
    refused_until_ns: dict[str, int] = field(default_factory=dict)
    told: dict[int, Told] = field(default_factory=dict)
    measured: dict[int, Measured] = field(default_factory=dict)
    _clock: ChargerClock = field(default=ChargerClock())
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def identity(self) -> str:
        """Its charge point id."""
        return self.config.identity or ""

    @property
    def connectors(self) -> range:
        """Numbers of its connectors."""
        return range(1, self.wire.connectors + 1)

    @property
    def clock_offset_s(self) -> float:
        """Its clock minus ours as far as its messages show."""
        return self._clock.offset_s

    def linked(self) -> ChargerLink:
        """Its connection.

        Raises
        ------
        DeviceTimeoutError
            If there is none.
        """
        if self.link is None:
            raise DeviceTimeoutError("it is not connected")
        return self.link

    async def ask(self, action: str, words: dict[str, object]) -> Words:
        """Ask it; raises as :meth:`ChargerLink.call`."""
        link = self.linked()
        try:
            return await link.call(action, words)
        except DeviceTimeoutError:
            self.suspect = link
            raise

    def attach(self, link: ChargerLink) -> ChargerLink | None:
        """Take a new connection; return the one it takes the place of."""
        before, self.link = self.link, link
        self.address = link.address
        self.refused_until_ns.clear()
        self._tell()
        return before

    def detach(self, link: ChargerLink) -> None:
        """Forget a connection that ended."""
        if self.link is link:
            self.link = None
            self._tell()

    # --- what it says --------------------------------------------------------------------

    def hear_boot(self, nameplate: Nameplate) -> None:
        """Take note that it started."""
        self.nameplate = nameplate
        self.booted_on = self.link
        self._tell()

    def hear_status(self, connector: int, status: str) -> None:
        """Take the status of a connector."""
        state = connector_state(self.wire.version, status)
        if state is not None and self._has(connector):
            self.told[connector] = Told(status=status, state=state, at=self.clock.now())
            self._tell()

    def hear_values(self, connector: int, values: tuple[Words, ...], *, offline: bool) -> None:
        """Take meter values; those that waited in its queue only show how its clock goes.

        Parameters
        ----------
        connector : int
            Connector, or EVSE in 2.0.1; :data:`WHOLE` is the charger's own meter.
        values : tuple of Words
            ``meterValue``.
        offline : bool
            The charger says that it was offline when it took them.
        """
        now = self.clock.now()
        for value in values:
            stamped_at, sampled = time_of(value, "timestamp"), list_of(value, "sampled_value")
            if stamped_at is None or offline or not self._has(connector):
                continue
            asked_for = triggered(sampled)
            self._clock, age_s = judged(self._clock, stamped_at, now, asked_for=asked_for)
            if age_s is not None:
                sample = sample_of(sampled, phases=self.wire.phases, voltage_v=self.wire.voltage_v)
                measured_at = now - timedelta(seconds=age_s)
                self._keep(connector, Measured(sample=sample, at=measured_at))
        self._tell()

    def _keep(self, connector: int, measured: Measured) -> None:
        """Keep what is newer than what is known."""
        known = self.measured.get(connector)
        if known is None or known.at <= measured.at:
            self.measured[connector] = measured

    async def news(self, timeout_s: float, *, after: int) -> bool:
        """Wait until it has said more than a number of things; False if it did not in time.

        Parameters
        ----------
        timeout_s : float
            Longest wait.
        after : int
            :attr:`said` when it was asked: what it says may be here before we wait.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while self.said <= after:
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    def _has(self, connector: int) -> bool:
        """Whether it has such a connector; what is told of another is nobody's."""
        return connector == WHOLE or connector in self.connectors

    def _tell(self) -> None:
        self.said += 1
        self._news.set()
        self._news = asyncio.Event()


def nameplate_of(version: str, words: Words) -> Nameplate:
    """Read a BootNotification."""
    if version == "1.6":
        return Nameplate(
            vendor=text_of(words, "charge_point_vendor")[:50],
            model=text_of(words, "charge_point_model")[:50],
            serial=text_of(words, "charge_point_serial_number")[:50],
            firmware=text_of(words, "firmware_version")[:50],
        )
    station = words_of(words, "charging_station")
    return Nameplate(
        vendor=text_of(station, "vendor_name")[:50],
        model=text_of(station, "model")[:50],
        serial=text_of(station, "serial_number")[:50],
        firmware=text_of(station, "firmware_version")[:50],
    )
