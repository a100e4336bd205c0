"""Finds devices by Who-Is, and tells workers where theirs went.

Announcements (I-Am) come as answers and unasked. Those from a device without contact say where
it is now, once it is clear that only one claims to be it; one that nobody asked for, from a
device in contact, says that it has restarted. An announcement never moves a device that answers
where it is.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from edge_agent.drivers.bacnet.application import Announcement
from edge_agent.drivers.bacnet.device import BacnetDevice
from edge_agent.drivers.bacnet.ears import Ears
from edge_agent.drivers.bacnet.stack import Stack
from edge_agent.drivers.contact import Contact
from edge_agent.drivers.port import FoundDevice
from edge_agent.drivers.worker import DeviceWorker
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.intervals import Clock

WINDOW_S: Final = 3.0
"""How long answers to a question to all are collected; slow stacks need more than 1 s."""
SEARCH_S: Final = 15.0
"""Pause between searches while a device is missing; the first one comes at once."""
LOOK_S: Final = 1.0
CLAIM_S: Final = 1.0
"""How long others may claim to be the same device before one of them is believed."""
_NS_PER_S: Final = 1_000_000_000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Claim:
    """Nodes that say they are one device, and since when (monotonic ns)."""

    since_ns: int
    nodes: set[str]


class BacnetSearch:
    """Looks for devices of one site.

    Parameters
    ----------
    devices : sequence of BacnetDevice
        The configured ones.
    stack : Stack
        The wire.
    ears : Ears
        Hears the answers.
    clock : Clock
        Tells answers to a question from what nobody asked for.
    broadcasts : sequence of str or None
        Where a question to all goes: None for the gateway's own network and port; empty where
        the network has no broadcast.
    """

    def __init__(
        self,
        devices: Sequence[BacnetDevice],
        stack: Stack,
        ears: Ears,
        *,
        clock: Clock,
        broadcasts: Sequence[str | None],
    ) -> None:
        self._devices = tuple(devices)
        self._stack = stack
        self._ears = ears
        self._clock = clock
        self._broadcasts = tuple(broadcasts)
        self._worker: Callable[[ResourceId], DeviceWorker] | None = None
        self._asked_ns = -(1 << 62)
        self._claims: dict[int, _Claim] = {}

    def follow(self, worker: Callable[[ResourceId], DeviceWorker]) -> None:
        """Tell the workers from now on where their devices are."""
        self._worker = worker
        self._ears.listener = self._announced

    async def run(self) -> None:
        """Look for devices that are missing, until cancelled."""
        asked_ns: dict[int, int] = {}
        while True:
            now_ns = self._clock.monotonic_ns()
            missing = self._missing()
            for instance in missing:
                last_ns = asked_ns.get(instance)
                if last_ns is None or now_ns - last_ns >= round(SEARCH_S * _NS_PER_S):
                    asked_ns[instance] = now_ns
                    self._ask_all((instance, instance))
            asked_ns = {instance: asked_ns[instance] for instance in missing}
            self._settle(now_ns)
            await asyncio.sleep(LOOK_S)

    async def discover(self) -> tuple[FoundDevice, ...]:
        """Ask everybody, and each configured address, who is there."""
        self._ears.forget()
        self._ask_all(None)
        await asyncio.sleep(WINDOW_S)
        names = {d.instance: d for d in self._devices if d.instance is not None}
        return tuple(
            FoundDevice(
                address=node,
                unit=f"device,{instance}",
                identity=str(instance),
                device_id=names[instance].config.device_id if instance in names else "",
                about=names[instance].about if instance in names else "",
            )
            for instance, node in sorted(self._ears.heard().items())
        )

    def _ask_all(self, instances: tuple[int, int] | None) -> None:
        self._asked_ns = self._clock.monotonic_ns()
        for broadcast in self._broadcasts:
            self._stack.who_is(broadcast, instances=instances)
        for node in sorted({device.config.address for device in self._devices}):
            self._stack.who_is(node, instances=instances)

    def _missing(self) -> list[int]:
        """Device instances that are known and without contact."""
        if self._worker is None:
            return []
        return [
            device.instance
            for device in self._devices
            if device.instance is not None and _is_missing(self._worker(device.resource_id))
        ]

    def _announced(self, announcement: Announcement) -> None:
        if self._worker is None:
            return
        for device in self._devices:
            if device.instance != announcement.device_instance:
                continue
            worker = self._worker(device.resource_id)
            if worker.contact is not Contact.LIVE:
                claim = _Claim(self._clock.monotonic_ns(), set())
                self._claims.setdefault(announcement.device_instance, claim).nodes.add(
                    announcement.node
                )
            elif device.node == announcement.node and self._unasked():
                worker.restarted()

    def _settle(self, now_ns: int) -> None:
        """Believe whoever has been the only one to claim an instance for a while."""
        for instance, claim in list(self._claims.items()):
            if now_ns - claim.since_ns < round(CLAIM_S * _NS_PER_S):
                continue
            del self._claims[instance]
            for device in self._devices:
                if device.instance == instance:
                    self._believe(device, claim.nodes)

    def _believe(self, device: BacnetDevice, nodes: set[str]) -> None:
        assert self._worker is not None, "claims are only taken with workers"
        worker = self._worker(device.resource_id)
        if worker.contact is Contact.LIVE:
            return
        if device.node in nodes:
            worker.look_now()
        elif len(nodes) > 1:
            log.warning(
                "device.ambiguous",
                resource_id=device.resource_id,
                instance=device.instance,
                addresses=sorted(nodes),
            )
        else:
            (address,) = nodes
            log.info(
                "device.moved",
                resource_id=device.resource_id,
                address_before=device.node,
                address=address,
            )
            worker.go_to(address)

    def _unasked(self) -> bool:
        quiet_ns = self._clock.monotonic_ns() - self._asked_ns
        return quiet_ns > round(2.0 * WINDOW_S * _NS_PER_S)


def _is_missing(worker: DeviceWorker) -> bool:
    """Whether a device is not where it should be: it has been looked for there in vain."""
    if worker.contact is Contact.NEW:
        return worker.tried.is_set()
    return worker.contact is Contact.LOST
