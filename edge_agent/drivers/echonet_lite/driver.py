"""The ECHONET Lite driver: discovery, readings, leases, release, and the gateway's own node.

One instance serves all ECHONET devices of a site over one endpoint. ``cycle`` calls it
through :class:`edge_agent.drivers.port.Driver`; ``main`` opens it and keeps :meth:`run`
running. Everything about one device is in its worker.
"""

import asyncio
import secrets
from dataclasses import dataclass
from typing import Final

import structlog

from edge_agent.config.site import SiteConfig
from edge_agent.drivers.echonet_lite.classes import SOC_EPC
from edge_agent.drivers.echonet_lite.device import Contact, Device, device_of, resource_of
from edge_agent.drivers.echonet_lite.exchange import Exchange, ExchangeSettings
from edge_agent.drivers.echonet_lite.gateway import gateway_node
from edge_agent.drivers.echonet_lite.lease import DeviceLease, LeaseTerms
from edge_agent.drivers.echonet_lite.reading import DeviceReader
from edge_agent.drivers.echonet_lite.search import Search
from edge_agent.drivers.echonet_lite.values import readings
from edge_agent.drivers.echonet_lite.worker import DeviceWorker, WorkerParts
from edge_agent.drivers.echonet_lite.write import DeviceWriter
from edge_agent.drivers.lease_book import LeaseBook
from edge_agent.drivers.port import (
    DatagramEndpoint,
    FoundDevice,
    Reading,
    WriteOutcome,
    WriteState,
)
from edge_agent.transports.udp import UdpEndpoint, UdpSettings
from protocols.echonet_lite.frame import NODE_PROFILE, TID_MAX
from protocols.echonet_lite.requester import Notified
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.intervals import Clock
from protocols.vocabulary.resource import Resource, ResourceKind
from protocols.vocabulary.setpoint import Setpoint

PROTOCOL: Final = "echonet-lite"
_STORAGES: Final = frozenset({ResourceKind.BATTERY, ResourceKind.EV_V2H, ResourceKind.EV_CHARGER})
_INSTANCE_LIST_NOTIFICATION: Final = 0xD5

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverPorts:
    """What the driver stands on.

    Attributes
    ----------
    endpoint : DatagramEndpoint
        Moves the bytes.
    clock : Clock
        Time.
    book : LeaseBook
        Where leases are written down for the watchdog and the next life.
    """

    endpoint: DatagramEndpoint
    clock: Clock
    book: LeaseBook


