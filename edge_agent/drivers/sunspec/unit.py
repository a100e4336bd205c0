"""One Modbus unit: where it is, who it is, and reads in what it can bear.

Common to SunSpec devices and plain register maps. Several units behind one gateway share its
line; a unit that is silent there is asked with less patience, for the others wait meanwhile.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from edge_agent.config.addresses import SerialUnit, TcpUnit, modbus_unit
from edge_agent.config.site import DeviceConfig
from edge_agent.drivers.frames import FrameTap
from edge_agent.drivers.port import FoundDevice
from edge_agent.drivers.sunspec.line import Line, ModbusLine
from protocols.sunspec.chain import Span
from protocols.sunspec.modbus import READ_HOLDING, WRITE_MAX
from protocols.templates.template import Template
from protocols.vocabulary.errors import DeviceTimeoutError
from protocols.vocabulary.identifiers import ResourceId, SiteId
from protocols.vocabulary.intervals import Clock

LOST_PATIENCE_S: Final = 0.5
"""Longest wait for a unit that was silent before, where others wait for the same line."""
Place = TcpUnit | SerialUnit

log = structlog.get_logger(__name__)


class Lines:
    """The lines of a site, one for each address.

    Parameters
    ----------
    timeout_s : float
        Longest wait for a connection.
    tap : FrameTap
        Sees the bytes.
    """

    def __init__(self, *, timeout_s: float, tap: FrameTap) -> None:
        self._timeout_s = timeout_s
        self._tap = tap
        self._lines: dict[str, ModbusLine] = {}
        self._units: dict[str, set[int]] = {}

    def line(self, place: Place) -> ModbusLine:
        """Line to an address; the same for every unit behind it."""
        key = endpoint(place)
        if key not in self._lines:
            self._lines[key] = ModbusLine(place, timeout_s=self._timeout_s, tap=self._tap)
        self._units.setdefault(key, set()).add(place.unit)
        return self._lines[key]

    def shared(self, place: Place) -> bool:
        """Whether others use the same line."""
        return len(self._units.get(endpoint(place), ())) > 1

    async def close(self) -> None:
        """Close all of them."""
        for line in self._lines.values():
            await line.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPorts:
    """What a unit stands on.

    Attributes
    ----------
    lines : Lines
        Connections.
    clock : Clock
        When answers arrived.
    timeout_s : float
        How long an answer may take.
    """

    lines: Lines
    clock: Clock
    timeout_s: float


class Unit:
    """One configured unit.

    Parameters
    ----------
    site_id, config, template
        Whose it is and what it is.
    ports : UnitPorts
        Lines, clock, patience.

    Attributes
    ----------
    site_id, config, template, clock
        As given.
    identity : str
        As configured, or as first met; empty while not known.
    about : str
        Maker and model, for people.
    """

    def __init__(
        self, site_id: SiteId, config: DeviceConfig, template: Template, *, ports: UnitPorts
    ) -> None:
        self.site_id = site_id
        self.config = config
        self.template = template
        self.clock = ports.clock
        self.identity = config.identity or ""
        self.about = template.title
        self.live = False
        self._ports = ports
        self._place = modbus_unit(config.address)
        self._line: Line = ports.lines.line(self._place)
        self._told = False

    @property
    def resource_id(self) -> ResourceId:
        """``<site>/<device id>``."""
        return ResourceId(f"{self.site_id}/{self.config.device_id}")

    @property
    def place(self) -> Place:
        """Where it is now."""
        return self._place

    @property
    def on_tcp(self) -> bool:
        """Whether it is reached over TCP, where the watchdog can reach it too."""
        return isinstance(self._place, TcpUnit)

    def go_to(self, address: str) -> None:
        """Be at another address from now on."""
        self._place = modbus_unit(address)
        self._line = self._ports.lines.line(self._place)

    def describe(self) -> FoundDevice:
        """Address, identity and configured id as known now."""
        return FoundDevice(
            address=str(self._place),
            unit=str(self._place.unit),
            identity=self.identity,
            device_id=self.config.device_id,
            about=self.about,
        )

    def is_me(self, identity: str, about: str) -> bool:
        """Judge who answers at the address; the first one met there is the one meant."""
        if self.identity and identity and identity != self.identity:
            return False
        self.identity = self.identity or identity
        self.about = about or self.about
        if not identity and not self._told:
            self._told = True
            log.warning(
                "device.identified_by_address",
                resource_id=self.resource_id,
                address=str(self._place),
                cause="it states no serial number",
            )
        return True

    async def lose(self) -> None:
        """Let go of the line, unless others use it."""
        self.live = False
        if not self._ports.lines.shared(self._place):
            await self._line.close()

    async def read(self, span: Span, *, function: int = READ_HOLDING, most: int = 125) -> bytes:
        """Read registers, in as many requests as needed; raises as :class:`Line`."""
        parts = []
        for start in range(0, span.count, most):
            part = Span(span.address + start, min(most, span.count - start))
            parts.append(await self._read(part, function))
        return b"".join(parts)

    async def write(self, address: int, data: bytes, *, single: bool = False) -> None:
        """Write registers in one request; raises as :class:`Line`."""
        assert len(data) <= 2 * WRITE_MAX, "one request"
        await self._line.write(
            self._place.unit, address, data, patience_s=self._ports.timeout_s, single=single
        )

    async def _read(self, span: Span, function: int) -> bytes:
        patience_s = self._ports.timeout_s
        if not self.live and self._ports.lines.shared(self._place):
            patience_s = min(patience_s, LOST_PATIENCE_S)
        unit = self._place.unit
        try:
            data = await self._line.read(unit, span, function=function, patience_s=patience_s)
        except DeviceTimeoutError:
            self.live = False
            raise
        self.live = True
        return data


def endpoint(place: Place) -> str:
    """Address without the unit: what a line leads to."""
    return str(place).rpartition("/")[0]


def merged(spans: Iterable[Span], *, gap: int, most: int) -> list[Span]:
    """Fewest reads that hold all spans, reading at most ``gap`` registers between two along."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda span: span.address):
        if found:
            last = found[-1]
            end = max(last.address + last.count, span.address + span.count)
            near = span.address - (last.address + last.count) <= gap
            if near and end - last.address <= most:
                found[-1] = Span(last.address, end - last.address)
                continue
        found.append(span)
    return found
