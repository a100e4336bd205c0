"""A family of devices: a whole driver over devices of one protocol.

Each protocol's room makes its devices and hands them over with
``open_family(config, ports) -> DeviceFamily | None``; everything else is the same for all of
them and is here, in the workers and in the leases. :class:`edge_agent.drivers.site.SiteDriver`
puts the families of a site together.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from edge_agent.drivers.contact import Contact
from edge_agent.drivers.field_device import FieldDevice
from edge_agent.drivers.frames import FrameTap
from edge_agent.drivers.lease import LeasePorts
from edge_agent.drivers.lease_book import LeaseBook
from edge_agent.drivers.ledger import WriteLedger
from edge_agent.drivers.outcomes import not_carried_out
from edge_agent.drivers.port import FoundDevice, Reading, WriteOutcome, WriteState
from edge_agent.drivers.worker import DeviceWorker
from protocols.vocabulary.identifiers import PointId, ResourceId
from protocols.vocabulary.intervals import Clock
from protocols.vocabulary.resource import Resource
from protocols.vocabulary.setpoint import Setpoint

FAST_S: Final = 0.5
"""Longest wait for a device that is asked out of turn."""
TRIED_S: Final = 12.0
"""Longest wait for configured devices when all are looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyPorts:
    """What every family stands on.

    Attributes
    ----------
    clock : Clock
        Time.
    book : LeaseBook
        Where leases are written down for the watchdog and the next life.
    ledger : WriteLedger
        Counts writes.
    tap : FrameTap
        Sees every frame.
    """

    clock: Clock
    book: LeaseBook
    ledger: WriteLedger
    tap: FrameTap


class DeviceSearch(Protocol):
    """How a protocol finds devices beyond the addresses it was given."""

    async def run(self) -> None:
        """Watch for devices in the background until cancelled."""

    async def discover(self) -> tuple[FoundDevice, ...]:
        """Look for every device there is, once; configured ones may be among them."""


class DeviceFamily:
    """All devices of a site on one protocol.

    Parameters
    ----------
    name : str
        For people, such as ``"bacnet"``.
    devices : sequence of FieldDevice
        In the configuration's order.
    ports : FamilyPorts
        Clock, book, ledger, tap.
    search : DeviceSearch or None
        None: devices are only where the configuration says.
    close : callable or None
        Lets go of what the family opened, once nothing runs any more.

    Attributes
    ----------
    name : str
        As given.
    """

    def __init__(
        self,
        name: str,
        devices: Sequence[FieldDevice],
        ports: FamilyPorts,
        *,
        search: DeviceSearch | None = None,
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.name = name
        self._clock = ports.clock
        self._search = search
        self._close = close
        self._early: dict[PointId, Reading] = {}
        lease_ports = LeasePorts(clock=ports.clock, book=ports.book, ledger=ports.ledger)
        self._workers = {
            device.resource_id: DeviceWorker(device, lease_ports) for device in devices
        }

    def worker(self, resource_id: ResourceId) -> DeviceWorker:
        """Worker of one of the family's devices."""
        return self._workers[resource_id]

    async def run(self) -> None:
        """Serve the devices until cancelled, then close what was opened."""
        try:
            async with asyncio.TaskGroup() as group:
                for resource_id, worker in self._workers.items():
                    group.create_task(worker.run(), name=f"device {resource_id}")
                if self._search is not None:
                    group.create_task(self._search.run(), name=f"{self.name} search")
        finally:
            await self.close()

    async def close(self) -> None:
        """Let go of what was opened; :meth:`run` does it in the end."""
        if self._close is not None:
            await self._close()

    async def discover(self) -> tuple[FoundDevice, ...]:
        """Look for devices now, by the protocol's own means and where they should be.

        Returns
        -------
        tuple of FoundDevice
            By address and unit: configured devices that answer, and strangers. Needs
            :meth:`run` to run beside it.
        """
        strangers = () if self._search is None else await self._search.discover()
        for worker in self._workers.values():
            if worker.contact is not Contact.LIVE:
                worker.tried.clear()
                worker.look_now()
        waits = [asyncio.ensure_future(worker.tried.wait()) for worker in self._workers.values()]
        if waits:
            _, late = await asyncio.wait(waits, timeout=TRIED_S)
            for wait in late:
                wait.cancel()
        found = {(one.address, one.unit): one for one in strangers}
        for worker in self._workers.values():
            known = worker.describe()
            if worker.contact is Contact.LIVE and known is not None:
                found[known.address, known.unit] = known
        return tuple(found[key] for key in sorted(found))

    def resources(self) -> tuple[Resource, ...]:
        """One per device of which anything is known, in the configuration's order."""
        known = (worker.resource() for worker in self._workers.values())
        return tuple(resource for resource in known if resource is not None)

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
        early, self._early = self._early, {}
        taken = [entry for worker in self._workers.values() for entry in worker.take()]
        newer = {point for point, _ in taken}
        return [entry for point, entry in early.items() if point not in newer] + taken

    async def read_fast(self, resource_id: ResourceId) -> list[Reading]:
        """Ask one device out of turn; see :class:`edge_agent.drivers.port.FastReader`.

        What it says is handed over again by the next :meth:`read`, so that no image misses it.
        """
        worker = self._workers.get(resource_id)
        asked = None if worker is None else worker.ask(FAST_S)
        if worker is None or asked is None:
            return []
        await asyncio.wait({asked}, timeout=FAST_S)
        taken = worker.take()
        self._early.update((point, (point, measurement)) for point, measurement in taken)
        return taken

    async def write(self, setpoint: Setpoint) -> WriteOutcome:
        """Lease a power to a device; see :class:`edge_agent.drivers.port.Writer`."""
        return await self._wish(setpoint.resource_id, setpoint)

    async def release(self, resource_id: ResourceId) -> WriteOutcome:
        """Give a device back to its default, or to what :meth:`revert_to` said."""
        return await self._wish(resource_id, None)

    def revert_to(self, resource_id: ResourceId, power_w: float | None) -> None:
        """Say what release means for a device; see :class:`edge_agent.drivers.port.Writer`."""
        worker = self._workers.get(resource_id)
        if worker is not None:
            worker.revert_to(power_w)

    async def _wish(self, resource_id: ResourceId, setpoint: Setpoint | None) -> WriteOutcome:
        worker = self._workers.get(resource_id)
        if worker is None:
            return not_carried_out(
                resource_id,
                setpoint,
                state=WriteState.REFUSED,
                detail="no such device at this site",
                at=self._clock.now(),
            )
        return await worker.wish(setpoint)
