"""A simulated unit with registers: a face over a machine, with the faults of the wire.

The listener (:mod:`firmware_sim.servers.modbus`) hands requests in and sends what comes out;
what a face shows and takes is its own (:mod:`firmware_sim.devices.sunspec`,
:mod:`firmware_sim.devices.modbus.plain`).
"""

from typing import Protocol

from firmware_sim.devices.contract import Reading, Span
from firmware_sim.devices.machine import Machine, MachineState
from firmware_sim.devices.modbus.image import (
    Refusal,
    Registers,
    is_write,
    pretence,
    refusal,
    serve,
)
from firmware_sim.devices.modbus.plain import PlainFace
from firmware_sim.faults import Fault, FaultKind, FaultState
from protocols.templates.template import Template


class Face(Protocol):
    """What a unit shows in its registers and takes from them."""

    registers: Registers

    def show(self, state: MachineState, faults: FaultState) -> None:
        """Bring what is measured up to date."""

    def write(self, address: int, data: bytes) -> Refusal | None:
        """Take a write to writable registers, or refuse it and change nothing."""

    def advance(self, duration_s: float) -> None:
        """Let timers run."""

    def restart(self) -> None:
        """Go back to the settings of a power cut."""


class RegisterDevice:
    """A unit behind Modbus.

    Parameters
    ----------
    machine : Machine
        The physics; the face commands it.
    face : Face
        The registers.
    name : str
        ``"site/device"``.
    """

    def __init__(self, machine: Machine, face: Face, *, name: str) -> None:
        self.name = name
        self.reading = Reading()
        self.faults = FaultState()
        self._machine = machine
        self._face = face
        self._stuck: MachineState | None = None
        self._dated = True

    def advance(self, span: Span) -> None:
        """Let time pass: physics, then the timers in the device."""
        self.reading = self._machine.advance(span)
        self._face.advance(span.duration_s)
        self._dated = True

    def switch_on(self, fault: Fault, wall_s: float) -> None:
        """Begin a fault."""
        if fault.kind is FaultKind.RESTARTED:
            self.restart(wall_s)
            return
        self.faults = self.faults.with_fault(fault)
        if fault.kind is FaultKind.STUCK:
            self._stuck = self._machine.state()
        self._dated = True

    def switch_off(self, kind: FaultKind) -> None:
        """End a fault."""
        self.faults = self.faults.without(kind)
        if kind is FaultKind.STUCK:
            self._stuck = None
        self._dated = True

    def restart(self, wall_s: float) -> None:
        """Lose settings and timers; the physics goes on."""
        del wall_s
        self._machine.restart()
        self._face.restart()
        self._dated = True

    def answer(self, pdu: bytes) -> bytes:
        """Serve one request, as far as the faults in force let it."""
        faults = self.faults
        if faults.has(FaultKind.EXCEPTION):
            return refusal(pdu[0], Refusal.FAILURE)
        if is_write(pdu) and faults.has(FaultKind.REFUSING):
            return refusal(pdu[0], Refusal.VALUE)
        if is_write(pdu) and faults.has(FaultKind.NO_EFFECT):
            return pretence(pdu)
        if self._dated:
            self._face.show(self._stuck or self._machine.state(), faults)
        answered = serve(pdu, self._face.registers, self._face.write)
        self._dated = is_write(pdu)
        return answered


def simulated_device(
    template: Template, machine: Machine, *, name: str, wall_s: float
) -> RegisterDevice:
    """Make a unit with the plain register map of a template."""
    del wall_s
    return RegisterDevice(machine, PlainFace(template, machine, name=name), name=name)
