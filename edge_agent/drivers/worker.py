"""One worker per device: the only one that speaks with it, one thing at a time.

Order of its work: what must be released or written, then the fast poll the cycle asked for,
then the slow poll that is due. A device that falls silent is lost after a few requests; then
it is only looked for, with growing pauses, until the same device answers again. Whatever its
family's library raises ends here: the device has failed, and is looked for in the same way.
Knows no protocol; that is in the parts of :mod:`edge_agent.drivers.field_device`.
"""

import asyncio
import zlib
from typing import Final

import structlog

from edge_agent.drivers.border import Failure, attempt, outcome, told
from edge_agent.drivers.contact import Contact, Looks, Round
from edge_agent.drivers.field_device import FieldDevice
from edge_agent.drivers.lease import DeviceLease, LeasePorts
from edge_agent.drivers.outcomes import not_carried_out
from edge_agent.drivers.port import FoundDevice, Reading, WriteOutcome, WriteState
from edge_agent.drivers.violation import Violations
from protocols.vocabulary.errors import DeviceError, RemoteProtocolError
from protocols.vocabulary.resource import Resource
from protocols.vocabulary.setpoint import Setpoint

MISSES_MAX: Final = 2
"""Polls in a row without an answer before a device is lost."""
FAST_S_MAX: Final = 20.0
CALL_S_MAX: Final = 60.0
"""No call into a family lasts longer: a fast poll, anything else. It has failed then."""
LOSE_S_MAX: Final = 2.0
_OTHER_DEVICE: Final = "another device answers at its address"
_NS_PER_S: Final = 1_000_000_000

log = structlog.get_logger(__name__)


