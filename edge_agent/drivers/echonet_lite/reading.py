"""Read a device: its identity, its property maps, and any set of EPCs in what it can bear.

Called by the device's worker and by the writer, one after the other, never at once.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

import structlog

from edge_agent.drivers.echonet_lite.device import Device
from edge_agent.drivers.echonet_lite.exchange import Exchange, Reply
from edge_agent.drivers.echonet_lite.facts import (
    epcs_of,
)
from protocols.echonet_lite.frame import NODE_PROFILE
from protocols.echonet_lite.properties import Access, lookup
from protocols.echonet_lite.property_map import decode_property_map
from protocols.echonet_lite.requester import Peer
from protocols.vocabulary.errors import DeviceRefusedError, RemoteProtocolError
from protocols.vocabulary.intervals import Clock

REFUSED_S: Final = 60.0
"""Pause before an EPC that was refused is asked again."""
ALL_REFUSED_S: Final = 2.0
"""The same where nothing asked was given: it is the device's trouble, not the EPC's."""
_NODE_ID: Final = 0x83
_SET_MAP: Final = 0x9E
_GET_MAP: Final = 0x9F
_MAPS: Final = (_SET_MAP, _GET_MAP)
_NS_PER_S: Final = 1_000_000_000

log = structlog.get_logger(__name__)


class DeviceReader:
    """Reads one device.

    Parameters
    ----------
    device : Device
        What is read goes there.
    exchange : Exchange
        The wire.
    clock : Clock
        For the pauses.
    """

    def __init__(self, device: Device, exchange: Exchange, clock: Clock) -> None:
        self._device = device
        self._exchange = exchange
        self._clock = clock
        self._told = False

    async def identify(self) -> bool:
        """Ask the node at the device's address who it is.

        Returns
        -------
        bool
            False if another node answers there: the device has moved.

        Raises
        ------
        DeviceTimeoutError
            If nobody answers.
        """
        device = self._device
        node_id = await self.node_id_at(device.address)
        if not node_id and not self._told:
            self._told = True
            log.warning(
                "device.identified_by_address",
                resource_id=device.resource_id,
                address=device.address,
                cause="its node states no identification number (EPC 83)",
            )
        if device.node_id and node_id and node_id != device.node_id:
            return False
        device.node_id = device.node_id or node_id
        return True

    async def node_id_at(self, address: str) -> str:
        """Identification number of a node in upper-case hex; empty if it states none.

        Raises
        ------
        DeviceTimeoutError
            If nobody answers.
        """
        reply = await self._ask(Peer(address, NODE_PROFILE), [_NODE_ID])
        return reply.answered.values.get(_NODE_ID, b"").hex().upper()

    async def learn(self) -> None:
        """Read the property maps, then everything polled, as after a restart.

        Raises
        ------
        DeviceTimeoutError
            If the device stops answering.
        DeviceRefusedError
            If it answers and gives nothing.
        """
        device = self._device
        device.refused_until_ns.clear()
        device.get_batch = device.manners.get_batch
        device.remote_due = True
        maps = await self._maps()
        readable, trouble_get = _map(maps.get(_GET_MAP, b""))
        settable, trouble_set = _map(maps.get(_SET_MAP, b""))
        device.readable = readable
        device.settable = settable
        commanded = epcs_of(device.facts.command)
        wanted = dict.fromkeys((*device.facts.polled, *sorted(commanded)))
        # Whatever we might want, one by one where it must be; else what we cannot do without.
        device.doubtful = frozenset(wanted if trouble_get else device.facts.power) - readable
        found = await self.fetch(wanted)
        if trouble_get and not found:
            raise DeviceRefusedError(f"{device.peer.eoj}: {trouble_get}, and no value")
        if found - readable and not trouble_get:
            trouble_get = "the map lacks what the device gives"
        if trouble_set:
            device.settable = frozenset(
                epc for epc in commanded if _may_be_set(device, epc, found=found)
            )
        if (trouble_get or trouble_set) and not device.met:
            log.warning(
                "device.map_wrong",
                resource_id=device.resource_id,
                get_map=trouble_get,
                set_map=trouble_set,
                probed=sorted(f"{epc:02X}" for epc in device.readable),
            )

    async def _maps(self) -> dict[int, bytes]:
        """Get and Set map, in one frame if the device can."""
        found: dict[int, bytes] = {}
        for epcs in (_MAPS, *((epc,) for epc in _MAPS)):
            if not found.keys() >= set(epcs):
                reply = await self._ask(self._device.peer, epcs)
                found |= reply.answered.values
        return found

    def askable(self, epcs: Iterable[int]) -> list[int]:
        """Those of the EPCs that the device may give and did not refuse lately."""
        return self._device.askable(epcs, self._clock.monotonic_ns())

    async def fetch(self, epcs: Iterable[int]) -> frozenset[int]:
        """Get EPCs, in one frame if the device can, else in what it has shown it can.

        Returns
        -------
        frozenset of int
            Those that came with a value.

        Raises
        ------
        DeviceTimeoutError
            If a frame is not answered; what came before it is kept.
        """
        device = self._device
        asked = self.askable(epcs)
        chunks = deque(_chunks(asked, device.get_batch))
        found: set[int] = set()
        refused: set[int] = set()
        largest, retried = 0, False
        while chunks:
            chunk = chunks.popleft()
            got = await self._get(chunk)
            found |= got
            missing = [epc for epc in chunk if epc not in got]
            largest = max(largest, len(got))
            if missing and len(chunk) == 1:
                refused.add(missing[0])
            elif missing:
                retried = True
                size = len(got) or -(-len(chunk) // 2)
                chunks.extendleft(reversed(_chunks(missing, size)))
        if retried and not refused:
            device.get_batch = max(largest, 1)
        self._refuse(refused, pause_s=REFUSED_S if found else ALL_REFUSED_S)
        return frozenset(found)

    async def _get(self, chunk: Sequence[int]) -> frozenset[int]:
        reply = await self._ask(self._device.peer, chunk)
        asked = frozenset(chunk)
        for epc, edt in reply.answered.values.items():
            if epc in asked and edt:
                self._device.store(epc, edt, reply.received_at)
                if epc in self._device.doubtful:
                    self._device.readable |= {epc}
        return frozenset(epc for epc, edt in reply.answered.values.items() if edt) & asked

    async def _ask(self, peer: Peer, epcs: Sequence[int]) -> Reply:
        """Get as fast as the device can bear."""
        return await self._exchange.get(peer, epcs, pace=self._device.manners.pace)

    def _refuse(self, epcs: Iterable[int], *, pause_s: float) -> None:
        until_ns = self._clock.monotonic_ns() + round(pause_s * _NS_PER_S)
        self._device.refused_until_ns.update((epc, until_ns) for epc in epcs)


def _chunks(epcs: Sequence[int], size: int) -> list[list[int]]:
    return [list(epcs[start : start + size]) for start in range(0, len(epcs), size)]


def _map(edt: bytes) -> tuple[frozenset[int], str]:
    """Decode a property map; the second part says why it cannot be trusted."""
    try:
        epcs = decode_property_map(edt)
    except RemoteProtocolError as error:
        return frozenset(), str(error)
    return epcs, "" if epcs else "empty property map"


def _may_be_set(device: Device, epc: int, *, found: frozenset[int]) -> bool:
    """Without a usable Set map: the class allows it and the device has the property."""
    spec = lookup(device.facts.class_code, epc)
    if spec is None or spec.set_ is Access.NONE:
        return False
    return epc in found or (spec.get is Access.NONE and spec.set_ is Access.REQUIRED)
