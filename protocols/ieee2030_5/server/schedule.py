"""The controls of all programs at a moment: which are listed, their status, what comes next.

Between the state and those who show or announce it. A program's rivals are found through the
devices that follow both.
"""

from dataclasses import replace

from protocols.ieee2030_5.resources.der import DERControl
from protocols.ieee2030_5.resources.elements import EventStatus
from protocols.ieee2030_5.server.events import (
    Rival,
    Status,
    forgotten_at,
    listed_until,
    status_of,
    turns,
)
from protocols.ieee2030_5.server.paging import descending
from protocols.ieee2030_5.server.state import Control, Program, State


class Schedule:
    """Controls as clients see them.

    Parameters
    ----------
    state : State
        What the server knows.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def listed(self, program: Program, now: int) -> tuple[Control, ...]:
        """List the controls of a program: by start, then the newest, then the mRID.

        Notes
        -----
        IEEE 2030.5-2018, order of DERControlList.
        """
        there = [
            control
            for control in self._state.controls.where("program", program.number)
            if now < listed_until(control)
        ]
        return tuple(
            sorted(
                there,
                key=lambda c: (
                    c.resource.interval.start,
                    -c.resource.creation_time,
                    descending(c.resource.mrid),
                ),
            )
        )

    def shown(self, controls: tuple[Control, ...], now: int) -> tuple[DERControl, ...]:
        """Give controls of one program their status."""
        if not controls:
            return ()
        program = self._state.programs.get(controls[0].program)
        assert program is not None
        rivals = self._rivals(program)
        return tuple(
            replace(
                control.resource,
                event_status=status_of(control, primacy=program.primacy, rivals=rivals, now=now),
            )
            for control in controls
        )

    def status(self, control: Control, now: int) -> EventStatus:
        """Status of one control."""
        return self.shown((control,), now)[0].event_status

    def settle(self, now: int) -> None:
        """Write down what has been superseded, and forget what is long over."""
        for program in self._state.programs.all():
            controls = self._state.controls.where("program", program.number)
            for control in controls:
                if now >= forgotten_at(control):
                    self._forget(control)
            standing = tuple(
                control
                for control in controls
                if control.superseded_at is None
                and control.cancelled_at is None
                and now < listed_until(control)
            )
            for control, shown in zip(standing, self.shown(standing, now), strict=True):
                if shown.event_status.current_status == Status.SUPERSEDED:
                    at = shown.event_status.date_time
                    self._state.controls.put(control.number, replace(control, superseded_at=at))

    def next_turn(self, now: int) -> int | None:
        """When the next control looks different, s since 1970; None if none ever does."""
        coming = [turn for control in self._state.controls.all() for turn in turns(control)]
        return min((turn for turn in coming if turn > now), default=None)

    def _forget(self, control: Control) -> None:
        for answer in self._state.answers.where("subject", control.resource.mrid):
            self._state.answers.drop(answer.number)
        self._state.controls.drop(control.number)

    def _rivals(self, program: Program) -> tuple[Rival, ...]:
        followers = self._followers(program.number)
        numbers = {
            other
            for assignment in {a for device in followers for a in self._assignments_of(device)}
            for other in self._programs_of(assignment)
        } | {program.number}
        rivals: list[Rival] = []
        for number in numbers:
            other = self._state.programs.get(number)
            if other is None:
                continue
            covers = number == program.number or followers <= self._followers(number)
            rivals += [
                Rival(control=control, primacy=other.primacy, covers=covers)
                for control in self._state.controls.where("program", number)
            ]
        return tuple(rivals)

    def _followers(self, program: int) -> frozenset[int]:
        return frozenset(
            device.number
            for assignment in self._state.assignments.where("program", program)
            for device in self._state.devices.where("assignment", assignment.number)
        )

    def _assignments_of(self, device: int) -> tuple[int, ...]:
        found = self._state.devices.get(device)
        return () if found is None else found.assignments

    def _programs_of(self, assignment: int) -> tuple[int, ...]:
        found = self._state.assignments.get(assignment)
        return () if found is None else found.programs
