"""One worker per device: the only one that speaks with it, one thing at a time.

Order of its work: what must be released or written, then the fast poll the cycle asked for,
then the slow poll that is due. A device that falls silent is lost after a few requests; then
it is only looked for, with growing pauses, until the same node answers again.
"""

import asyncio
import zlib
from dataclasses import dataclass
from typing import Final

import structlog

from edge_agent.drivers.echonet_lite.device import Contact, Device
from edge_agent.drivers.echonet_lite.exchange import Exchange
from edge_agent.drivers.echonet_lite.lease import DeviceLease
from edge_agent.drivers.echonet_lite.reading import DeviceReader
from protocols.echonet_lite.frame import Property
from protocols.vocabulary.errors import DeviceTimeoutError
from protocols.vocabulary.intervals import Clock

MISSES_MAX: Final = 2
"""Requests in a row without an answer (each repeated once) before a device is lost."""
LOOK_S: Final = 1.0
LOOK_S_MAX: Final = 30.0
"""Pauses between looks for a device that is not there; doubled each time."""
SLOW_S: Final = 30.0
_OTHER_NODE: Final = "another node answers at its address"
_AT_ONCE: Final = 0
_NS_PER_S: Final = 1_000_000_000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerParts:
    """What a worker works with."""

    reader: DeviceReader
    lease: DeviceLease
    exchange: Exchange
    clock: Clock