class EchonetDriver:
    """All ECHONET Lite devices of a site.

    Parameters
    ----------
    config : SiteConfig
        Devices of other protocols are left out.
    ports : DriverPorts
        Endpoint, clock, book.
    first_tid : int or None
        Where transaction numbers begin; None draws one, so that a late answer to an earlier
        life of the agent matches nothing.
    """

    def __init__(
        self, config: SiteConfig, ports: DriverPorts, *, first_tid: int | None = None
    ) -> None:
        self._ports = ports
        settings = ExchangeSettings(
            timeout_s=config.echonet.timeout_s,
            first_tid=first_tid or secrets.randbelow(TID_MAX) + 1,
        )
        self._exchange = Exchange(
            ports.endpoint, gateway_node(config.site_id), clock=ports.clock, settings=settings
        )
        self._workers: dict[ResourceId, DeviceWorker] = {}
        terms = LeaseTerms(clock=ports.clock, book=ports.book, device_port=config.echonet.port)
        for entry in config.devices:
            if entry.protocol == PROTOCOL:
                device = device_of(config.site_id, entry)
                reader = DeviceReader(device, self._exchange, ports.clock)
                writer = DeviceWriter(device, self._exchange, reader)
                parts = WorkerParts(
                    reader=reader,
                    lease=DeviceLease(device, writer, terms),
                    exchange=self._exchange,
                    clock=ports.clock,
                )
                self._workers[device.resource_id] = DeviceWorker(device, parts)
        self._search = Search(
            tuple(self._workers.values()), self._exchange, timeout_s=config.echonet.timeout_s
        )
        self._exchange.start(self._notified)

    @classmethod
    async def open(cls, config: SiteConfig, *, clock: Clock, book: LeaseBook) -> "EchonetDriver":
        """Bind the gateway's UDP port and make the driver.

        Raises
        ------
        ConfigError
            If the port is taken or the address is not this machine's.
        """
        echonet = config.echonet
        endpoint = await UdpEndpoint.open(
            UdpSettings(address=echonet.address, port=echonet.port, group=echonet.group)
        )
        return cls(config, DriverPorts(endpoint=endpoint, clock=clock, book=book))

    async def run(self) -> None:
        """Serve the devices until cancelled, then let go of the port."""
        self._send_orphans()
        try:
            async with asyncio.TaskGroup() as group:
                for worker in self._workers.values():
                    group.create_task(worker.run(), name=f"device {worker.device.resource_id}")
                group.create_task(self._search.run(), name="device search")
        finally:
            self._exchange.close()
            self._ports.endpoint.close()

    async def discover(self) -> tuple[FoundDevice, ...]:
        """Look for devices now; needs :meth:`run` to run beside it."""
        return await self._search.discover()

    def resources(self) -> tuple[Resource, ...]:
        """One per configured device, in the configuration's order, as far as known."""
        return tuple(resource_of(worker.device) for worker in self._workers.values())

    async def read(self, deadline_s: float) -> list[Reading]:
        """Ask every device in contact; return what arrived since the last read.

        Parameters
        ----------
        deadline_s : float
            Longest wait, s. Only devices that were quick the last time are waited for.

        Returns
        -------
        list of Reading
            New measurements, ``measured_at`` when the answer arrived.
        """
        asked = (worker.ask(deadline_s) for worker in self._workers.values())
        rounds = [future for future in asked if future is not None]
        if rounds:
            await asyncio.wait(rounds, timeout=deadline_s)
        return [entry for worker in self._workers.values() for entry in _taken(worker.device)]

    async def write(self, setpoint: Setpoint) -> WriteOutcome:
        """Lease a power to a device; see :class:`edge_agent.drivers.port.Writer`."""
        return await self._wish(setpoint.resource_id, setpoint)

    async def release(self, resource_id: ResourceId) -> WriteOutcome:
        """Give a device back to its default, or to what :meth:`revert_to` said."""
        return await self._wish(resource_id, None)

    def revert_to(self, resource_id: ResourceId, power_w: float | None) -> None:
        """Say what release means for a device from now on (settled 6).

        Parameters
        ----------
        resource_id : ResourceId
            The device.
        power_w : float or None
            None: the device's own default. A power in W, generator frame: a limit in force
            that the default would break; it is written instead, without a lease, also by the
            watchdog.
        """
        worker = self._workers.get(resource_id)
        if worker is not None:
            worker.lease.revert_to(power_w)
            worker.wake()

    async def _wish(self, resource_id: ResourceId, setpoint: Setpoint | None) -> WriteOutcome:
        worker = self._workers.get(resource_id)
        if worker is None:
            return WriteOutcome(
                resource_id=resource_id,
                sequence=0 if setpoint is None else setpoint.sequence,
                state=WriteState.REFUSED,
                read_back_w=None,
                detail="no such device at this site",
                finished_at=self._ports.clock.now(),
            )
        future = worker.lease.wish(setpoint)
        worker.wake()
        return await future

    def _notified(self, notified: Notified) -> None:
        """Take an announcement: a node that started, or values of a device in contact."""
        address, eoj = notified.peer.address, notified.peer.eoj
        if eoj.class_code == NODE_PROFILE.class_code:
            if any(entry.epc == _INSTANCE_LIST_NOTIFICATION for entry in notified.properties):
                known = [w for w in self._workers.values() if w.device.address == address]
                for worker in known:
                    worker.restarted()
                if not known:
                    self._search.heard_of(address)
            return
        received_at = self._ports.clock.now()
        for worker in self._workers.values():
            device = worker.device
            if device.contact is Contact.LIVE and device.peer == notified.peer:
                for entry in notified.properties:
                    if entry.edt:
                        device.store(entry.epc, entry.edt, received_at)

    def _send_orphans(self) -> None:
        """Release what an earlier life leased and the configuration no longer knows."""
        for leased in self._ports.book.left_over():
            if leased.resource_id not in self._workers:
                for frame in leased.frames:
                    self._ports.endpoint.send(frame, leased.address)
                self._ports.book.drop(leased.resource_id)
                log.warning(
                    "lease.orphaned", resource_id=leased.resource_id, restores=leased.restores
                )


def _taken(device: Device) -> list[Reading]:
    """Take what arrived from a device since the last time."""
    if not device.changed:
        return []
    by_energy = device.config.kind in _STORAGES and SOC_EPC not in device.held
    found = readings(
        device.facts,
        device.config.device_id,
        device.held,
        changed=device.changed,
        energy_wh_capacity=resource_of(device).energy_wh_capacity if by_energy else 0.0,
    )
    device.changed.clear()
    return found
