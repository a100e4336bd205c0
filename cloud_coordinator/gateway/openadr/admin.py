"""The operator's door of a VTN: JSON over HTTP on the loopback address, with a token.

Events are ordered, modified and cancelled here; VENs, their answers, opts and reports are looked
at. A call returns when what it changed is durable.
"""

import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog
from aiohttp import web

from cloud_coordinator.gateway.openadr.desk import Desk
from cloud_coordinator.gateway.openadr.wording import (
    Plain,
    read_event,
    read_report,
    read_ven,
    write_asked,
    write_event,
    write_offer,
    write_opt,
    write_reading,
    write_ven,
)
from protocols.openadr.messages.event import OadrEvent
from protocols.vocabulary.errors import ConfigError, LocalProtocolError, StoreError

BODY_BYTES_MAX: Final = 1_000_000
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = structlog.get_logger(__name__)


class Admin:
    """The door of one VTN.

    Parameters
    ----------
    desk : Desk
        The VTN.
    token : str
        Whoever knows it is the operator.
    """

    def __init__(self, desk: Desk, *, token: str) -> None:
        self._desk = desk
        self._token = token

    def app(self) -> web.Application:
        """Make the application to serve."""
        app = web.Application(middlewares=[self._guard], client_max_size=BODY_BYTES_MAX)
        app.add_routes(
            [
                web.get("/events", self.events),
                web.post("/events", self.order),
                web.get("/events/{event}", self.event),
                web.put("/events/{event}", self.modify),
                web.delete("/events/{event}", self.cancel),
                web.get("/vens", self.vens),
                web.put("/vens/{ven}", self.name_ven),
                web.post("/vens/{ven}/registration", self._register_again),
                web.delete("/vens/{ven}/registration", self._end_registration),
                web.get("/vens/{ven}/opts", self._opts),
                web.get("/vens/{ven}/reports", self._reports),
                web.post("/vens/{ven}/reports", self._ask_report),
                web.delete("/vens/{ven}/reports/{request}", self._cancel_report),
                web.get("/vens/{ven}/readings", self._readings),
            ]
        )
        return app

    async def events(self, _: web.Request) -> web.Response:
        """List all events with their answers."""
        found = self._desk.events()
        return web.json_response({"events": [self._written(event) for event in found]})

    async def event(self, request: web.Request) -> web.Response:
        """Show one event with its answers."""
        wanted = request.match_info["event"]
        for event in self._desk.events():
            if event.ei_event.event_descriptor.event_id == wanted:
                return web.json_response(self._written(event))
        return _problem(404, "no such event")

    async def order(self, request: web.Request) -> web.Response:
        """Order an event."""
        event_id, order = read_event(await _json(request))
        event = await self._desk.decide(
            lambda operator, now, drawn: operator.order(order, now, drawn, event_id=event_id)
        )
        _log.info("event.ordered", event_id=event.ei_event.event_descriptor.event_id)
        return web.json_response(self._written(event), status=201)

    async def modify(self, request: web.Request) -> web.Response:
        """Replace an event by its next modification."""
        _, order = read_event(await _json(request))
        event_id = request.match_info["event"]
        event = await self._desk.decide(
            lambda operator, now, _: operator.modify(order, event_id, now)
        )
        _log.info("event.modified", event_id=event_id)
        return web.json_response(self._written(event))

    async def cancel(self, request: web.Request) -> web.Response:
        """Cancel an event."""
        event_id = request.match_info["event"]
        event = await self._desk.decide(lambda operator, now, _: operator.cancel(event_id, now))
        _log.info("event.cancelled", event_id=event_id)
        return web.json_response(self._written(event))

    async def vens(self, _: web.Request) -> web.Response:
        """List all VENs."""
        found = self._desk.state.vens.everyone()
        return web.json_response({"vens": [write_ven(ven) for ven in found]})

    async def name_ven(self, request: web.Request) -> web.Response:
        """Say who a VEN is and what reaches it."""
        named = read_ven(request.match_info["ven"], await _json(request))
        await self._desk.decide(lambda operator, _, __: (None, operator.name_ven(named)))
        return web.json_response({"ven_id": named.ven_id})

    async def _register_again(self, request: web.Request) -> web.Response:
        ven_id = request.match_info["ven"]
        await self._desk.decide(lambda operator, _, __: (None, operator.register_again(ven_id)))
        return web.json_response({"ven_id": ven_id}, status=202)

    async def _end_registration(self, request: web.Request) -> web.Response:
        ven_id = request.match_info["ven"]
        await self._desk.decide(lambda operator, _, __: (None, operator.end_registration(ven_id)))
        return web.json_response({"ven_id": ven_id}, status=202)

    async def _opts(self, request: web.Request) -> web.Response:
        found = self._desk.state.opts.of(request.match_info["ven"])
        return web.json_response({"opts": [write_opt(opt) for opt in found]})

    async def _reports(self, request: web.Request) -> web.Response:
        reports, ven_id = self._desk.state.reports, request.match_info["ven"]
        return web.json_response(
            {
                "offers": [write_offer(offer) for offer in reports.offers(ven_id)],
                "asked": [write_asked(asked) for asked in reports.asked(ven_id)],
            }
        )

    async def _ask_report(self, request: web.Request) -> web.Response:
        specifier, wanted = read_report(await _json(request))
        ven_id = request.match_info["ven"]
        asked = await self._desk.decide(
            lambda operator, _, drawn: operator.ask_report(
                ven_id, specifier, wanted=wanted, drawn=drawn
            )
        )
        return web.json_response({"report_request_id": asked.report_request_id}, status=202)

    async def _cancel_report(self, request: web.Request) -> web.Response:
        ven_id, asked = request.match_info["ven"], request.match_info["request"]
        await self._desk.decide(
            lambda operator, _, __: (None, operator.cancel_report(ven_id, asked))
        )
        return web.json_response({"report_request_id": asked}, status=202)

    async def _readings(self, request: web.Request) -> web.Response:
        found = self._desk.state.reports.readings.of(request.match_info["ven"])
        return web.json_response({"readings": [write_reading(one) for one in found]})

    def _written(self, event: OadrEvent) -> Plain:
        answers = self._desk.state.events.answers.to(event.ei_event.event_descriptor.event_id)
        return write_event(event, answers)

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Let nobody in without the token; turn errors into answers."""
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            return _problem(401, "the token is missing or wrong")
        try:
            return await handler(request)
        except ConfigError as error:
            return _problem(400, str(error))
        except LocalProtocolError as error:
            return _problem(409, str(error))
        except StoreError as error:
            return _problem(503, str(error))


async def _json(request: web.Request) -> object:
    try:
        read: object = await request.json()
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"body: is not JSON: {error}") from error
    return read


def _problem(status: int, detail: str) -> web.Response:
    body: Mapping[str, object] = {"status": status, "detail": detail}
    return web.json_response(body, status=status, content_type="application/problem+json")
