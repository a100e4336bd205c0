"""Handlers of what is only read: sites, resources, events, accounts, health."""

from functools import partial
from typing import Final

from aiohttp import web

from cloud_coordinator.services.records import EventQuery, EventRecord
from cloud_coordinator.web.models import (
    AccountItem,
    EventItem,
    EventsQuery,
    ResourceQuery,
    ResourceState,
    SiteSummary,
)
from cloud_coordinator.web.paging import Page, PageQuery, cut, decode_cursor, encode_cursor
from cloud_coordinator.web.problems import FieldError, Kind, ProblemError
from cloud_coordinator.web.routing import Call, NoFields, answer
from cloud_coordinator.web.views import (
    account_item,
    event_item,
    health_state,
    resource_state,
    site_detail,
    site_summary,
)
from protocols.vocabulary.identifiers import SiteId

EVENTS_DEPTH_MAX: Final = 10_000
"""How far back pages of events go; ``since``, ``site_id`` and ``kind`` reach further."""


async def list_sites(call: Call[PageQuery, NoFields]) -> web.StreamResponse:
    """List the sites, by id."""
    services = call.context.services
    views = services.queries.sites(services.now())
    page, following = cut(views, call.query, key=lambda view: (view.record.site_id,))
    items = [site_summary(view) for view in page]
    return answer(Page[SiteSummary](items=items, next_cursor=following))


async def show_site(call: Call[NoFields, NoFields]) -> web.StreamResponse:
    """Show one site with its resources."""
    services = call.context.services
    return answer(site_detail(services.queries.site(SiteId(call.path("site_id")), services.now())))


async def list_resources(call: Call[ResourceQuery, NoFields]) -> web.StreamResponse:
    """List the resources, by site and then by id."""
    services = call.context.services
    now, site_id = services.now(), call.query.site_id
    if site_id is None:
        sites = services.queries.sites(now)
    else:
        sites = [services.queries.site(SiteId(site_id), now)]
    found = sorted(
        ((view.live, one) for view in sites for one in view.resources),
        key=lambda pair: pair[1].resource.resource_id,
    )
    page, following = cut(found, call.query, key=lambda pair: (pair[1].resource.resource_id,))
    items = [resource_state(one, live) for live, one in page]
    return answer(Page[ResourceState](items=items, next_cursor=following))


async def list_events(call: Call[EventsQuery, NoFields]) -> web.StreamResponse:
    """List events, newest first."""
    query = call.query
    after = None if query.cursor is None else _event_key(query.cursor)
    wanted = EventQuery(
        site_id=None if query.site_id is None else SiteId(query.site_id),
        kind=query.kind,
        since=query.since,
        limit=query.limit + 1 if after is None else EVENTS_DEPTH_MAX,
    )
    found = await call.context.heavy.run(partial(call.context.services.queries.events, wanted))
    begin = 0
    if after is not None:
        keys = [event.event_key for event in found]
        if after not in keys:
            raise _lost_cursor()
        begin = keys.index(after) + 1
    page = found[begin : begin + query.limit]
    more = len(found) > begin + query.limit
    items = [event_item(event) for event in page]
    following = encode_cursor(_key(page[-1])) if more else None
    return answer(Page[EventItem](items=items, next_cursor=following))


def _key(event: EventRecord) -> str:
    return event.event_key


def _event_key(cursor: str) -> str:
    parts = decode_cursor(cursor)
    if len(parts) != 1:
        raise _lost_cursor()
    return parts[0]


def _lost_cursor() -> ProblemError:
    cause = f"is not among the newest {EVENTS_DEPTH_MAX} such events; use since, site_id or kind"
    return ProblemError(
        Kind.REJECTED, f"cursor: {cause}", [FieldError(field="cursor", cause=cause)]
    )


async def list_accounts(call: Call[PageQuery, NoFields]) -> web.StreamResponse:
    """List what the store holds of each site's telemetry."""
    found = await call.context.heavy.run(call.context.services.queries.accounting)
    found = sorted(found, key=lambda one: (one.site_id, one.journal_id))
    page, following = cut(found, call.query, key=lambda one: (one.site_id, one.journal_id))
    items = [account_item(one) for one in page]
    return answer(Page[AccountItem](items=items, next_cursor=following))


async def show_health(call: Call[NoFields, NoFields]) -> web.StreamResponse:
    """Say what is up; 503 if anything is not."""
    state = health_state(call.context.vitals())
    return answer(state, status=200 if state.status == "up" else 503)
