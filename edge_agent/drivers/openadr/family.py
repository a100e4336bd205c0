"""All demand-response devices of a site: one VTN, and a field device for each of its VENs."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from edge_agent.config.devices import is_fingerprint
from edge_agent.config.local_servers import OpenAdrVtnConfig
from edge_agent.config.site import DeviceConfig, SiteConfig
from edge_agent.drivers.family import DeviceFamily, FamilyPorts
from edge_agent.drivers.field_device import FieldDevice
from edge_agent.drivers.openadr.contact import VenContact
from edge_agent.drivers.openadr.credentials import signatory_of, vtn_context
from edge_agent.drivers.openadr.desk import LocalVtn, VtnDesk
from edge_agent.drivers.openadr.orders import VenOrders
from edge_agent.drivers.openadr.readings import VenReadings
from edge_agent.drivers.openadr.ven import LocalVen
from edge_agent.drivers.port import FoundDevice
from edge_agent.transports.http_server import HttpServer, HttpTerms
from edge_agent.transports.record_file import RecordFile
from edge_agent.transports.role_keeper import RoleKeeper
from protocols.openadr.vtn.operator import NamedVen, Operator
from protocols.openadr.vtn.role import Vtn
from protocols.openadr.vtn.seal import PlainSeal, Seal, SignedSeal
from protocols.openadr.vtn.settings import VtnSettings, WantedReport
from protocols.openadr.vtn.state import VtnState
from protocols.templates.catalogue import template_of
from protocols.templates.openadr import OpenAdrWire
from protocols.vocabulary.errors import ConfigError, LocalProtocolError, ProtocolError, StoreError
from protocols.vocabulary.identifiers import ResourceId, SiteId
from protocols.vocabulary.intervals import Clock

PROTOCOL: Final = "openadr"
RECORDS: Final = "openadr-vtn.sqlite"
"""File of the VTN's records in the data folder."""
USAGE: Final = "TELEMETRY_USAGE"
READINGS_KEPT: Final = 5
"""Intervals kept of each report: only the newest is a measurement of now."""
_SECTION: Final = "openadr_vtn"


class _Search:
    """VENs are not searched for: they call. Those that were refused are found."""

    def __init__(self, desk: VtnDesk) -> None:
        self._desk = desk

    async def run(self) -> None:
        """Nothing to watch: the VTN hears every call."""
        await asyncio.Event().wait()

    async def discover(self) -> tuple[FoundDevice, ...]:
        """Strangers that have called."""
        return self._desk.strangers()


async def open_family(config: SiteConfig, ports: FamilyPorts) -> DeviceFamily | None:
    """Open the VTN of a site and make its VENs.

    Parameters
    ----------
    config : SiteConfig
        The site.
    ports : FamilyPorts
        Clock, book, ledger, tap.

    Returns
    -------
    DeviceFamily or None
        None if no such device is configured.

    Raises
    ------
    ConfigError
        If the port cannot be opened, a certificate is wrong, or the records are none.
    """
    entries = config.devices_of(PROTOCOL)
    if not entries:
        return None
    section = config.openadr_vtn
    if section is None:
        raise ConfigError(f"{_SECTION}: is missing, but a device speaks it")
    vens = [ven_of(config.site_id, entry, ports.clock) for entry in entries]
    book = RecordFile(config.data_dir / RECORDS, ports.clock)
    keeper: RoleKeeper[LocalVtn] | None = None
    try:
        keeper = _keeper(book, section, vens)
        desk = VtnDesk(keeper, vens, ports.clock)
        leased = {one.resource_id for one in ports.book.left_over()}
        for ven in vens:
            await _prepare(desk, ven, leased=ven.resource_id in leased)
        server = await _listen(desk, section, ports.clock)
    except (ConfigError, StoreError, LocalProtocolError) as error:
        if keeper is not None:
            keeper.close()
        book.close()
        raise ConfigError(str(error)) from error
    return DeviceFamily(
        PROTOCOL,
        [_field_device(ven, desk) for ven in vens],
        ports,
        search=_Search(desk),
        close=_closing(server, keeper, book),
    )


def ven_of(site_id: SiteId, config: DeviceConfig, clock: Clock) -> LocalVen:
    """VEN as configured, before it has called.

    Raises
    ------
    ConfigError
        If its template is of another protocol.
    """
    template = template_of(config.template_id or "")
    wire = template.wire
    if not isinstance(wire, OpenAdrWire):
        raise ConfigError(f"template {template.template_id!r} is no VEN's")
    identity = config.identity or ""
    by_certificate = is_fingerprint(identity)
    return LocalVen(
        config=config,
        template=template,
        wire=wire,
        ven_id=config.device_id if by_certificate else identity,
        fingerprint=identity.upper() if by_certificate else None,
        site_id=site_id,
        resource_id=ResourceId(f"{site_id}/{config.device_id}"),
        clock=clock,
    )


def _keeper(
    book: RecordFile, section: OpenAdrVtnConfig, vens: Sequence[LocalVen]
) -> RoleKeeper[LocalVtn]:
    every = timedelta(seconds=min(ven.wire.report_s for ven in vens))
    settings = VtnSettings(
        vtn_id=section.vtn_id,
        poll_interval=timedelta(seconds=min(ven.wire.poll_s for ven in vens)),
        named_only=True,
        wanted_reports=(WantedReport(report_name=USAGE, granularity=every, report_back=every),),
        readings_kept=READINGS_KEPT,
    )
    seal: Seal = PlainSeal()
    if section.signs and section.tls is not None:
        seal = SignedSeal(signatory_of(section.tls))

    def make(records: Mapping[str, bytes]) -> LocalVtn:
        try:
            state = VtnState(settings, records)
        except (ProtocolError, ValueError, TypeError, KeyError) as error:
            raise StoreError(f"{RECORDS}: {error}") from error
        return LocalVtn(state=state, vtn=Vtn(state, seal), operator=Operator(state))

    return RoleKeeper(book, make)


async def _prepare(desk: VtnDesk, ven: LocalVen, *, leased: bool) -> None:
    """Name a VEN, and cancel its event if nobody leases it any more."""
    named = NamedVen(ven_id=ven.ven_id, fingerprint=ven.fingerprint)
    await desk.act(lambda operator, _now, _drawn: (None, operator.name_ven(named)))
    event = desk.event_of(ven)
    if event is not None and not leased:
        name = event.ei_event.event_descriptor.event_id
        await desk.act(lambda operator, now, _drawn: operator.cancel(name, now))


async def _listen(desk: VtnDesk, section: OpenAdrVtnConfig, clock: Clock) -> HttpServer:
    terms = HttpTerms(
        section=_SECTION,
        address=section.address,
        port=section.port,
        context=None if section.tls is None else vtn_context(section.tls),
        clock=clock,
    )
    server = HttpServer(terms, desk.answer)
    await server.open()
    return server


def _field_device(ven: LocalVen, desk: VtnDesk) -> FieldDevice:
    contact = VenContact(ven, desk)
    return FieldDevice(
        resource_id=ven.resource_id,
        contact=contact,
        readings=VenReadings(ven, contact, desk),
        orders=VenOrders(ven, desk),
        slow_s=ven.template.timing.slow_s,
        pacing_s=ven.template.timing.pacing_s,
        writes=ven.template.writes,
    )


def _closing(
    server: HttpServer, keeper: RoleKeeper[LocalVtn], book: RecordFile
) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        await server.close()
        await asyncio.to_thread(keeper.close)
        book.close()

    return close
