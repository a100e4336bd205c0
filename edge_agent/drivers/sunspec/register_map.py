"""A device with a plain register map: meeting it, and what it says of itself.

Everything about its registers is in its template; the file is as good as its source, and the
template says which that is.
"""

import math
import struct
from typing import Final

from edge_agent.drivers.port import FoundDevice, Reading
from edge_agent.drivers.sunspec.resource import described, measured
from edge_agent.drivers.sunspec.unit import Unit, merged
from edge_agent.points import table
from protocols.sunspec.chain import Span
from protocols.sunspec.modbus import READ_HOLDING, READ_INPUT
from protocols.templates.modbus import ModbusWire, Register
from protocols.vocabulary.errors import DeviceRefusedError
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

_FORMATS: Final = {
    **{"int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q"},
    "float32": "f",
}
_TEXT: Final = "string"


class RegisterMap:
    """Contact and readings of one device with a plain register map.

    Parameters
    ----------
    unit : Unit
        Who and where.

    Attributes
    ----------
    settings : dict of int to bytes
        Registers of its command by address, as last read.
    """

    def __init__(self, unit: Unit) -> None:
        wire = unit.template.wire
        assert isinstance(wire, ModbusWire), "a Modbus template"
        self._unit = unit
        self._wire = wire
        self.settings: dict[int, bytes] = {}
        self._last: dict[str, float | None] = {}
        self._new: list[Reading] = []

    async def meet(self) -> bool:
        """Ask who it is, then everything."""
        if not await self._is_me():
            return False
        await self._poll(self._wire.registers)
        await self._poll_settings()
        return True

    async def lose(self) -> None:
        """Let go of the connection."""
        await self._unit.lose()

    def go_to(self, address: str) -> None:
        """Meet it at another address next."""
        self._unit.go_to(address)

    def describe(self) -> FoundDevice:
        """Tell address, identity and configured id as known now."""
        return self._unit.describe()

    async def poll_fast(self) -> None:
        """Ask for what changes each second, and for what is set."""
        await self._poll(tuple(entry for entry in self._wire.registers if entry.fast))
        await self._poll_settings()

    async def poll_slow(self) -> bool:
        """Ask who it is, and for the rest."""
        if not await self._is_me():
            return False
        await self._poll(tuple(entry for entry in self._wire.registers if not entry.fast))
        return True

    def take(self) -> list[Reading]:
        """Take the measurements that arrived since the last call."""
        taken, self._new = self._new, []
        return taken

    def resource(self) -> Resource:
        """Describe the resource as far as known; the configuration wins."""
        return described(
            self._unit,
            power_w_min=self._last.get(table.POWER_W_MIN),
            power_w_max=self._last.get(table.POWER_W_MAX),
            energy_wh_capacity=self._last.get(table.ENERGY_WH_CAPACITY),
            capabilities=self._capabilities(),
        )

    async def _is_me(self) -> bool:
        texts = [text_of(entry, await self._read(entry)) for entry in self._wire.identity]
        return self._unit.is_me("/".join(text for text in texts if text), "")

    async def look(self) -> None:
        """Read the registers of the command again."""
        steps = (*self._wire.setpoint, *self._wire.release)
        registers = {step.register.address: step.register for step in steps}
        spans = [Span(register.address, register.size) for register in registers.values()]
        for span in merged(spans, gap=0, most=self._wire.registers_per_read):
            data = await self._unit.read(span)
            for register in registers.values():
                if part := _part(register, span, data):
                    self.settings[register.address] = part

    def set_w(self) -> float | None:
        """Power the registers say is set; None where they say that the device decides."""
        if self._is_released():
            return None
        told = [(step, self.settings.get(step.register.address)) for step in self._wire.setpoint]
        values = {step.value: value_of(step.register, data) for step, data in told if data}
        if "power" in values:
            return values["power"]
        if "on" in values:
            return self._unit.template.nameplate.power_w_min if values["on"] else 0.0
        if "charge" in values or "discharge" in values:
            return values.get("discharge", 0.0) - values.get("charge", 0.0)
        return None

    def _is_released(self) -> bool:
        """Whether the registers hold what a release writes, or are not known."""
        return all(
            self.settings.get(step.register.address) == packed(step.register, float(step.value))
            for step in self._wire.release
        )

    async def _poll_settings(self) -> None:
        if not self._wire.setpoint:
            return
        await self.look()
        value = self.set_w()
        reason = "" if value is not None else "nothing is set: the device decides itself"
        quantity = table.LIMIT_W if self._wire.command == "limit" else table.SETPOINT_W
        at = self._unit.clock.now()
        self._new.extend(measured(self._unit, quantity, value, reason=reason, at=at))

    async def _poll(self, registers: tuple[Register, ...]) -> None:
        """Ask for registers; those a device refuses are told as missing, the others count."""
        refusal: DeviceRefusedError | None = None
        given = False
        for space in ("holding", "input"):
            wanted = [entry for entry in registers if entry.space == space]
            for span in self._spans(wanted):
                try:
                    data = await self._unit.read(span, function=_function(space))
                    given = True
                except DeviceRefusedError as error:
                    refusal, data = error, b""
                self._measure(wanted, span, data, cause=str(refusal or ""))
        if refusal is not None and not given:
            raise refusal

    def _spans(self, registers: list[Register]) -> list[Span]:
        spans = [Span(entry.address, entry.size) for entry in registers]
        return merged(spans, gap=self._wire.gap, most=self._wire.registers_per_read)

    def _measure(self, wanted: list[Register], span: Span, data: bytes, *, cause: str) -> None:
        at = self._unit.clock.now()
        for entry in wanted:
            if not span.address <= entry.address < span.address + span.count:
                continue
            part = _part(entry, span, data)
            value, reason = decoded(entry, part) if part else (None, cause)
            self._last[entry.quantity] = value
            self._new.extend(measured(self._unit, entry.quantity, value, reason=reason, at=at))

    async def _read(self, register: Register) -> bytes:
        span = Span(register.address, register.size)
        return await self._unit.read(span, function=_function(register.space))

    def _capabilities(self) -> frozenset[Capability]:
        found: set[Capability] = set()
        if self._last.get(table.POWER_W) is not None:
            found.add(Capability.READS_POWER)
            if self._unit.config.kind is ResourceKind.METER:
                found.add(Capability.MEASURES_SITE)
        if self._last.get(table.FREQUENCY_HZ) is not None:
            found.add(Capability.MEASURES_FREQUENCY)
        if self._last.get(table.SOC) is not None:
            found.add(Capability.HAS_SOC)
        timed = any(step.value == "lease" for step in self._wire.setpoint)
        if timed:
            found.add(Capability.HAS_LEASE_TIMER)
        takes = {
            "setpoint": Capability.TAKES_SETPOINT,
            "limit": Capability.TAKES_LIMIT,
            "on-off": Capability.TAKES_ON_OFF,
        }
        if self._wire.command in takes and (timed or self._unit.on_tcp):
            found.add(takes[self._wire.command])
        return frozenset(found)


