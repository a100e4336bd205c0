"""What a device with a plain register map can be told, step by step as its template says."""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from edge_agent.drivers.field_device import Carried, Order
from edge_agent.drivers.lease_book import LeasedDevice
from edge_agent.drivers.sunspec.register_map import RegisterMap, packed, value_of
from edge_agent.drivers.sunspec.telling import Dialog, Telling, tell
from edge_agent.drivers.sunspec.unit import Unit
from edge_agent.drivers.sunspec.written_down import leased_by_timer, leased_by_watchdog
from protocols.sunspec.controls import LEASE_S_LEAST, Write
from protocols.templates.modbus import ModbusWire, Step
from protocols.vocabulary.errors import (
    DeviceUnsupportedError,
    LocalProtocolError,
)

_LEASE: Final = "lease"
_REST_W: Final = 1.0
_SECONDS_MAX: Final = 0xFFFE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """An order as writes with wire addresses; the timer's among them."""

    arming: tuple[Write, ...]
    setting: tuple[Write, ...]
    power_w: float | None


class RegisterOrders:
    """Orders of one device with a plain register map.

    Parameters
    ----------
    unit, map_ : Unit, RegisterMap
        Who and where, and what its registers say.
    """

    def __init__(self, unit: Unit, map_: RegisterMap) -> None:
        wire = unit.template.wire
        assert isinstance(wire, ModbusWire), "a Modbus template"
        self._unit = unit
        self._wire = wire
        self._single = "single-writes" in unit.template.quirks
        self._timed = any(step.value == _LEASE for step in wire.setpoint)
        self._map = map_

    def plan(self, power_w: float, lease_s: float | None) -> Order:
        """Put a power into registers."""
        if lease_s is not None and not self._timed and not self._unit.on_tcp:
            raise DeviceUnsupportedError(
                "it has no timer, and nothing but this program could end an order on its line"
            )
        amount_w = self._amount_w(power_w)
        writes = [(step, self._write(step, amount_w, lease_s)) for step in self._wire.setpoint]
        arming = tuple(write for step, write in writes if step.value == _LEASE)
        setting = tuple(write for step, write in writes if step.value != _LEASE)
        told_w = self._told_w(writes, amount_w)
        return Order(
            power_w=told_w,
            words=_Words(arming=arming, setting=setting, power_w=told_w),
            runs_out=self._timed and lease_s is not None,
            detail=f"{self._wire.command} {told_w:.0f} W",
            writes=len(writes),
        )

    def plan_release(self) -> Order:
        """Put giving the device back into registers."""
        writes = tuple(self._write(step, 0.0, None) for step in self._wire.release)
        return Order(
            power_w=None,
            words=_Words(arming=(), setting=writes, power_w=None),
            runs_out=False,
            detail=f"release: {self._unit.template.lease.default}",
            writes=len(writes),
        )

    async def carry_out(self, order: Order, superseded: Callable[[], bool]) -> Carried:
        """Send the timer, then the rest; read back and judge."""
        words = _words(order)

        async def write(step: Write) -> None:
            await self._unit.write(step.offset, step.data, single=self._single)

        return await tell(
            Telling(
                arming=words.arming,
                setting=words.setting,
                proving=bool(words.arming),
                detail=order.detail,
            ),
            Dialog(
                write=write,
                look=self._map.look,
                agrees=lambda: self._agrees(words),
                armed=lambda: self._armed(words),
                found=self._found,
            ),
            superseded,
        )

    def in_force(self, order: Order) -> bool:
        """Whether the registers read last hold what an order asks."""
        return self._agrees(_words(order))

    def same(self, order: Order, other: Order) -> bool:
        """Whether two orders write the same."""
        mine, others = _words(order), _words(other)
        return mine.setting == others.setting and bool(mine.arming) == bool(others.arming)

    def setting_power_w(self) -> float | None:
        """Power the registers say is set; None where they say that the device decides."""
        return self._map.set_w()

    def record(self, order: Order, valid_until: datetime) -> LeasedDevice:
        """Write down how the device gets back without us."""
        words = _words(order)
        if self._timed and words.power_w is None:
            return leased_by_timer(self._unit, order.detail, valid_until)
        writes = (*words.arming, *words.setting)
        return leased_by_watchdog(
            self._unit, writes, order.detail, valid_until=valid_until, single=self._single
        )

    def adopt(self, leased: LeasedDevice) -> None:
        """Take over a record: there is nothing of the device's own to restore."""

    def _amount_w(self, power_w: float) -> float:
        """Round a power to what this device can: where it only switches, all or nothing."""
        if self._wire.command != "on-off":
            return power_w
        rated_w = self._unit.template.nameplate.power_w_min
        return rated_w if power_w <= rated_w / 2 else 0.0

    def _write(self, step: Step, power_w: float, lease_s: float | None) -> Write:
        register = step.register
        values: dict[str, Callable[[], float]] = {
            "power": lambda: power_w / register.scale,
            "charge": lambda: max(-power_w, 0.0) / register.scale,
            "discharge": lambda: max(power_w, 0.0) / register.scale,
            "direction": lambda: float(step.codes[_direction(power_w)]),
            "on": lambda: float(power_w < -_REST_W),
            _LEASE: lambda: 0.0 if lease_s is None else _seconds(lease_s) / register.scale,
        }
        raw = values[step.value]() if step.value in values else float(step.value)
        try:
            return Write(register.address, packed(register, raw))
        except (struct.error, OverflowError, ValueError) as error:
            raise LocalProtocolError(
                f"{power_w:g} W does not fit register {register.address}: {error}"
            ) from None

    def _told_w(self, writes: list[tuple[Step, Write]], amount_w: float) -> float:
        """Tell what the registers will say after rounding."""
        for step, write in writes:
            if step.value in {"power", "charge", "discharge"}:
                told = value_of(step.register, write.data)
                if step.value == "power" or told:
                    return (-told if step.value == "charge" else told) + 0.0
        return amount_w

    def _agrees(self, words: _Words) -> bool:
        if words.arming and not self._armed(words):
            return False
        return all(self._map.settings.get(write.offset) == write.data for write in words.setting)

    def _armed(self, words: _Words) -> bool:
        """Whether the timer holds what was written, or what is left of it."""
        for write in words.arming:
            held = int.from_bytes(self._map.settings.get(write.offset, b""), "big")
            if not 0 < held <= int.from_bytes(write.data, "big"):
                return not any(write.data)
        return True

    def _found(self) -> str:
        return " ".join(
            f"{at}={data.hex().upper()}" for at, data in sorted(self._map.settings.items())
        )


def _seconds(lease_s: float) -> float:
    """Round a lease up to what a 16-bit timer holds."""
    return min(max(math.ceil(lease_s), LEASE_S_LEAST), _SECONDS_MAX)


def _direction(power_w: float) -> str:
    if power_w < -_REST_W:
        return "charge"
    return "discharge" if power_w > _REST_W else "rest"


def _words(order: Order) -> _Words:
    assert isinstance(order.words, _Words), "an order of this family"
    return order.words
