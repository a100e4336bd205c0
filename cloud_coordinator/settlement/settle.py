"""Settlement: promised against delivered seconds become a statement.

Pure and idempotent. A second that is missing is stated, counts as outside, and is never
filled. Called by ``services.queries``.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import fields, replace
from decimal import ROUND_HALF_UP, Decimal

import numpy as np

from cloud_coordinator.market.bands import TOUCH_W, command_at
from cloud_coordinator.settlement.assessing import Ruling, assess
from cloud_coordinator.settlement.money import whole_yen
from cloud_coordinator.settlement.records import (
    AwardTermsOf,
    DeliveredRows,
    DeliverySeries,
    Performance,
    Promise,
    SiteShare,
    SlotResult,
    Statement,
)
from protocols.vocabulary.arrays import FloatArray, IntArray


def delivery_series(terms: AwardTermsOf, promise: Promise, rows: DeliveredRows) -> DeliverySeries:
    """Add the sites up, second by second.

    Parameters
    ----------
    terms : AwardTermsOf
        The award.
    promise : Promise
        Its commands.
    rows : DeliveredRows
        What the sites' meters say; rows outside the award are ignored.

    Returns
    -------
    DeliverySeries
        One entry for every second of the award.
    """
    return _series(terms, promise, _table(terms, rows))


def _series(terms: AwardTermsOf, promise: Promise, table: FloatArray) -> DeliverySeries:
    second = _seconds(terms)
    delivered_w = np.zeros(len(second))
    present = np.zeros(len(second), dtype=np.int64)
    for row in table:
        known = np.isfinite(row)
        present += known
        delivered_w += np.where(known, row, 0.0)
    return DeliverySeries(
        second=second,
        promised_w=_promised(terms, promise, second),
        delivered_w=delivered_w,
        sites_present=present,
        complete=np.asarray((present == len(table)) & bool(terms.sites), dtype=np.bool_),
    )


def _promised(terms: AwardTermsOf, promise: Promise, second: IntArray) -> FloatArray:
    """Power that was owed: what the law of primary reserve asks, or the command in force."""
    if terms.primary is None:
        return command_at(second.astype(np.float64), promise.steps)
    owing = terms.primary.owing
    nominal_hz = owing.droop.nominal_hz
    hertz = np.where(
        np.isfinite(terms.primary.frequency_hz), terms.primary.frequency_hz, nominal_hz
    )
    return np.array([owing.theory_w(one) for one in hertz.tolist()], dtype=np.float64)


def settle(
    terms: AwardTermsOf, promise: Promise, rows: DeliveredRows, *, ruling: Ruling
) -> Statement:
    """Make the statement of an award.

    Parameters
    ----------
    terms, promise, rows
        As in :func:`delivery_series`.
    ruling : Ruling
        The rules that judge it.

    Returns
    -------
    Statement
        The same for the same data, whatever the order of the rows.
    """
    table = _table(terms, rows)
    series = _series(terms, promise, table)
    complete, expected = series.complete, len(series.second)
    error_w = series.delivered_w - series.promised_w
    inside = complete & (np.abs(error_w) <= terms.tolerance_w + TOUCH_W)
    sites = _site_shares(terms, table)
    known = np.abs(error_w[complete])
    slots = assess(terms, promise, series, ruling=ruling)
    value, shortfall, performance = _sums(slots)
    statement = Statement(
        statement_id="",
        obligation_id=terms.obligation_id,
        zone=terms.zone,
        service=terms.service,
        interval=terms.interval,
        rule_set_id=ruling.rule.rule_set_id,
        rule_version=ruling.rule.version,
        final_at=terms.final_at,
        award_w=terms.award_w,
        tolerance_w=terms.tolerance_w,
        seconds_expected=expected,
        seconds_complete=int(complete.sum()),
        missing=_runs(series),
        promised_wh=_watt_hours(series.promised_w),
        delivered_wh=sum(site.energy_wh for site in sites),
        within_tolerance_ratio=int(inside.sum()) / expected,
        within_band_ratio=_ratio(slots),
        band_kept=all(slot.performance is not Performance.FAILED for slot in slots),
        available=all(slot.charge.available_kw >= slot.charge.award_kw for slot in slots),
        error_rms_w=float(np.sqrt(np.mean(known**2))) if len(known) else None,
        error_median_w=float(np.median(known)) if len(known) else None,
        error_worst_w=float(known.max()) if len(known) else None,
        capacity_value_jpy=value,
        penalty_availability_jpy=shortfall,
        penalty_performance_jpy=performance,
        amount_yen=whole_yen(value - shortfall - performance),
        slots=slots,
        sites=sites,
    )
    return replace(statement, statement_id=_digest(statement))


def _sums(slots: Sequence[SlotResult]) -> tuple[Decimal, Decimal, Decimal]:
    """Fees and both kinds of penalty over all slots, exact."""
    nothing = Decimal(0)
    return (
        sum((slot.fee_jpy for slot in slots), nothing),
        sum((slot.charge.shortfall_jpy for slot in slots), nothing),
        sum((slot.charge.performance_jpy for slot in slots), nothing),
    )


def _ratio(slots: Sequence[SlotResult]) -> float:
    points = sum(slot.points for slot in slots)
    return sum(slot.points_inside for slot in slots) / points if points else 0.0


def _seconds(terms: AwardTermsOf) -> IntArray:
    first = int(terms.interval.start.timestamp())
    return np.arange(first, first + int(terms.interval.duration_s), dtype=np.int64)


def _table(terms: AwardTermsOf, rows: DeliveredRows) -> FloatArray:
    """Delivered power as (sites, seconds), NaN where there is no row."""
    first, length = int(terms.interval.start.timestamp()), int(terms.interval.duration_s)
    offset = rows.second - first
    inside = (offset >= 0) & (offset < length)
    place, delivered_w = rows.site_index * length + offset, rows.delivered_w
    if not inside.all():
        place, delivered_w = place[inside], delivered_w[inside]
    table = np.full(len(terms.sites) * length, np.nan)
    table[place] = delivered_w
    return table.reshape(len(terms.sites), length)


def _site_shares(terms: AwardTermsOf, table: FloatArray) -> tuple[SiteShare, ...]:
    shares = []
    for row, (site_id, award_w) in enumerate(zip(terms.sites, terms.child_w, strict=True)):
        known = table[row][np.isfinite(table[row])]
        shares.append(
            SiteShare(
                site_id=site_id,
                award_w=award_w,
                energy_wh=_watt_hours(known),
                seconds_present=len(known),
                seconds_missing=table.shape[1] - len(known),
            )
        )
    return tuple(sorted(shares, key=lambda share: share.site_id))


def _watt_hours(power_w: FloatArray) -> int:
    """Energy of one-second powers in whole Wh, half up (away from zero)."""
    watt_seconds = Decimal(repr(float(np.sum(power_w))))
    return int((watt_seconds / 3600).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def _runs(series: DeliverySeries) -> tuple[tuple[int, int], ...]:
    """Half-open ranges of incomplete seconds."""
    edges = np.diff(np.concatenate([[0], (~series.complete).astype(np.int8), [0]]))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    first = int(series.second[0])
    return tuple((first + int(b), first + int(e)) for b, e in zip(begins, ends, strict=True))


def _digest(statement: Statement) -> str:
    content = [(field.name, repr(getattr(statement, field.name))) for field in fields(statement)]
    return hashlib.sha256(repr(content).encode()).hexdigest()
