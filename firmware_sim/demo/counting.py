"""Samples written at the sites against samples in the store, and against the truth. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from firmware_sim.demo.records import JournalAccount, MeterReading, StreamAccount


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleCount:
    """The two sides of the count of one site, all its journals together.

    Attributes
    ----------
    site_id : str
        Which; empty for the fleet.
    expected : int
        Telemetry rows that the agent's journals ever held.
    stored : int
        Distinct ones of them that the store holds.
    lost : int
        Expected ones that it does not hold, and whole journals it has never heard of.
    duplicated : int
        Rows stored more than once, and seconds that have more than one row.
    foreign : int
        Stored rows of journals that no agent has, or beyond a journal's end.
    """

    site_id: str
    expected: int
    stored: int
    lost: int
    duplicated: int
    foreign: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """The agents' meter readings against what the simulator says really was.

    Attributes
    ----------
    compared : int
        Readings that have a truth.
    median_w, p99_w, max_w : float
        How far a reading lies outside the range of the true power between its second and the
        next, W; 0 inside.
    energy_reported_wh, energy_true_wh : float
        Sum over the award of the readings, and of the true mean powers.
    """

    compared: int
    median_w: float
    p99_w: float
    max_w: float
    energy_reported_wh: float
    energy_true_wh: float


def count_samples(
    journals: Sequence[JournalAccount], streams: Sequence[StreamAccount]
) -> list[SampleCount]:
    """Count site by site, by id.

    Parameters
    ----------
    journals : sequence of JournalAccount
        Of all agents, those kept aside too.
    streams : sequence of StreamAccount
        Of the store.
    """
    sites = {one.site_id for one in journals} | {one.site_id for one in streams}
    return [_of_site(site_id, journals, streams) for site_id in sorted(sites)]


def total(counts: Sequence[SampleCount]) -> SampleCount:
    """Sum of all sites."""
    return SampleCount(
        site_id="",
        expected=sum(one.expected for one in counts),
        stored=sum(one.stored for one in counts),
        lost=sum(one.lost for one in counts),
        duplicated=sum(one.duplicated for one in counts),
        foreign=sum(one.foreign for one in counts),
    )


def is_drained(journals: Mapping[str, int], streams: Sequence[StreamAccount]) -> bool:
    """Whether the store holds everything up to the given sequence of each journal id."""
    stored = {stream.journal_id: stream for stream in streams}
    return all(
        journal_id in stored and stored[journal_id].distinct >= samples
        for journal_id, samples in journals.items()
        if samples > 0
    )


def compare_meters(
    meters: Sequence[MeterReading],
    truth: Mapping[str, Mapping[int, tuple[float, float]]],
) -> Witness:
    """Compare readings with the truth log.

    Parameters
    ----------
    meters : sequence of MeterReading
        As recorded; a reading of second k was taken between k and k + 1.
    truth : mapping
        Per site and second k: power at k, and mean over [k - 1, k).
    """
    outside: list[float] = []
    reported_w: list[float] = []
    true_w: list[float] = []
    for reading in meters:
        course = truth.get(reading.site_id, {})
        here, there = course.get(reading.second), course.get(reading.second + 1)
        if here is None or there is None:
            continue
        seen = (here[0], there[0], there[1])
        outside.append(max(min(seen) - reading.meter_w, reading.meter_w - max(seen), 0.0))
        reported_w.append(reading.meter_w)
        true_w.append(there[1])
    found = np.array(outside) if outside else np.array([math.nan])
    return Witness(
        compared=len(outside),
        median_w=float(np.median(found)),
        p99_w=float(np.percentile(found, 99.0)),
        max_w=float(found.max()),
        energy_reported_wh=math.fsum(reported_w) / 3600.0,
        energy_true_wh=math.fsum(true_w) / 3600.0,
    )


def chain_faults(journals: Sequence[JournalAccount]) -> list[str]:
    """One line per journal in use whose chain does not hold."""
    return [
        f"{one.site_id}: {one.path}: {one.fault or 'the chain does not hold'}"
        for one in journals
        if not one.aside and not one.chain_ok
    ]


def merged_quantiles(
    journals: Sequence[JournalAccount], cycles_ms: Sequence[float]
) -> dict[str, float]:
    """p50, p99, p999 of a cycle's own work: of all cycles if they are known one by one.

    Otherwise the worst site's, which is never less than the fleet's.
    """
    names = {"p50": 50.0, "p99": 99.0, "p999": 99.9}
    if cycles_ms:
        found = np.percentile(np.array(cycles_ms), list(names.values()))
        return {
            **{name: round(float(ms), 3) for name, ms in zip(names, found, strict=True)},
            "samples": float(len(cycles_ms)),
        }
    known = [one.cycle_ms for one in journals if one.cycle_ms]
    worst = {name: max((ms.get(name, 0.0) for ms in known), default=0.0) for name in names}
    return {**worst, "samples": float(sum(ms.get("samples", 0.0) for ms in known))}


def mode_changes(journals: Sequence[JournalAccount]) -> list[dict[str, Any]]:
    """All mode changes by time, with their sites."""
    found = [{"site_id": one.site_id, **change} for one in journals for change in one.mode_changes]
    return sorted(found, key=lambda change: (str(change.get("at", "")), change["site_id"]))


def _of_site(
    site_id: str, journals: Sequence[JournalAccount], streams: Sequence[StreamAccount]
) -> SampleCount:
    own = {one.journal_id: one for one in journals if one.site_id == site_id and one.journal_id}
    held = {one.journal_id: one for one in streams if one.site_id == site_id}
    stored = lost = foreign = duplicated = 0
    for journal_id, journal in own.items():
        stream = held.get(journal_id)
        inside = 0 if stream is None else _inside(stream, journal.samples)
        stored += inside
        lost += journal.samples - inside
        duplicated += journal.repeated_s
    for journal_id, stream in held.items():
        known = own[journal_id].samples if journal_id in own else 0
        foreign += stream.distinct - _inside(stream, known)
        duplicated += stream.rows - stream.distinct
    return SampleCount(
        site_id=site_id,
        expected=sum(one.samples for one in own.values()),
        stored=stored,
        lost=lost,
        duplicated=duplicated,
        foreign=foreign,
    )


def _inside(stream: StreamAccount, samples: int) -> int:
    """How many of a journal's sequences 1..samples a stream holds, at the least."""
    beyond = max(0, stream.last_sequence - samples)
    return max(0, min(samples, stream.distinct - min(beyond, stream.distinct)))