def decoded(register: Register, data: bytes) -> tuple[float | None, str]:
    """Value of a register in our unit and sign, or the reason why there is none."""
    raw = raw_of(register, data)
    if not math.isfinite(raw) or raw == register.no_data:
        return None, f"register {register.address} holds no value ({data.hex().upper()})"
    return raw * register.scale + 0.0, ""


def value_of(register: Register, data: bytes) -> float:
    """Read what a register of a command amounts to, in the point's unit."""
    return raw_of(register, data) * register.scale + 0.0


def raw_of(register: Register, data: bytes) -> float:
    """Read the number in a register as it stands there."""
    return float(struct.unpack(f">{_FORMATS[register.data_type]}", _turned(register, data))[0])


def packed(register: Register, raw: float) -> bytes:
    """Put a number into a register's bytes.

    Raises
    ------
    struct.error, OverflowError
        If it does not fit.
    """
    code = _FORMATS[register.data_type]
    return _turned(register, struct.pack(f">{code}", raw if code == "f" else round(raw)))


def _turned(register: Register, data: bytes) -> bytes:
    """Words in the other order where the map has the low one first."""
    if not register.swapped:
        return data
    return b"".join(data[at : at + 2] for at in range(len(data) - 2, -1, -2))


def _part(register: Register, span: Span, data: bytes) -> bytes:
    """Take a register from the read that holds it; empty if it does not."""
    begin = 2 * (register.address - span.address)
    end = begin + 2 * register.size
    return data[begin:end] if begin >= 0 and end <= len(data) else b""


def text_of(register: Register, data: bytes) -> str:
    """Read a register of the identity as text."""
    if register.data_type == _TEXT:
        return data.split(b"\0", maxsplit=1)[0].decode("ascii", "replace").strip()
    value, _ = decoded(register, data)
    return "" if value is None else f"{value:.0f}"


def _function(space: str) -> int:
    return READ_INPUT if space == "input" else READ_HOLDING
