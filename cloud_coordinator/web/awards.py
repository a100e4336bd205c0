"""Handlers of obligations: award, command, delivery, statement."""

from functools import partial

from aiohttp import web

from cloud_coordinator.services.commands import Taken
from cloud_coordinator.services.errors import UnknownError
from cloud_coordinator.services.queries import DeliveryView
from cloud_coordinator.web.award_models import (
    AwardBody,
    CommandBody,
    DeliveryQuery,
    ObligationSummary,
)
from cloud_coordinator.web.award_views import (
    award_request,
    command_state,
    delivery_seconds,
    obligation_detail,
    obligation_summary,
    statement_state,
)
from cloud_coordinator.web.delivery_csv import send_csv
from cloud_coordinator.web.paging import Page, PageQuery, cut
from cloud_coordinator.web.ports import Services
from cloud_coordinator.web.problems import FieldError, Kind, ProblemError
from cloud_coordinator.web.routing import Call, NoFields, answer
from protocols.vocabulary.identifiers import ObligationId

SECOND_DIGITS_MAX = 12


async def list_obligations(call: Call[PageQuery, NoFields]) -> web.StreamResponse:
    """List the awards, by start and then by id."""
    found = call.context.services.queries.awards()
    page, following = cut(
        found,
        call.query,
        key=lambda one: (
            one.obligation.interval.start.isoformat(),
            one.obligation.obligation_id,
        ),
    )
    items = [obligation_summary(award) for award in page]
    return answer(Page[ObligationSummary](items=items, next_cursor=following))


async def post_obligation(call: Call[NoFields, AwardBody]) -> web.StreamResponse:
    """Take an award; the same again answers 200 and changes nothing."""
    services = call.context.services
    request = award_request(call.body)
    known = _is_known(services, request.obligation_id)
    award = services.awarding.place(request, services.now())
    location = f"/api/v1/obligations/{award.obligation.obligation_id}"
    return answer(obligation_detail(award), status=200 if known else 201, location=location)


def _is_known(services: Services, obligation_id: ObligationId) -> bool:
    try:
        services.queries.award(obligation_id)
    except UnknownError:
        return False
    return True


async def show_obligation(call: Call[NoFields, NoFields]) -> web.StreamResponse:
    """Show an award with its sites' parts."""
    return answer(obligation_detail(call.context.services.queries.award(_id(call))))


async def post_command(call: Call[NoFields, CommandBody]) -> web.StreamResponse:
    """Take a command of the system operator."""
    services = call.context.services
    command, taken = services.dispatching.accept_command(
        _id(call),
        issued_at=call.body.issued_at,
        power_w=call.body.power_w,
        now=services.now(),
    )
    return answer(command_state(command, taken), status=201 if taken is Taken.ACCEPTED else 200)


async def show_delivery(call: Call[DeliveryQuery, NoFields]) -> web.StreamResponse:
    """Show promised against delivered, as JSON pages or one CSV."""
    query, context = call.query, call.context
    read = partial(context.services.queries.delivery, _id(call))
    if query.format == "csv":
        if query.cursor is not None:
            raise _wrong_cursor("belongs to format=json; csv is one document")
        return await send_csv(call.request, context, read)
    first_second = None if query.cursor is None else _second(query.cursor)

    def page() -> web.Response:
        view: DeliveryView = read()
        return answer(delivery_seconds(view, first_second=first_second))

    return await context.heavy.run(page)


async def show_statement(call: Call[NoFields, NoFields]) -> web.StreamResponse:
    """Settle an award by what the store holds now."""
    read = partial(call.context.services.queries.statement, _id(call))
    return answer(statement_state(await call.context.heavy.run(read)))


def _id(
    call: Call[DeliveryQuery, NoFields] | Call[NoFields, CommandBody] | Call[NoFields, NoFields],
) -> ObligationId:
    return ObligationId(call.path("obligation_id"))


def _second(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= SECOND_DIGITS_MAX):
        raise _wrong_cursor("is none that this service gave")
    return int(cursor)


def _wrong_cursor(cause: str) -> ProblemError:
    return ProblemError(
        Kind.REJECTED, f"cursor: {cause}", [FieldError(field="cursor", cause=cause)]
    )
