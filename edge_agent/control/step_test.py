"""What a recorded step test shows: dead time, movement, settled error, and who can qualify. Pure.

A recording is rows of time, frequency, and per device what it was told and what it gave. What a
device can do for primary reserve is measured from it, never taken from a nameplate; devices are
also judged together, for a slow one may still be carried by a quick one. Called by the
technician's ``primary test``. Powers in W, generator frame.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Final

from edge_agent.control.recording import (
    Recording,
    laid_over,
    median_of,
    moved_alone,
    own_rows,
    steps_of,
)

BEFORE_S: Final = 3.0
"""Time before a step over which the power it starts from is averaged."""
MOVED_RATIO: Final = 0.1
NOISE_FACTOR: Final = 2.0
FULL_RATIO: Final = 0.9
ROUNDING_S: Final = 1e-6
JITTER: Final = 1.05
"""A network makes times between measurements this much longer than they are meant to be."""
CHANGES_LEAST: Final = 10
"""Changes of the frequency from which its resolution can be told."""
NAMES_MAX: Final = 8
"""Up to so many devices every combination is judged; beyond, each alone and all together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimaryRule:
    """What a resource of primary reserve must show.

    Attributes
    ----------
    rule_set_id : str
        Where it comes from.
    product : str
        ``"primary"`` or ``"primary-offline"``.
    response_s : float
        Time to the full response, s.
    delay_s : float
        Greatest delay of the first movement, s.
    duration_s : float
        How long the full response must be held, s; 0 where none is stated.
    tolerance : float
        Half width of the band around the full response, part of it.
    pass_ratio : float
        Part of the points that must be inside.
    sampling_s, resolution_hz : float
        Of the frequency measurement, at most.
    record_s : float
        Longest time between two rows of the record.
    """

    rule_set_id: str
    product: str
    response_s: float
    delay_s: float = 2.0
    duration_s: float
    tolerance: float = 0.1
    pass_ratio: float = 0.9
    sampling_s: float = 0.1
    resolution_hz: float = 0.02
    record_s: float = 1.0


