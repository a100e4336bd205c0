"""Find units that moved, and units nobody configured, on networks of bounded size.

Modbus announces nothing. A device that states who it is can be found again by asking, when it
is gone, the other addresses of its own network (256 at most) for the same port; who is asked
is told apart by what it answers, never by where it is. Nothing is asked while all are there.
"""

import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Network
from typing import Final

import structlog

from edge_agent.config.addresses import TcpUnit
from edge_agent.drivers.family import DeviceFamily
from edge_agent.drivers.port import FoundDevice
from edge_agent.drivers.sunspec.probe import Probe, Probed
from edge_agent.drivers.sunspec.unit import Unit
from protocols.vocabulary.errors import DeviceError, RemoteProtocolError

SEARCH_S: Final = 15.0
SEARCH_S_MAX: Final = 600.0
"""Pauses between searches while a device is gone; doubled each time nothing is found."""
CONNECT_S: Final = 0.3
AT_ONCE: Final = 32
"""Addresses tried at the same time, and how long each may take to be there."""
HOSTS_MAX: Final = 256
UNITS_MAX: Final = 247
UNIT_S: Final = 0.3
SCAN_S: Final = 10.0
"""Longest time for the units of one host."""
_PREFIX: Final = 24

log = structlog.get_logger(__name__)


class ModbusSearch:
    """Looks for units.

    Parameters
    ----------
    units : sequence of Unit
        All of the family.
    probe : Probe
        Asks one address who is there.
    pause_s : float
        Shortest pause between searches.
    """

    def __init__(self, units: Sequence[Unit], probe: Probe, *, pause_s: float = SEARCH_S) -> None:
        self._units = tuple(units)
        self._probe = probe
        self._pause_s = pause_s
        self._family: DeviceFamily | None = None

    def serve(self, family: DeviceFamily) -> None:
        """Tell the workers of this family what is found; once, before anything is."""
        self._family = family

    async def run(self) -> None:
        """Search while a device with a known identity is gone."""
        pause_s = self._pause_s
        while True:
            await asyncio.sleep(pause_s)
            gone = [unit for unit in self._units if not unit.live and unit.identity]
            found = await self._find(gone) if gone else True
            pause_s = self._pause_s if found else min(2.0 * pause_s, SEARCH_S_MAX)

    async def discover(self) -> tuple[FoundDevice, ...]:
        """Ask every address of the configured networks, and every unit of their gateways."""
        places = [unit.place for unit in self._units if isinstance(unit.place, TcpUnit)]
        live = {(str(unit.place)) for unit in self._units if unit.live}
        found: list[FoundDevice] = []
        for host, port in sorted(await _open_ports(_neighbours(places))):
            configured = [
                place.unit for place in places if (place.host, place.port) == (host, port)
            ]
            gateway = len(set(configured)) > 1
            numbers = range(1, UNITS_MAX + 1) if gateway else configured or [1]
            asked = [
                TcpUnit(host, port, number)
                for number in numbers
                if str(TcpUnit(host, port, number)) not in live
            ]
            found.extend(await self._scan(asked))
        return tuple(found)

    async def _scan(self, places: Sequence[TcpUnit]) -> list[FoundDevice]:
        """Ask units of one host one after the other, for a bounded time."""
        found = []
        until_s = asyncio.get_running_loop().time() + SCAN_S
        for place in places:
            if asyncio.get_running_loop().time() >= until_s:
                log.warning(
                    "search.cut_short", address=f"{place.host}:{place.port}", unit=place.unit
                )
                break
            probed = await self._asked(place, None)
            if probed is not None:
                found.append(
                    FoundDevice(
                        address=str(place),
                        unit=str(place.unit),
                        identity=probed.identity,
                        device_id="",
                        about=probed.about,
                    )
                )
        return found

    async def _find(self, gone: Sequence[Unit]) -> bool:
        """Look for devices that are gone; True if all were found."""
        places = [unit.place for unit in gone if isinstance(unit.place, TcpUnit)]
        missing = {unit.identity: unit for unit in gone}
        for host, port in sorted(await _open_ports(_neighbours(places))):
            for unit in list(missing.values()):
                place = unit.place
                if not isinstance(place, TcpUnit) or place.port != port:
                    continue
                there = TcpUnit(host, port, place.unit)
                probed = await self._asked(there, unit)
                if probed is not None and probed.identity == unit.identity:
                    del missing[unit.identity]
                    self._tell(unit, str(there))
        return not missing

    def _tell(self, unit: Unit, address: str) -> None:
        if self._family is not None and str(unit.place) != address:
            log.info("device.moved", resource_id=unit.resource_id, address=address)
            self._family.worker(unit.resource_id).go_to(address)

    async def _asked(self, place: TcpUnit, unit: Unit | None) -> Probed | None:
        try:
            return await self._probe(place, unit, UNIT_S)
        except (DeviceError, RemoteProtocolError):
            return None


def _neighbours(places: Sequence[TcpUnit]) -> set[tuple[str, int]]:
    """Every host and port of the networks some places are in, bounded."""
    found: set[tuple[str, int]] = set()
    for place in places:
        network = IPv4Network(f"{place.host}/{_PREFIX}", strict=False)
        if len(found) < 4 * HOSTS_MAX:
            found |= {(str(host), place.port) for host in network}
    return found


async def _open_ports(places: set[tuple[str, int]]) -> list[tuple[str, int]]:
    """Those of the places where somebody takes a connection."""
    free = asyncio.Semaphore(AT_ONCE)

    async def is_open(host: str, port: int) -> bool:
        async with free:
            try:
                async with asyncio.timeout(CONNECT_S):
                    _, writer = await asyncio.open_connection(host, port)
            except (TimeoutError, OSError):
                return False
            writer.close()
            return True

    ordered = sorted(places)
    answers = await asyncio.gather(*(is_open(host, port) for host, port in ordered))
    return [place for place, there in zip(ordered, answers, strict=True) if there]
