"""A plain register map over a machine: what a template lists, and the command it describes.

The device is released while the registers of the template's release hold what the release
writes; so it starts. A register that takes the length of the lease is a timer: it starts anew
with every write of the command, and at its end the device releases itself.
"""

import itertools
import math
import struct
from typing import Final

from firmware_sim.devices.machine import Machine, MachineState
from firmware_sim.devices.modbus.image import Refusal, Registers
from firmware_sim.faults import FaultKind, FaultState, MapFault
from protocols.templates.modbus import MODBUS_QUIRKS, ModbusWire, Register, Step
from protocols.templates.template import Template

_FORMATS: Final = {
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
}
_MEASURED: Final = {"power_w", "soc", "frequency_hz", "voltage_v", "room_c", "hot_water_l"}
_ALWAYS_ON: Final = 0.5


class PlainFace:
    """Registers of one unit.

    Parameters
    ----------
    template : Template
        The map, and its quirks.
    machine : Machine
        Commanded by what is written.
    name : str
        Makes the serial number.
    """

    def __init__(self, template: Template, machine: Machine, *, name: str) -> None:
        wire = template.wire
        assert isinstance(wire, ModbusWire), "a Modbus template"
        assert MODBUS_QUIRKS.issuperset(template.quirks), f"{template.template_id}: unknown quirk"
        self.registers = Registers()
        self.registers.single_writes = "single-writes" in template.quirks
        self._wire = wire
        self._machine = machine
        self._left_s: float | None = None
        self._starting = [*wire.setpoint, *wire.release]
        self._fill_gaps()
        for register in wire.identity:
            self._store(register, _identity(register, name))
        for step in self._starting:
            first = step.register.address
            self.registers.writable.update(range(first, first + step.register.size))
        self.restart()

    def restart(self) -> None:
        """Clear the command, as after a power cut: released."""
        self._left_s = None
        for step in self._wire.setpoint:
            self._store(step.register, pack(step.register, 0.0))
        self._write_release()

    def show(self, state: MachineState, faults: FaultState) -> None:
        """Bring the readable registers up to date."""
        commanded = {step.register.address for step in self._starting}
        for register in self._wire.registers:
            if register.quantity and register.address not in commanded:
                self._store(register, _shown(register, self._quantity(register, state), faults))
        self._lie(faults)

    def write(self, address: int, data: bytes) -> Refusal | None:
        """Take a write; the machine follows."""
        before = dict(self.registers.holding)
        self.registers.put(address, data)
        if not all(self._sane(step) for step in self._wire.setpoint):
            self.registers.holding = before
            return Refusal.VALUE
        lease_s = self._value("lease")
        self._left_s = lease_s if lease_s and not self.released else None
        self._command()
        return None

    def advance(self, duration_s: float) -> None:
        """Let the timer run; at its end the device releases itself."""
        if self._left_s is None:
            return
        self._left_s -= duration_s
        if self._left_s <= 0.0:
            self._left_s = None
            self._write_release()

    @property
    def released(self) -> bool:
        """Whether the registers hold what a release writes."""
        return all(
            self._raw(step.register) == float(step.value)
            for step in self._wire.release
            if _constant(step)
        )

    def _fill_gaps(self) -> None:
        """Have the registers between the listed ones that may be read along; they hold zeros."""
        for space in ("holding", "input"):
            listed = [entry for entry in self._wire.registers if entry.space == space]
            listed.sort(key=lambda entry: entry.address)
            for entry, following in itertools.pairwise(listed):
                end = entry.address + entry.size
                if 0 < following.address - end <= self._wire.gap:
                    self.registers.put(end, b"\0\0" * (following.address - end), space=space)

    def _write_release(self) -> None:
        for step in self._wire.release:
            if _constant(step):
                self._store(step.register, pack(step.register, float(step.value), raw=True))
        self._command()

    def _command(self) -> None:
        """Tell the machine what the registers say."""
        if not self._wire.setpoint:
            return
        if self.released:
            self._machine.ask(None)
            state = self._machine.state()
            self._machine.limit(power_w_min=state.power_w_min, power_w_max=state.power_w_max)
            return
        self._ask()

    def _ask(self) -> None:
        power_w, on = self._value("power"), self._value("on")
        charge_w, discharge_w = self._value("charge"), self._value("discharge")
        state = self._machine.state()
        if on is not None:
            self._machine.ask(state.power_w_min if on > _ALWAYS_ON else 0.0)
        elif power_w is None:
            self._machine.ask((discharge_w or 0.0) - (charge_w or 0.0))
        elif self._wire.command == "limit":
            self._machine.limit(
                power_w_min=max(min(power_w, 0.0), state.power_w_min)
                if state.power_w_min < 0.0
                else 0.0,
                power_w_max=min(max(power_w, 0.0), state.power_w_max),
            )
        else:
            self._machine.ask(self._turned(power_w))

    def _turned(self, power_w: float) -> float:
        """Give a size its direction where the map has a register for it."""
        for step in self._wire.setpoint:
            if step.value == "direction":
                code = self._raw(step.register)
                signs = {step.codes["charge"]: -1.0, step.codes["discharge"]: 1.0}
                return signs.get(int(code), 0.0) * abs(power_w)
        return power_w

    def _sane(self, step: Step) -> bool:
        if step.value == "direction":
            return int(self._raw(step.register)) in {*step.codes.values(), 0}
        return step.value != "on" or self._raw(step.register) in {0.0, 1.0}

    def _value(self, word: str) -> float | None:
        """Read what the command's register for a word holds, in the word's unit."""
        for step in self._wire.setpoint:
            if step.value == word:
                return self._raw(step.register) * step.register.scale
        return None

    def _raw(self, register: Register) -> float:
        data = self.registers.get(register.address, register.size)
        return float(struct.unpack(f">{_FORMATS[register.data_type]}", _turned(register, data))[0])

    def _store(self, register: Register, data: bytes) -> None:
        self.registers.put(register.address, data, space=register.space)

    def _quantity(self, register: Register, state: MachineState) -> float | None:
        soc = state.soc
        values: dict[str, float | None] = {
            "power_w": state.power_w,
            "soc": soc,
            "on": float(state.running),
            "fault": 0.0,
            "connected": float(state.connected),
            "power_w_min": state.power_w_min,
            "power_w_max": state.power_w_max,
            "energy_wh_capacity": state.energy_wh_capacity,
            "energy_wh_remaining": None if soc is None else soc * state.energy_wh_capacity,
            "energy_wh_discharged": state.energy_wh_out,
            "energy_wh_generated": state.energy_wh_out,
            "energy_wh_exported": state.energy_wh_out,
            "energy_wh_charged": state.energy_wh_in,
            "energy_wh_imported": state.energy_wh_in,
            "room_c": state.temperature_c,
            "frequency_hz": state.frequency_hz,
            "voltage_v": state.voltage_v,
        }
        return values.get(register.quantity)

    def _lie(self, faults: FaultState) -> None:
        """Take away registers that the map lists."""
        fault = faults.active.get(FaultKind.WRONG_MAP)
        if fault is None or fault.variant is MapFault.EXTRA:
            return
        for register in self._wire.registers[:: 2 if fault.variant is MapFault.MISSING else 1]:
            bank = self.registers.input if register.space == "input" else self.registers.holding
            bank.pop(register.address, None)


