"""What a client is told: controls that end by themselves, a default that holds without them.

A control goes to the device's own program; the device finds it when it next looks, or is told if
it has subscribed. Done is what the device answers (started), or what its power then shows; an
answer that it will not is a refusal. A new control takes the place of the one before; release
cancels what is open, and is done when the device has answered that, or nothing is open any more
and it has read its default.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from edge_agent.drivers.field_device import Carried, Order
from edge_agent.drivers.ieee2030_5.client import Client
from edge_agent.drivers.ieee2030_5.contact import ClientContact
from edge_agent.drivers.ieee2030_5.desk import (
    PRIMACY,
    STARTED,
    ServerDesk,
    controls_path,
    default_path,
    ends_at,
    tidy,
)
from edge_agent.drivers.ieee2030_5.meters import own_values
from edge_agent.drivers.ieee2030_5.meters import power_of as metered_power
from edge_agent.drivers.ieee2030_5.words import (
    ControlWords,
    ReleaseWords,
    control_words,
    power_of,
)
from edge_agent.drivers.lease_book import WIRE_NONE, LeasedDevice
from edge_agent.drivers.port import WriteState
from protocols.ieee2030_5.resources.der import DERControlBase
from protocols.ieee2030_5.server.desk_programs import ControlOrder
from protocols.ieee2030_5.server.server import Server
from protocols.ieee2030_5.server.state import Control
from protocols.vocabulary.errors import DeviceError, StoreError

HOLD_POLLS: Final = 3
"""A control lasts at least this many of the device's pauses: it must meet it before it ends."""
CONFIRM_S: Final = 5.0
"""How long beyond the device's own pause its answer is waited for."""
LEFT_SHARE: Final = 0.8
"""A control that asks the same is not issued again while this share of its time is left: less than
the lease reckons with, yet enough to be renewed before it ends."""
NEAR_W, NEAR_RATIO = 150.0, 0.1
"""How near its power must be to a set power to show that it follows."""
REFUSALS: Final = {4: "opted out", 252: "not supported", 253: "invalid", 254: "too late", 251: "no"}
"""Statuses of a Response by which a device says that it will not."""
ENDED: Final = frozenset({3, 6, 7})
"""Completed, cancelled, superseded: it does not follow the control any more."""
_NS_PER_S: Final = 1_000_000_000
_NOTHING: Final = DERControlBase()


@dataclass(slots=True, kw_only=True)
class _Told:
    """The default control that is wanted, and when it and the controls were last changed."""

    wanted: DERControlBase = _NOTHING
    default_ns: int = 0
    cancelled_ns: int = 0


