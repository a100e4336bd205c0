"""Explaining: the share of a site in one second, recomputed from the record.

The chain from the command of the system operator to the power at the meter, link by link, so
that anybody can check it: every number is stored, and the share is computed again by the one
function of the vocabulary. Called by queries.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np

from cloud_coordinator.services.baselines import CommittedBaselines
from cloud_coordinator.services.errors import UnknownError
from cloud_coordinator.services.ports import (
    CertificateStore,
    DispatchStore,
    EventStore,
    HistoryReader,
    SiteStore,
)
from cloud_coordinator.services.records import AwardRecord, DispatchRecord, SiteSeconds, TsoCommand
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.identifiers import NO_SIGNAL, ObligationId, SignalId, SiteId
from protocols.vocabulary.intervals import Interval, step_index
from protocols.vocabulary.obligation import ObligationState
from protocols.vocabulary.offer import OfferCurve, share


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryStores:
    """The stores that are read."""

    sites: SiteStore
    events: EventStore
    history: HistoryReader
    certificates: CertificateStore
    dispatches: DispatchStore


class Called(Protocol):
    """What the operator called of an award."""

    def at(self, obligation_id: ObligationId, at: datetime) -> TsoCommand | None:
        """Return the command in force at a time, None before the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """The piece of a curve that a multiplier lies on; both ends alike outside the curve."""

    multiplier_low: float
    power_w_low: float
    multiplier_high: float
    power_w_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What the site said of the second; None where the store holds no row or no number.

    Attributes
    ----------
    signal_id : SignalId
        The signal that its row echoes; NO_SIGNAL if none, or without a row.
    share_w : float or None
        What it says it owed.
    delivered_w : float or None
        Its meter less the committed baseline at the second's beginning.
    delivered_next_w : float or None
        The same a second later, when a prompt site has followed.
    """

    signal_id: SignalId
    share_w: float | None
    delivered_w: float | None
    delivered_next_w: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The chain from command to delivery of one site in one second. Powers in W.

    Attributes
    ----------
    award : AwardRecord
        The award.
    commitment : Commitment
        The site's part, with the committed curve.
    at : datetime
        The second's beginning.
    command : TsoCommand or None
        In force then.
    dispatch : DispatchRecord or None
        The signal the site echoed, or, without an echo, the latest sent by then.
    is_echoed : bool
        Whether the site's row names that signal.
    segment : Segment or None
        Where the multiplier lies on the curve; None without a signal.
    curve_w : float
        Power of the curve there; 0 without a signal.
    share_w : float
        The same inside the committed envelope: what the site owed.
    observed : Observed
        What it said and did.
    """

    award: AwardRecord
    commitment: Commitment
    at: datetime
    command: TsoCommand | None
    dispatch: DispatchRecord | None
    is_echoed: bool
    segment: Segment | None
    curve_w: float
    share_w: float
    observed: Observed


def explain(  # noqa: PLR0913  each is a part of the question
    award: AwardRecord,
    called: Called,
    stores: QueryStores,
    *,
    site_id: SiteId,
    at: datetime,
    others: Sequence[AwardRecord] = (),
) -> Explanation:
    """Recompute the share of a site in one second.

    Parameters
    ----------
    award : AwardRecord
        One that binds the site at that time (:func:`binding`).
    called : Called
        Its commands.
    stores : QueryStores
        The record.
    site_id : SiteId
        Whose share.
    at : datetime
        The second's beginning, aware UTC, whole.
    others : sequence of AwardRecord
        Of the same zone and time: what the site owed of them is taken out of what it said and did.
    """
    commitment = _part(award, site_id)
    assert commitment is not None, "the award binds the site"
    obligation_id = award.obligation.obligation_id
    observed = _observed(stores.history, commitment, at)
    observed = _less(observed, _owed_w(others, stores, site_id=site_id, at=at, observed=observed))
    dispatch = None
    if observed.signal_id != NO_SIGNAL:
        dispatch = stores.dispatches.dispatch_of(obligation_id, observed.signal_id)
    is_echoed = dispatch is not None
    if dispatch is None:
        dispatch = stores.dispatches.dispatch_at(obligation_id, at)
    curve_w, segment = 0.0, None
    if dispatch is not None:
        curve_w = share(commitment.curve, {dispatch.service: dispatch.multiplier})
        segment = segment_of(commitment.curve, dispatch.multiplier)
    return Explanation(
        award=award,
        commitment=commitment,
        at=at,
        command=called.at(obligation_id, at),
        dispatch=dispatch,
        is_echoed=is_echoed,
        segment=segment,
        curve_w=curve_w,
        share_w=_inside_envelope(commitment, at, curve_w),
        observed=observed,
    )


