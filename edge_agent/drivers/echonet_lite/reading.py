"""Read a device: its identity, its property maps, and any set of EPCs in what it can bear.

Called by the device's worker and by the writer, one after the other, never at once.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

import structlog

from edge_agent.drivers.echonet_lite.device import GET_BATCH, Contact, Device, command_epcs
from edge_agent.drivers.echonet_lite.exchange import Exchange
from protocols.echonet_lite.frame import NODE_PROFILE
from protocols.echonet_lite.properties import Access, lookup
from protocols.echonet_lite.property_map import decode_property_map
from protocols.echonet_lite.requester import Peer
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.intervals import Clock

REFUSED_S: Final = 60.0
"""Pause before an EPC that was refused is asked again."""
_NODE_ID: Final = 0x83
_SET_MAP: Final = 0x9E
_GET_MAP: Final = 0x9F
_MAPS: Final = (0x9D, _SET_MAP, _GET_MAP)
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
        reply = await self._exchange.get(Peer(address, NODE_PROFILE), [_NODE_ID])
        return reply.answered.values.get(_NODE_ID, b"").hex().upper()

    async def learn(self) -> None:
        """Read the property maps, then everything polled, as after a restart.

        Raises
        ------
        DeviceTimeoutError
            If the device stops answering.
        """
        device = self._device
        device.refused_until_ns.clear()
        device.get_batch = GET_BATCH
        device.remote_due = True
        reply = await self._exchange.get(device.peer, _MAPS)
        maps = reply.answered.values
        readable, trouble_get = _map(maps.get(_GET_MAP, b""))
        settable, trouble_set = _map(maps.get(_SET_MAP, b""))
        device.readable = readable
        device.settable = settable
        commanded = command_epcs(device.facts.command)
        if trouble_get:
            # Whatever we might want, one by one where it must be.
            device.readable = frozenset(device.facts.polled) | commanded
        wanted = dict.fromkeys((*device.facts.polled, *sorted(commanded)))
        found = await self.fetch(wanted)
        if trouble_get:
            device.readable = found
        if trouble_set:
            device.settable = frozenset(
                epc for epc in commanded if _may_be_set(device, epc, found=found)
            )
        if (trouble_get or trouble_set) and device.contact is not Contact.LIVE:
            log.warning(
                "device.map_wrong",
                resource_id=device.resource_id,
                get_map=trouble_get,
                set_map=trouble_set,
                probed=sorted(f"{epc:02X}" for epc in device.readable),
            )

    def askable(self, epcs: Iterable[int]) -> list[int]:
        """Those of the EPCs that the device lists and did not refuse lately."""
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
        refused = 0
        largest, retried = 0, False
        while chunks:
            chunk = chunks.popleft()
            got = await self._get(chunk)
            found |= got
            missing = [epc for epc in chunk if epc not in got]
            largest = max(largest, len(got))
            if missing and len(chunk) == 1:
                self._refuse(missing[0])
                refused += 1
            elif missing:
                retried = True
                size = len(got) or -(-len(chunk) // 2)
                chunks.extendleft(reversed(_chunks(missing, size)))
        if retried and not refused:
            device.get_batch = max(largest, 1)
        return frozenset(found)

    async def _get(self, chunk: Sequence[int]) -> frozenset[int]:
        reply = await self._exchange.get(self._device.peer, chunk)
        asked = frozenset(chunk)
        for epc, edt in reply.answered.values.items():
            if epc in asked and edt:
                self._device.store(epc, edt, reply.received_at)
        return frozenset(epc for epc, edt in reply.answered.values.items() if edt) & asked

    def _refuse(self, epc: int) -> None:
        until_ns = self._clock.monotonic_ns() + round(REFUSED_S * _NS_PER_S)
        self._device.refused_until_ns[epc] = until_ns


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
