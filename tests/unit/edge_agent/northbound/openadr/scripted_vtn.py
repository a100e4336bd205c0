"""A VTN of a few lines, for what a real one does not do on demand."""

from datetime import datetime, timedelta

from aiohttp import web

from edge_agent.northbound.port import OrderReport, Ratings, SiteSecond
from protocols.openadr.codes import PayloadError
from protocols.openadr.messages.elements import EiResponse
from protocols.openadr.messages.payload import Payload
from protocols.openadr.messages.registration import (
    OadrCreatedPartyRegistration,
    OadrCreatePartyRegistration,
    OadrPoll,
    OadrProfile,
    OadrQueryRegistration,
    OadrResponse,
)
from protocols.openadr.messages.report import OadrRegisteredReport, OadrRegisterReport
from protocols.openadr.xml import decode, encode

OK = EiResponse(response_code="200", request_id="")


class ScriptedVtn:
    """Registers everybody, wants nothing, has nothing; or answers nonsense."""

    def __init__(self) -> None:
        self.documents: list[bytes] = []
        self.messages: list[Payload] = []
        self.nonsense: tuple[int, bytes] | None = None
        self.news: list[Payload] = []

    def app(self) -> web.Application:
        """Make the service."""
        app = web.Application(client_max_size=10_000_000)
        app.add_routes([web.post("/OpenADR2/Simple/2.0b/{service}", self._handle)])
        return app

    def names(self) -> list[str]:
        """Payloads that came, by name."""
        return [type(message).__name__ for message in self.messages]

    async def _handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.documents.append(body)
        try:
            message = decode(body)
        except PayloadError:
            return web.Response(status=400)
        self.messages.append(message)
        if self.nonsense is not None:
            status, body = self.nonsense
            return web.Response(status=status, body=body)
        return web.Response(body=encode(self._reply(message)), content_type="application/xml")

    def _reply(self, message: Payload) -> Payload:
        match message:
            case OadrQueryRegistration():
                return _created(None)
            case OadrCreatePartyRegistration():
                return _created("VEN-1")
            case OadrRegisterReport():
                return OadrRegisteredReport(ei_response=OK)
            case OadrPoll() if self.news:
                return self.news.pop()
            case _:
                return OadrResponse(ei_response=OK)


def _created(ven_id: str | None) -> OadrCreatedPartyRegistration:
    return OadrCreatedPartyRegistration(
        ei_response=OK,
        registration_id=ven_id and "reg-1",
        ven_id=ven_id,
        vtn_id="VTN-scripted",
        oadr_profiles=(OadrProfile(oadr_profile_name="2.0b", oadr_transport_name=("simpleHttp",)),),
        oadr_requested_oadr_poll_freq=timedelta(seconds=1),
    )


def second(
    at: datetime, reports: tuple[OrderReport, ...] = (), meter_w: float | None = -1000.0
) -> SiteSecond:
    """Make a second at the site."""
    ratings = Ratings(max_w=0.0, max_charge_w=0.0, max_discharge_w=0.0, load_w=0.0, energy_wh=0.0)
    return SiteSecond(at=at, meter_w=meter_w, resources=(), ratings=ratings, reports=reports)
