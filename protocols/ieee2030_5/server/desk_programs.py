"""What an operator does with programs: assigns them, issues controls, cancels them.

The same state as the clients'. Used by the programs that run the server; every call is noted in
the state's changes.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Final

from protocols.ieee2030_5.identity import mrid
from protocols.ieee2030_5.resources.der import (
    DefaultDERControl,
    DERControl,
    DERControlBase,
    DERCurve,
)
from protocols.ieee2030_5.resources.elements import DateTimeInterval, EventStatus
from protocols.ieee2030_5.server.pages_devices import SUBSCRIBABLE
from protocols.ieee2030_5.server.schedule import Schedule
from protocols.ieee2030_5.server.state import (
    Assignment,
    Control,
    Curve,
    Device,
    Program,
    State,
)
from protocols.vocabulary.errors import LocalProtocolError

OWN_NAME: Final = "own"
"""Begins the names of assignments and programs that are for one device only."""
RESPONSES_WANTED: Final = 3
"""Received, and what became of it."""
_DRAW_MAX_S: Final = 3_600
_DURATION_MAX_S: Final = 2**32 - 1
_NAME_LENGTH: Final = 32
_POINTS_MAX: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlOrder:
    """A control to issue.

    Attributes
    ----------
    base : DERControlBase
        What it asks for.
    start, duration_s : int
        s since 1970, and s (1 or more).
    randomize_start_s, randomize_duration_s : int or None
        Range of the devices' own draws, -3600..3600.
    description : str or None
        At most 32 characters.
    """

    base: DERControlBase
    start: int
    duration_s: int
    randomize_start_s: int | None = None
    randomize_duration_s: int | None = None
    description: str | None = None


class ProgramDesk:
    """The operator's side of assignments, programs and controls.

    Parameters
    ----------
    state : State
        What the server knows.
    schedule : Schedule
        Its controls at a moment.
    seed : bytes
        Drawn once for this server; its mRIDs come from it.
    enterprise_number : int
        In them.
    """

    def __init__(
        self, state: State, schedule: Schedule, *, seed: bytes, enterprise_number: int
    ) -> None:
        self._state = state
        self._schedule = schedule
        self._seed = seed
        self._enterprise_number = enterprise_number

    def add_program(self, name: str, *, primacy: int) -> Program:
        """Make a program with an empty default control."""
        number = self._state.number("program")
        default = DefaultDERControl(
            href=f"/derp/{number}/dderc",
            mrid=self._mrid("default", number),
            subscribable=SUBSCRIBABLE,
            der_control_base=DERControlBase(),
        )
        program = Program(
            number=number,
            mrid=self._mrid("program", number),
            name=name[:_NAME_LENGTH],
            primacy=primacy,
            default=default,
        )
        return self._state.programs.put(number, program)

    def own_program(self, device: Device, *, primacy: int) -> Program:
        """Find the program of a primacy that is for one device only, or make it."""
        name = f"{OWN_NAME} {device.number}"
        there = (self._state.assignments.get(number) for number in device.assignments)
        assignment = next((a for a in there if a is not None and a.name == name), None)
        if assignment is None:
            assignment = self.add_assignment(name)
            self.assign(device, assignment)
        for number in assignment.programs:
            program = self._state.programs.get(number)
            if program is not None and program.primacy == primacy:
                return program
        made = self.add_program(name, primacy=primacy)
        self.include(assignment, made)
        return made

    def add_assignment(self, name: str) -> Assignment:
        """Make a function set assignment without programs."""
        number = self._state.number("assignment")
        made = Assignment(
            number=number, mrid=self._mrid("assignment", number), name=name[:_NAME_LENGTH]
        )
        return self._state.assignments.put(number, made)

    def include(self, assignment: Assignment, program: Program) -> Assignment:
        """Add a program to an assignment."""
        programs = tuple(sorted({*assignment.programs, program.number}))
        return self._state.assignments.put(
            assignment.number, replace(assignment, programs=programs)
        )

    def assign(self, device: Device, assignment: Assignment) -> Device:
        """Give a device an assignment."""
        numbers = tuple(sorted({*device.assignments, assignment.number}))
        return self._state.devices.put(device.number, replace(device, assignments=numbers))

    def set_default(
        self, program: Program, base: DERControlBase, *, set_grad_w: int | None = None
    ) -> Program:
        """Say what holds while no control of a program does.

        Parameters
        ----------
        program : Program
            Whose.
        base : DERControlBase
            Modes; those that are not there are not asked for.
        set_grad_w : int or None
            Default ramp in hundredths of a percent per second.
        """
        default = replace(program.default, der_control_base=base, set_grad_w=set_grad_w)
        return self._state.programs.put(program.number, replace(program, default=default))

    def issue(self, program: Program, order: ControlOrder, *, now: int) -> Control:
        """Issue a control.

        Raises
        ------
        LocalProtocolError
            If its times are impossible.
        """
        draws = (order.randomize_start_s or 0, order.randomize_duration_s or 0)
        if not 1 <= order.duration_s <= _DURATION_MAX_S:
            raise LocalProtocolError(f"a control of {order.duration_s} s")
        if any(abs(draw) > _DRAW_MAX_S for draw in draws):
            raise LocalProtocolError(f"a control that draws from {draws} s")
        self._schedule.settle(now)
        number = self._state.number("control")
        resource = DERControl(
            href=f"/derp/{program.number}/derc/{number}",
            reply_to=f"/derp/{program.number}/rsp",
            response_required=RESPONSES_WANTED,
            mrid=self._mrid("control", number),
            description=order.description,
            subscribable=0,
            creation_time=now,
            event_status=EventStatus(current_status=0, date_time=now, potentially_superseded=False),
            interval=DateTimeInterval(duration=order.duration_s, start=order.start),
            randomize_start=order.randomize_start_s,
            randomize_duration=order.randomize_duration_s,
            der_control_base=order.base,
        )
        made = Control(number=number, program=program.number, resource=resource)
        return self._state.controls.put(number, made)

    def cancel(self, control: Control, *, now: int, winding_down: bool = False) -> Control:
        """Cancel a control; it stays listed for a while, so that its devices hear of it.

        Parameters
        ----------
        control : Control
            Which one; one that was cancelled before keeps its time.
        now : int
            s since 1970.
        winding_down : bool
            Whether devices are to end it at a moment they draw.
        """
        self._schedule.settle(now)
        current = self._state.controls.get(control.number)
        if current is None or current.cancelled_at is not None:
            return control
        cancelled = replace(current, cancelled_at=now, winding_down=winding_down)
        return self._state.controls.put(control.number, cancelled)

    def add_curve(self, program: Program, curve: DERCurve, *, now: int) -> Curve:
        """Add a curve that controls of a program may link to; its address is in the result.

        Raises
        ------
        LocalProtocolError
            If it has no point or more than ten.
        """
        if not 1 <= len(curve.curve_data) <= _POINTS_MAX:
            raise LocalProtocolError(f"a curve of {len(curve.curve_data)} points")
        number = self._state.number("curve")
        named = replace(
            curve,
            href=f"/derp/{program.number}/dc/{number}",
            mrid=self._mrid("curve", number),
            creation_time=now,
        )
        made = Curve(number=number, program=program.number, resource=named)
        return self._state.curves.put(number, made)

    def remove_assignment(self, assignment: Assignment) -> None:
        """Delete an assignment with those of its programs that nobody else follows."""
        state = self._state
        for device in state.devices.where("assignment", assignment.number):
            left = tuple(n for n in device.assignments if n != assignment.number)
            state.devices.put(device.number, replace(device, assignments=left))
        state.assignments.drop(assignment.number)
        for number in assignment.programs:
            if state.assignments.count("program", number):
                continue
            for control in state.controls.where("program", number):
                state.controls.drop(control.number)
            for curve in state.curves.where("program", number):
                state.curves.drop(curve.number)
            state.programs.drop(number)

    def _mrid(self, kind: str, number: int) -> str:
        digest = hashlib.sha256(self._seed + f"{kind}/{number}".encode()).digest()
        return mrid(digest[:12], enterprise_number=self._enterprise_number)
