"""A recorded step test: rows of frequency, commands and powers. Pure.

Devices may have moved at the same time, or one after the other as the technician's live test
drives them. What devices tested alone would have done together is their answers laid over each
other, each counted from its own command. Powers in W, generator frame.
"""

import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from protocols.vocabulary.commitment import Droop
from protocols.vocabulary.droop import droop_response_w

STEP_RATIO: Final = 0.2
"""Part of the greatest change that a command must make at once to be a step."""
BETWEEN_S: Final = 0.05
"""Between the last row of one step and the first of the next, where answers are laid over
each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Rows of a test.

    Attributes
    ----------
    times_s : tuple of float
        Rising.
    frequency_hz : tuple of float
        Same length; NaN where it is not known.
    samples : tuple of float
        Measurements of the frequency that a row stands for; 1 for each where not recorded.
    commands_w, powers_w : mapping of str to tuple of float
        Per device, same length; NaN where it is not known.
    """

    times_s: tuple[float, ...]
    frequency_hz: tuple[float, ...]
    samples: tuple[float, ...]
    commands_w: Mapping[str, tuple[float, ...]]
    powers_w: Mapping[str, tuple[float, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """Devices that have both, in the recording's order."""
        return tuple(name for name in self.powers_w if name in self.commands_w)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What a device did after one of its steps; before the first: until then.

    Attributes
    ----------
    offsets_s : tuple of float
        Rising, from the step; before the first step negative.
    commands_w, powers_w : tuple of float
        Same length.
    """

    offsets_s: tuple[float, ...]
    commands_w: tuple[float, ...]
    powers_w: tuple[float, ...]


def by_law(
    recording: Recording, droop: Droop, rated_w: Mapping[str, float]
) -> Mapping[str, tuple[float, ...]]:
    """Commands that the law makes of an injected frequency, W, per device of ``rated_w``."""
    return {
        name: tuple(
            math.nan if math.isnan(hertz) else droop_response_w(droop, rating_w, hertz)
            for hertz in recording.frequency_hz
        )
        for name, rating_w in rated_w.items()
    }


def median_of(values: Sequence[float]) -> float | None:
    """Middle of some values, the greater of two; None of none."""
    return sorted(values)[len(values) // 2] if values else None


def steps_of(commands_w: Sequence[float]) -> list[tuple[int, int]]:
    """First row of each step of a command, and one past its last."""
    known = [value for value in commands_w if not math.isnan(value)]
    least_w = STEP_RATIO * (max(known) - min(known)) if known else 0.0
    starts = [
        row
        for row in range(1, len(commands_w))
        if least_w > 0.0 and abs(commands_w[row] - commands_w[row - 1]) >= least_w
    ]
    return list(pairwise([*starts, len(commands_w)]))


def own_rows(recording: Recording, name: str) -> Recording:
    """Rows in which a device was told something, with that device only."""
    told = recording.commands_w[name]
    rows = [row for row, value in enumerate(told) if not math.isnan(value)]

    def chosen(values: Sequence[float]) -> tuple[float, ...]:
        return tuple(values[row] for row in rows)

    return Recording(
        times_s=chosen(recording.times_s),
        frequency_hz=chosen(recording.frequency_hz),
        samples=chosen(recording.samples),
        commands_w={name: chosen(told)},
        powers_w={name: chosen(recording.powers_w[name])},
    )


def moved_alone(recording: Recording) -> bool:
    """Whether each of several devices was told something only while no other was."""
    if len(recording.names) < 2:  # noqa: PLR2004 - one device is in no other's way
        return False
    columns = [recording.commands_w[name] for name in recording.names]
    counts = [
        sum(not math.isnan(value) for value in values) for values in zip(*columns, strict=True)
    ]
    return max(counts, default=0) == 1


def laid_over(recording: Recording, names: Sequence[str]) -> Recording | None:
    """Lay the answers of devices that moved alone over each other.

    Each step of each device begins at the same time; between its rows a device is at its last
    one, which is never earlier than it really was there.

    Parameters
    ----------
    recording : Recording
        In which the devices moved one after the other.
    names : sequence of str
        Which, at least one.

    Returns
    -------
    Recording or None
        Without a frequency; None where they did not make the same number of steps.
    """
    answers = {name: _answers(own_rows(recording, name)) for name in names}
    counts = {len(each) for each in answers.values()}
    if len(counts) != 1 or counts == {1}:
        return None
    times: list[float] = []
    commands: dict[str, list[float]] = {name: [] for name in names}
    powers: dict[str, list[float]] = {name: [] for name in names}
    began_s = 0.0
    for each in zip(*(answers[name] for name in names), strict=True):
        offsets = _common(each)
        if not offsets:
            return None
        began_s = began_s - min(offsets[0], 0.0)
        times += [began_s + offset for offset in offsets]
        for name, answer in zip(names, each, strict=True):
            rows = [bisect.bisect_right(answer.offsets_s, offset) - 1 for offset in offsets]
            commands[name] += [answer.commands_w[row] for row in rows]
            powers[name] += [answer.powers_w[row] for row in rows]
        began_s = times[-1] + BETWEEN_S
    unknown = (math.nan,) * len(times)
    return Recording(
        times_s=tuple(times),
        frequency_hz=unknown,
        samples=(1.0,) * len(times),
        commands_w={name: tuple(column) for name, column in commands.items()},
        powers_w={name: tuple(column) for name, column in powers.items()},
    )


def _common(answers: Sequence[_Answer]) -> list[float]:
    """Every offset of any answer inside the span that all of them have."""
    least_s = max(answer.offsets_s[0] for answer in answers)
    most_s = min(answer.offsets_s[-1] for answer in answers)
    every = {offset for answer in answers for offset in answer.offsets_s}
    return sorted(offset for offset in every if least_s <= offset <= most_s)


def _answers(own: Recording) -> list[_Answer]:
    """Cut a device's rows at its steps: until the first, and after each."""
    (commands_w,), (powers_w,) = own.commands_w.values(), own.powers_w.values()
    starts = [start for start, _ in steps_of(commands_w)]
    if not starts:
        return []
    found = []
    for first, end in pairwise([0, *starts, len(commands_w)]):
        zero_s = own.times_s[starts[0] if first == 0 else first]
        found.append(
            _Answer(
                offsets_s=tuple(time_s - zero_s for time_s in own.times_s[first:end]),
                commands_w=commands_w[first:end],
                powers_w=powers_w[first:end],
            )
        )
    return found
