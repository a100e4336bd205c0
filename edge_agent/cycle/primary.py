"""The primary loop: follows the grid's frequency with the devices the cycle lends to it.

Its own task with its own deadline, a tenth of a second; it needs no cloud and no cycle but the
one that lent the devices, for as long as the grant holds. It decides by
:mod:`edge_agent.control.primary` and writes to lent devices only, which the cycle meanwhile does
not. When the grant is taken back it stops in the same instant; when it is not renewed it ends by
itself: nothing more is written, the leases on the devices run out and the devices go to their
own defaults. Called by :class:`edge_agent.cycle.agent.Agent`.
"""

import asyncio
import math
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from edge_agent.control.grant import Basis, Grant, PrimaryReport, ToldMember
from edge_agent.control.primary import (
    HOLD_S,
    FrequencySample,
    HeldFrequency,
    SourceRecord,
    Told,
    WriteLuck,
    basis_of,
    fastest,
    heard,
    must_tell,
    respond,
    whole_watts,
    within,
)
from edge_agent.cycle.parts import AgentParts
from edge_agent.drivers.port import FastReader, WriteOutcome, WriteState
from edge_agent.image.image import judged
from edge_agent.points.table import FREQUENCY_HZ, PointSpec
from protocols.vocabulary.errors import DeviceError
from protocols.vocabulary.identifiers import PointId, ResourceId
from protocols.vocabulary.measurement import Quality
from protocols.vocabulary.resource import Capability
from protocols.vocabulary.setpoint import Setpoint

NS_PER_S: Final = 1_000_000_000
PERIOD_S: Final = 0.1
"""Longest time between two looks at the frequency, where the device allows it."""
PAUSE_LEAST_S: Final = 0.005
READ_DEADLINE_S: Final = 2.0
WRITE_PAUSE_NS: Final = NS_PER_S // 5
"""Shortest time between the beginnings of two writes to one device."""
SURVEY_NS: Final = 3 * NS_PER_S
SURVEY_EVERY_NS: Final = 600 * NS_PER_S
SOURCES_MAX: Final = 8
"""Most points that are compared in a survey."""
OUTCOMES_MAX: Final = 64
FREQUENCIES_MAX: Final = 64

log = structlog.get_logger()


@dataclass(slots=True)
class _Member:
    """What the loop remembers of one device."""

    setpoint: Setpoint | None = None
    response_w: float = 0.0
    confirmed: Setpoint | None = None
    luck: WriteLuck = field(default_factory=WriteLuck)
    writing: bool = False
    begun_ns: int = 0


@dataclass(slots=True)
class _Since:
    """What happened since the cycle's last look; bounded."""

    frequencies: deque[float] = field(default_factory=lambda: deque(maxlen=FREQUENCIES_MAX))
    least_w: float = math.inf
    most_w: float = -math.inf
    writes: int = 0
    failures: int = 0


