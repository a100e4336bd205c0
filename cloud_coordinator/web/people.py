"""Handlers of people in charge: alerts, emergency, override."""

from functools import partial
from typing import Final

from aiohttp import web

from cloud_coordinator.access.scope import OPEN, Allowed
from cloud_coordinator.web.access import OPERATOR_HEADER
from cloud_coordinator.web.people_models import (
    Acknowledgement,
    AlertList,
    AlertQuery,
    CheckBody,
    OverrideBody,
    OverrideState,
    ReasonBody,
    SiteBody,
    alert_item,
    emergency_state,
    situation_state,
)
from cloud_coordinator.web.problems import FieldError, Kind, ProblemError
from cloud_coordinator.web.routing import Call, NoFields, answer
from protocols.vocabulary.errors import AccessDeniedError
from protocols.vocabulary.identifiers import ResourceId, SiteId

NAME_MAX: Final = 64


def subject_of(request: web.Request, allowed: Allowed) -> str:
    """Return who calls: as authenticated; where nobody must log in, as the header says.

    Raises
    ------
    ProblemError
        If neither is there.
    """
    if allowed.subject != OPEN.subject:
        return allowed.subject
    name = request.headers.get(OPERATOR_HEADER, "").strip()
    if not name or len(name) > NAME_MAX or not name.isprintable():
        cause = f"name yourself, in at most {NAME_MAX} characters"
        raise ProblemError(
            Kind.REJECTED,
            f"{OPERATOR_HEADER}: {cause}",
            [FieldError(field=OPERATOR_HEADER, cause=cause)],
        )
    return name


def person_of(request: web.Request, allowed: Allowed) -> str:
    """Return the person who calls, where two persons decide.

    A session and a key of the same person are one person; a program is none.

    Raises
    ------
    AccessDeniedError
        If a program calls.
    ProblemError
        If nobody must log in and the header names nobody.
    """
    if allowed.subject == OPEN.subject:
        return subject_of(request, allowed)
    if not allowed.person:
        raise AccessDeniedError(
            f"{allowed.action}: {allowed.subject} is no person; log in, or use a person's key"
        )
    return allowed.person


async def list_alerts(call: Call[AlertQuery, NoFields]) -> web.StreamResponse:
    """List the alerts that stand, the worst first; or the record, newest first."""
    alerting, query = call.context.services.alerting, call.query
    if query.state == "standing":
        found = alerting.listed(standing=True, limit=query.limit)
    else:
        read = partial(alerting.listed, standing=False, limit=query.limit)
        found = await call.context.heavy.run(read)
    return answer(AlertList(items=[alert_item(one) for one in found]))


async def acknowledge_alert(call: Call[NoFields, Acknowledgement]) -> web.StreamResponse:
    """Note that a person has seen an alert."""
    by = subject_of(call.request, call.allowed)
    return answer(alert_item(call.context.services.alerting.acknowledge(call.body.alert_id, by=by)))


async def show_emergency(call: Call[NoFields, NoFields]) -> web.StreamResponse:
    """Show who is in charge."""
    return answer(emergency_state(call.context.services.emergency.view()))


async def show_situation(call: Call[NoFields, NoFields]) -> web.StreamResponse:
    """Report the situation."""
    return answer(situation_state(call.context.services.situation()))


async def ask_stop(call: Call[NoFields, ReasonBody]) -> web.StreamResponse:
    """Ask for a stop of the whole fleet."""
    services, by = call.context.services, person_of(call.request, call.allowed)
    view = services.emergency.ask_stop(by=by, reason=call.body.reason, now=services.now())
    return answer(emergency_state(view))


async def confirm_stop(call: Call[NoFields, NoFields]) -> web.StreamResponse:
    """Confirm it as a second person."""
    services, by = call.context.services, person_of(call.request, call.allowed)
    return answer(emergency_state(services.emergency.confirm_stop(by=by, now=services.now())))


async def hand_over(call: Call[NoFields, ReasonBody]) -> web.StreamResponse:
    """Hand control to a person."""
    services, by = call.context.services, subject_of(call.request, call.allowed)
    view = services.emergency.hand_over(by=by, reason=call.body.reason, now=services.now())
    return answer(emergency_state(view))


async def check_point(call: Call[NoFields, CheckBody]) -> web.StreamResponse:
    """Tick a point of the check list."""
    services, by = call.context.services, subject_of(call.request, call.allowed)
    view = services.emergency.tick_point(call.body.point, by=by, now=services.now())
    return answer(emergency_state(view))


async def resume(call: Call[NoFields, NoFields]) -> web.StreamResponse:
    """Give control back to the machine."""
    services, by = call.context.services, subject_of(call.request, call.allowed)
    return answer(emergency_state(services.emergency.resume(by=by, now=services.now())))


async def stop_site(call: Call[NoFields, SiteBody]) -> web.StreamResponse:
    """Stop one site."""
    by, body = subject_of(call.request, call.allowed), call.body
    view = call.context.services.hands.stop_site(SiteId(body.site_id), by=by, reason=body.reason)
    return answer(emergency_state(view))


async def release_site(call: Call[NoFields, SiteBody]) -> web.StreamResponse:
    """End the stop and the overrides of one site."""
    by = subject_of(call.request, call.allowed)
    view = call.context.services.hands.release_site(SiteId(call.body.site_id), by=by)
    return answer(emergency_state(view))


async def override(call: Call[NoFields, OverrideBody]) -> web.StreamResponse:
    """Hold a resource at a power, or give it back."""
    services, by, body = call.context.services, subject_of(call.request, call.allowed), call.body
    services.overrides.override(
        ResourceId(body.resource_id),
        power_w=body.power_w,
        minutes=body.minutes,
        by=by,
        now=services.now(),
    )
    return answer(OverrideState(resource_id=body.resource_id, power_w=body.power_w, by=by))
