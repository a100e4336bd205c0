"""Turns awards, commands, deliveries and statements into what the API says; pure."""

from typing import Final

import numpy as np

from cloud_coordinator.services.awarding import AwardRequest
from cloud_coordinator.services.commands import Taken
from cloud_coordinator.services.queries import DeliveryView
from cloud_coordinator.services.records import AssuredRecord, AwardRecord, TsoCommand
from cloud_coordinator.settlement.records import SlotResult, Statement
from cloud_coordinator.web.award_models import (
    AllocationState,
    AssuredState,
    AwardBody,
    ChildState,
    CommandState,
    CurveState,
    DeliverySeconds,
    ObligationDetail,
    ObligationSummary,
    SecondsRun,
    SiteDelivery,
    SlotState,
    StatementSite,
    StatementState,
)
from cloud_coordinator.web.problems import FieldError, Kind, ProblemError
from cloud_coordinator.web.views import number
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.identifiers import ObligationId, SiteId, ZoneId
from protocols.vocabulary.intervals import Interval, utc_from_seconds
from protocols.vocabulary.obligation import ObligationState

CELLS_MAX: Final = 100_000
"""Site-seconds in one page of a delivery."""


def award_request(body: AwardBody) -> AwardRequest:
    """Read a posted award.

    Raises
    ------
    ProblemError
        If it ends before it starts.
    """
    if body.end <= body.start:
        cause = f"{body.end.isoformat()} is not after start {body.start.isoformat()}"
        raise ProblemError(Kind.REJECTED, f"end: {cause}", [FieldError(field="end", cause=cause)])
    return AwardRequest(
        obligation_id=ObligationId(body.obligation_id),
        service=body.service,
        zone=ZoneId(body.zone),
        interval=Interval(start=body.start, end=body.end),
        power_w=body.power_w,
        tolerance_w=body.tolerance_w,
        price_jpy_per_kw_30min=body.price_jpy_per_kw_30min,
    )


def obligation_summary(award: AwardRecord) -> ObligationSummary:
    """Say what an award is."""
    return ObligationSummary.model_validate(_award_fields(award))


def obligation_detail(award: AwardRecord) -> ObligationDetail:
    """Say what an award is, with its sites' parts."""
    limits = {} if award.allocation is None else award.allocation.limits
    sites = [
        _child(commitment, limits.get(SiteId(commitment.obligation.target)))
        for commitment in award.commitments
    ]
    return ObligationDetail.model_validate({**_award_fields(award), "sites": sites})


def _award_fields(award: AwardRecord) -> dict[str, object]:
    obligation, states = award.obligation, [c.obligation.state for c in award.commitments]
    return {
        "obligation_id": obligation.obligation_id,
        "service": obligation.service.value,
        "zone": award.zone,
        "start": obligation.interval.start,
        "end": obligation.interval.end,
        "state": obligation.state.value,
        "power_w": award.award_w,
        "tolerance_w": obligation.tolerance_w,
        "price_jpy_per_kw_30min": award.terms.price_jpy_per_kw_30min,
        "rule_set_id": award.terms.rule_set_id,
        "received_at": award.received_at,
        "sites_committed": len(states),
        "sites_accepted": states.count(ObligationState.ACCEPTED),
        "sites_refused": states.count(ObligationState.REFUSED),
        "allocation": _allocation(award),
    }


def _allocation(award: AwardRecord) -> AllocationState | None:
    found = award.allocation
    if found is None:
        return None
    return AllocationState(
        multiplier_up=number(found.multiplier_up),
        multiplier_down=number(found.multiplier_down),
        shortfall_up_w=found.shortfall_up_w,
        shortfall_down_w=found.shortfall_down_w,
        duality_gap_jpy_per_h=found.duality_gap_jpy_per_h,
        assured=None if found.assured is None else _assured(found.assured),
    )


def _assured(found: AssuredRecord) -> AssuredState:
    return AssuredState(
        kept=found.is_kept,
        probability_wanted=found.wanted,
        probability_up=found.probability_up,
        probability_down=found.probability_down,
        margin_up_w=found.margin_up_w,
        margin_down_w=found.margin_down_w,
        cost_up_jpy_per_h=found.cost_up_jpy_per_h,
        cost_down_jpy_per_h=found.cost_down_jpy_per_h,
    )


def _child(commitment: Commitment, limited_by: str | None) -> ChildState:
    obligation, curve = commitment.obligation, commitment.curve
    return ChildState.model_validate(
        {
            "site_id": obligation.target,
            "state": obligation.state.value,
            "power_w": float(obligation.power_w.max()),
            "tolerance_w": obligation.tolerance_w,
            "limited_by": limited_by,
            "curve": CurveState(
                multipliers=curve.multipliers.tolist(), power_w=curve.power_w.tolist()
            ),
        }
    )


def command_state(command: TsoCommand, taken: Taken) -> CommandState:
    """Say what became of a command."""
    return CommandState(
        obligation_id=command.obligation_id,
        issued_at=command.issued_at,
        power_w=command.power_w,
        clipped_w=command.clipped_w,
        received_at=command.received_at,
        source=command.source,
        outcome=taken.value,
    )