def _part(award: AwardRecord, site_id: SiteId) -> Commitment | None:
    return next((c for c in award.commitments if c.obligation.target == site_id), None)


def _owed_w(
    others: Sequence[AwardRecord],
    stores: QueryStores,
    *,
    site_id: SiteId,
    at: datetime,
    observed: Observed,
) -> float:
    """Add up what a site owed of other awards by the signal its row echoes, W."""
    owed_w = 0.0
    for other in others:
        part, key = _part(other, site_id), other.obligation.obligation_id
        if part is None or not other.obligation.interval.contains(at):
            continue
        record = stores.dispatches.dispatch_of(key, observed.signal_id)
        if record is not None:
            curve_w = share(part.curve, {record.service: record.multiplier})
            owed_w += _inside_envelope(part, at, curve_w)
    return owed_w


def _less(observed: Observed, owed_w: float) -> Observed:
    def less(value: float | None) -> float | None:
        return None if value is None else value - owed_w

    return replace(
        observed,
        share_w=less(observed.share_w),
        delivered_w=less(observed.delivered_w),
        delivered_next_w=less(observed.delivered_next_w),
    )


def binding(
    awards: Sequence[AwardRecord],
    site_id: SiteId,
    *,
    at: datetime,
    obligation_id: ObligationId | None,
) -> AwardRecord:
    """Find the award that binds a site at a time; of several, the first by id.

    Raises
    ------
    UnknownError
        If there is none.
    """
    for award in sorted(awards, key=lambda one: one.obligation.obligation_id):
        if obligation_id not in {None, award.obligation.obligation_id}:
            continue
        bound = any(
            c.obligation.target == site_id and c.obligation.state is not ObligationState.REFUSED
            for c in award.commitments
        )
        if bound and award.obligation.interval.contains(at):
            return award
    which = "no award" if obligation_id is None else f"obligation {obligation_id!r} does not"
    verb = "binds" if obligation_id is None else "bind"
    raise UnknownError(f"{which} {verb} site {site_id!r} at {at.isoformat()}")


def segment_of(curve: OfferCurve, multiplier: float) -> Segment:
    """Find the piece of a curve that a multiplier lies on."""
    upper = int(np.searchsorted(curve.multipliers, multiplier, side="right"))
    high = min(upper, len(curve.multipliers) - 1)
    low = high if upper == len(curve.multipliers) else max(upper - 1, 0)
    return Segment(
        multiplier_low=float(curve.multipliers[low]),
        power_w_low=float(curve.power_w[low]),
        multiplier_high=float(curve.multipliers[high]),
        power_w_high=float(curve.power_w[high]),
    )


def _observed(history: HistoryReader, commitment: Commitment, at: datetime) -> Observed:
    site_id, second = SiteId(commitment.obligation.target), int(at.timestamp())
    rows = history.site_seconds([site_id], Interval(start=at, end=at + timedelta(seconds=2)))
    baseline_w = CommittedBaselines([commitment]).at(
        np.zeros(len(rows.second), dtype=np.int64), rows.second
    )
    this, following = _row(rows, second), _row(rows, second + 1)
    delivered_w = rows.meter_w - baseline_w
    return Observed(
        signal_id=NO_SIGNAL if this is None else SignalId(int(rows.signal_id[this])),
        share_w=None if this is None else _number(rows.share_w[this]),
        delivered_w=None if this is None else _number(delivered_w[this]),
        delivered_next_w=None if following is None else _number(delivered_w[following]),
    )


def _row(rows: SiteSeconds, second: int) -> int | None:
    found = np.flatnonzero(rows.second == second)
    return int(found[0]) if len(found) else None


def _number(value: np.float64) -> float | None:
    return float(value) if np.isfinite(value) else None


def _inside_envelope(commitment: Commitment, at: datetime, power_w: float) -> float:
    """Clip a share to the committed envelope, as the site does."""
    envelope = commitment.envelope
    if not envelope.interval.contains(at):
        return power_w
    step = min(step_index(envelope.interval, envelope.step_s, at), len(envelope.power_w_min) - 1)
    return min(max(power_w, float(envelope.power_w_min[step])), float(envelope.power_w_max[step]))