RULES: Final = (
    PrimaryRule(
        rule_set_id="eprx-2025-04-01", product="primary", response_s=10.0, duration_s=300.0
    ),
    PrimaryRule(
        rule_set_id="eprx-2025-04-01", product="primary-offline", response_s=30.0, duration_s=0.0
    ),
    PrimaryRule(
        rule_set_id="seed-internal", product="primary-offline", response_s=10.0, duration_s=0.0
    ),
)
"""As in japan-market 1 and 2; the seed is the tighter one that the agent steers by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepShown:
    """How some devices together answered one step.

    Attributes
    ----------
    at_s : float
        When it was told.
    asked_w : float
        Size of the step, W, with its sign.
    dead_time_s, first_movement_s : float or None
        Last sample without and first sample with movement, after the step: the truth lies
        between; None if they never moved.
    to_90_s : float or None
        First sample with nine tenths of the step; None if it was never reached.
    settled_error : float or None
        Mean of power over step from ``response_s`` on, minus 1; None without such samples.
    in_band : float or None
        Part of those samples inside the tolerance.
    sustained_w : float or None
        The least of them, in the direction of the step, W.
    seen_s : float
        How long the step was recorded.
    """

    at_s: float
    asked_w: float
    dead_time_s: float | None
    first_movement_s: float | None
    to_90_s: float | None
    settled_error: float | None
    in_band: float | None
    sustained_w: float | None
    seen_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """What some devices can do together.

    Attributes
    ----------
    names : tuple of str
        The devices.
    steps : tuple of StepShown
        How they answered.
    available_w : float
        Upward power that every upward step reached in time and kept, W.
    qualifies : bool
        Whether nothing speaks against it.
    reasons : tuple of str
        What does.
    """

    names: tuple[str, ...]
    steps: tuple[StepShown, ...]
    available_w: float
    qualifies: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """Result of a step test.

    Attributes
    ----------
    rule : PrimaryRule
        It was judged by.
    record_s, frequency_s, frequency_step_hz : float or None
        Median time between rows, between frequency measurements, and smallest change seen;
        None where the record does not tell.
    combinations : tuple of Combination
        Those that qualify first, then by available power.
    """

    rule: PrimaryRule
    record_s: float | None
    frequency_s: float | None
    frequency_step_hz: float | None
    combinations: tuple[Combination, ...]

    @property
    def best(self) -> Combination | None:
        """The qualifying combination with the most power; of equals the one of fewest devices."""
        able = [one for one in self.combinations if one.qualifies]
        return max(able, key=lambda one: (one.available_w, -len(one.names)), default=None)


def judge(recording: Recording, rule: PrimaryRule) -> StepReport:
    """Judge every combination of the devices of a recording.

    Parameters
    ----------
    recording : Recording
        With at least one device.
    rule : PrimaryRule
        The product's.
    """
    frequency_s, step_hz = _frequency(recording)
    common = _frequency_reasons(rule, frequency_s, step_hz)
    names = recording.names
    sizes = range(1, len(names) + 1) if len(names) <= NAMES_MAX else sorted({1, len(names)})
    alone = moved_alone(recording)
    found = [
        _alone(recording, chosen, rule, common=common)
        if alone
        else _combined(recording, chosen, rule, common=[*_row_reasons(recording, rule), *common])
        for size in sizes
        for chosen in combinations(names, size)
    ]
    found.sort(key=lambda one: (not one.qualifies, -one.available_w, len(one.names), one.names))
    return StepReport(
        rule=rule,
        record_s=_row_s(recording),
        frequency_s=frequency_s,
        frequency_step_hz=step_hz,
        combinations=tuple(found),
    )


def _frequency(recording: Recording) -> tuple[float | None, float | None]:
    """Median time between frequency measurements, s, and smallest change, Hz."""
    known = [
        (time_s, hertz, count)
        for time_s, hertz, count in zip(
            recording.times_s, recording.frequency_hz, recording.samples, strict=True
        )
        if not math.isnan(hertz) and count > 0.0
    ]
    gaps = [(b[0] - a[0]) / b[2] for a, b in pairwise(known)]
    steps = [round(abs(b[1] - a[1]), 6) for a, b in pairwise(known)]
    changes = [step for step in steps if step > 0.0]
    return median_of(gaps), min(changes) if len(changes) >= CHANGES_LEAST else None


def _row_s(recording: Recording) -> float | None:
    """Median time between rows, s."""
    return median_of([b - a for a, b in pairwise(recording.times_s)])


def _row_reasons(recording: Recording, rule: PrimaryRule) -> list[str]:
    """Say what speaks against every combination of devices that are recorded like this."""
    record_s = _row_s(recording)
    if record_s is None or record_s > rule.record_s * JITTER:
        return [f"recorded every {_text(record_s)} s, at most {rule.record_s:g} s"]
    return []


def _frequency_reasons(
    rule: PrimaryRule, frequency_s: float | None, step_hz: float | None
) -> list[str]:
    """Say what speaks against every combination behind this measurement of the frequency."""
    reasons = []
    if frequency_s is None:
        reasons.append("no frequency recorded")
    elif frequency_s > rule.sampling_s * JITTER:
        reasons.append(f"frequency every {frequency_s:.2f} s, at most {rule.sampling_s:g} s")
    if step_hz is not None and step_hz > rule.resolution_hz + ROUNDING_S:
        reasons.append(f"frequency in steps of {step_hz:g} Hz, at most {rule.resolution_hz:g} Hz")
    return reasons


def _text(value: float | None) -> str:
    return "?" if value is None else f"{value:.2f}"


def _sum(columns: Mapping[str, tuple[float, ...]], names: Sequence[str]) -> list[float]:
    """Sum of some columns, NaN where one is."""
    return [
        math.nan if any(math.isnan(v) for v in values) else math.fsum(values)
        for values in zip(*(columns[name] for name in names), strict=True)
    ]


def _alone(
    recording: Recording, names: tuple[str, ...], rule: PrimaryRule, *, common: Sequence[str]
) -> Combination:
    """Judge devices that moved one after the other as if they had moved together."""
    rows = {name: own_rows(recording, name) for name in names}
    slow = [reason for name in names for reason in _row_reasons(rows[name], rule)]
    reasons = [*dict.fromkeys(slow), *common]
    together = rows[names[0]] if len(names) == 1 else laid_over(recording, names)
    if together is None:
        reasons.append("they were not tested with the same steps")
        return Combination(
            names=names, steps=(), available_w=0.0, qualifies=False, reasons=tuple(reasons)
        )
    return _combined(together, names, rule, common=reasons)


def _combined(
    recording: Recording, names: tuple[str, ...], rule: PrimaryRule, *, common: Sequence[str]
) -> Combination:
    """Judge some devices together."""
    commands_w, powers_w = _sum(recording.commands_w, names), _sum(recording.powers_w, names)
    steps = tuple(
        _shown(recording.times_s, commands_w, powers_w, step=step, rule=rule)
        for step in steps_of(commands_w)
    )
    upward = [one for one in steps if one.asked_w > 0.0]
    available_w = min((max(one.sustained_w or 0.0, 0.0) for one in upward), default=0.0)
    reasons = list(common)
    if not upward:
        reasons.append("no upward step in the recording")
    for one in steps:
        reasons += _reasons(one, rule)
    return Combination(
        names=names,
        steps=steps,
        available_w=available_w,
        qualifies=not reasons,
        reasons=tuple(reasons),
    )


def _shown(
    times_s: Sequence[float],
    commands_w: Sequence[float],
    powers_w: Sequence[float],
    *,
    step: tuple[int, int],
    rule: PrimaryRule,
) -> StepShown:
    """Measure the answer to one step."""
    start, end = step
    at_s, asked_w = times_s[start], commands_w[start] - commands_w[start - 1]
    before = [
        powers_w[row]
        for row in range(start)
        if at_s - times_s[row] <= BEFORE_S and not math.isnan(powers_w[row])
    ]
    from_w = math.fsum(before) / len(before) if before else math.nan
    noise_w = max((abs(value - from_w) for value in before), default=0.0)
    gone = [
        (times_s[row] - at_s, math.copysign(1.0, asked_w) * (powers_w[row] - from_w))
        for row in range(start, end)
    ]
    quiet_w = max(MOVED_RATIO * abs(asked_w), NOISE_FACTOR * noise_w)
    first_s = next((after_s for after_s, way_w in gone if way_w > quiet_w), None)
    dead = [after_s for after_s, way_w in gone if first_s is not None and after_s < first_s]
    full_w = abs(asked_w)
    late = [way_w for after_s, way_w in gone if after_s >= rule.response_s - ROUNDING_S]
    inside = [abs(way_w - full_w) <= rule.tolerance * full_w for way_w in late]
    known = [way_w for way_w in late if not math.isnan(way_w)]
    return StepShown(
        at_s=at_s,
        asked_w=asked_w,
        dead_time_s=None if first_s is None else max(dead, default=0.0),
        first_movement_s=first_s,
        to_90_s=next((a for a, way_w in gone if way_w >= FULL_RATIO * full_w), None),
        settled_error=math.fsum(known) / len(known) / full_w - 1.0 if known else None,
        in_band=sum(inside) / len(inside) if inside else None,
        sustained_w=min(known, default=None) if len(known) == len(late) else 0.0,
        seen_s=gone[-1][0],
    )


def _reasons(shown: StepShown, rule: PrimaryRule) -> list[str]:
    """Say what one step shows against its devices."""
    place = f"step at {shown.at_s:g} s"
    if shown.first_movement_s is None:
        return [f"{place}: did not move"]
    reasons = []
    if shown.first_movement_s > rule.delay_s + ROUNDING_S:
        text = f"first movement after {shown.first_movement_s:.1f} s, at most {rule.delay_s:g} s"
        reasons.append(f"{place}: {text}")
    if shown.in_band is None:
        reasons.append(f"{place}: recorded for {shown.seen_s:.0f} s, not {rule.response_s:g} s")
    elif shown.in_band < rule.pass_ratio:
        reached = "never" if shown.to_90_s is None else f"after {shown.to_90_s:.1f} s"
        text = f"{shown.in_band:.0%} of the points in the band from {rule.response_s:g} s on"
        reasons.append(f"{place}: {text}, at least {rule.pass_ratio:.0%}; 90 % {reached}")
    if rule.duration_s and shown.asked_w > 0.0 and shown.seen_s < rule.duration_s:
        text = f"held for {shown.seen_s:.0f} s, the rule wants {rule.duration_s:g} s"
        reasons.append(f"{place}: {text}")
    return reasons
