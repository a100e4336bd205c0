"""What a SunSpec device can be told: a power by one of its control models, for a while."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from edge_agent.drivers.field_device import Carried, Order
from edge_agent.drivers.lease_book import LeasedDevice
from edge_agent.drivers.sunspec.models import Models
from edge_agent.drivers.sunspec.telling import Dialog, Telling, tell
from edge_agent.drivers.sunspec.unit import Unit
from edge_agent.drivers.sunspec.written_down import leased_by_timer, leased_by_watchdog
from protocols.sunspec.controls import Control, Lasting, Way, Write
from protocols.sunspec.points import Block
from protocols.vocabulary.errors import DeviceUnsupportedError

POWER_TOLERANCE_W: Final = 10.0
POWER_TOLERANCE_RATIO: Final = 0.01
"""A device may round the power it was given by this much, whichever is greater."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """An order of ours: what was wished, and what it became in registers."""

    power_w: float | None
    lease_s: float | None
    control: Control


class SunspecOrders:
    """Orders of one device.

    Parameters
    ----------
    unit, models : Unit, Models
        The device.
    way : Way
        How it is commanded.
    """

    def __init__(self, unit: Unit, models: Models, way: Way) -> None:
        self._unit = unit
        self._models = models
        self._way = way
        self._reversion_w: float | None = None
        self._timer_proven = False

    def plan(self, power_w: float, lease_s: float | None) -> Order:
        """Put a power into registers."""
        self._models.control_address()
        if lease_s is not None and not self._models.timed() and not self._unit.on_tcp:
            raise DeviceUnsupportedError(
                "it has no timer, and nothing but this program could end an order on its line"
            )
        control = self._control(power_w, lease_s, reversion_w=None)
        lasting = f" for {control.timer_s} s" if control.timer_s else ""
        return Order(
            power_w=control.power_w,
            words=_Words(power_w=power_w, lease_s=lease_s, control=control),
            runs_out=control.timer_s > 0,
            detail=f"model {self._way.model_id}: {control.power_w:.0f} W{lasting}",
            writes=len(control.arming) + len(control.setting),
        )

    def plan_release(self) -> Order:
        """Put giving the device back to its own programme into registers."""
        self._models.control_address()
        control = self._way.release()
        return Order(
            power_w=None,
            words=_Words(power_w=None, lease_s=None, control=control),
            runs_out=False,
            detail=f"model {self._way.model_id}: disabled",
        )

    async def carry_out(self, order: Order, superseded: Callable[[], bool]) -> Carried:
        """Send the timer, then value and enable; read back and judge."""
        words = _words(order)
        control = words.control
        if words.power_w is not None and words.lease_s is not None:
            await self._models.look()  # the scale factors may have moved since the plan
            control = self._control(words.power_w, words.lease_s, reversion_w=self._reversion_w)
        address = self._models.control_address()

        async def write(step: Write) -> None:
            await self._unit.write(address + step.offset, step.data)

        return await tell(
            Telling(
                arming=control.arming,
                setting=control.setting,
                proving=control.timer_s > 0 and not self._timer_proven,
                detail=order.detail,
            ),
            Dialog(
                write=write,
                look=self._models.look,
                agrees=lambda: self._agrees(control),
                armed=lambda: self._armed(control),
                found=self._found,
            ),
            superseded,
        )

    def in_force(self, order: Order) -> bool:
        """Whether the registers read last say what an order asks."""
        return self._agrees(_words(order).control)

    def same(self, order: Order, other: Order) -> bool:
        """Whether two orders put the same into the device."""
        mine, others = _words(order).control, _words(other).control
        return mine.setting == others.setting and bool(mine.timer_s) == bool(others.timer_s)

    def setting_power_w(self) -> float | None:
        """Power the device says is set."""
        setting = self._models.setting
        if setting is None:
            return None
        return self._way.set_w(setting.block, self._models.ratings())

    def record(self, order: Order, valid_until: datetime) -> LeasedDevice:
        """Write down how the device gets back without us: by its timer, or by these writes."""
        words = _words(order)
        self._reversion_w = words.power_w
        control = words.control
        if self._models.timed() and (words.power_w is None or self._way.reverts):
            return leased_by_timer(self._unit, order.detail, valid_until)
        address = self._models.control_address()
        writes = [
            Write(address + step.offset, step.data) for step in (*control.arming, *control.setting)
        ]
        return leased_by_watchdog(self._unit, writes, order.detail, valid_until=valid_until)

    def adopt(self, leased: LeasedDevice) -> None:
        """Take over a record: there is nothing of the device's own to restore."""

    def _control(
        self, power_w: float, lease_s: float | None, *, reversion_w: float | None
    ) -> Control:
        lasting = Lasting(
            lease_s=lease_s if self._models.timed() else None, reversion_w=reversion_w
        )
        ratings = self._models.ratings()
        return self._way.control(self._block(), ratings, power_w=power_w, lasting=lasting)

    def _block(self) -> Block:
        setting = self._models.setting
        if setting is None:
            raise DeviceUnsupportedError("the device has not told what is set")
        return setting.block

    def _agrees(self, control: Control) -> bool:
        if self._models.setting is None:
            return False
        block = self._block()
        if control.power_w is None:
            return self._way.is_released(block)
        set_w = self._way.set_w(block, self._models.ratings())
        if set_w is None:
            return False
        if control.timer_s and not self._way.timer_s(block):
            return False
        tolerance_w = max(POWER_TOLERANCE_W, POWER_TOLERANCE_RATIO * abs(control.power_w))
        return abs(set_w - control.power_w) <= tolerance_w

    def _armed(self, control: Control) -> bool:
        """Whether the timer reads as set; one that never does is not relied on again."""
        timer_s = self._way.timer_s(self._block())
        armed = timer_s is not None and 0.0 < timer_s <= control.timer_s
        self._timer_proven = armed
        self._models.timer_denied = not armed
        return armed

    def _found(self) -> str:
        return self._block().data.hex(" ", 2).upper()


def _words(order: Order) -> _Words:
    assert isinstance(order.words, _Words), "an order of this family"
    return order.words
