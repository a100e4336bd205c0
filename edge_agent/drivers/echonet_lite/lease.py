"""The lease on one device: latest setpoint wins, expiry is release, silence is remembered.

The states of a lease::

    free --setpoint--> leased --expiry, release()--> owed --confirmed--> free
                         ^----------setpoint-----------'

``owed`` means that the device must be given back and has not confirmed it; it is tried again
with growing pauses until it confirms or a new setpoint takes over. The lease book always holds
a device that is leased or owed.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from edge_agent.drivers.echonet_lite.classes import Command
from edge_agent.drivers.echonet_lite.commands import (
    AMOUNT_EPCS,
    WritePlan,
    plan_release,
    plan_setpoint,
)
from edge_agent.drivers.echonet_lite.device import Contact, Device
from edge_agent.drivers.echonet_lite.recipe import leased_device, restored_by
from edge_agent.drivers.echonet_lite.write import Carried, DeviceWriter
from edge_agent.drivers.lease_book import LeaseBook
from edge_agent.drivers.port import WriteOutcome, WriteState
from protocols.vocabulary.errors import (
    DeviceUnsupportedError,
    JournalError,
    LocalProtocolError,
)
from protocols.vocabulary.intervals import Clock
from protocols.vocabulary.setpoint import Setpoint

RETRY_S: Final = 5.0
RETRY_S_MAX: Final = 60.0
"""Pauses between tries of a release that was not confirmed; doubled each time."""
ADOPTED_S: Final = 5.0
"""Least time a lease of an earlier life lasts after the device is found again."""
REARM_SHARE: Final = 0.5
"""An unchanged setpoint is sent again when less than this share of its armed time is left."""
_NS_PER_S: Final = 1_000_000_000

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class _Lease:
    """What the device was last told, or what an earlier life told it (setpoint None)."""

    setpoint: Setpoint | None
    plan: WritePlan | None
    expires_ns: int
    armed_until_ns: int = 0
    armed_s: float = 0.0
    in_force: bool = False


@dataclass(slots=True)
class _Wish:
    """A setpoint, or None for release, and who waits for its outcome."""

    setpoint: Setpoint | None
    future: asyncio.Future[WriteOutcome] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTerms:
    """Ports a lease stands on, and the port number devices listen at."""

    clock: Clock
    book: LeaseBook
    device_port: int


class DeviceLease:
    """The lease of one device.

    Parameters
    ----------
    device : Device
        The device.
    writer : DeviceWriter
        Carries out what is decided here.
    terms : LeaseTerms
        Clock and book.
    """

    def __init__(self, device: Device, writer: DeviceWriter, terms: LeaseTerms) -> None:
        self._device = device
        self._writer = writer
        self._clock = terms.clock
        self._book = terms.book
        self._device_port = terms.device_port
        self._lease: _Lease | None = None
        self._wish: _Wish | None = None
        self._owed_ns: int | None = None
        self._retry_s = RETRY_S
        self._reversion_w: float | None = None
        self._reverted = False
        self._adopt_from_book()

    def wish(self, setpoint: Setpoint | None) -> asyncio.Future[WriteOutcome]:
        """Put a setpoint (or None for release) in the place of whatever still waits."""
        future: asyncio.Future[WriteOutcome] = asyncio.get_running_loop().create_future()
        self._replace_wish(_Wish(setpoint, future))
        if setpoint is not None and setpoint.valid_until <= self._clock.now():
            self._settle(WriteState.TIMEOUT, "expired before it was handed over")
        elif self._device.contact is not Contact.LIVE:
            self._settle_unreachable(setpoint)
        return future

    def revert_to(self, power_w: float | None) -> None:
        """Set what release means from now on: None for the device's default, or a limit in W."""
        if power_w == self._reversion_w:
            return
        self._reversion_w = power_w
        if self._reverted:
            self._owe()
        elif self._lease is not None and self._lease.setpoint is not None:
            self._write_down_again(self._lease.setpoint.valid_until)

    def found(self) -> None:
        """Take note that the device is (back) in contact, perhaps after a restart."""
        lease = self._lease
        if lease is None:
            return
        if lease.setpoint is None:
            grace_ns = self._clock.monotonic_ns() + round(ADOPTED_S * _NS_PER_S)
            lease.expires_ns = max(lease.expires_ns, grace_ns)
        elif lease.in_force:
            self._write_down_again(lease.setpoint.valid_until)
            self.restarted()

    def restarted(self) -> None:
        """Take note that the device (re)started or dropped its setting: arm it again."""
        lease = self._lease
        if lease is None or not lease.in_force:
            return
        lease.in_force = False
        if self._wish is None and lease.setpoint is not None and not self._expired(lease):
            self._wish = _Wish(lease.setpoint, None)

    def check(self) -> None:
        """Compare the device's last answers with the lease; a setting it lost is armed again."""
        lease = self._lease
        if lease is None or lease.plan is None or not lease.in_force:
            return
        if not self._writer.in_force(lease.plan):
            log.warning("setpoint.dropped", resource_id=self._device.resource_id)
            self.restarted()

    def due_ns(self) -> int | None:
        """Monotonic time at which :meth:`work` has something to do; None for never."""
        if self._wish is not None:
            return 0
        if self._owed_ns is not None:
            return self._owed_ns
        return None if self._lease is None else self._lease.expires_ns

    async def work(self) -> None:
        """Do what is due: the waiting wish, else a release that is owed or has expired."""
        wish = self._wish
        if wish is not None and wish.setpoint is not None:
            await self._write(wish.setpoint)
            return
        if wish is None and self._owed_ns is None:
            lease = self._lease
            if lease is None or not self._expired(lease):
                return
            log.info("lease.expired", resource_id=self._device.resource_id)
        await self._release()

    # --- wishes and outcomes -------------------------------------------------------------

    def _replace_wish(self, wish: _Wish) -> None:
        if self._wish is not None:
            self._settle(WriteState.SUPERSEDED, "a newer setpoint came")
        self._wish = wish

    def _settle(self, state: WriteState, detail: str, wish: _Wish | None = None) -> None:
        """Tell whoever waits how it ended; without ``wish`` it is the one that waits."""
        if wish is None:
            wish, self._wish = self._wish, None
        if wish is None or wish.future is None or wish.future.done():
            return
        wish.future.set_result(
            WriteOutcome(
                resource_id=self._device.resource_id,
                sequence=0 if wish.setpoint is None else wish.setpoint.sequence,
                state=state,
                read_back_w=self._device.setting_power_w(),
                detail=detail,
                finished_at=self._clock.now(),
            )
        )

    def _settle_unreachable(self, setpoint: Setpoint | None) -> None:
        if setpoint is None and self._lease is not None:
            self._owe()
        self._settle(WriteState.TIMEOUT, f"the device is {self._device.contact.value}")

    # --- writing -------------------------------------------------------------------------

    async def _write(self, setpoint: Setpoint) -> None:
        remaining_s = (setpoint.valid_until - self._clock.now()).total_seconds()
        if remaining_s <= 0.0:
            self._settle(WriteState.TIMEOUT, "expired before it could be sent")
            return
        try:
            plan = plan_setpoint(
                self._command(),
                self._device.abilities(),
                power_w=setpoint.power_w,
                lease_s=remaining_s,
            )
            self._remember(plan)
            self._write_down(setpoint.valid_until)
        except (DeviceUnsupportedError, LocalProtocolError, JournalError) as error:
            self._settle(WriteState.REFUSED, str(error))
            return
        if self._prolonged(setpoint, plan):
            return
        wish, self._wish = self._wish, None
        before = self._lease
        self._begin(setpoint, plan, lease_s=remaining_s)
        carried = await self._writer.carry_out(plan, lambda: self._wish is not None)
        self._after_write(carried, before)
        self._settle(carried.state, carried.detail, wish)

    def _remember(self, plan: WritePlan) -> None:
        """Keep what was set before our first write; some devices are given that back."""
        for step in plan.steps:
            if step.epc in self._device.held:
                self._device.originals.setdefault(step.epc, self._device.held[step.epc].edt)

    def _begin(self, setpoint: Setpoint, plan: WritePlan, *, lease_s: float) -> None:
        """Put the new lease in the place of the old one."""
        expires_ns = self._clock.monotonic_ns() + round(lease_s * _NS_PER_S)
        self._lease = _Lease(
            setpoint=setpoint,
            plan=plan,
            expires_ns=expires_ns,
            armed_until_ns=expires_ns,
            armed_s=lease_s,
        )
        self._owed_ns = None
        self._reverted = False

    def _prolonged(self, setpoint: Setpoint, plan: WritePlan) -> bool:
        """Spare the device a frame it does not need: same value, in force, armed long enough."""
        lease = self._lease
        if lease is None or lease.plan is None or not lease.in_force:
            return False
        now_ns = self._clock.monotonic_ns()
        left_s = (lease.armed_until_ns - now_ns) / _NS_PER_S
        bounded = any(step.epc in AMOUNT_EPCS for step in plan.steps)
        if not _same(plan, lease.plan) or (bounded and left_s < REARM_SHARE * lease.armed_s):
            return False
        if not self._writer.in_force(lease.plan):
            return False
        lease.setpoint = setpoint
        remaining = setpoint.valid_until - self._clock.now()
        lease.expires_ns = now_ns + round(remaining.total_seconds() * _NS_PER_S)
        self._settle(WriteState.DONE, f"{lease.plan.detail} (still in force)")
        return True

    def _after_write(self, carried: Carried, before: _Lease | None) -> None:
        lease = self._lease
        assert lease is not None, "a write has its lease"
        if carried.state is WriteState.DONE:
            lease.in_force = True
        elif carried.state is WriteState.REFUSED:
            if before is not None and before.in_force:
                before.in_force = False
                self._lease = before  # what it obeys still is the lease before; that expires
            else:
                self._owe()  # part of it may have been taken

    # --- releasing -----------------------------------------------------------------------

    async def _release(self) -> None:
        wish, self._wish = self._wish, None
        try:
            plan = self._release_plan()
        except (DeviceUnsupportedError, LocalProtocolError) as error:
            self._free()
            self._settle_wish(wish, WriteState.REFUSED, str(error))
            return
        carried = await self._writer.carry_out(plan, lambda: self._wish is not None)
        if carried.state is WriteState.DONE:
            self._free()
            self._reverted = self._reversion_w is not None
        elif carried.state is not WriteState.SUPERSEDED:
            self._owe(pause_s=self._retry_s)
            log.warning(
                "release.unconfirmed",
                resource_id=self._device.resource_id,
                state=carried.state.value,
                detail=carried.detail,
                retry_s=self._retry_s,
            )
            self._retry_s = min(2.0 * self._retry_s, RETRY_S_MAX)
        self._settle_wish(wish, carried.state, carried.detail)

    def _settle_wish(self, wish: _Wish | None, state: WriteState, detail: str) -> None:
        if wish is not None:
            self._settle(state, detail, wish)

    def _command(self) -> Command:
        command = self._device.facts.command
        if command is None:
            raise DeviceUnsupportedError("this class takes no setpoints")
        return command

    def _release_plan(self) -> WritePlan:
        command, abilities = self._command(), self._device.abilities()
        if self._reversion_w is None:
            return plan_release(command, abilities)
        return plan_setpoint(command, abilities, power_w=self._reversion_w, lease_s=None)

    def _owe(self, *, pause_s: float = 0.0) -> None:
        self._owed_ns = self._clock.monotonic_ns() + round(pause_s * _NS_PER_S)

    def _free(self) -> None:
        self._lease = None
        self._owed_ns = None
        self._retry_s = RETRY_S
        self._book.drop(self._device.resource_id)

    def _expired(self, lease: _Lease) -> bool:
        return self._clock.monotonic_ns() >= lease.expires_ns

    # --- the book ------------------------------------------------------------------------

    def _write_down(self, valid_until: datetime) -> None:
        """Record how to give the device back without us.

        Raises
        ------
        DeviceUnsupportedError, LocalProtocolError
            If it cannot be given back.
        JournalError
            If the record cannot be written.
        """
        plan = self._release_plan()
        self._book.hold(
            leased_device(
                self._device, plan, device_port=self._device_port, valid_until=valid_until
            )
        )

    def _write_down_again(self, valid_until: datetime) -> None:
        """Bring the record of a lease that goes on up to date."""
        try:
            self._write_down(valid_until)
        except (DeviceUnsupportedError, LocalProtocolError, JournalError) as error:
            log.warning("lease.unrecorded", resource_id=self._device.resource_id, cause=str(error))

    def _adopt_from_book(self) -> None:
        """Take over the lease an earlier life of the agent left on this device."""
        for leased in self._book.left_over():
            if leased.resource_id == self._device.resource_id:
                left_s = (leased.valid_until - self._clock.now()).total_seconds()
                expires_ns = self._clock.monotonic_ns() + round(left_s * _NS_PER_S)
                self._lease = _Lease(setpoint=None, plan=None, expires_ns=expires_ns)
                # What is set now is our own doing: the original is what the record restores.
                for restored in restored_by(leased):
                    self._device.originals.setdefault(restored.epc, restored.edt)
                log.info("lease.adopted", resource_id=leased.resource_id)


def _same(plan: WritePlan, other: WritePlan) -> bool:
    """Whether two plans mean the same; one of them may set the method as well."""
    wanted, others = frozenset(plan.expected), frozenset(other.expected)
    return plan.power_w == other.power_w and (wanted <= others or others <= wanted)
