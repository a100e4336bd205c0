"""A machine as the objects of a BACnet device: what they show, and what a command does to it.

Knows no bytes and no library: :mod:`firmware_sim.servers.bacnet` shows this on the wire and
keeps the priorityArray, for that is the commandable object's own affair.
"""

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from firmware_sim.devices.contract import Reading, Span
from firmware_sim.devices.machine import Machine, MachineState
from firmware_sim.faults import Fault, FaultKind, FaultState, MapFault
from protocols.bacnet.command import Meaning, Scale, level_share, value_power_w
from protocols.bacnet.objects import Datatype, ObjectId
from protocols.templates.bacnet import BacnetCommand, BacnetPoint, BacnetWire
from protocols.templates.template import Template

_OUT_OF_RANGE: Final = 9.9e8
_NO_SENSOR: Final = 1
_OVER_RANGE: Final = 2
_SENSELESS_STATE: Final = 250


@runtime_checkable
class Shiftable(Protocol):
    """A machine whose comfort temperature can be moved."""

    def shift(self, kelvin: float) -> None:
        """Move it, + warmer."""


class Quirk(enum.Enum):
    """What old controllers leave out, by the names templates use.

    No ReadPropertyMultiple, no SubscribeCOV, no answer to "whichever device you are", and
    answers of a few properties at most.
    """

    NO_RPM = "no-rpm"
    NO_COV = "no-cov"
    NO_WILDCARD = "no-wildcard"
    SMALL_APDU = "small-apdu"


@dataclass(frozen=True, slots=True)
class Shown:
    """What an object shows: its presentValue, and its reliability (0: no fault)."""

    value: float
    reliability: int = 0

    @property
    def fault(self) -> bool:
        """Its fault flag."""
        return self.reliability != 0


class BacnetDevice:
    """One simulated BACnet device.

    Parameters
    ----------
    template : Template
        Objects, meaning, quirks.
    machine : Machine
        The physics.
    name : str
        ``"site/device"``.

    Attributes
    ----------
    template, wire, name
        As given, and the template's BACnet part.
    starts : int
        How often it has started; whoever shows it on the wire looks for a change.
    """

    def __init__(self, template: Template, machine: Machine, *, name: str) -> None:
        assert isinstance(template.wire, BacnetWire), "the template is of this protocol"
        self.template = template
        self.wire = template.wire
        self.name = name
        self.starts = 1
        self._machine = machine
        self._faults = FaultState()
        self._reading = Reading()
        self._stuck: Mapping[ObjectId, Shown] | None = None

    @property
    def reading(self) -> Reading:
        """The truth after the last advance."""
        return self._reading

    @property
    def faults(self) -> FaultState:
        """What is wrong with it now."""
        return self._faults

    @property
    def quirks(self) -> frozenset[Quirk]:
        """What it leaves out."""
        return frozenset(Quirk(name) for name in self.template.quirks)

    def advance(self, span: Span) -> None:
        """Let time pass."""
        self._reading = self._machine.advance(span)

    def switch_on(self, fault: Fault, wall_s: float) -> None:
        """Begin a fault."""
        if fault.kind is FaultKind.RESTARTED:
            self.restart(wall_s)
            return
        if fault.kind is FaultKind.STUCK:
            self._stuck = self.shown()
        self._faults = self._faults.with_fault(fault)

    def switch_off(self, kind: FaultKind) -> None:
        """End a fault."""
        if kind is FaultKind.STUCK:
            self._stuck = None
        self._faults = self._faults.without(kind)

    def restart(self, wall_s: float) -> None:  # noqa: ARG002 - nothing here keeps the time
        """Lose commands and subscriptions, as after a power cut."""
        self._machine.restart()
        self.starts += 1

    def objects(self) -> tuple[ObjectId, ...]:
        """List the measured objects that are there; every second one is gone where the map lies."""
        ids = tuple(point.object_id for point in self.wire.points)
        wrong = self._faults.active.get(FaultKind.WRONG_MAP)
        return ids[1::2] if wrong is not None and wrong.variant is MapFault.MISSING else ids

    def shown(self) -> Mapping[ObjectId, Shown]:
        """Show every measured object."""
        if self._stuck is not None:
            return self._stuck
        state = self._machine.state()
        return {point.object_id: self._show(point, state) for point in self.wire.points}

    def commanded(self, value: float | None) -> None:
        """Do what the commanded object says; None: nobody commands."""
        command = self.wire.command
        assert command is not None, "only a device with a command is commanded"
        state, machine = self._machine.state(), self._machine
        if command.meaning is Meaning.SETPOINT_SHIFT and isinstance(machine, Shiftable):
            machine.shift(value or 0.0)
        elif command.meaning is Meaning.LIMIT:
            limit_w = None if value is None else _power_w(command, state, value)
            low, high = state.power_w_min, state.power_w_max
            if limit_w is not None and command.sign < 0.0:
                low = max(low, limit_w)
            elif limit_w is not None:
                high = min(high, limit_w)
            machine.limit(power_w_min=low, power_w_max=high)
        else:
            machine.ask(None if value is None else _power_w(command, state, value))

    def _show(self, point: BacnetPoint, state: MachineState) -> Shown:
        datatype = point.object_id.facts.datatype
        if self._faults.has(FaultKind.NO_DATA):
            return Shown(math.nan if datatype is Datatype.REAL else 0, _NO_SENSOR)
        if self._faults.has(FaultKind.OUT_OF_RANGE):
            # Some controllers say so themselves; this one only shows what cannot be.
            return Shown(_OUT_OF_RANGE if datatype is Datatype.REAL else _SENSELESS_STATE)
        ours = _quantity(point.quantity, state)
        value = point.units.theirs(ours / point.scale)
        if datatype is Datatype.REAL:
            return Shown(value)
        return Shown(max(0, round(value)))


def simulated_device(
    template: Template, machine: Machine, *, name: str, wall_s: float
) -> BacnetDevice:
    """Make a device of a template over a machine, at a Unix time in s."""
    assert wall_s >= 0.0, "a Unix time"
    return BacnetDevice(template, machine, name=name)


def _power_w(command: BacnetCommand, state: MachineState, value: float) -> float:
    """Power a presentValue stands for, W, generator frame."""
    rating_w = -state.power_w_min if command.sign < 0.0 else state.power_w_max
    if command.levels:
        share = level_share(value, command.levels)
        return command.sign * (1.0 if share is None else share) * rating_w
    return value_power_w(value, Scale(command.units, command.sign, rating_w))


def _quantity(quantity: str, state: MachineState) -> float:
    """Value of a point, in our unit and frame."""
    found: dict[str, float] = {
        "power_w": state.power_w,
        "power_w_min": state.power_w_min,
        "power_w_max": state.power_w_max,
        "soc": state.soc or 0.0,
        "energy_wh_capacity": state.energy_wh_capacity,
        "energy_wh_remaining": (state.soc or 0.0) * state.energy_wh_capacity,
        "energy_wh_imported": state.energy_wh_in,
        "energy_wh_charged": state.energy_wh_in,
        "energy_wh_exported": state.energy_wh_out,
        "energy_wh_discharged": state.energy_wh_out,
        "energy_wh_generated": state.energy_wh_out,
        "on": float(state.running),
        "connected": float(state.connected),
        "fault": 0.0,
        "frequency_hz": state.frequency_hz,
        "voltage_v": state.voltage_v,
        "room_c": 0.0 if state.temperature_c is None else state.temperature_c,
    }
    return found[quantity]
