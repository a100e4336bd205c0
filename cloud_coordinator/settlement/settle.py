"""Settlement: promised against delivered seconds become a statement.

Pure and idempotent. A second that is missing is stated, counts as outside, and is never
filled. Called by ``services.queries``.
"""

import hashlib
from dataclasses import fields, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

import numpy as np

from cloud_coordinator.market.bands import command_at, ramp_band
from cloud_coordinator.market.rules import ProductRule
from cloud_coordinator.settlement.records import (
    AwardTermsOf,
    DeliveredRows,
    DeliverySeries,
    Promise,
    SiteShare,
    Statement,
)
from protocols.vocabulary.arrays import FloatArray

HALF_HOUR_S: Final = 1800
TOUCH_W: Final = 1e-6
"""A power this close to a bound is inside it."""


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
    second = _seconds(terms)
    table = _table(terms, rows)
    present = np.isfinite(table)
    return DeliverySeries(
        second=second,
        promised_w=command_at(second.astype(np.float64), promise.steps),
        delivered_w=np.where(present, table, 0.0).sum(axis=0),
        sites_present=present.sum(axis=0),
        complete=np.asarray(present.all(axis=0) & bool(terms.sites), dtype=np.bool_),
    )


def settle(
    terms: AwardTermsOf, promise: Promise, rows: DeliveredRows, *, rule: ProductRule
) -> Statement:
    """Make the statement of an award.

    Parameters
    ----------
    terms, promise, rows
        As in :func:`delivery_series`.
    rule : ProductRule
        The rule that judges it.

    Returns
    -------
    Statement
        The same for the same data, whatever the order of the rows.
    """
    series = delivery_series(terms, promise, rows)
    complete, expected = series.complete, len(series.second)
    error_w = series.delivered_w - series.promised_w
    inside = complete & (np.abs(error_w) <= terms.tolerance_w + TOUCH_W)
    band = ramp_band(series.second.astype(np.float64), promise.steps, rule, award_w=terms.award_w)
    in_band = int((complete & band.holds(series.delivered_w)).sum())
    sites = _site_shares(terms, rows)
    known = np.abs(error_w[complete])
    statement = Statement(
        statement_id="",
        obligation_id=terms.obligation_id,
        zone=terms.zone,
        service=terms.service,
        interval=terms.interval,
        rule_set_id=rule.rule_set_id,
        award_w=terms.award_w,
        tolerance_w=terms.tolerance_w,
        seconds_expected=expected,
        seconds_complete=int(complete.sum()),
        missing=_runs(series),
        promised_wh=_watt_hours(series.promised_w),
        delivered_wh=sum(site.energy_wh for site in sites),
        within_tolerance_ratio=int(inside.sum()) / expected,
        within_band_ratio=in_band / expected,
        band_kept=Decimal(in_band) >= rule.tolerance.pass_ratio * expected,
        error_rms_w=float(np.sqrt(np.mean(known**2))) if len(known) else None,
        error_median_w=float(np.median(known)) if len(known) else None,
        error_worst_w=float(known.max()) if len(known) else None,
        capacity_value_jpy=_capacity_value(terms),
        sites=sites,
    )
    return replace(statement, statement_id=_digest(statement))


def _seconds(terms: AwardTermsOf) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    first = int(terms.interval.start.timestamp())
    return np.arange(first, first + int(terms.interval.duration_s), dtype=np.int64)


def _table(terms: AwardTermsOf, rows: DeliveredRows) -> FloatArray:
    """Delivered power as (sites, seconds), NaN where there is no row."""
    first, length = int(terms.interval.start.timestamp()), int(terms.interval.duration_s)
    table = np.full((len(terms.sites), length), np.nan)
    offset = rows.second - first
    inside = (offset >= 0) & (offset < length)
    table[rows.site_index[inside], offset[inside]] = rows.delivered_w[inside]
    return table


def _site_shares(terms: AwardTermsOf, rows: DeliveredRows) -> tuple[SiteShare, ...]:
    table = _table(terms, rows)
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


def _capacity_value(terms: AwardTermsOf) -> Decimal:
    """Price x kW x half hours."""
    award_kw = Decimal(repr(terms.award_w)) / 1000
    seconds = Decimal(int(terms.interval.duration_s))
    return terms.price_jpy_per_kw_30min * award_kw * seconds / HALF_HOUR_S


def _digest(statement: Statement) -> str:
    content = [(field.name, repr(getattr(statement, field.name))) for field in fields(statement)]
    return hashlib.sha256(repr(content).encode()).hexdigest()
