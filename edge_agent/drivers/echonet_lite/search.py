"""Find nodes by the group and by their identification number, wherever they are now."""

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog

from edge_agent.drivers.echonet_lite.device import Contact
from edge_agent.drivers.echonet_lite.exchange import Exchange
from edge_agent.drivers.echonet_lite.worker import DeviceWorker
from edge_agent.drivers.port import FoundDevice
from protocols.echonet_lite.frame import NODE_PROFILE, Eoj
from protocols.echonet_lite.properties import decode_value, lookup
from protocols.echonet_lite.requester import Peer
from protocols.vocabulary.errors import DeviceTimeoutError, RemoteProtocolError

WINDOW_S: Final = 1.0
"""How long answers to a question to the group are collected."""
SEARCH_S: Final = 30.0
"""Pause between searches while a device with a known node is missing."""
NODES_AT_ONCE: Final = 16
CANDIDATES_MAX: Final = 256
"""Addresses remembered of nodes that announced themselves and are not known."""
_NODE_ID: Final = 0x83
_INSTANCE_LIST: Final = 0xD6

log = structlog.get_logger(__name__)


class Search:
    """Looks for nodes; tells workers where theirs went.

    Parameters
    ----------
    workers : tuple of DeviceWorker
        All of the site.
    exchange : Exchange
        The wire.
    timeout_s : float
        How long one attempt of a request waits, s.
    """

    def __init__(
        self, workers: tuple[DeviceWorker, ...], exchange: Exchange, *, timeout_s: float
    ) -> None:
        self._workers = workers
        self._exchange = exchange
        self._timeout_s = timeout_s
        self._candidates: set[str] = set()
        self._heard = asyncio.Event()
        self._free = asyncio.Lock()

    def heard_of(self, address: str) -> None:
        """Remember an unknown node that announced itself; one we miss may be it."""
        if len(self._candidates) < CANDIDATES_MAX:
            self._candidates.add(address)
            self._heard.set()

    async def run(self) -> None:
        """Search for missing devices whose node is known, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(SEARCH_S):
                    await self._heard.wait()
            except TimeoutError:
                if self._missing():
                    await self._find_by_group()
            self._heard.clear()
            candidates, self._candidates = self._candidates, set()
            if candidates and self._missing():
                async with self._free:
                    self._assign(await self._node_ids(candidates))

    async def discover(self) -> tuple[FoundDevice, ...]:
        """Look for every node and every configured device once.

        Returns
        -------
        tuple of FoundDevice
            By address and object; configured devices that answered, and strangers.
        """
        listed, node_ids = await self._find_by_group()
        for worker in self._workers:
            if worker.device.contact is not Contact.LIVE:
                worker.tried.clear()
                worker.look_now()
        waits = [asyncio.ensure_future(worker.tried.wait()) for worker in self._workers]
        if waits:
            # Two attempts for the identity, two for the maps, and some for the values.
            _, late = await asyncio.wait(waits, timeout=6.0 * self._timeout_s)
            for wait in late:
                wait.cancel()
        found = {
            (address, str(eoj)): FoundDevice(
                address=address,
                eoj=str(eoj),
                node_id=node_ids.get(address, ""),
                device_id="",
            )
            for address, eojs in listed.items()
            for eoj in eojs
        }
        for worker in self._workers:
            device = worker.device
            if device.contact is Contact.LIVE:
                found[device.address, device.config.eoj] = FoundDevice(
                    address=device.address,
                    eoj=device.config.eoj,
                    node_id=device.node_id,
                    device_id=device.config.device_id,
                )
        return tuple(found[key] for key in sorted(found))

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

    def _missing(self) -> list[DeviceWorker]:
        """Workers without contact whose node we would recognise."""
        return [
            worker
            for worker in self._workers
            if worker.device.contact is not Contact.LIVE and worker.device.node_id
        ]

    def _assign(self, node_ids: dict[str, str]) -> None:
        where = {node_id: address for address, node_id in node_ids.items() if node_id}
        for worker in self._missing():
            device = worker.device
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
