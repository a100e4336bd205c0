"""What a device can be told: one commanded object, at one priority, read back each time.

A command is done when presentValue and our own slot of the priorityArray say so. Somebody
stronger (a lower number) is reported and not fought: our value waits below. A slot of ours that
nobody here remembers, of an earlier life, or of a datagram that was late, is given back; so is
a command while comfort is not kept.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from edge_agent.config.addresses import bacnet_node
from edge_agent.drivers.bacnet.comfort import ComfortWatch
from edge_agent.drivers.bacnet.device import BacnetDevice
from edge_agent.drivers.bacnet.poller import Poller
from edge_agent.drivers.bacnet.stack import Asked, Refusal, Stack, write_frame
from edge_agent.drivers.field_device import Carried, Order
from edge_agent.drivers.lease_book import WIRE_BACNET_IP, LeasedDevice
from edge_agent.drivers.port import WriteState
from protocols.bacnet.command import Meaning, Words, level_words, power_words
from protocols.bacnet.objects import Property
from protocols.bacnet.priority import PRIORITIES, Holder, slot, stronger
from protocols.templates.bacnet import BacnetCommand
from protocols.vocabulary.errors import (
    DeviceError,
    DeviceRefusedError,
    DeviceTimeoutError,
    DeviceUnsupportedError,
    RemoteProtocolError,
)
from protocols.vocabulary.intervals import Clock

SETTLE_S: Final = 0.3
"""Pause before a slot that reads back differently is read once more."""
TOLERANCE_RATIO: Final = 0.01
_TOLERANCE: Final = 1e-3

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CommandWords:
    """presentValue to command, None to relinquish; ``lasting`` holds without a lease."""

    value: float | None
    lasting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderParts:
    """What orders stand on."""

    stack: Stack
    poller: Poller
    comfort: ComfortWatch
    clock: Clock


class BacnetOrders:
    """Commands one device.

    Parameters
    ----------
    device : BacnetDevice
        The device; it has a command.
    command : BacnetCommand
        How it is commanded.
    parts : OrderParts
        The wire and the comfort of its room.
    """

    def __init__(self, device: BacnetDevice, command: BacnetCommand, parts: OrderParts) -> None:
        self._device = device
        self._command = command
        self._parts = parts
        self._told: Holder | None = None
        self._given_back: tuple[str, bool] | None = None

    # --- words -----------------------------------------------------------------------------

    def plan(self, power_w: float, lease_s: float | None) -> Order:
        """Put a power into a presentValue.

        Parameters
        ----------
        power_w : float
            W, generator frame.
        lease_s : float or None
            None for a limit that holds without a lease; comfort does not stand above it.

        Raises
        ------
        DeviceUnsupportedError
            If the object is not there or cannot be given back, or comfort is not kept.
        LocalProtocolError
            If the power cannot be expressed.
        """
        self._check()
        if lease_s is not None and (cause := self._parts.comfort.cause()):
            raise DeviceUnsupportedError(cause)
        words = self._words(power_w)
        detail = f"{self._command.object_id} = {words.value:g} ({words.power_w:.0f} W)"
        if abs(words.power_w - power_w) > 1.0:
            detail += f", asked for {power_w:.0f} W"
        value = CommandWords(words.value, lasting=lease_s is None)
        return Order(power_w=words.power_w, words=value, runs_out=False, detail=detail)

    def plan_release(self) -> Order:
        """Put giving the device back into words: Null at our priority."""
        self._check()
        return Order(
            power_w=self._device.template.lease.default_power_w,
            words=CommandWords(None, lasting=False),
            runs_out=False,
            detail=f"{self._command.object_id} relinquished at priority {self._device.priority}",
        )

    def in_force(self, order: Order) -> bool:
        """Whether our slot and presentValue are as ordered, as last told."""
        words = _words_of(order)
        ours = self._slot()
        if words.value is None or ours is None:
            return words.value is None and ours is None
        return (
            self._device.ours
            and _same(ours, words.value)
            and _same(self._device.present, words.value)
            and not self._device.hindered
        )

    def same(self, order: Order, other: Order) -> bool:
        """Whether two orders command the same value."""
        return _words_of(order).value == _words_of(other).value

    def setting_power_w(self) -> float | None:
        """Power that presentValue stands for while we command; None while nobody of us does."""
        return None if self._slot() is None else self._device.power_of(self._device.present)

    def record(self, order: Order, valid_until: datetime) -> LeasedDevice:
        """Write an order down as the datagram the watchdog sends."""
        node = bacnet_node(self._device.node)
        frame = write_frame(
            self._command.object_id,
            value=_words_of(order).value,
            priority=self._device.priority,
        )
        return LeasedDevice(
            resource_id=self._device.resource_id,
            wire=WIRE_BACNET_IP,
            address=node.host,
            port=node.port,
            frames=(frame,),
            check_frame=b"",
            expected=b"",
            restores=order.detail,
            valid_until=valid_until,
        )

    def adopt(self, leased: LeasedDevice) -> None:
        """Take over what an earlier life commanded: its lease ends it, not our start."""
        self._device.ours = leased.wire == WIRE_BACNET_IP

    # --- deeds -----------------------------------------------------------------------------

    async def carry_out(self, order: Order, superseded: Callable[[], bool]) -> Carried:
        """Command, read back and judge; what stands already is not written again."""
        words, device = _words_of(order), self._device
        if superseded():
            return Carried(state=WriteState.SUPERSEDED, detail="a newer setpoint waits")
        if device.ours and _slot_is(self._slot(), words.value):
            await self._look()
            if _slot_is(self._slot(), words.value):
                return self._judge(order, "")
        refused, silent = "", False
        if words.value is not None:
            device.ours, device.lasting = True, words.lasting
        try:
            await self._write(words.value)
        except DeviceTimeoutError:
            silent = True
        except (DeviceRefusedError, DeviceUnsupportedError) as error:
            refused = str(error)
        if not await self._looked():
            state = WriteState.TIMEOUT if silent else WriteState.UNCONFIRMED
            return Carried(state=state, detail=f"{order.detail}: no answer on reading back")
        if not refused and not self.in_force(order):
            await asyncio.sleep(SETTLE_S)
            await self._looked()
        return self._judge(order, refused)

    async def guard(self) -> None:
        """Give back what is left over of ours, and a command while comfort is not kept.

        Also tells how far the device can be held down now.

        Raises
        ------
        DeviceError, RemoteProtocolError
            If the device is silent or answers something else.
        """
        device = self._device
        known = device.objects.get(self._command.object_id)
        if known is None or known.wrong:
            return
        cause = self._parts.comfort.cause()
        array = device.array or ()
        held = bool(device.hindered) or stronger(array, device.priority) is not None
        device.say_least(movable=not cause and not held, at=self._parts.clock.now())
        if self._slot() is None:
            return
        if not device.ours:
            await self._relinquish("nobody here commanded it")
        elif not device.lasting and cause:
            await self._relinquish(cause)

    async def shut(self) -> None:
        """Give a leased command back because the agent ends; a lasting limit stays."""
        if self._device.ours and not self._device.lasting:
            try:
                await self._relinquish("the agent ends")
            except (DeviceError, RemoteProtocolError) as error:
                log.warning(
                    "command.left",
                    resource_id=self._device.resource_id,
                    cause=str(error),
                )

    async def _relinquish(self, cause: str) -> None:
        device = self._device
        await self._write(None)
        await self._look()
        given_back = self._slot() is None
        device.ours = device.ours and not given_back
        if given_back or self._given_back != (cause, given_back):
            log.warning(
                "command.relinquished",
                resource_id=device.resource_id,
                object=str(self._command.object_id),
                priority=device.priority,
                cause=cause,
                confirmed=given_back,
            )
        self._given_back = (cause, given_back)

    async def _write(self, value: float | None) -> None:
        await self._parts.stack.write(
            self._device.node,
            self._command.object_id,
            value=value,
            priority=self._device.priority,
        )

    async def _looked(self) -> bool:
        """Read back; False if the device does not tell."""
        try:
            await self._look()
        except (DeviceError, RemoteProtocolError):
            return False
        return True

    async def _look(self) -> None:
        """Read presentValue, flags and the whole priorityArray.

        Raises
        ------
        DeviceTimeoutError, RemoteProtocolError
            If there is no sensible answer.
        DeviceRefusedError
            If the device does not tell them.
        """
        object_id, clock = self._command.object_id, self._parts.clock
        props = (Property.PRESENT_VALUE, Property.STATUS_FLAGS, Property.PRIORITY_ARRAY)
        answers = await self._parts.poller.read([Asked(object_id, prop) for prop in props])
        array = answers[Asked(object_id, Property.PRIORITY_ARRAY)]
        value = answers[Asked(object_id, Property.PRESENT_VALUE)]
        if isinstance(value, Refusal):
            raise DeviceRefusedError(f"{object_id}: presentValue {value.cause}")
        if not isinstance(array, tuple) or len(array) != PRIORITIES:
            raise DeviceRefusedError(f"{object_id}: priorityArray is not told")
        self._device.take(answers, clock.now(), clock.monotonic_ns())

    # --- judging ---------------------------------------------------------------------------

    def _judge(self, order: Order, refused: str) -> Carried:
        words, device, ours = _words_of(order), self._device, self._slot()
        if not _slot_is(ours, words.value):
            if refused:
                return Carried(state=WriteState.REFUSED, detail=f"{order.detail}: {refused}")
            found = "nothing" if ours is None else f"{ours:g}"
            detail = f"{order.detail}: reads back {found} at priority {device.priority}"
            return Carried(state=WriteState.UNCONFIRMED, detail=detail)
        if words.value is None:
            device.ours = False
            return Carried(state=WriteState.DONE, detail=order.detail)
        holder = self._overruled()
        if _same(device.present, words.value) and not device.hindered:
            return Carried(state=WriteState.DONE, detail=order.detail)
        if holder is not None:
            cause = f"{holder}; ours waits at priority {device.priority}"
        else:
            cause = device.hindered or f"presentValue reads back {device.present}"
        return Carried(state=WriteState.UNCONFIRMED, detail=f"{order.detail}: {cause}")

    def _overruled(self) -> Holder | None:
        """Who is stronger than we are; said once, until somebody else is."""
        array = self._device.array
        holder = None if array is None else stronger(array, self._device.priority)
        if holder is not None and (self._told is None or self._told.priority != holder.priority):
            log.warning(
                "command.overruled",
                resource_id=self._device.resource_id,
                object=str(self._command.object_id),
                priority=self._device.priority,
                by=str(holder),
            )
        self._told = holder
        return holder

    def _slot(self) -> float | None:
        array = self._device.array
        return None if array is None else slot(array, self._device.priority)

    def _check(self) -> None:
        known = self._device.objects.get(self._command.object_id)
        if known is None:
            raise DeviceUnsupportedError("the device has not been met yet")
        if known.wrong:
            raise DeviceUnsupportedError(known.wrong)

    def _words(self, power_w: float) -> Words:
        command, device = self._command, self._device
        scale = device.scale(command)
        if command.levels:
            return level_words(power_w, command.levels, sign=command.sign, rating_w=scale.rating_w)
        return power_words(
            power_w,
            scale,
            bounds=device.objects[command.object_id].bounds,
            limit=command.meaning is Meaning.LIMIT,
        )


def _words_of(order: Order) -> CommandWords:
    assert isinstance(order.words, CommandWords), "an order of this family"
    return order.words


def _same(found: float | None, wanted: float) -> bool:
    """Whether a device's number is what was written, within its rounding."""
    if found is None or not math.isfinite(found):
        return False
    return abs(found - wanted) <= max(_TOLERANCE, TOLERANCE_RATIO * abs(wanted))


def _slot_is(found: float | None, wanted: float | None) -> bool:
    if wanted is None:
        return found is None
    return _same(found, wanted)