class PrimaryLoop:
    """The loop of one site.

    Parameters
    ----------
    parts : AgentParts
        Clock, driver, points and the latest values.
    """

    def __init__(self, parts: AgentParts) -> None:
        self._clock = parts.clock
        self._driver = parts.driver
        self._fast = parts.driver if isinstance(parts.driver, FastReader) else None
        self._latest = parts.latest
        self._config = parts.config
        self._specs = {s.point_id: s for s in parts.specs if s.quantity == FREQUENCY_HZ}
        self._grant: Grant | None = None
        self._granted = asyncio.Event()
        self._until_ns = 0
        self._expired_at: datetime | None = None
        self._members: dict[ResourceId, _Member] = {}
        self._records: dict[PointId, SourceRecord] = {}
        self._source: PointId | None = None
        self._survey_ns = 0
        self._surveyed_ns: int | None = None
        self._held = HeldFrequency()
        self._quality = Quality.BAD
        self._basis = Basis.ZERO
        self._asked_w = self._response_w = 0.0
        self._since = _Since()
        self._sequence = 0
        self._reading: dict[ResourceId, asyncio.Task[None]] = {}
        self._outcomes: deque[WriteOutcome] = deque(maxlen=OUTCOMES_MAX)
        self._tasks: asyncio.TaskGroup | None = None

    @property
    def grant(self) -> Grant | None:
        """The grant in force, also one that ended unrenewed."""
        return self._grant

    def lent(self) -> tuple[ResourceId, ...]:
        """Devices the loop may have written to."""
        return tuple(self._members)

    def take(self, grant: Grant | None) -> None:
        """Take a grant over from the cycle, or give the devices back at once.

        Parameters
        ----------
        grant : Grant or None
            Committed to the journal; None stops the loop before the next line of the cycle.
        """
        if grant is None:
            if self._grant is not None:
                log.info("primary.ended", cycle=self._grant.cycle)
            self._grant, self._expired_at = None, None
            self._members.clear()
            self._since, self._asked_w, self._response_w = _Since(), 0.0, 0.0
            self._granted.clear()
            return
        if self._grant is None:
            log.info("primary.began", cycle=grant.cycle, award_w=grant.award_w)
        names = {one.resource_id for one in grant.members}
        self._members = {name: self._members.get(name, _Member()) for name in names}
        self._grant, self._expired_at = grant, None
        self._until_ns = self._clock.monotonic_ns() + round(grant.lease_s * NS_PER_S)
        self._sequence = max(self._sequence, grant.sequence_first - 1)
        self._granted.set()

    def report(self) -> PrimaryReport | None:
        """Say what was done since the last call; None while nothing is lent."""
        grant, since = self._grant, self._since
        if grant is None:
            return None
        self._since = _Since(least_w=self._response_w, most_w=self._response_w)
        now_ns = self._clock.monotonic_ns()
        least_hz, most_hz = within(since.frequencies)
        age_s = self._held.age_s(now_ns)
        return PrimaryReport(
            grant_cycle=grant.cycle,
            basis=basis_of(self._held, now_ns),
            source=self._source,
            frequency_hz=self._held.frequency_hz,
            frequency_hz_min=least_hz,
            frequency_hz_max=most_hz,
            samples=len(since.frequencies),
            quality=self._quality,
            age_s=round(age_s, 3) if math.isfinite(age_s) else -1.0,
            asked_w=self._asked_w,
            response_w=self._response_w,
            moved_w=max(since.most_w - since.least_w, 0.0),
            writes=since.writes,
            failures=since.failures,
            members=tuple(
                ToldMember(
                    resource_id=one.resource_id,
                    setpoint=self._members[one.resource_id].setpoint,
                    response_w=self._members[one.resource_id].response_w,
                    failing=self._members[one.resource_id].luck.is_stuck(now_ns),
                )
                for one in grant.members
            ),
            expired_at=self._expired_at,
        )

    def take_outcomes(self) -> list[WriteOutcome]:
        """Hand over how writes ended since the last call, the newest of them."""
        ended = list(self._outcomes)
        self._outcomes.clear()
        return ended

    async def run(self) -> None:
        """Work until cancelled; idle while nothing is lent."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            while True:
                await self._granted.wait()
                began_ns = self._clock.monotonic_ns()
                reading = self._begin_reads(began_ns)
                if reading:
                    await asyncio.wait(
                        reading, timeout=PERIOD_S, return_when=asyncio.FIRST_COMPLETED
                    )
                self._step()
                spent_s = (self._clock.monotonic_ns() - began_ns) / NS_PER_S
                await asyncio.sleep(max(PERIOD_S - spent_s, PAUSE_LEAST_S))

    def _begin_reads(self, now_ns: int) -> list[asyncio.Task[None]]:
        """Ask the source, and in a survey every other, unless its last answer is still awaited."""
        if self._fast is None:
            return []
        surveying = now_ns < self._survey_ns
        wanted = [
            spec
            for spec in self._candidates()
            if surveying or spec.point_id == self._source or self._source is None
        ]
        assert self._tasks is not None, "reads are made while the loop runs"
        for spec in wanted[:SOURCES_MAX]:
            resource_id = self._config.resource_id(spec.device_id)
            if resource_id not in self._reading:
                task = self._tasks.create_task(self._read(self._fast, resource_id))
                self._reading[resource_id] = task
        return list(self._reading.values())

    def _candidates(self) -> list[PointSpec]:
        """Points that measure the frequency, as the devices themselves say."""
        able = {
            resource.resource_id
            for resource in self._driver.resources()
            if Capability.MEASURES_FREQUENCY in resource.capabilities
        }
        return [
            spec
            for spec in self._specs.values()
            if self._config.resource_id(spec.device_id) in able
            or self._latest.get(spec.point_id) is not None
        ]

    async def _read(self, fast: FastReader, resource_id: ResourceId) -> None:
        """Read one device; no answer needs no word, for the value grows old by itself."""
        try:
            async with asyncio.timeout(READ_DEADLINE_S):
                for point_id, measurement in await fast.read_fast(resource_id):
                    self._latest.update(point_id, measurement)
        except (TimeoutError, DeviceError) as error:
            log.debug("primary.not_read", resource_id=resource_id, cause=str(error))
        finally:
            self._reading.pop(resource_id, None)

    def _step(self) -> None:
        """Look at the frequency once and tell the devices what it asks for."""
        grant, now_ns = self._grant, self._clock.monotonic_ns()
        if grant is None:
            return
        if now_ns >= self._until_ns:
            log.warning("primary.expired", cycle=grant.cycle)
            self._expired_at = self._clock.now()
            self._granted.clear()
            return
        self._listen(grant, now_ns)
        response = respond(grant, self._held, now_ns, stuck=self._stuck(grant, now_ns))
        if response.basis is not self._basis:
            self._basis = response.basis
            log.info("primary.basis_changed", basis=response.basis.value, source=self._source)
        self._asked_w, self._response_w = response.asked_w, response.response_w
        self._since.least_w = min(self._since.least_w, response.response_w)
        self._since.most_w = max(self._since.most_w, response.response_w)
        for wish in response.told:
            self._tell(grant, wish, now_ns)

    def _stuck(self, grant: Grant, now_ns: int) -> dict[ResourceId, float]:
        """Devices that do not take writes, at the power of the lease they still hold, W."""
        now, found = self._clock.now(), {}
        for one in grant.members:
            member = self._members[one.resource_id]
            if member.luck.is_stuck(now_ns):
                lease = member.confirmed
                holds = lease is not None and now < lease.valid_until
                found[one.resource_id] = lease.power_w if lease and holds else one.base_w
        return found

    def _listen(self, grant: Grant, now_ns: int) -> None:
        """Take what came of every source; follow the fastest."""
        for spec in self._candidates():
            held = self._latest.get(spec.point_id)
            if held is None:
                continue
            sample = FrequencySample(
                measurement=judged(held, spec, now_ns), measured_ns=held.measured_ns
            )
            record = self._records.get(spec.point_id, SourceRecord(point_id=spec.point_id))
            self._records[spec.point_id] = record.seen(sample)
        self._choose(now_ns)
        held = None if self._source is None else self._latest.get(self._source)
        if self._source is None or held is None:
            self._quality = Quality.BAD
            return
        measurement = judged(held, self._specs[self._source], now_ns)
        self._quality = measurement.quality
        before = self._held
        sample = FrequencySample(measurement=measurement, measured_ns=held.measured_ns)
        self._held = heard(before, sample, grant)
        if self._held.measured_ns != before.measured_ns and self._held.frequency_hz is not None:
            self._since.frequencies.append(self._held.frequency_hz)

    def _choose(self, now_ns: int) -> None:
        """Choose the source again, and begin a survey when it is time or the source is silent."""
        best = fastest(self._records.values(), now_ns)
        if best is not None and best.point_id != self._source:
            self._source = best.point_id
            log.info("primary.source_chosen", point=best.point_id, interval_s=best.interval_s)
        silent = self._held.age_s(now_ns) > HOLD_S
        overdue = self._surveyed_ns is None or now_ns - self._surveyed_ns > SURVEY_EVERY_NS
        if (silent or overdue) and now_ns >= self._survey_ns:
            self._surveyed_ns, self._survey_ns = now_ns, now_ns + SURVEY_NS

    def _tell(self, grant: Grant, wish: Told, now_ns: int) -> None:
        """Write to one device if it is worth it and its last write has ended."""
        member, now = self._members[wish.resource_id], self._clock.now()
        if member.writing or now_ns - member.begun_ns < WRITE_PAUSE_NS:
            return
        if member.luck.is_stuck(now_ns) or not must_tell(
            member.setpoint, wish, grant=grant, now=now
        ):
            return
        if self._sequence >= grant.sequence_last:
            log.warning("primary.sequences_used_up", cycle=grant.cycle)
            return
        self._sequence += 1
        setpoint = Setpoint(
            resource_id=wish.resource_id,
            power_w=whole_watts(wish, grant),
            valid_from=now,
            valid_until=now + timedelta(seconds=grant.setpoint_s),
            reason="primary.droop",
            cycle=grant.cycle,
            sequence=self._sequence,
        )
        member.setpoint, member.response_w = setpoint, wish.response_w
        member.writing, member.begun_ns = True, now_ns
        self._since.writes += 1
        assert self._tasks is not None, "writes are made while the loop runs"
        self._tasks.create_task(self._write(member, setpoint))

    async def _write(self, member: _Member, setpoint: Setpoint) -> None:
        """Write, and remember how it went."""
        try:
            outcome = await self._driver.write(setpoint)
        finally:
            member.writing = False
        self._outcomes.append(outcome)
        if outcome.state is WriteState.SUPERSEDED:
            return
        done = outcome.state is WriteState.DONE
        member.luck = member.luck.after(self._clock.monotonic_ns(), done=done)
        if done:
            member.confirmed = setpoint
            return
        self._since.failures += 1
        if member.setpoint is setpoint:
            member.setpoint = None
