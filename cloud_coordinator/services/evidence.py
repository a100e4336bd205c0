"""Evidence: what the stored seconds of an award show of some of its sites. Pure.

A site is judged at its meter against what the coordinator called for: the committed curve at
the multipliers that were sent, never what the site says it owed. A resource is judged against
the setpoint its site reports, and believed upward only in minutes in which the site itself
kept its promise; seconds in which the resources' sum does not move with the meter are not
believed. Called by :mod:`cloud_coordinator.services.learning`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cloud_coordinator.allocation.curves import curve_table, shares
from cloud_coordinator.fleet.characteristics import Characteristics, Priors
from cloud_coordinator.fleet.event_fit import (
    BLOCK_S,
    Blocks,
    EventSeconds,
    Mask,
    Screened,
    fit_event,
    fold,
    judge,
    screen,
)
from cloud_coordinator.fleet.learning import Evidence, learn, pace
from cloud_coordinator.fleet.storage_fit import round_trip_efficiency, wear_jpy_per_kwh
from cloud_coordinator.services.baselines import CommittedBaselines
from cloud_coordinator.services.learning_ports import SentSignals, SiteRows
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.measurement import Quality
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

LEAD_S: Final = 30
"""Seconds before the award that are read, so that its first step can be timed."""
SUM_PART: Final = 0.1
"""Of the greatest call: how far the resources' sum may be from the meter."""
SUM_W_MIN: Final = 300.0
"""What loads that nobody reports may change by in any case, W."""
DISPUTED_PART: Final = 0.2
"""A minute with more disputed seconds proves nothing of a resource."""
DISPUTED_MOST: Final = 0.5
"""Where more of an event is disputed, nothing of the site's resources is believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The seconds of an award on a grid that begins ``LEAD_S`` before it."""

    start_s: int
    end_s: int

    @property
    def seconds(self) -> IntArray:
        """Unix seconds of the grid, shape (t,)."""
        return np.arange(self.start_s - LEAD_S, self.end_s, dtype=np.int64)


