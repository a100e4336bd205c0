"""The loop's own decisions: from a frequency to what each lent device is told. Pure.

Nothing here reads a clock or a device; time is an argument. The law itself is
:mod:`protocols.vocabulary.droop`. Called by the cycle's primary task ten times a second, and by
tests. The answer never leaves the limits of the grant.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from edge_agent.control.grant import Basis, Grant, GrantedMember
from protocols.vocabulary.droop import clipped, droop_response_w, is_plausible
from protocols.vocabulary.identifiers import PointId, ResourceId
from protocols.vocabulary.measurement import Measurement, Quality
from protocols.vocabulary.setpoint import Setpoint

NS_PER_S: Final = 1_000_000_000
FRESH_S: Final = 1.5
"""A measurement younger than this is followed: the slowest point of a site is read at 1 Hz."""
HOLD_S: Final = 5.0
"""The last good frequency stands in for a missing one until it is so old; then zero change."""
JUMP_HZ: Final = 0.5
"""A step between two samples that a grid does not make; the next sample must agree with it."""
JUMP_S: Final = 1.0
WORTH_RATIO: Final = 0.002
"""Part of its rating by which a device must be told something else for it to be written."""
FAILURES_MAX: Final = 2
"""Failed writes in a row after which the others make up for a device."""
RETRY_NS: Final = 10 * NS_PER_S
"""How long such a device is left out before it is tried again."""
TOLERANCE_W: Final = 1e-6
RESOLUTION_HZ_MAX: Final = 0.02
"""A coarser source cannot measure within the error that primary reserve allows."""
CHANGES_LEAST: Final = 5
INTERVALS_KEPT: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class FrequencySample:
    """A measurement as the loop gets it.

    Attributes
    ----------
    measurement : Measurement
        Hz, with the quality it has now.
    measured_ns : int
        When it was measured, monotonic.
    """

    measurement: Measurement
    measured_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldFrequency:
    """What is remembered of the frequency.

    Attributes
    ----------
    frequency_hz : float or None
        Last good one; None before the first.
    measured_ns : int
        When that was measured.
    seen_ns : int
        When the newest sample, good or not, was measured.
    suspect_hz : float or None
        A jump that waits for the next sample to agree.
    """

    frequency_hz: float | None = None
    measured_ns: int = 0
    seen_ns: int = -1
    suspect_hz: float | None = None

    def age_s(self, now_ns: int) -> float:
        """Age of the last good frequency, s; ``inf`` before the first."""
        if self.frequency_hz is None:
            return math.inf
        return max(now_ns - self.measured_ns, 0) / NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one device should be told: its base point and the part of the response, W."""

    resource_id: ResourceId
    power_w: float
    response_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The loop's answer to one look at the frequency.

    Attributes
    ----------
    basis : Basis
        What it rests on.
    asked_w : float
        By law and award, W.
    response_w : float
        What the limits allow of it, W.
    told : tuple of Told
        Device by device, those left out too (at what they hold).
    """

    basis: Basis
    asked_w: float
    response_w: float
    told: tuple[Told, ...]


def heard(held: HeldFrequency, sample: FrequencySample | None, grant: Grant) -> HeldFrequency:
    """Take a sample into what is remembered; only a good, plausible and new one counts.

    Parameters
    ----------
    held : HeldFrequency
        Before.
    sample : FrequencySample or None
        The newest there is, perhaps one seen before.
    grant : Grant
        Says which grid it is.
    """
    if sample is None or sample.measured_ns <= held.seen_ns:
        return held
    held = replace(held, seen_ns=sample.measured_ns)
    frequency_hz = sample.measurement.value
    good = sample.measurement.quality is Quality.GOOD and frequency_hz is not None
    if not good or frequency_hz is None or not is_plausible(grant.droop, frequency_hz):
        return held
    if _is_jump(held, frequency_hz, sample.measured_ns):
        return replace(held, suspect_hz=frequency_hz)
    return replace(held, frequency_hz=frequency_hz, measured_ns=sample.measured_ns, suspect_hz=None)


def _is_jump(held: HeldFrequency, frequency_hz: float, measured_ns: int) -> bool:
    """Whether a sample is too far from the last good one to be believed by itself."""
    if held.frequency_hz is None or held.age_s(measured_ns) > JUMP_S:
        return False
    if abs(frequency_hz - held.frequency_hz) <= JUMP_HZ:
        return False
    return held.suspect_hz is None or abs(frequency_hz - held.suspect_hz) > JUMP_HZ


def basis_of(held: HeldFrequency, now_ns: int) -> Basis:
    """Return what an answer may rest on now."""
    age_s = held.age_s(now_ns)
    if age_s <= FRESH_S:
        return Basis.FOLLOWING
    return Basis.HELD if age_s <= HOLD_S else Basis.ZERO


def respond(
    grant: Grant,
    held: HeldFrequency,
    now_ns: int,
    *,
    stuck: Mapping[ResourceId, float] | None = None,
) -> Response:
    """Answer the frequency.

    Parameters
    ----------
    grant : Grant
        In force.
    held : HeldFrequency
        What is known of the frequency.
    now_ns : int
        Monotonic.
    stuck : mapping of ResourceId to float, optional
        Devices that do not take writes, and the power they were told last, W: the others make
        up for them.

    Returns
    -------
    Response
        Inside every limit of the grant, whatever the frequency; zero change without one.
    """
    basis = basis_of(held, now_ns)
    asked_w = 0.0
    if basis is not Basis.ZERO and held.frequency_hz is not None:
        law_w = droop_response_w(grant.droop, grant.rated_w, held.frequency_hz)
        asked_w = clipped(law_w, -grant.award_w, grant.award_w)
    told = _shared(grant, asked_w, stuck or {})
    return Response(
        basis=basis,
        asked_w=asked_w,
        response_w=math.fsum(one.response_w for one in told),
        told=told,
    )


def _shared(grant: Grant, asked_w: float, stuck: Mapping[ResourceId, float]) -> tuple[Told, ...]:
    """Share a response out in proportion to the room of each device."""
    fixed = {
        one.resource_id: stuck[one.resource_id] - one.base_w
        for one in grant.members
        if one.resource_id in stuck
    }
    wanted_w = asked_w - math.fsum(fixed.values())
    rooms = {
        one.resource_id: _room(one, wanted_w)
        for one in grant.members
        if one.resource_id not in fixed
    }
    rooms = _inside_sums(grant, rooms, fixed, upward=wanted_w >= 0.0)
    room_w = math.fsum(rooms.values())
    part = 0.0 if room_w <= 0.0 else min(abs(wanted_w) / room_w, 1.0)
    shares = {name: math.copysign(part * room, wanted_w) for name, room in rooms.items()}
    return tuple(
        Told(
            resource_id=one.resource_id,
            power_w=_told_w(one, shares, stuck),
            response_w=_told_w(one, shares, stuck) - one.base_w,
        )
        for one in grant.members
    )


def _told_w(
    member: GrantedMember, shares: Mapping[ResourceId, float], stuck: Mapping[ResourceId, float]
) -> float:
    """Power of one device, W."""
    if member.resource_id in stuck:
        return stuck[member.resource_id]
    power_w = member.base_w + shares[member.resource_id]
    return clipped(power_w, member.low_w, member.high_w)


def _room(member: GrantedMember, wanted_w: float) -> float:
    """How far a device may go in the wanted direction, W >= 0."""
    if wanted_w >= 0.0:
        return max(member.high_w - member.base_w, 0.0)
    return max(member.base_w - member.low_w, 0.0)


def _inside_sums(
    grant: Grant,
    rooms: dict[ResourceId, float],
    fixed: Mapping[ResourceId, float],
    *,
    upward: bool,
) -> dict[ResourceId, float]:
    """Scale the rooms down so that no sum leaves its bounds, smaller groups first."""
    bases = {one.resource_id: one.base_w for one in grant.members}
    for bound in sorted(grant.sums, key=lambda one: len(one.members)):
        given_w = math.fsum(bases[name] + fixed.get(name, 0.0) for name in bound.members)
        left_w = max(bound.high_w - given_w if upward else given_w - bound.low_w, 0.0)
        free = [name for name in bound.members if name in rooms]
        wide_w = math.fsum(rooms[name] for name in free)
        if wide_w > left_w:
            rooms |= {name: rooms[name] * (left_w / wide_w) for name in free}
    return rooms


def must_tell(told: Setpoint | None, wish: Told, *, grant: Grant, now: datetime) -> bool:
    """Whether a device must be written.

    Parameters
    ----------
    told : Setpoint or None
        The loop's last lease on it.
    wish : Told
        What it should be told now.
    grant : Grant
        In force.
    now : datetime
        Aware UTC.
    """
    member = next(one for one in grant.members if one.resource_id == wish.resource_id)
    if told is None or not told.valid_from <= now < told.valid_until:
        return True
    outside = not member.low_w - TOLERANCE_W <= told.power_w <= member.high_w + TOLERANCE_W
    worth_w = max(grant.deadband_w, WORTH_RATIO * member.rated_w)
    changed = abs(told.power_w - wish.power_w) > worth_w
    half_over = (told.valid_until - now).total_seconds() <= grant.setpoint_s / 2.0
    return outside or changed or half_over


def whole_watts(wish: Told, grant: Grant) -> float:
    """Power to write, in whole watts where that stays inside the limits, never beyond the wish."""
    member = next(one for one in grant.members if one.resource_id == wish.resource_id)
    if wish.response_w > 0.0:
        whole_w = float(math.floor(wish.power_w))
    elif wish.response_w < 0.0:
        whole_w = float(math.ceil(wish.power_w))
    else:
        whole_w = float(round(wish.power_w))
    return whole_w if member.low_w <= whole_w <= member.high_w else wish.power_w


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteLuck:
    """How the writes of one device went.

    Attributes
    ----------
    failures : int
        In a row.
    failed_ns : int
        Monotonic time of the last.
    """

    failures: int = 0
    failed_ns: int = 0

    def after(self, now_ns: int, *, done: bool) -> "WriteLuck":
        """Return the luck after one more write."""
        if done:
            return WriteLuck()
        return WriteLuck(failures=self.failures + 1, failed_ns=now_ns)

    def is_stuck(self, now_ns: int) -> bool:
        """Whether the others make up for the device, until it is tried again."""
        return self.failures >= FAILURES_MAX and now_ns - self.failed_ns < RETRY_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecord:
    """What is known of one point that measures the frequency.

    Attributes
    ----------
    point_id : PointId
        The point.
    intervals_s : tuple of float
        Between its last measurements, newest last.
    step_hz : float or None
        Smallest change seen; None before the first.
    changes : int
        How many were seen; a few tell its resolution.
    last_hz : float or None
        Its last good value.
    last_ns : int
        When that was measured, monotonic.
    """

    point_id: PointId
    intervals_s: tuple[float, ...] = ()
    step_hz: float | None = None
    changes: int = 0
    last_hz: float | None = None
    last_ns: int = 0

    @property
    def interval_s(self) -> float:
        """Median update interval, s; ``inf`` before two measurements."""
        if not self.intervals_s:
            return math.inf
        return sorted(self.intervals_s)[len(self.intervals_s) // 2]

    def seen(self, sample: FrequencySample) -> "SourceRecord":
        """Return the record after a sample; one seen before, or not good, adds nothing."""
        frequency_hz = sample.measurement.value
        if sample.measured_ns <= self.last_ns or frequency_hz is None:
            return self
        if sample.measurement.quality is not Quality.GOOD:
            return self
        intervals, step_hz, changes = self.intervals_s, self.step_hz, self.changes
        if self.last_hz is not None:
            seconds = (sample.measured_ns - self.last_ns) / NS_PER_S
            intervals = (*intervals, seconds)[-INTERVALS_KEPT:]
            change_hz = round(abs(frequency_hz - self.last_hz), 6)
            if change_hz > 0.0:
                step_hz = change_hz if step_hz is None else min(step_hz, change_hz)
                changes += 1
        return replace(
            self,
            intervals_s=intervals,
            step_hz=step_hz,
            changes=changes,
            last_hz=frequency_hz,
            last_ns=sample.measured_ns,
        )

    def rank(self, now_ns: int) -> tuple[bool, bool, float, float, str]:
        """Sort key: alive first, then fine enough, then the shortest interval, then the finest."""
        silent = self.last_hz is None or now_ns - self.last_ns > FRESH_S * NS_PER_S
        step_hz = math.inf if self.step_hz is None else self.step_hz
        coarse = self.changes >= CHANGES_LEAST and step_hz > RESOLUTION_HZ_MAX
        return silent, coarse, round(self.interval_s, 2), step_hz, self.point_id


def fastest(records: Iterable[SourceRecord], now_ns: int) -> SourceRecord | None:
    """Choose where the frequency comes from: by what was measured, not by what is promised."""
    return min(records, key=lambda one: one.rank(now_ns), default=None)


def within(frequencies: Sequence[float]) -> tuple[float | None, float | None]:
    """Least and greatest of some frequencies, None where there are none."""
    return (min(frequencies), max(frequencies)) if frequencies else (None, None)