def delivery_seconds(view: DeliveryView, *, first_second: int | None) -> DeliverySeconds:
    """Say one page of a delivery.

    Parameters
    ----------
    view : DeliveryView
        All of it.
    first_second : int or None
        Unix second at which the page begins; None for the start.
    """
    award, series = view.award, view.series
    begin = 0
    if first_second is not None:
        begin = int(np.searchsorted(series.second, first_second))
    end = min(begin + max(1, CELLS_MAX // max(1, len(view.sites))), len(series.second))
    page = slice(begin, end)
    delivered, share = site_tables(view)
    terms = {SiteId(c.obligation.target): c.obligation for c in award.commitments}
    return DeliverySeconds.model_validate(
        {
            "obligation_id": award.obligation.obligation_id,
            "service": award.obligation.service.value,
            "zone": award.zone,
            "start": award.obligation.interval.start,
            "end": award.obligation.interval.end,
            "award_w": award.award_w,
            "tolerance_w": award.obligation.tolerance_w,
            "second": series.second[page].tolist(),
            "promised_w": series.promised_w[page].tolist(),
            "delivered_w": series.delivered_w[page].tolist(),
            "sites_present": series.sites_present[page].tolist(),
            "complete": series.complete[page].tolist(),
            "sites": [
                SiteDelivery(
                    site_id=site,
                    award_w=float(terms[site].power_w.max()),
                    tolerance_w=terms[site].tolerance_w,
                    delivered_w=_numbers(delivered[row, page]),
                    share_w=_numbers(share[row, page]),
                )
                for row, site in enumerate(view.sites)
            ],
            "next_cursor": str(int(series.second[end])) if end < len(series.second) else None,
        }
    )


def site_tables(view: DeliveryView) -> tuple[FloatArray, FloatArray]:
    """Spread the rows over sites and seconds.

    Returns
    -------
    tuple of FloatArray
        Delivered power and share, W, shape (sites, seconds); NaN where there is no row.
    """
    seconds = len(view.series.second)
    delivered = np.full((len(view.sites), seconds), np.nan)
    share = np.full((len(view.sites), seconds), np.nan)
    if seconds:
        column = view.rows.second - int(view.series.second[0])
        inside = (column >= 0) & (column < seconds)
        row, column = view.rows.site_index[inside], column[inside]
        delivered[row, column] = view.rows.delivered_w[inside]
        share[row, column] = view.share_w[inside]
    return delivered, share


def _numbers(values: FloatArray) -> list[float | None]:
    return [
        value if known else None
        for value, known in zip(values.tolist(), np.isfinite(values), strict=True)
    ]


def _slot_state(result: SlotResult) -> SlotState:
    return SlotState(
        day=result.slot.day,
        slot=result.slot.number,
        seconds=result.seconds,
        award_kw=result.charge.award_kw,
        available_kw=result.charge.available_kw,
        points=result.points,
        points_inside=result.points_inside,
        performance=result.performance.value,
        abnormal=result.abnormal,
        fee_jpy=result.fee_jpy,
        penalty_availability_jpy=result.charge.shortfall_jpy,
        penalty_performance_jpy=result.charge.performance_jpy,
    )


def statement_state(statement: Statement) -> StatementState:
    """Say a statement."""
    return StatementState.model_validate(
        {
            "statement_id": statement.statement_id,
            "obligation_id": statement.obligation_id,
            "zone": statement.zone,
            "service": statement.service.value,
            "start": statement.interval.start,
            "end": statement.interval.end,
            "rule_set_id": statement.rule_set_id,
            "rule_version": statement.rule_version,
            "final_at": statement.final_at,
            "award_w": statement.award_w,
            "tolerance_w": statement.tolerance_w,
            "seconds_expected": statement.seconds_expected,
            "seconds_complete": statement.seconds_complete,
            "missing": [
                SecondsRun(start=utc_from_seconds(first), end=utc_from_seconds(end))
                for first, end in statement.missing
            ],
            "promised_wh": statement.promised_wh,
            "delivered_wh": statement.delivered_wh,
            "within_tolerance_ratio": statement.within_tolerance_ratio,
            "within_band_ratio": statement.within_band_ratio,
            "band_kept": statement.band_kept,
            "available": statement.available,
            "error_rms_w": statement.error_rms_w,
            "error_median_w": statement.error_median_w,
            "error_worst_w": statement.error_worst_w,
            "capacity_value_jpy": statement.capacity_value_jpy,
            "penalty_availability_jpy": statement.penalty_availability_jpy,
            "penalty_performance_jpy": statement.penalty_performance_jpy,
            "amount_yen": statement.amount_yen,
            "slots": [_slot_state(slot) for slot in statement.slots],
            "sites": [
                StatementSite(
                    site_id=site.site_id,
                    award_w=site.award_w,
                    energy_wh=site.energy_wh,
                    seconds_present=site.seconds_present,
                    seconds_missing=site.seconds_missing,
                )
                for site in statement.sites
            ],
        }
    )