class DeviceWorker:
    """Serves one device until cancelled.

    Parameters
    ----------
    device : Device
        The device.
    parts : WorkerParts
        Reader, lease, wire and clock.

    Attributes
    ----------
    device, lease
        As given.
    tried : asyncio.Event
        Set once the device has been looked for, found or not.
    moved : bool
        Another node answers at the device's address; it must be searched for.
    """

    def __init__(self, device: Device, parts: WorkerParts) -> None:
        self.device = device
        self.lease = parts.lease
        self.tried = asyncio.Event()
        self.moved = False
        self._reader = parts.reader
        self._exchange = parts.exchange
        self._clock = parts.clock
        self._wake = asyncio.Event()
        self._round: asyncio.Future[None] | None = None
        self._overdue = False
        self._patience_ns = 0
        self._told_missing = False
        self._relearn = False
        self._look_s = LOOK_S
        self._look_ns = _AT_ONCE
        self._looking: asyncio.Task[bool] | None = None
        self._slow_ns = 0

    def ask(self, patience_s: float) -> asyncio.Future[None] | None:
        """Ask for a fast poll now.

        Parameters
        ----------
        patience_s : float
            How long the caller is going to wait, s. A device whose answer took longer the
            last time is asked all the same, but not waited for.

        Returns
        -------
        Future or None
            Done when the poll is; None if this device is not worth waiting for: it has no
            contact, or still owes the answer of an earlier second.
        """
        if self.device.contact is not Contact.LIVE:
            return None
        if self._round is not None:
            self._overdue = True
            return None
        self._round = asyncio.get_running_loop().create_future()
        self._patience_ns = round(patience_s * _NS_PER_S)
        waits_for, overdue = self._round, self._overdue
        self._wake.set()
        return None if overdue else waits_for

    def wake(self) -> None:
        """Look again at what is due, after a wish was put into the lease."""
        self._wake.set()

    def go_to(self, address: str) -> None:
        """Take note that the device is at another address, and look for it there at once."""
        self.device.address = address
        self.look_now()
        if self._looking is not None:
            self._looking.cancel()

    def look_now(self) -> None:
        """Look for the device at once instead of at the end of the pause."""
        self._look_ns = _AT_ONCE
        self._wake.set()

    def restarted(self) -> None:
        """Its node announced itself (INF D5): read it anew and arm it again."""
        self._relearn = True
        self.look_now()

    async def run(self) -> None:
        """Serve the device."""
        while True:
            if self.device.contact is Contact.LIVE:
                await self._serve()
            elif self._clock.monotonic_ns() >= self._look_ns:
                await self._look()
            await self._sleep()

    async def _sleep(self) -> None:
        """Wait until woken or until something is due."""
        now_ns = self._clock.monotonic_ns()
        if self.device.contact is Contact.LIVE:
            due_ns = [self._slow_ns]
            if (lease_ns := self.lease.due_ns()) is not None:
                due_ns.append(lease_ns)
        else:
            due_ns = [self._look_ns]
        wait_s = max(min(due_ns) - now_ns, 0) / _NS_PER_S
        if wait_s > 0.0 and not self._wake.is_set():
            handle = asyncio.get_running_loop().call_later(wait_s, self._wake.set)
            try:
                await self._wake.wait()
            finally:
                handle.cancel()
        self._wake.clear()

    # --- a device that answers -----------------------------------------------------------

    async def _serve(self) -> None:
        try:
            if self._relearn:
                if not await self._meet():
                    return
                self.lease.restarted()
            await self._obey()
            if self._round is not None:
                await self._poll_fast()
                await self._obey()
            if self._clock.monotonic_ns() >= self._slow_ns:
                await self._poll_slow()
        except DeviceTimeoutError:
            self._missed()
        else:
            self.device.misses = 0
        finally:
            self._end_round()

    async def _obey(self) -> None:
        due_ns = self.lease.due_ns()
        if due_ns is not None and due_ns <= self._clock.monotonic_ns():
            await self.lease.work()

    async def _poll_fast(self) -> None:
        began_ns = self._clock.monotonic_ns()
        await self._reader.fetch(self.device.facts.fast)
        self._overdue = self._clock.monotonic_ns() - began_ns > self._patience_ns
        self._end_round()
        self.lease.check()

    async def _poll_slow(self) -> None:
        self._slow_ns = self._clock.monotonic_ns() + round(SLOW_S * _NS_PER_S)
        refresh = self.device.facts.refresh
        if refresh is not None and refresh[0] in self.device.settable:
            epc, value = refresh
            await self._exchange.set_c(self.device.peer, [Property(epc, bytes((value,)))])
        if not await self._reader.identify():
            self._lose(cause=_OTHER_NODE, moved=True)
            return
        await self._reader.fetch(self.device.facts.slow)

    def _end_round(self) -> None:
        if self._round is not None and not self._round.done():
            self._round.set_result(None)
        self._round = None

    def _missed(self) -> None:
        self.device.misses += 1
        if self.device.misses >= MISSES_MAX:
            self._lose(cause="no answer", moved=False)

    def _lose(self, *, cause: str, moved: bool) -> None:
        device = self.device
        device.contact = Contact.LOST
        self.moved = moved
        self._look_s = LOOK_S
        self._look_ns = self._clock.monotonic_ns() + round(LOOK_S * _NS_PER_S)
        log.warning(
            "device.lost", resource_id=device.resource_id, address=device.address, cause=cause
        )

    # --- a device that does not ----------------------------------------------------------

    async def _look(self) -> None:
        """Look for the device at its address; pause longer each time it is not there."""
        self._look_ns = self._clock.monotonic_ns() + round(self._look_s * _NS_PER_S)
        self._look_s = min(2.0 * self._look_s, LOOK_S_MAX)
        looking = self._looking = asyncio.ensure_future(self._meet())
        try:
            await asyncio.wait({looking})
        finally:
            looking.cancel()
            self._looking = None
        if looking.cancelled():
            return  # it was told where the device is now: look again, there
        try:
            looking.result()
        except DeviceTimeoutError:
            self._tell_missing("no answer")
        self.tried.set()

    def _tell_missing(self, cause: str) -> None:
        """Warn once about a configured device that was never there."""
        device = self.device
        if device.contact is Contact.NEW and not self._told_missing:
            self._told_missing = True
            log.warning(
                "device.missing",
                resource_id=device.resource_id,
                address=device.address,
                cause=cause,
            )

    async def _meet(self) -> bool:
        """Identify and learn the device; False if another node answers at its address."""
        device = self.device
        if not await self._reader.identify():
            self.moved = True
            if device.contact is Contact.LIVE:
                self._lose(cause=_OTHER_NODE, moved=True)
            self._tell_missing(_OTHER_NODE)
            return False
        await self._reader.learn()
        self._relearn = False
        self.moved = False
        self._look_s = LOOK_S
        spread = 0.5 + zlib.crc32(device.resource_id.encode()) % 256 / 512.0
        self._slow_ns = self._clock.monotonic_ns() + round(spread * SLOW_S * _NS_PER_S)
        if device.contact is not Contact.LIVE:
            event = "device.found" if device.contact is Contact.NEW else "device.back"
            log.info(
                event,
                resource_id=device.resource_id,
                address=device.address,
                eoj=device.config.eoj,
                node_id=device.node_id,
                settable=sorted(f"{epc:02X}" for epc in device.settable),
            )
            device.contact = Contact.LIVE
            device.misses = 0
            self.lease.found()
        return True