class DeviceWorker:
    """Serves one device until cancelled.

    Parameters
    ----------
    device : FieldDevice
        The device and its parts.
    ports : LeasePorts
        Clock, book, ledger.

    Attributes
    ----------
    device : FieldDevice
        As given.
    contact : Contact
        LIVE while it answers.
    tried : asyncio.Event
        Set once the device has been looked for, found or not.
    """

    def __init__(self, device: FieldDevice, ports: LeasePorts) -> None:
        self.device = device
        self.contact = Contact.NEW
        self.tried = asyncio.Event()
        self._lease = None if device.orders is None else DeviceLease(device, device.orders, ports)
        self._clock = ports.clock
        self._wake = asyncio.Event()
        self._round = Round()
        self._looks = Looks()
        self._violations = Violations(ports.clock)
        self._misses = 0
        self._relearn = False
        self._broken: BaseException | None = None
        self._slow_ns = 0
        self._free_ns = 0
        self._resource: Resource | None = None

    # --- what the family asks of it ------------------------------------------------------

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
            Done when the poll is, or one that another caller has just asked for; None if this
            device is not worth waiting for: it has no contact, or still owes an answer for
            longer than the caller's patience.
        """
        if self.contact is not Contact.LIVE:
            return None
        now_ns, patience_ns = self._clock.monotonic_ns(), round(patience_s * _NS_PER_S)
        if self._round.waits is not None:
            if now_ns - self._round.asked_ns < patience_ns:
                return self._round.waits
            self._round.overdue = True
            return None
        waits_for = self._round.waits = asyncio.get_running_loop().create_future()
        self._round.asked_ns, self._round.patience_ns = now_ns, patience_ns
        self._wake.set()
        return None if self._round.overdue else waits_for

    def take(self) -> list[Reading]:
        """Measurements that arrived since the last call."""
        return self._violations.read(attempt(self.device.readings.take, [], self._note))

    def resource(self) -> Resource | None:
        """Resource as far as known; as last known from a family that fails, None if never."""
        self._resource = attempt(self.device.readings.resource, self._resource, self._note)
        return self._resource

    def wish(self, setpoint: Setpoint | None) -> asyncio.Future[WriteOutcome]:
        """Wish a setpoint, or a release (None); the future tells what became of it."""
        if self._lease is None:
            future: asyncio.Future[WriteOutcome] = asyncio.get_running_loop().create_future()
            refused = not_carried_out(
                self.device.resource_id,
                setpoint,
                state=WriteState.REFUSED,
                detail="this device takes no orders",
                at=self._clock.now(),
            )
            future.set_result(refused)
            return future
        live = self.contact is Contact.LIVE
        unreachable = "" if live else f"the device is {self.contact.value}"
        future = self._lease.wish(setpoint, unreachable=unreachable)
        self._wake.set()
        return future

    def revert_to(self, power_w: float | None) -> None:
        """Say what release means from now on: None for the device's default, or a limit in W."""
        lease = self._lease
        if lease is not None:
            attempt(lambda: lease.revert_to(power_w), None, self._note)
            self._wake.set()

    def go_to(self, address: str) -> None:
        """Take note that the device is at another address, and look for it there at once."""
        attempt(lambda: self.device.contact.go_to(address), None, self._note)
        self._looks.redirect()
        self._wake.set()

    def look_now(self) -> None:
        """Look for the device at once instead of at the end of the pause."""
        self._looks.at_once()
        self._wake.set()

    def restarted(self) -> None:
        """Take note that the device has started anew: read it anew and arm it again."""
        self._relearn = True
        self.look_now()

    def describe(self) -> FoundDevice | None:
        """Where and who the device is; None if its family cannot say."""
        return attempt(self.device.contact.describe, None, self._note)

    async def run(self) -> None:
        """Serve the device; all that its library raises ends here."""
        try:
            while True:
                step = await outcome(self._step())
                if isinstance(step, Failure):
                    await self._fail(step.error)
        finally:
            self._round.end()
            if self._lease is not None:
                self._lease.abandon("the driver has ended")

    # --- one step ------------------------------------------------------------------------

    async def _step(self) -> None:
        if self._broken is not None:
            error, self._broken = self._broken, None
            raise error
        if self.contact is Contact.LIVE:
            await self._serve()
        elif self._clock.monotonic_ns() >= self._looks.due_ns:
            await self._look()
        await self._sleep()

    async def _sleep(self) -> None:
        """Wait until woken or until something is due."""
        if self.contact is Contact.LIVE:
            due_ns = [self._slow_ns]
            if self._lease is not None and (lease_ns := self._lease.due_ns()) is not None:
                due_ns.append(lease_ns)
        else:
            due_ns = [self._looks.due_ns]
        wait_s = max(min(due_ns) - self._clock.monotonic_ns(), 0) / _NS_PER_S
        if wait_s > 0.0 and not self._wake.is_set():
            handle = asyncio.get_running_loop().call_later(wait_s, self._wake.set)
            try:
                await self._wake.wait()
            finally:
                handle.cancel()
        self._wake.clear()

    async def _pace(self) -> None:
        """Let the device rest between two calls, if it must."""
        wait_ns = self._free_ns - self._clock.monotonic_ns()
        if wait_ns > 0:
            await asyncio.sleep(wait_ns / _NS_PER_S)

    def _spoken(self) -> None:
        self._free_ns = self._clock.monotonic_ns() + round(self.device.pacing_s * _NS_PER_S)

    # --- a device that answers -----------------------------------------------------------

    async def _serve(self) -> None:
        try:
            if self._relearn:
                if not await self._meet():
                    return
                if self._lease is not None:
                    self._lease.restarted()
            await self._obey()
            if self._round.waits is not None:
                await self._poll_fast()
                await self._obey()
            if self._clock.monotonic_ns() >= self._slow_ns:
                await self._poll_slow()
        except (DeviceError, RemoteProtocolError) as error:
            await self._miss(error)
        finally:
            self._round.end()

    async def _obey(self) -> None:
        lease = self._lease
        if lease is None:
            return
        due_ns = lease.due_ns()
        if due_ns is not None and due_ns <= self._clock.monotonic_ns():
            await self._pace()
            try:
                async with asyncio.timeout(CALL_S_MAX):
                    await lease.work()
            finally:
                self._spoken()

    async def _poll_fast(self) -> None:
        await self._pace()
        began_ns = self._clock.monotonic_ns()
        try:
            async with asyncio.timeout(FAST_S_MAX):
                await self.device.readings.poll_fast()
        finally:
            self._spoken()
            took_ns = self._clock.monotonic_ns() - began_ns
            self._round.overdue = took_ns > self._round.patience_ns
        self._misses = 0
        self._round.end()
        if self._lease is not None:
            self._lease.check()

    async def _poll_slow(self) -> None:
        self._slow_ns = self._clock.monotonic_ns() + round(self.device.slow_s * _NS_PER_S)
        await self._pace()
        try:
            async with asyncio.timeout(CALL_S_MAX):
                same = await self.device.readings.poll_slow()
        finally:
            self._spoken()
        if same:
            self._misses = 0
        else:
            await self._lose(_OTHER_DEVICE)

    async def _miss(self, error: Exception) -> None:
        self._misses += 1
        if self._misses >= MISSES_MAX:
            self._violations.lost(error)
            await self._lose(str(error) or type(error).__name__)

    async def _lose(self, cause: str) -> None:
        self.contact = Contact.LOST
        self._misses = 0
        self._looks.lost(self._clock.monotonic_ns())
        log.warning(
            "device.lost",
            resource_id=self.device.resource_id,
            address=self._address(),
            cause=cause,
        )
        await self._let_go()

    # --- a device that does not ----------------------------------------------------------

    async def _look(self) -> None:
        """Look for the device where it should be; pause longer each time it is not there."""
        looks = self._looks
        looks.begin(self._clock.monotonic_ns())
        looking = looks.task = asyncio.ensure_future(self._meet())
        try:
            await asyncio.wait({looking})
        finally:
            looking.cancel()
            looks.task = None
        if looks.redirected:
            return  # it was told where the device is now: look again, there
        try:
            looking.result()
        except (DeviceError, RemoteProtocolError) as error:
            self._tell_missing(str(error) or type(error).__name__)
            await self._let_go()
        self.tried.set()

    async def _meet(self) -> bool:
        """Identify and learn the device; False if another one answers at its address."""
        await self._pace()
        try:
            async with asyncio.timeout(CALL_S_MAX):
                same = await self.device.contact.meet()
        finally:
            self._spoken()
        if not same:
            if self.contact is Contact.LIVE:
                await self._lose(_OTHER_DEVICE)
            self._tell_missing(_OTHER_DEVICE)
            return False
        self._relearn = False
        self._looks.found()
        spread = 0.5 + zlib.crc32(self.device.resource_id.encode()) % 256 / 512.0
        self._slow_ns = self._clock.monotonic_ns() + round(spread * self.device.slow_s * _NS_PER_S)
        if self.contact is not Contact.LIVE:
            self._found()
        return True

    def _found(self) -> None:
        found = self.describe()
        log.info(
            "device.found" if self.contact is Contact.NEW else "device.back",
            resource_id=self.device.resource_id,
            address="" if found is None else found.address,
            unit="" if found is None else found.unit,
            identity="" if found is None else found.identity,
            about="" if found is None else found.about,
        )
        self.contact = Contact.LIVE
        self._misses = 0
        if self._lease is not None:
            self._lease.found()

    def _tell_missing(self, cause: str) -> None:
        """Warn once about a configured device that was never there."""
        if self.contact is Contact.NEW and not self._looks.told_missing:
            self._looks.told_missing = True
            log.warning(
                "device.missing",
                resource_id=self.device.resource_id,
                address=self._address(),
                cause=cause,
            )

    def _address(self) -> str:
        found = self.describe()
        return "" if found is None else found.address

    # --- a device whose family fails -----------------------------------------------------

    def _note(self, error: BaseException) -> None:
        """Take note that a call that does not wait raised; the next step fails with it."""
        self._broken = error
        self._wake.set()

    async def _fail(self, error: BaseException) -> None:
        """Give up contact and look for the device later, the later the oftener it failed."""
        pause_s = self._looks.failed(self._clock.monotonic_ns())
        if self.contact is Contact.LIVE:
            self.contact = Contact.LOST
        self._misses = 0
        self._broken = None
        log.warning(
            "device.failed",
            resource_id=self.device.resource_id,
            cause=told(error),
            pause_s=pause_s,
        )
        await self._let_go()
        self._broken = None
        self.tried.set()

    async def _let_go(self) -> None:
        """Let the family drop what ties us to the device; what that raises is of no interest."""

        async def lose() -> None:
            async with asyncio.timeout(LOSE_S_MAX):
                await self.device.contact.lose()

        await outcome(lose())