def pack(register: Register, value: float, *, raw: bool = False) -> bytes:
    """Encode a value in the point's unit, or for a raw number; cut at the type's ends."""
    number = value if raw else value / register.scale
    code = _FORMATS[register.data_type]
    if code == "f":
        return _turned(register, struct.pack(">f", number))
    bits = 16 * register.size
    low, high = (
        (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if code.islower() else (0, (1 << bits) - 1)
    )
    return _turned(register, struct.pack(f">{code}", min(max(round(number), low), high)))


def _turned(register: Register, data: bytes) -> bytes:
    """Words in the other order where the map has the low one first."""
    if not register.swapped:
        return data
    words = [data[index : index + 2] for index in range(0, len(data), 2)]
    return b"".join(reversed(words))


def _shown(register: Register, value: float | None, faults: FaultState) -> bytes:
    """Encode a readable value as the faults show it."""
    measured = register.quantity in _MEASURED
    if value is None or (measured and faults.has(FaultKind.NO_DATA)):
        return _no_data(register)
    if measured and faults.has(FaultKind.OUT_OF_RANGE):
        return pack(register, math.copysign(1e12, register.scale))
    return pack(register, value)


def _no_data(register: Register) -> bytes:
    """Code for no value; a register without one holds nothing but zeros or NaN."""
    if _FORMATS[register.data_type] == "f":
        return struct.pack(">f", math.nan)
    if register.no_data is None:
        return b"\0\0" * register.size
    return pack(register, float(register.no_data), raw=True)


def _identity(register: Register, name: str) -> bytes:
    if register.data_type == "string":
        return name.encode("ascii", "replace")[-2 * register.size :].ljust(2 * register.size, b"\0")
    number = sum(ord(letter) * 131**index for index, letter in enumerate(name)) % (1 << 31)
    return pack(register, float(number % (1 << (16 * register.size - 1))), raw=True)


def _constant(step: Step) -> bool:
    return step.value.lstrip("-").isdecimal()
