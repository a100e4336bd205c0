"""The lease on one device: latest setpoint wins, expiry is release, silence is remembered.

The states of a lease::

    free --setpoint--> leased --expiry, release()--> owed --confirmed--> free
                         ^----------setpoint-----------'

``owed`` means that the device must be given back and has not confirmed it; it is tried again
with growing pauses until it confirms or a new setpoint takes over. The lease book always holds
a device that is leased or owed. Knows no protocol: what a power is in the device's words, and
whether it was done, say the :class:`~edge_agent.drivers.field_device.DeviceOrders`.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from edge_agent.drivers.allowance import Allowance
from edge_agent.drivers.border import attempt
from edge_agent.drivers.field_device import Carried, DeviceOrders, FieldDevice, Order
from edge_agent.drivers.lease_book import LeaseBook
from edge_agent.drivers.ledger import WriteLedger
from edge_agent.drivers.outcomes import carried_out
from edge_agent.drivers.port import WriteOutcome, WriteState
from protocols.vocabulary.errors import DeviceUnsupportedError, JournalError, LocalProtocolError
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
    order: Order | None
    expires_ns: int
    armed_until_ns: int = 0
    armed_s: float = 0.0
    in_force: bool = False


@dataclass(slots=True)
class _Wish:
    """A setpoint, or None for release, and who waits for its outcome."""

    setpoint: Setpoint | None
    future: asyncio.Future[WriteOutcome] | None
    held_back: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasePorts:
    """What a lease stands on: time, where it is written down, and who counts."""

    clock: Clock
    book: LeaseBook
    ledger: WriteLedger


class DeviceLease:
    """The lease of one device.

    Parameters
    ----------
    device, orders : FieldDevice, DeviceOrders
        The device, and how it is told.
    ports : LeasePorts
        Clock, book and ledger.
    """

    def __init__(self, device: FieldDevice, orders: DeviceOrders, ports: LeasePorts) -> None:
        self._resource_id = device.resource_id
        self._orders = orders
        self._clock = ports.clock
        self._book = ports.book
        self._allowance = Allowance(device, ports.ledger, ports.clock)
        self._lease: _Lease | None = None
        self._wish: _Wish | None = None
        self._owed_ns: int | None = None
        self._retry_s = RETRY_S
        self._reversion_w: float | None = None
        self._reverted = False
        self._adopt_from_book()

    def wish(
        self, setpoint: Setpoint | None, *, unreachable: str = ""
    ) -> asyncio.Future[WriteOutcome]:
        """Put a setpoint (or None for release) in the place of whatever still waits.

        Parameters
        ----------
        setpoint : Setpoint or None
            What is wished.
        unreachable : str
            Why the device cannot be told now; empty if it can.
        """
        future: asyncio.Future[WriteOutcome] = asyncio.get_running_loop().create_future()
        self._replace_wish(_Wish(setpoint, future))
        if setpoint is not None and setpoint.valid_until <= self._clock.now():
            self._settle(WriteState.TIMEOUT, "expired before it was handed over")
        elif unreachable:
            if setpoint is None and self._lease is not None:
                self._owe()
            self._settle(WriteState.TIMEOUT, unreachable)
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
        if lease is None or lease.order is None or not lease.in_force:
            return
        if not self._orders.in_force(lease.order):
            log.warning("setpoint.dropped", resource_id=self._resource_id)
            self.restarted()

    def abandon(self, detail: str) -> None:
        """Tell whoever still waits that nobody is going to carry it out any more."""
        self._settle(WriteState.TIMEOUT, detail)

    def due_ns(self) -> int | None:
        """Monotonic time at which :meth:`work` has something to do; None for never."""
        if self._wish is not None:
            return self._allowance.held_until_ns() if self._wish.held_back else 0
        if self._owed_ns is not None:
            return self._owed_ns
        return None if self._lease is None else self._lease.expires_ns

    async def work(self) -> None:
        """Do what is due: the waiting wish, else a release that is owed or has expired.

        However it ends, also by an error of the device's library: who waits for it is told.
        """
        wish, done = self._wish, False
        try:
            await self._work(wish)
            done = True
        finally:
            if wish is not None and not done:
                if self._wish is wish:
                    self._wish = None
                self._settle(WriteState.UNCONFIRMED, "broken off in the middle", wish)

    async def _work(self, wish: _Wish | None) -> None:
        if wish is not None and wish.setpoint is not None:
            await self._write(wish.setpoint)
            return
        if wish is None and self._owed_ns is None:
            lease = self._lease
            if lease is None or not self._expired(lease):
                return
            log.info("lease.expired", resource_id=self._resource_id)
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
                resource_id=self._resource_id,
                sequence=0 if wish.setpoint is None else wish.setpoint.sequence,
                state=state,
                read_back_w=attempt(self._orders.setting_power_w, None, lambda _error: None),
                detail=detail,
                finished_at=self._clock.now(),
            )
        )

    # --- writing -------------------------------------------------------------------------

    async def _write(self, setpoint: Setpoint) -> None:
        remaining_s = (setpoint.valid_until - self._clock.now()).total_seconds()
        if remaining_s <= 0.0:
            self._settle(WriteState.TIMEOUT, "expired before it could be sent")
            return
        armed_s = self._allowance.armed_s(remaining_s)
        try:
            order = self._orders.plan(setpoint.power_w, armed_s)
            if self._prolonged(setpoint, order) or self._held_back(setpoint):
                return
            self._write_down(setpoint.valid_until)
        except (DeviceUnsupportedError, LocalProtocolError, JournalError) as error:
            self._settle(WriteState.REFUSED, str(error))
            return
        if refusal := self._allowance.refusal(order):
            self._settle(WriteState.REFUSED, refusal)
            self._forget_unless_leased()
            return
        wish, self._wish = self._wish, None
        before = self._lease
        self._begin(setpoint, order, lease_s=remaining_s, armed_s=armed_s)
        carried = await carried_out(self._orders, order, lambda: self._wish is not None)
        self._after_write(carried, before)
        self._settle_wish(wish, carried.state, carried.detail)

    def _begin(self, setpoint: Setpoint, order: Order, *, lease_s: float, armed_s: float) -> None:
        """Put the new lease in the place of the old one."""
        now_ns = self._clock.monotonic_ns()
        self._lease = _Lease(
            setpoint=setpoint,
            order=order,
            expires_ns=now_ns + round(lease_s * _NS_PER_S),
            armed_until_ns=now_ns + round(armed_s * _NS_PER_S),
            armed_s=armed_s,
        )
        self._owed_ns = None
        self._reverted = False

    def _prolonged(self, setpoint: Setpoint, order: Order) -> bool:
        """Spare the device a frame it does not need: same value, in force, armed long enough."""
        lease = self._lease
        if lease is None or lease.order is None or not lease.in_force:
            return False
        left_s = (lease.armed_until_ns - self._clock.monotonic_ns()) / _NS_PER_S
        if order.runs_out and left_s < REARM_SHARE * lease.armed_s:
            return False
        if not (self._orders.same(order, lease.order) and self._orders.in_force(lease.order)):
            return False
        self._write_down(setpoint.valid_until)
        lease.setpoint = setpoint
        self._prolong(lease, setpoint)
        self._settle(WriteState.DONE, f"{lease.order.detail} (still in force)")
        return True

    def _held_back(self, setpoint: Setpoint) -> bool:
        """Let a setpoint wait for its turn; what is in force stays so meanwhile.

        The lease goes on at the power it has: to give the device back and take it again
        would cost two writes more.
        """
        if self._allowance.held_until_ns() <= self._clock.monotonic_ns():
            return False
        if self._lease is not None and self._lease.setpoint is not None:
            self._prolong(self._lease, setpoint)
        assert self._wish is not None, "it is the wish that waits"
        self._wish.held_back = True
        return True

    def _prolong(self, lease: _Lease, setpoint: Setpoint) -> None:
        left_s = (setpoint.valid_until - self._clock.now()).total_seconds()
        lease.expires_ns = self._clock.monotonic_ns() + round(left_s * _NS_PER_S)

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
        self._owe(pause_s=self._retry_s)  # owed until it is confirmed, whatever happens here
        try:
            order = self._release_order()
        except (DeviceUnsupportedError, LocalProtocolError) as error:
            self._free()
            self._settle_wish(wish, WriteState.REFUSED, str(error))
            return
        self._allowance.count_release(order)
        carried = await carried_out(self._orders, order, lambda: self._wish is not None)
        if carried.state is WriteState.DONE:
            self._free()
            self._reverted = self._reversion_w is not None
        elif carried.state is not WriteState.SUPERSEDED:
            self._owe(pause_s=self._retry_s)
            log.warning(
                "release.unconfirmed",
                resource_id=self._resource_id,
                state=carried.state.value,
                detail=carried.detail,
                retry_s=self._retry_s,
            )
            self._retry_s = min(2.0 * self._retry_s, RETRY_S_MAX)
        self._settle_wish(wish, carried.state, carried.detail)

    def _settle_wish(self, wish: _Wish | None, state: WriteState, detail: str) -> None:
        if wish is not None:
            self._settle(state, detail, wish)

    def _release_order(self) -> Order:
        if self._reversion_w is None:
            return self._orders.plan_release()
        return self._orders.plan(self._reversion_w, None)

    def _owe(self, *, pause_s: float = 0.0) -> None:
        self._owed_ns = self._clock.monotonic_ns() + round(pause_s * _NS_PER_S)

    def _free(self) -> None:
        self._lease = None
        self._owed_ns = None
        self._retry_s = RETRY_S
        self._book.drop(self._resource_id)

    def _expired(self, lease: _Lease) -> bool:
        return self._clock.monotonic_ns() >= lease.expires_ns

    # --- the book ------------------------------------------------------------------------

    def _write_down(self, valid_until: datetime) -> None:
        """Record how to give the device back without us; raises if that is not possible."""
        self._book.hold(self._orders.record(self._release_order(), valid_until))

    def _write_down_again(self, valid_until: datetime) -> None:
        """Bring the record of a lease that goes on up to date."""
        try:
            self._write_down(valid_until)
        except (DeviceUnsupportedError, LocalProtocolError, JournalError) as error:
            log.warning("lease.unrecorded", resource_id=self._resource_id, cause=str(error))

    def _forget_unless_leased(self) -> None:
        """Take back a record that was made for a setpoint which was then not sent."""
        if self._lease is None and self._owed_ns is None:
            self._book.drop(self._resource_id)

    def _adopt_from_book(self) -> None:
        """Take over the lease an earlier life of the agent left on this device."""
        for leased in self._book.left_over():
            if leased.resource_id == self._resource_id:
                left_s = (leased.valid_until - self._clock.now()).total_seconds()
                expires_ns = self._clock.monotonic_ns() + round(left_s * _NS_PER_S)
                self._lease = _Lease(setpoint=None, order=None, expires_ns=expires_ns)
                self._orders.adopt(leased)
                log.info("lease.adopted", resource_id=leased.resource_id)