def span_of(interval: Interval) -> Span:
    """Seconds of an award's interval."""
    return Span(start_s=int(interval.start.timestamp()), end_s=int(interval.end.timestamp()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rows of one batch, with what was known and what was learned.

    Attributes
    ----------
    sites : tuple of SiteId
        Of each row.
    before, after : Characteristics
        Known before, and with this event.
    screened : Screened
        Their seconds.
    """

    sites: tuple[SiteId, ...]
    before: Characteristics
    after: Characteristics
    screened: Screened


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Some sites of an award.

    Attributes
    ----------
    commitments : sequence of Commitment
        One per site.
    rows : sequence of SiteRows
        What the store holds of them; a site may be missing.
    signals : SentSignals
        Of the award.
    span : Span
        Its seconds.
    """

    commitments: Sequence[Commitment]
    rows: Sequence[SiteRows]
    signals: SentSignals
    span: Span


def site_group(question: Question, before: Characteristics) -> tuple[Group, Blocks]:
    """Judge sites at their meters.

    Parameters
    ----------
    question : Question
        The sites.
    before : Characteristics
        One row per commitment.
    """
    screened = screen(_site_seconds(question))
    fit = fit_event(screened)
    paced = pace(before, delay_s=fit.delay_s, gain=fit.gain)
    blocks = judge(screened, delay_s=paced.delay_s, gain=paced.gain)
    kept, missed = _parts(blocks)
    nothing = np.full(len(kept), np.nan)
    after = learn(
        before,
        Evidence(
            delay_s=fit.delay_s,
            gain=fit.gain,
            kept=kept,
            missed=missed,
            efficiency=nothing,
            degradation_jpy_per_kwh=nothing,
            discarded_s=screened.discarded_s,
        ),
    )
    sites = tuple(SiteId(c.obligation.target) for c in question.commitments)
    return Group(sites=sites, before=before, after=after, screened=screened), blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A site's own judgement, for its resources.

    Attributes
    ----------
    rows : SiteRows
        Of the site.
    delivered_w, reach_w : FloatArray, float
        Shape (t,), at the meter above the baseline, W; and the greatest call.
    kept : Mask
        Shape (b,), minutes the site kept.
    """

    rows: SiteRows
    delivered_w: FloatArray
    reach_w: float
    kept: Mask


def judged_sites(question: Question, group: Group, blocks: Blocks) -> list[Judged]:
    """Pair each site that has rows with its judgement."""
    place = {site: at for at, site in enumerate(group.sites)}
    reach_w = group.screened.reach_w
    return [
        Judged(
            rows=rows,
            delivered_w=group.screened.seconds.delivered_w[place[rows.site_id]],
            reach_w=float(reach_w[place[rows.site_id]]),
            kept=blocks.kept[place[rows.site_id]],
        )
        for rows in question.rows
    ]


def answering(rows: SiteRows) -> list[int]:
    """Positions of the resources that have a power of their own."""
    return [
        at
        for at, one in enumerate(rows.layout.resources)
        if one.kind is not ResourceKind.METER
        and Capability.SUMS_OTHERS not in one.capabilities
        and one.power_w_max > one.power_w_min
    ]


def resource_group(
    judged: Sequence[Judged], span: Span, *, before: Characteristics, priors: Priors
) -> Group | None:
    """Judge the resources of some sites; None if they have none.

    Parameters
    ----------
    judged : sequence of Judged
        Their sites, judged.
    span : Span
        The award's seconds.
    before : Characteristics
        One row per resource of :func:`answering`, site by site.
    priors : Priors
        What batteries cost.
    """
    if not before.names:
        return None
    parts = [_ResourceSeconds.of(one, span) for one in judged if answering(one.rows)]
    resources = [part.resources[at] for part in parts for at in range(len(part.resources))]
    disputed = np.concatenate([part.disputed for part in parts])
    seconds = EventSeconds(
        called_w=np.concatenate([part.setpoint_w for part in parts]),
        delivered_w=np.concatenate([part.power_w for part in parts]),
        good=np.concatenate([part.good for part in parts]),
        power_w_min=np.array([one.power_w_min for one in resources]),
        power_w_max=np.array([one.power_w_max for one in resources]),
        tolerance_w=np.zeros(len(resources)),
    )
    screened = screen(seconds, disputed)
    fit = fit_event(screened)
    paced = pace(before, delay_s=fit.delay_s, gain=fit.gain)
    blocks = judge(screened, delay_s=paced.delay_s, gain=paced.gain)
    kept, missed = _parts(_vouched(blocks, disputed, np.concatenate([p.vouched for p in parts])))
    soc = np.where(screened.usable, np.concatenate([part.soc for part in parts]), np.nan)
    evidence = Evidence(
        delay_s=fit.delay_s,
        gain=fit.gain,
        kept=kept,
        missed=missed,
        efficiency=_efficiencies(resources, screened, soc=soc, before=before),
        degradation_jpy_per_kwh=_wear(resources, soc, priors),
        discarded_s=screened.discarded_s,
    )
    return Group(
        sites=tuple(one.site_id for one in resources),
        before=before,
        after=learn(before, evidence),
        screened=screened,
    )


def _site_seconds(question: Question) -> EventSeconds:
    """Lay out calls by our own signals, and deliveries above the committed baselines."""
    span, commitments = question.span, question.commitments
    grid = span.seconds
    rows = {one.site_id: one for one in question.rows}
    table = curve_table([c.curve for c in commitments])
    baselines = CommittedBaselines(commitments)
    called_w = np.zeros((len(commitments), len(grid)))
    force = np.searchsorted(question.signals.sent_s, grid, side="right") - 1
    force = np.where(grid >= span.start_s, force, -1)
    for signal in np.unique(force[force >= 0]).tolist():
        multiplier = float(question.signals.multiplier[signal])
        called_w[:, force == signal] = shares(table, multiplier)[:, None]
    delivered_w = np.full(called_w.shape, np.nan)
    good = np.zeros(called_w.shape, dtype=np.bool_)
    room_w = np.abs(table.power_w).max(axis=1, initial=0.0)
    for at, commitment in enumerate(commitments):
        one = rows.get(SiteId(commitment.obligation.target))
        if one is None:
            continue
        place, inside = _places(one, span)
        baseline_w = baselines.at(np.full(len(place), at, dtype=np.int64), one.second[inside])
        delivered_w[at, place] = one.meter_w[inside] - baseline_w
        good[at, place] = one.quality[inside] == Quality.GOOD
        own = [one.layout.resources[i] for i in answering(one)]
        room_w[at] = max(room_w[at], sum(r.power_w_max - r.power_w_min for r in own))
    return EventSeconds(
        called_w=called_w,
        delivered_w=delivered_w,
        good=good,
        power_w_min=-room_w,
        power_w_max=room_w,
        tolerance_w=np.array([c.obligation.tolerance_w for c in commitments]),
    )


def _places(rows: SiteRows, span: Span) -> tuple[IntArray, Mask]:
    """Where rows are on the grid, and which of them are on it."""
    place = rows.second - (span.start_s - LEAD_S)
    inside = (place >= 0) & (rows.second < span.end_s)
    return place[inside], inside


@dataclass(frozen=True, slots=True, kw_only=True)
class _ResourceSeconds:
    """Resources of one site on the grid, shape (m, t)."""

    resources: tuple[Resource, ...]
    setpoint_w: FloatArray
    power_w: FloatArray
    soc: FloatArray
    good: Mask
    disputed: Mask
    vouched: Mask

    @classmethod
    def of(cls, judged: Judged, span: Span) -> "_ResourceSeconds":
        """Lay a site's rows on the grid."""
        rows = judged.rows
        own = answering(rows)
        place, inside = _places(rows, span)
        shape = (len(own), len(span.seconds))

        def laid(values: FloatArray) -> FloatArray:
            grid = np.full(shape, np.nan)
            grid[:, place] = values[inside][:, own].T
            return grid

        good = np.zeros(shape, dtype=np.bool_)
        good[:, place] = (rows.resource_quality[inside][:, own] == Quality.GOOD).T
        power_w = laid(rows.power_w)
        disputed = _disputed(power_w.sum(axis=0), judged)
        return cls(
            resources=tuple(rows.layout.resources[at] for at in own),
            setpoint_w=laid(rows.setpoint_w),
            power_w=power_w,
            soc=laid(rows.soc),
            good=good,
            disputed=np.broadcast_to(disputed, shape),
            vouched=np.broadcast_to(judged.kept, (len(own), len(judged.kept))),
        )


def _disputed(sum_w: FloatArray, judged: Judged) -> Mask:
    """Seconds in which the resources' sum does not move with the meter, shape (t,)."""
    rest_w = judged.delivered_w - sum_w
    known = np.isfinite(rest_w)
    if not known.any():
        return np.zeros(len(rest_w), dtype=np.bool_)
    allowed_w = max(SUM_PART * judged.reach_w, SUM_W_MIN)
    off_w = np.abs(rest_w - np.median(rest_w[known]))
    disputed = known & (np.where(known, off_w, 0.0) > allowed_w)
    if disputed.sum() > DISPUTED_MOST * known.sum():
        return np.ones(len(rest_w), dtype=np.bool_)
    return disputed


def _vouched(blocks: Blocks, disputed: Mask, vouched: Mask) -> Blocks:
    """Leave out what is disputed, and what only the site itself says was kept."""
    unclear = fold(disputed) > DISPUTED_PART * min(BLOCK_S, disputed.shape[1])
    judged = blocks.judged & ~unclear & ~(blocks.kept & ~vouched)
    return replace(blocks, judged=judged, kept=blocks.kept & judged)


def _parts(blocks: Blocks) -> tuple[FloatArray, FloatArray]:
    """Parts of the judged minutes that were kept and missed, shape (n,)."""
    judged = blocks.judged.sum(axis=1)
    kept = (blocks.kept & blocks.judged).sum(axis=1) / np.maximum(judged, 1)
    return np.where(judged > 0, kept, 0.0), np.where(judged > 0, 1.0 - kept, 0.0)


def _efficiencies(
    resources: Sequence[Resource], screened: Screened, *, soc: FloatArray, before: Characteristics
) -> FloatArray:
    power_w = np.where(screened.usable, screened.seconds.delivered_w, np.nan)
    found = np.full(len(resources), np.nan)
    for at, one in enumerate(resources):
        if one.energy_wh_capacity > 0.0 and np.isfinite(before.efficiency[at]):
            shown = round_trip_efficiency(power_w[at], soc[at], capacity_wh=one.energy_wh_capacity)
            found[at] = np.nan if shown is None else shown
    return found


def _wear(resources: Sequence[Resource], soc: FloatArray, priors: Priors) -> FloatArray:
    found = np.full(len(resources), np.nan)
    for at, one in enumerate(resources):
        wear = priors.batteries.get(one.kind.value)
        shown = None if wear is None else wear_jpy_per_kwh(soc[at], wear)
        found[at] = np.nan if shown is None else shown
    return found
