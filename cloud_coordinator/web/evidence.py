"""Handlers of evidence: the certificate of an award, the share of a site in one second."""

from functools import partial

from aiohttp import web
from pydantic import ValidationError

from cloud_coordinator.services.explaining import Explanation
from cloud_coordinator.services.records import DispatchRecord, Way
from cloud_coordinator.web.evidence_models import (
    CertificateDocument,
    CertificateQuery,
    ExplainedCommand,
    ExplainedSegment,
    ExplainedSignal,
    ExplanationQuery,
    ExplanationState,
)
from cloud_coordinator.web.routing import Call, NoFields, answer
from protocols.vocabulary.errors import StoreError
from protocols.vocabulary.identifiers import ObligationId, SiteId


async def show_certificate(call: Call[CertificateQuery, NoFields]) -> web.StreamResponse:
    """Show the certificate of an award, as it was made."""
    read = partial(
        call.context.services.queries.certificate,
        ObligationId(call.path("obligation_id")),
        Way(call.query.direction),
    )
    record = await call.context.heavy.run(read)
    try:
        document = CertificateDocument.model_validate_json(record.body)
    except ValidationError as error:
        message = f"a stored certificate of {record.obligation_id!r} cannot be read"
        raise StoreError(message) from error
    return answer(document)


async def show_explanation(call: Call[ExplanationQuery, NoFields]) -> web.StreamResponse:
    """Show how a site's share of one second came about."""
    wanted = call.query.obligation_id
    read = partial(
        call.context.services.queries.explanation,
        SiteId(call.path("site_id")),
        call.query.at,
        None if wanted is None else ObligationId(wanted),
    )
    return answer(_state(await call.context.heavy.run(read)))


def _state(found: Explanation) -> ExplanationState:
    curve, segment, command = found.commitment.curve, found.segment, found.command
    return ExplanationState.model_validate(
        {
            "site_id": found.commitment.obligation.target,
            "obligation_id": found.award.obligation.obligation_id,
            "service": found.award.obligation.service.value,
            "at": found.at,
            "command": command
            and ExplainedCommand(
                issued_at=command.issued_at, power_w=command.power_w, clipped_w=command.clipped_w
            ),
            "signal": found.dispatch and _signal(found.dispatch, echoed=found.is_echoed),
            "curve_version": curve.version,
            "multipliers": curve.multipliers.tolist(),
            "power_w": curve.power_w.tolist(),
            "segment": segment
            and ExplainedSegment(
                multiplier_low=segment.multiplier_low,
                power_w_low=segment.power_w_low,
                multiplier_high=segment.multiplier_high,
                power_w_high=segment.power_w_high,
            ),
            "curve_w": found.curve_w,
            "share_w": found.share_w,
            "told_share_w": found.observed.share_w,
            "delivered_w": found.observed.delivered_w,
            "delivered_next_w": found.observed.delivered_next_w,
        }
    )


def _signal(record: DispatchRecord, *, echoed: bool) -> ExplainedSignal:
    return ExplainedSignal(
        signal_id=record.signal_id,
        epoch=record.epoch,
        sent_at=record.sent_at,
        multiplier=record.multiplier,
        command_w=record.command_w,
        correction_w=record.correction_w,
        held_w=record.held_w,
        shortfall_w=record.shortfall_w,
        following=record.following,
        held=record.held,
        echoed=echoed,
    )
