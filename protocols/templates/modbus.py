"""The plain Modbus part of a template: a register map that follows no SunSpec model."""

from dataclasses import dataclass
from typing import ClassVar, Final

from protocols.templates.table import Table, choice

DATA_TYPES: Final = (
    *("int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "string"),
)
MODBUS_QUIRKS: Final = frozenset({"single-writes"})
"""single-writes: takes one register a write only."""
_CODES: Final = ("charge", "discharge", "rest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """One value of a register map.

    Attributes
    ----------
    quantity : str
        Name of the point, ``"power_w"``; empty for one that is only written or identifies.
    space : str
        ``"holding"`` or ``"input"``.
    address : int
        0-based wire address.
    data_type : str
        One of :data:`DATA_TYPES`, high word first unless ``swapped``.
    size : int
        Registers it takes.
    swapped : bool
        Low word first.
    scale : float
        Value in the point's unit, generator frame, is raw times this (so its sign turns).
    no_data : int or None
        Raw value that means there is none, as the type reads it.
    fast : bool
        Asked each cycle.
    """

    quantity: str
    space: str
    address: int
    data_type: str
    size: int
    swapped: bool
    scale: float
    no_data: int | None
    fast: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One write of a command, in order.

    Attributes
    ----------
    register : Register
        Where; always a holding register.
    value : str
        ``"power"`` (the setpoint), ``"charge"`` or ``"discharge"`` (its size in that
        direction, else 0), ``"direction"`` (one of ``codes``), ``"on"`` (1 if it is to work,
        else 0), ``"lease"`` (seconds of the lease) or a number as text.
    codes : dict of str to int
        For ``"direction"``: raw value when it charges, discharges and rests.
    """

    register: Register
    value: str
    codes: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusWire:
    """A device with its own register map.

    Attributes
    ----------
    unit_id : int
        Modbus unit id.
    command : str
        What ``setpoint`` amounts to: ``"setpoint"``, ``"limit"``, ``"on-off"``, ``"none"``.
    registers : tuple of Register
        What can be read.
    setpoint, release : tuple of Step
        What to write for a power, and to give the device back; empty if it takes none.
    identity : tuple of Register
        What makes the device's identity (serial number), perhaps nothing.
    registers_per_read : int
        Most registers it gives in one answer.
    gap : int
        Registers between two wanted ones that may be read along.
    """

    protocol: ClassVar[str] = "modbus"
    unit_id: int
    command: str
    registers: tuple[Register, ...]
    setpoint: tuple[Step, ...]
    release: tuple[Step, ...]
    identity: tuple[Register, ...]
    registers_per_read: int
    gap: int


def modbus_wire(table: Table) -> ModbusWire:
    """Parse ``[wire]``."""
    setpoint = tuple(_step(entry) for entry in table.tables("setpoint"))
    default = "setpoint" if setpoint else "none"
    commands = ("setpoint", "limit", "on-off", "none")
    wire = ModbusWire(
        unit_id=table.integer("unit_id", 1, high=247),
        command=choice(table, "command", commands, default=default),
        registers=tuple(_register(entry) for entry in table.tables("registers")),
        setpoint=setpoint,
        release=tuple(_step(entry) for entry in table.tables("release")),
        identity=tuple(_register(entry) for entry in table.tables("identity")),
        registers_per_read=table.integer("registers_per_read", 125, low=4, high=125),
        gap=table.integer("gap", 0, high=100),
    )
    if bool(wire.setpoint) != bool(wire.release) or (wire.command == "none") == bool(wire.setpoint):
        raise table.refuse("setpoint", "comes with release and command, or none of them comes")
    return wire


def _step(table: Table) -> Step:
    value = table.text("value")
    codes = {name: table.integer(name, high=65535) for name in _CODES if value == "direction"}
    words = ("power", "charge", "discharge", "direction", "on", "lease")
    if value not in words and not value.lstrip("-").isdecimal():
        raise table.refuse("value", f"{value!r} is neither a number nor one of {', '.join(words)}")
    return Step(value=value, codes=codes, register=_register(table))


def _register(table: Table) -> Register:
    data_type = choice(table, "type", DATA_TYPES)
    sizes = {"16": 1, "32": 2, "64": 4}
    size = sizes.get(data_type[-2:]) or table.integer("size", low=1, high=64)
    register = Register(
        quantity=table.text("quantity", ""),
        space=choice(table, "space", ("holding", "input"), default="holding"),
        address=table.integer("address", high=65535),
        data_type=data_type,
        size=size,
        swapped=table.yes("swapped", default=False),
        scale=table.number("scale", 1.0),
        no_data=table.integer("no_data", low=-1 << 63, high=1 << 64)
        if "no_data" in table
        else None,
        fast=table.yes("fast", default=False),
    )
    table.end()
    return register
