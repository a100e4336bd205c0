"""The registers of a simulated SunSpec device: its chain, what it says, what it takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from firmware_sim.devices.machine import Machine, MachineState
from firmware_sim.devices.modbus.image import Refusal, Registers
from firmware_sim.devices.sunspec import control
from firmware_sim.devices.sunspec.values import (
    MEASURED_POINTS,
    SCALES,
    Plate,
    measured_values,
    static_values,
)
from firmware_sim.faults import FaultKind, FaultState, MapFault
from protocols.sunspec.chain import END_ID, MARKER
from protocols.sunspec.models import HEADER, Layout, Point, layout_of
from protocols.sunspec.points import Block, encode, encode_text, unimplemented
from protocols.templates.sunspec import SUNSPEC_QUIRKS, SunspecWire
from protocols.templates.template import Template
from protocols.vocabulary.errors import LocalProtocolError

_COMMON: Final = 1
_FOREIGN: Final = 64_900
_FOREIGN_LENGTH: Final = 11
_LONGER: Final = 4
_MOVING_SCALE: Final = "701.W_SF"
_ABSURD_SCALE: Final = 10
_SCALE_KIND: Final = "sunssf"
_MOVES_AT_W: Final = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    """One model of the chain; foreign ones have no layout."""

    model_id: int
    address: int
    length: int
    layout: Layout | None


class SunspecFace:
    """Registers of one unit.

    Parameters
    ----------
    template : Template
        Chain, scale factors, quirks.
    machine : Machine
        Commanded by what is written.
    name : str
        Its serial number.
    """

    def __init__(self, template: Template, machine: Machine, *, name: str) -> None:
        assert isinstance(template.wire, SunspecWire), "a SunSpec template"
        self.registers = Registers()
        self._wire = template.wire
        self._quirks = frozenset(template.quirks)
        assert self._quirks <= SUNSPEC_QUIRKS, f"{template.template_id}: quirks nobody knows"
        self._machine = machine
        state = machine.state()
        self._plate = Plate(
            discharge_w=state.power_w_max,
            charge_w=-state.power_w_min,
            capacity_wh=state.energy_wh_capacity,
            meter_sign=1.0 if template.wire.positive == "export" else -1.0,
        )
        self._placed = tuple(self._chain())
        self._timers = control.Timers(
            self, tuple(f for f in control.FUNCTIONS if f.model_id in self._wire.models)
        )
        self._build(template.template_id, name)
        self.restart()

    def restart(self) -> None:
        """Lose control settings and timers, as after a power cut."""
        self._timers.clear()
        for model_id, points in control.STARTING.items():
            for name, value in points.items():
                if not ("no-timer" in self._quirks and (model_id, name) in control.TIMERS):
                    self.put(model_id, name, value)
        control.command(self, self._machine, self._plate)

    def show(self, state: MachineState, faults: FaultState) -> None:
        """Bring measurements up to date, as the faults show them."""
        if "scale-moves" in self._quirks:
            self._put_scale(_MOVING_SCALE, 0 if abs(state.power_w) < _MOVES_AT_W else 1)
        for placed in self._placed:
            if placed.layout is not None:
                for name, value in measured_values(placed.model_id, state, self._plate).items():
                    self._measure(placed, name, value, faults=faults)
        self._head(faults)

    def write(self, address: int, data: bytes) -> Refusal | None:
        """Take a write of control registers; the timers start and the machine follows."""
        before = dict(self.registers.holding)
        self.registers.put(address, data)
        end = address + len(data) // 2
        touched = [p for p in self._placed if p.address < end and address < _end(p)]
        if not all(control.sane(self, placed.model_id) for placed in touched):
            self.registers.holding = before
            return Refusal.VALUE
        for placed in touched:
            self._timers.written(placed.model_id)
        control.command(self, self._machine, self._plate)
        return None

    def advance(self, duration_s: float) -> None:
        """Let the reversion timers run."""
        if self._timers.advance(duration_s):
            control.command(self, self._machine, self._plate)

    # --- points ---------------------------------------------------------------------------

    def number(self, model_id: int, name: str) -> float | None:
        """Value of a point; None if the device does not have it."""
        placed = self._find(model_id)
        return None if placed is None else self._block(placed).number(name)

    def put(self, model_id: int, name: str, value: float) -> None:
        """Set a point; nothing happens where the device does not have it."""
        placed = self._find(model_id)
        if placed is not None and placed.layout is not None:
            self._put(placed, placed.layout.points[name], value)

    def _find(self, model_id: int) -> _Placed | None:
        return next((placed for placed in self._placed if placed.model_id == model_id), None)

    def _block(self, placed: _Placed) -> Block:
        assert placed.layout is not None, "a known model"
        data = self.registers.get(placed.address, placed.layout.size)
        return Block(layout=placed.layout, start=0, data=data)

    def _exponent(self, placed: _Placed, point: Point) -> int:
        """Scale factor of a point as the registers have it."""
        if isinstance(point.scale, int):
            return point.scale
        assert placed.layout is not None, "a known model"
        factor = placed.layout.points[point.scale]
        data = self.registers.get(placed.address + factor.offset, 1)
        return int.from_bytes(data, "big", signed=True)

    def _put(self, placed: _Placed, point: Point, value: float) -> None:
        address = placed.address + point.offset
        try:
            self.registers.put(address, encode(point, value, self._exponent(placed, point)))
        except LocalProtocolError:
            self.registers.put(address, unimplemented(point))

    def _measure(self, placed: _Placed, name: str, value: float, *, faults: FaultState) -> None:
        assert placed.layout is not None, "a known model"
        point = placed.layout.points.get(name)
        if point is None:
            return
        address = placed.address + point.offset
        measured = name in MEASURED_POINTS
        if measured and faults.has(FaultKind.NO_DATA):
            self.registers.put(address, unimplemented(point))
        elif measured and faults.has(FaultKind.OUT_OF_RANGE):
            self.registers.put(address, (b"\x7f" + b"\xfe" * (2 * point.size))[: 2 * point.size])
            if isinstance(point.scale, str):
                self._put_scale(f"{placed.model_id}.{point.scale}", _ABSURD_SCALE)
        else:
            if isinstance(point.scale, str) and name in MEASURED_POINTS:
                self._mend_scale(placed, point.scale)
            self._put(placed, point, value)

    # --- building -------------------------------------------------------------------------

    def _chain(self) -> Iterator[_Placed]:
        """Give each model its place."""
        address = self._wire.base_address + HEADER
        for index, model_id in enumerate(self._wire.models):
            layout = layout_of(model_id, 1)
            assert layout is not None, f"model {model_id} cannot be simulated"
            length = layout.length
            if model_id == _COMMON and "common-65" in self._quirks:
                length -= 1
            if model_id != _COMMON and "long-models" in self._quirks:
                length += _LONGER
            yield _Placed(model_id=model_id, address=address, length=length, layout=layout)
            address += HEADER + length
            if index == 0 and "foreign-model" in self._quirks:
                yield _Placed(
                    model_id=_FOREIGN, address=address, length=_FOREIGN_LENGTH, layout=None
                )
                address += HEADER + _FOREIGN_LENGTH

    def _build(self, template_id: str, name: str) -> None:
        """Fill everything that does not change."""
        registers = self.registers
        for placed in self._placed:
            registers.put(placed.address, b"\0\0" * (HEADER + placed.length))
            if placed.layout is None:
                continue
            for point in placed.layout.points.values():
                registers.put(placed.address + point.offset, unimplemented(point))
            self._put_scales(placed, placed.layout)
            for point_name, value in static_values(placed.model_id, self._plate).items():
                self._put(placed, placed.layout.points[point_name], value)
            self._allow(placed, placed.layout)
        texts = {"Mn": "VPP simulator", "Md": template_id[:32], "Vr": "1.0", "SN": name[-32:]}
        common = self._placed[0]
        assert common.layout is not None, "the chain begins with model 1"
        for point_name, text in texts.items():
            point = common.layout.points[point_name]
            registers.put(common.address + point.offset, encode_text(point, text))
        registers.put(common.address + 66, self._wire.unit_id.to_bytes(2, "big"))

    def _allow(self, placed: _Placed, layout: Layout) -> None:
        """Let the points of control models be written."""
        wanted = control.STARTING.get(placed.model_id, {})
        for point in layout.points.values():
            timer = (placed.model_id, point.name) in control.TIMERS
            if point.name not in wanted or not point.writable:
                continue
            if timer and "no-timer" in self._quirks:
                continue
            first = placed.address + point.offset
            self.registers.writable.update(range(first, first + point.size))

    def _put_scales(self, placed: _Placed, layout: Layout) -> None:
        """Scale factors: the template's, else ones that every rating fits in."""
        given = self._wire.scale_factors
        for point in layout.points.values():
            if point.kind != _SCALE_KIND:
                continue
            name = f"{placed.model_id}.{point.name}"
            exponent = given.get(name, given.get(point.name, SCALES.get(point.name, 0)))
            chosen = name in given or point.name in given or point.name in SCALES
            energy = point.name in {"WH_SF", "WHRtg_SF"}
            most = self._plate.capacity_wh if energy else 1.2 * self._plate.rating_w
            if "W" in point.name and not chosen:
                while most / 10.0**exponent > 30_000.0:  # noqa: PLR2004 - an int16 with room
                    exponent += 1
            self._put_scale(name, exponent)

    def _put_scale(self, name: str, exponent: int) -> None:
        model, _, point_name = name.partition(".")
        placed = self._find(int(model))
        if placed is not None and placed.layout is not None:
            point = placed.layout.points[point_name]
            data = exponent.to_bytes(2, "big", signed=True)
            self.registers.put(placed.address + point.offset, data)

    def _mend_scale(self, placed: _Placed, scale: str) -> None:
        """Put a scale factor back after it was absurd."""
        assert placed.layout is not None, "a known model"
        point = placed.layout.points[scale]
        if self.registers.holding[placed.address + point.offset] == _ABSURD_SCALE:
            self._put_scales(placed, placed.layout)

    def _head(self, faults: FaultState) -> None:
        """Marker, IDs, lengths and the end, true or as the fault wrong-map has them."""
        fault = faults.active.get(FaultKind.WRONG_MAP)
        registers = self.registers
        registers.put(self._wire.base_address, MARKER)
        for placed in self._placed:
            head = placed.model_id.to_bytes(2, "big") + placed.length.to_bytes(2, "big")
            registers.put(placed.address, head)
        end = _end(self._placed[-1])
        registers.put(end, END_ID.to_bytes(2, "big") + b"\0\0")
        if "no-end-marker" in self._quirks or (fault and fault.variant is MapFault.MISSING):
            registers.drop((end, end + 1))
        elif fault and fault.variant is MapFault.EXTRA:
            registers.put(end, (802).to_bytes(2, "big") + (62).to_bytes(2, "big"))
        if fault and fault.variant is MapFault.COUNT and len(self._placed) > 1:
            second = self._placed[1]
            registers.put(second.address + 1, (second.length - 3).to_bytes(2, "big"))


def _end(placed: _Placed) -> int:
    return placed.address + HEADER + placed.length
