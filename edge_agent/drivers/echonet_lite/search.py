"""Find nodes by the group and by their identification number, wherever they are now.

Also takes what nodes announce: that they started (INF D5), and values nobody asked for.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

import structlog

from edge_agent.drivers.echonet_lite.device import Device
from edge_agent.drivers.echonet_lite.exchange import Exchange
from edge_agent.drivers.family import DeviceFamily
from edge_agent.drivers.port import FoundDevice
from protocols.echonet_lite.frame import NODE_PROFILE, Eoj
from protocols.echonet_lite.properties import decode_value, lookup
from protocols.echonet_lite.requester import Notified, Peer
from protocols.vocabulary.errors import DeviceTimeoutError, RemoteProtocolError
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.intervals import Clock

WINDOW_S: Final = 1.0
"""How long answers to a question to the group are collected."""
SEARCH_S: Final = 3.0
SEARCH_S_MAX: Final = 30.0
"""Pauses between searches while a device with a known node is missing; doubled each time, and
short again when another one goes missing."""
RESTART_S: Final = 5.0
"""A node that says again and again that it starts is read anew no oftener than that."""
NODES_AT_ONCE: Final = 16
CANDIDATES_MAX: Final = 256
"""Addresses remembered of nodes that announced themselves and are not known."""
_NODE_ID: Final = 0x83
_INSTANCE_LIST_NOTIFICATION: Final = 0xD5
_INSTANCE_LIST: Final = 0xD6

log = structlog.get_logger(__name__)


class EchonetSearch:
    """Looks for nodes and listens to them; tells workers where theirs went.

    Parameters
    ----------
    devices : sequence of Device
        All of the site.
    exchange : Exchange
        The wire.
    clock : Clock
        When an announcement came.
    """

    def __init__(self, devices: Sequence[Device], exchange: Exchange, clock: Clock) -> None:
        self._devices = tuple(devices)
        self._exchange = exchange
        self._clock = clock
        self._family: DeviceFamily | None = None
        self._candidates: set[str] = set()
        self._resting: dict[str, bool] = {}
        self._heard = asyncio.Event()
        self._free = asyncio.Lock()

    def serve(self, family: DeviceFamily) -> None:
        """Tell the workers of this family what is found; once, before anything is."""
        self._family = family

    def notified(self, notified: Notified) -> None:
        """Take an announcement: a node that started, or values of a device in contact."""
        address, eoj = notified.peer.address, notified.peer.eoj
        if eoj.class_code == NODE_PROFILE.class_code:
            if any(entry.epc == _INSTANCE_LIST_NOTIFICATION for entry in notified.properties):
                self._started(address)
            return
        received_at = self._clock.now()
        for device in self._devices:
            if device.met and device.peer == notified.peer:
                for entry in notified.properties:
                    if entry.edt:
                        device.store(entry.epc, entry.edt, received_at)

    def _started(self, address: str) -> None:
        """Have a node that started read anew; one nobody knows may be one that we miss."""
        known = [device for device in self._devices if device.address == address]
        if known and address not in self._resting:
            self._restarted(known)
            loop = asyncio.get_running_loop()
            self._resting[address] = False
            loop.call_later(RESTART_S, self._rested, address)
        elif known:
            self._resting[address] = True
        if not known and len(self._candidates) < CANDIDATES_MAX:
            self._candidates.add(address)
            self._heard.set()

    def _restarted(self, devices: Iterable[Device]) -> None:
        """Have the devices of a node read anew and armed again."""
        assert self._family is not None, "announcements come after serve()"
        for device in devices:
            self._family.worker(device.resource_id).restarted()

    def _rested(self, address: str) -> None:
        """End the pause after a start; one announced meanwhile counts now."""
        if self._resting.pop(address, False):
            self._started(address)

    async def run(self) -> None:
        """Search for missing devices whose node is known, until cancelled."""
        pause_s, before = SEARCH_S, frozenset[ResourceId]()
        while True:
            try:
                async with asyncio.timeout(pause_s):
                    await self._heard.wait()
            except TimeoutError:
                missing = frozenset(device.resource_id for device in self._missing())
                if missing:
                    await self._find_by_group()
                longer = bool(missing) and missing <= before
                pause_s = min(2.0 * pause_s, SEARCH_S_MAX) if longer else SEARCH_S
                before = missing
            self._heard.clear()
            candidates, self._candidates = self._candidates, set()
            if candidates and self._missing():
                async with self._free:
                    self._assign(await self._node_ids(candidates))

    async def discover(self) -> tuple[FoundDevice, ...]:
        """Ask the group once; devices at their configured addresses are the family's to ask."""
        listed, node_ids = await self._find_by_group()
        return tuple(
            FoundDevice(
                address=address,
                unit=str(eoj),
                identity=node_ids.get(address, ""),
                device_id="",
                about=f"class {eoj.class_code:04X}",
            )
            for address, eojs in listed.items()
            for eoj in eojs
        )

    async def _find_by_group(self) -> tuple[dict[str, tuple[Eoj, ...]], dict[str, str]]:
        """Objects and node ids by address, of all that answer; moved devices are told."""
        async with self._free:
            listed: dict[str, tuple[Eoj, ...]] = {}
            for entry in await self._exchange.discover(WINDOW_S):
                listed.setdefault(entry.address, _instances(entry.instance_list))
            node_ids = await self._node_ids(listed)
            self._assign(node_ids)
            return listed, node_ids

    async def _node_ids(self, addresses: Iterable[str]) -> dict[str, str]:
        """Identification numbers of nodes, a few at a time."""
        gate = asyncio.Semaphore(NODES_AT_ONCE)
        found: dict[str, str] = {}

        async def ask(address: str) -> None:
            async with gate:
                try:
                    reply = await self._exchange.get(Peer(address, NODE_PROFILE), [_NODE_ID])
                except DeviceTimeoutError:
                    return
                node_id = reply.answered.values.get(_NODE_ID, b"")
                found[address] = node_id.hex().upper()

        async with asyncio.TaskGroup() as group:
            for address in addresses:
                group.create_task(ask(address))
        return found

    def _missing(self) -> list[Device]:
        """Devices without contact whose node we would recognise."""
        return [device for device in self._devices if not device.met and device.node_id]

    def _assign(self, node_ids: dict[str, str]) -> None:
        assert self._family is not None, "nothing is found before serve()"
        where = {node_id: address for address, node_id in node_ids.items() if node_id}
        for device in self._missing():
            worker = self._family.worker(device.resource_id)
            address = where.get(device.node_id)
            if address is None:
                continue
            if address != device.address:
                log.info(
                    "device.moved",
                    resource_id=device.resource_id,
                    address_before=device.address,
                    address=address,
                )
                worker.go_to(address)
            else:
                worker.look_now()


def _instances(edt: bytes) -> tuple[Eoj, ...]:
    """Objects of an instance list; none if it cannot be read."""
    spec = lookup(NODE_PROFILE.class_code, _INSTANCE_LIST)
    assert spec is not None, "the instance list is in the property table"
    try:
        value = decode_value(spec, edt).value
    except RemoteProtocolError:
        return ()
    if not isinstance(value, tuple):
        return ()
    return tuple(entry for entry in value if isinstance(entry, Eoj))
