"""All servers toward aggregators in one process: VTNs, an IEEE 2030.5 server, and their sites."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from cloud_coordinator.gateway.aggregators.by_ieee2030_5 import ClientPartner
from cloud_coordinator.gateway.aggregators.by_openadr import VenPartner
from cloud_coordinator.gateway.aggregators.files import ServerFile, ServerFiles, VtnFile
from cloud_coordinator.gateway.aggregators.port import Partner, Terms
from cloud_coordinator.gateway.aggregators.site import AggregatorSite, SitePorts
from cloud_coordinator.gateway.aggregators.switchboard import Switchboard
from cloud_coordinator.gateway.ieee2030_5.service import Chance, Ieee2030_5Service
from cloud_coordinator.gateway.openadr.desk import Desk, DeskPorts
from cloud_coordinator.gateway.openadr.push import PushSender
from cloud_coordinator.gateway.openadr.server import VtnServer
from cloud_coordinator.gateway.openadr.tls import push_context, signatory_of, vtn_context
from protocols.ieee2030_5.server.server import SEED_OCTETS
from protocols.openadr.vtn.operator import NamedVen, Operator
from protocols.openadr.vtn.seal import PlainSeal, Seal, SignedSeal
from protocols.sansio.records import Change, RecordBook
from protocols.vocabulary.intervals import Clock

_PART_BYTES: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPorts:
    """What a server needs of the coordinator.

    Attributes
    ----------
    books : callable
        Gives it the book of its own records, by name.
    clock : Clock
        The coordinator's.
    draw : callable
        Draws so many random bytes.
    """

    books: Callable[[str], RecordBook]
    clock: Clock
    draw: Callable[[int], bytes]


class OwnVtn:
    """One VTN with its sockets.

    Parameters
    ----------
    file : VtnFile
        What a person decided.
    ports : ServerPorts
        The coordinator.

    Attributes
    ----------
    partners : list of (Terms, Partner)
        Its aggregators.
    """

    def __init__(self, file: VtnFile, ports: ServerPorts) -> None:
        tls = file.tls
        seal: Seal = PlainSeal()
        if tls is not None and file.signed:
            seal = SignedSeal(signatory_of(tls))
        self._file = file
        self._desk = Desk(
            DeskPorts(
                settings=file.settings,
                seal=seal,
                book=ports.books(f"vtn:{file.settings.vtn_id}"),
                clock=ports.clock,
                draw=ports.draw,
            )
        )
        self._server = VtnServer(self._desk, None if tls is None else vtn_context(tls))
        self._sender = PushSender(self._desk, None if tls is None else push_context(tls))
        self.partners: list[tuple[Terms, Partner]] = [
            (named.terms, VenPartner(self._desk, named.ven)) for named in file.aggregators
        ]

    async def open(self) -> None:
        """Name the aggregators' certificates, and listen.

        Raises
        ------
        ConfigError
            If the address cannot be had.
        LocalProtocolError
            If a certificate is another aggregator's.
        StoreError
            If a name could not be made durable.
        """
        for named in self._file.aggregators:
            if named.fingerprint is not None:
                ven = NamedVen(ven_id=named.ven.ven, fingerprint=named.fingerprint)
                await self._desk.decide(partial(_name, ven))
        await self._server.open(self._file.host, self._file.port)

    async def run(self) -> None:
        """Push to those who do not poll, until cancelled."""
        await self._sender.run()

    async def close(self) -> None:
        """Listen no more, and wait for what is being stored."""
        await self._server.close()
        await self._desk.close()


class OwnServer:
    """The IEEE 2030.5 server.

    Parameters
    ----------
    file : ServerFile
        What a person decided.
    ports : ServerPorts
        The coordinator.

    Attributes
    ----------
    partners : list of (Terms, Partner)
        Its aggregators.
    """

    def __init__(self, file: ServerFile, ports: ServerPorts) -> None:
        self._file = file
        self._service = Ieee2030_5Service(
            file.options,
            ports.books("ieee2030_5"),
            clock=lambda: ports.clock.now().timestamp(),
            chance=Chance(
                seed=ports.draw(SEED_OCTETS), draw=lambda: _part(ports.draw(_PART_BYTES))
            ),
        )
        self.partners: list[tuple[Terms, Partner]] = [
            (named.terms, ClientPartner(self._service, named.client)) for named in file.aggregators
        ]

    async def open(self) -> None:
        """Register the aggregators, and listen.

        Raises
        ------
        ConfigError
            If the address cannot be had.
        LocalProtocolError
            If an aggregator's device is another one's.
        StoreError
            If a registration could not be made durable.
        """
        for named in self._file.aggregators:
            await self._service.admit(named.client.lfdi, named.pin)
        await self._service.open()

    async def run(self) -> None:
        """Send notifications until cancelled."""
        await self._service.run()

    async def close(self) -> None:
        """End all connections."""
        await self._service.close()


class AggregatorServers:
    """All of them.

    Parameters
    ----------
    files : ServerFiles
        What a person decided.
    ports : ServerPorts
        The coordinator.

    Raises
    ------
    ConfigError
        If a certificate or key cannot be used.
    StoreError
        If records cannot be read.
    """

    def __init__(self, files: ServerFiles, ports: ServerPorts) -> None:
        self._servers: list[OwnVtn | OwnServer] = [OwnVtn(file, ports) for file in files.vtns]
        if files.ieee2030_5 is not None:
            self._servers.append(OwnServer(files.ieee2030_5, ports))
        self._sites: list[AggregatorSite] = []

    def connect(self, switchboard: Switchboard, ports: SitePorts) -> None:
        """Put a site of the fleet in front of every aggregator."""
        for server in self._servers:
            for terms, partner in server.partners:
                site = AggregatorSite(terms, partner, ports)
                switchboard.connect(terms.site_id, site)
                self._sites.append(site)

    async def open(self) -> None:
        """Listen.

        Raises
        ------
        ConfigError
            If an address cannot be had.
        LocalProtocolError, StoreError
            If an aggregator cannot be registered.
        """
        for server in self._servers:
            await server.open()

    async def run(self) -> None:
        """Serve and play the sites until cancelled."""
        async with asyncio.TaskGroup() as group:
            for job in (*self._servers, *self._sites):
                group.create_task(job.run())

    async def close(self) -> None:
        """Listen no more."""
        for server in self._servers:
            await server.close()


def _part(drawn: bytes) -> float:
    """Make a number in [0, 1) of random bytes."""
    return int.from_bytes(drawn) / 2.0 ** (8 * _PART_BYTES)


def _name(
    ven: NamedVen, operator: Operator, _now: object, _drawn: bytes
) -> tuple[None, tuple[Change, ...]]:
    return None, operator.name_ven(ven)