class ClientOrders:
    """Tells one client.

    Parameters
    ----------
    client, contact, desk
        What is known of it, what it can, the server.
    """

    def __init__(self, client: Client, contact: ClientContact, desk: ServerDesk) -> None:
        self._client = client
        self._contact = contact
        self._desk = desk
        self._told = _Told()

    def plan(self, power_w: float, lease_s: float | None) -> Order:
        """Put a power into a control, or into the default control where it has no end.

        Raises
        ------
        DeviceUnsupportedError, LocalProtocolError
            If this device cannot be told that.
        """
        least_s = HOLD_POLLS * self._client.wire.poll_s
        duration_s = None if lease_s is None else max(1, math.ceil(lease_s), least_s)
        words = control_words(power_w, self._contact.ratings(), duration_s)
        until = "as default control" if duration_s is None else f"for {duration_s} s"
        what = "at most" if words.is_limit else "set to"
        return Order(
            power_w=words.power_w,
            words=words,
            runs_out=duration_s is not None,
            detail=f"{what} {words.power_w:.0f} W {until}",
        )

    def plan_release(self) -> Order:
        """Cancel what is open; the default asks for nothing."""
        return Order(
            power_w=None, words=ReleaseWords(), runs_out=False, detail="controls cancelled"
        )

    async def carry_out(self, order: Order, superseded: Callable[[], bool]) -> Carried:
        """Issue, wait and judge; see :class:`edge_agent.drivers.field_device`."""
        if superseded():
            return Carried(state=WriteState.SUPERSEDED, detail="a newer setpoint came")
        try:
            await self.settle_default()
            if isinstance(order.words, ControlWords) and order.words.duration_s is not None:
                return await self._control(order, order.words, superseded)
            return await self._release(order, superseded)
        except StoreError as error:
            raise DeviceError(f"the server's records: {error}") from error

    def in_force(self, order: Order) -> bool:
        """Whether what it last answered agrees with an order."""
        controls = self._desk.open_controls(self._client)
        if not isinstance(order.words, ControlWords) or order.words.duration_s is None:
            return not controls
        return bool(controls) and (
            controls[-1].resource.der_control_base == order.words.base
            and not self._refusal(controls[-1])
        )

    def same(self, order: Order, other: Order) -> bool:
        """Whether two orders ask for the same power, or both for none."""
        one, two = order.words, other.words
        if isinstance(one, ControlWords) and isinstance(two, ControlWords):
            return one.base == two.base and (one.duration_s is None) == (two.duration_s is None)
        return type(one) is type(two)

    def setting_power_w(self) -> float | None:
        """Power of the control that it says it follows; None where it follows none of ours."""
        for control in reversed(self._desk.open_controls(self._client)):
            if STARTED in self._desk.answers(control):
                return power_of(control.resource.der_control_base, self._contact.ratings())
        return None

    def record(self, order: Order, valid_until: datetime) -> LeasedDevice:
        """Write down that there is nothing to send: the control's duration ends it.

        What the device falls back to is its default control, which is brought in line with the
        next write or poll.
        """
        words = order.words
        self._told.wanted = words.base if isinstance(words, ControlWords) else _NOTHING
        return LeasedDevice(
            resource_id=self._client.resource_id,
            wire=WIRE_NONE,
            address="",
            port=0,
            frames=(),
            check_frame=b"",
            expected=b"",
            restores=f"its default control when the control's duration ends; {order.detail}",
            valid_until=valid_until,
        )

    def adopt(self, leased: LeasedDevice) -> None:  # noqa: ARG002 - all is in the records
        """Take over a lease of an earlier life: its controls are in the server's records."""
        program = self._desk.program_of(self._client)
        if program is not None:
            self._told.wanted = program.default.der_control_base

    async def settle_default(self) -> None:
        """Bring the device's default control in line with what release means now.

        Raises
        ------
        StoreError
            If it could not be kept.
        """
        program, wanted = self._desk.program_of(self._client), self._told.wanted
        if program is None or program.default.der_control_base == wanted:
            return

        def change(role: Server, _now: int) -> None:
            current = role.state.programs.get(program.number)
            if current is not None:
                role.programs.set_default(current, wanted)

        await self._desk.act(change)
        self._told.default_ns = self._client.clock.monotonic_ns()

    # --- a control -------------------------------------------------------------------------

    async def _control(
        self, order: Order, words: ControlWords, superseded: Callable[[], bool]
    ) -> Carried:
        control = self._same_open(words)
        if control is None:
            control = await self._issue(words)
        deadline_ns = self._patience_ns()
        while True:
            said = self._client.said
            refusal = self._refusal(control)
            if refusal:
                await self._desk.act(lambda role, now: role.programs.cancel(control, now=now))
                return Carried(state=WriteState.REFUSED, detail=f"{order.detail}: {refusal}")
            shown = self._shown(control, words)
            if shown:
                return Carried(state=WriteState.DONE, detail=f"{order.detail}: {shown}")
            if superseded():
                return Carried(state=WriteState.SUPERSEDED, detail="a newer setpoint came")
            if not await self._wait(deadline_ns, said):
                break
        heard = "received" if 1 in self._desk.answers(control) else "not answered"
        return Carried(state=WriteState.UNCONFIRMED, detail=f"{order.detail}: {heard}")

    def _same_open(self, words: ControlWords) -> Control | None:
        """Control that asks the same already, with time enough left."""
        controls = self._desk.open_controls(self._client)
        if not controls or controls[-1].resource.der_control_base != words.base:
            return None
        left_s = ends_at(controls[-1]) - self._desk.now()
        assert words.duration_s is not None, "it is no default"
        return controls[-1] if left_s >= LEFT_SHARE * words.duration_s else None

    async def _issue(self, words: ControlWords) -> Control:
        """Issue a control that begins now."""
        assert words.duration_s is not None, "it is no default"
        duration_s = words.duration_s

        def act(role: Server, now: int) -> Control:
            device = role.devices.find(self._client.lfdi)
            assert device is not None, "every configured device is registered"
            program = role.programs.own_program(device, primacy=PRIMACY)
            tidy(role, program, now)
            asked = ControlOrder(base=words.base, start=now, duration_s=duration_s)
            issued = role.programs.issue(program, asked, now=now)
            role.schedule.settle(now)
            return issued

        return await self._desk.act(act)

    def _shown(self, control: Control, words: ControlWords) -> str:
        """How it shows that it follows a control; "" if it does not."""
        if STARTED in self._desk.answers(control):
            return "it has started"
        values = own_values(self._desk.role.devices.values(self._client.lfdi))
        power = metered_power(values, self._client.wire)
        begins = control.resource.interval.start
        if power is None or power.extreme or power.at.timestamp() <= begins:
            return ""
        near_w = max(NEAR_W, NEAR_RATIO * abs(words.power_w))
        near = abs(power.value - words.power_w) <= near_w
        return f"its power is {power.value:.0f} W" if near and not words.is_limit else ""

    def _refusal(self, control: Control) -> str:
        """Why it will not follow a control; "" if it has not said that."""
        for status in self._desk.answers(control):
            if status in REFUSALS:
                return f"response {status}, {REFUSALS[status]}"
        return ""

    # --- no control ------------------------------------------------------------------------

    async def _release(self, order: Order, superseded: Callable[[], bool]) -> Carried:
        """Cancel what is open and wait until the device has heard of it and of its default."""
        if isinstance(order.words, ControlWords):
            self._told.wanted = order.words.base
        else:
            self._told.wanted = _NOTHING
        await self.settle_default()
        controls = self._desk.open_controls(self._client)
        if controls:
            await self._desk.act(
                lambda role, now: [role.programs.cancel(one, now=now) for one in controls]
            )
            self._told.cancelled_ns = self._client.clock.monotonic_ns()
        deadline_ns = self._patience_ns()
        while True:
            said = self._client.said
            waiting = self._unheard()
            if not waiting:
                return Carried(state=WriteState.DONE, detail=order.detail)
            if superseded():
                return Carried(state=WriteState.SUPERSEDED, detail="a newer setpoint came")
            if not await self._wait(deadline_ns, said):
                break
        return Carried(state=WriteState.UNCONFIRMED, detail=f"{order.detail}: {waiting}")

    def _unheard(self) -> str:
        """Tell what the device has not heard of yet; "" if it knows all."""
        program, now = self._desk.program_of(self._client), self._desk.now()
        if program is None:
            return ""
        wanted = self._told.default_ns or program.default.der_control_base != _NOTHING
        if wanted and not self._has_read(default_path(program), self._told.default_ns):
            return "it has not read its default control"
        for control in self._desk.role.state.controls.where("program", program.number):
            if control.superseded_at is not None or ends_at(control) <= now:
                continue
            answers = self._desk.answers(control)
            if answers & (ENDED | set(REFUSALS)):
                continue
            if answers or not self._has_read(controls_path(program), self._told.cancelled_ns):
                return "it has not answered the cancellation"
        return ""

    def _has_read(self, path: str, since_ns: int) -> bool:
        read_ns = self._client.read_ns.get(path)
        return read_ns is not None and read_ns >= since_ns

    # --- waiting ---------------------------------------------------------------------------

    def _patience_ns(self) -> int:
        patience_s = self._client.wire.poll_s + CONFIRM_S
        return self._client.clock.monotonic_ns() + round(patience_s * _NS_PER_S)

    async def _wait(self, deadline_ns: int, said: int) -> bool:
        """Wait for its next call, a second at most; False when patience has ended."""
        left_s = (deadline_ns - self._client.clock.monotonic_ns()) / _NS_PER_S
        if left_s <= 0.0:
            return False
        await self._client.news(min(left_s, 1.0), after=said)
        return True
