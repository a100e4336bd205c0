"""All IEEE 2030.5 clients of a site: one server, and a field device for each of them."""

import asyncio
import secrets
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from typing import Final

from edge_agent.config.local_servers import Ieee2030_5ServerConfig
from edge_agent.config.site import DeviceConfig, SiteConfig
from edge_agent.drivers.family import DeviceFamily, FamilyPorts
from edge_agent.drivers.field_device import FieldDevice
from edge_agent.drivers.ieee2030_5.client import Client
from edge_agent.drivers.ieee2030_5.contact import ClientContact
from edge_agent.drivers.ieee2030_5.desk import PRIMACY, ServerDesk, is_open
from edge_agent.drivers.ieee2030_5.notifier import Notifier
from edge_agent.drivers.ieee2030_5.orders import ClientOrders
from edge_agent.drivers.ieee2030_5.readings import ClientReadings
from edge_agent.drivers.port import FoundDevice
from edge_agent.transports.http_server import HttpServer, HttpTerms
from edge_agent.transports.record_file import RecordFile
from edge_agent.transports.role_keeper import RoleKeeper
from edge_agent.transports.tls import client_context, own_certificate, server_context
from protocols.ieee2030_5.server.server import SEED_OCTETS, Server
from protocols.ieee2030_5.server.settings import ServerSettings
from protocols.ieee2030_5.server.state import Device, Program
from protocols.templates.catalogue import template_of
from protocols.templates.ieee2030_5 import Ieee2030_5Wire
from protocols.vocabulary.errors import ConfigError, LocalProtocolError, StoreError
from protocols.vocabulary.identifiers import ResourceId, SiteId
from protocols.vocabulary.intervals import Clock

PROTOCOL: Final = "ieee2030.5"
RECORDS: Final = "ieee2030-5-server.sqlite"
"""File of the server's records in the data folder."""
_SECTION: Final = "ieee2030_5_server"
_POLLED: Final = (
    "DeviceCapability",
    "EndDeviceList",
    "FunctionSetAssignmentsList",
    "DERProgramList",
    "DERList",
    "MirrorUsagePointList",
    "Time",
)
"""Resources whose poll rate is set for each client."""


class _Search:
    """Clients are not searched for: they call. Strangers that called are found."""

    def __init__(self, desk: ServerDesk, notifier: Notifier) -> None:
        self._desk = desk
        self._notifier = notifier

    async def run(self) -> None:
        """Send notifications, and let time pass at the server."""
        await self._notifier.run()

    async def discover(self) -> tuple[FoundDevice, ...]:
        """Strangers that have called."""
        return self._desk.strangers


async def open_family(config: SiteConfig, ports: FamilyPorts) -> DeviceFamily | None:
    """Open the server of a site and make its clients.

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
    section = config.ieee2030_5_server
    if section is None:
        raise ConfigError(f"{_SECTION}: is missing, but a device speaks it")
    clients = [client_of(config.site_id, entry, ports.clock) for entry in entries]
    book = RecordFile(config.data_dir / RECORDS, ports.clock)
    keeper: RoleKeeper[Server] | None = None
    try:
        keeper = _keeper(book, section, clients)
        desk = ServerDesk(keeper, {client.lfdi: client for client in clients}, ports.clock)
        leased = {one.resource_id for one in ports.book.left_over()}
        await _prepare(desk, clients, pin=section.pin, leased=leased)
        server = await _listen(desk, section, ports.clock)
    except (ConfigError, StoreError) as error:
        if keeper is not None:
            keeper.close()
        book.close()
        raise ConfigError(str(error)) from error
    devices = [_field_device(client, desk) for client in clients]
    orders = [device.orders for device in devices if isinstance(device.orders, ClientOrders)]

    async def settle() -> None:
        for each in orders:
            await each.settle_default()

    notifier = Notifier(desk, _calls(section), settle)
    return DeviceFamily(
        PROTOCOL,
        devices,
        ports,
        search=_Search(desk, notifier),
        close=_closing(server, keeper, book),
    )


def client_of(site_id: SiteId, config: DeviceConfig, clock: Clock) -> Client:
    """Client as configured, before it has called.

    Raises
    ------
    ConfigError
        If its template is of another protocol.
    """
    template = template_of(config.template_id or "")
    wire = template.wire
    if not isinstance(wire, Ieee2030_5Wire):
        raise ConfigError(f"template {template.template_id!r} is no IEEE 2030.5 client's")
    return Client(
        config=config,
        template=template,
        wire=wire,
        site_id=site_id,
        resource_id=ResourceId(f"{site_id}/{config.device_id}"),
        clock=clock,
    )


def _keeper(
    book: RecordFile, section: Ieee2030_5ServerConfig, clients: Sequence[Client]
) -> RoleKeeper[Server]:
    settings = ServerSettings(
        poll_rate_s=min(client.wire.poll_s for client in clients),
        post_rate_s=min(client.wire.report_s for client in clients),
        csip_aus=section.csip_aus,
        open_registration=False,
        welcome_primacy=None,
    )
    drawn = secrets.token_bytes(SEED_OCTETS)

    def make(records: Mapping[str, bytes]) -> Server:
        try:
            return Server(records, settings=settings, drawn=drawn)
        except LocalProtocolError as error:
            raise StoreError(f"{RECORDS}: {error}") from error

    return RoleKeeper(book, make)


async def _prepare(
    desk: ServerDesk, clients: Sequence[Client], *, pin: int | None, leased: Set[ResourceId]
) -> None:
    """Register what is configured, forget what is not, end what nobody leases any more."""

    def act(role: Server, now: int) -> None:
        role.schedule.settle(now)
        known = {client.lfdi for client in clients}
        for device in role.state.devices.all():
            if device.lfdi not in known:
                _forget(role, device)
        for client in clients:
            program = _registered(role, client, pin=pin, now=now)
            for control in role.state.controls.where("program", program.number):
                if is_open(control, now) and client.resource_id not in leased:
                    role.programs.cancel(control, now=now)

    await desk.act(act)


def _forget(role: Server, device: Device) -> None:
    """Take a device off the server that is not configured any more."""
    for number in device.assignments:
        assignment = role.state.assignments.get(number)
        if assignment is not None:
            role.programs.remove_assignment(assignment)
    role.devices.remove(device)


def _registered(role: Server, client: Client, *, pin: int | None, now: int) -> Program:
    """Register a client with its rates; return its own program."""
    role.devices.register(client.lfdi, owner=client.lfdi, now=now, pin=pin)
    for name in _POLLED:
        role.devices.set_poll_rate(client.lfdi, name, client.wire.poll_s)
    device = role.devices.find(client.lfdi)
    assert device is not None, "it has just been registered"
    role.devices.set_post_rate(device, client.wire.report_s)
    device = role.devices.find(client.lfdi)
    assert device is not None, "it has just been registered"
    return role.programs.own_program(device, primacy=PRIMACY)


async def _listen(desk: ServerDesk, section: Ieee2030_5ServerConfig, clock: Clock) -> HttpServer:
    files = section.tls
    own_certificate(files.certificate)
    context = server_context(files.certificate, files.key, files.authorities, admits=desk.admits)
    terms = HttpTerms(
        section=_SECTION,
        address=section.address,
        port=section.port,
        context=context,
        clock=clock,
    )
    server = HttpServer(terms, desk.answer)
    await server.open()
    return server


def _calls(section: Ieee2030_5ServerConfig) -> ssl.SSLContext:
    """Context of calls to clients, whose certificates name no host."""
    files = section.tls
    context = client_context(
        files.certificate, files.key, files.authorities, seen=lambda _der: None
    )
    context.check_hostname = False
    return context


def _field_device(client: Client, desk: ServerDesk) -> FieldDevice:
    contact = ClientContact(client, desk)
    return FieldDevice(
        resource_id=client.resource_id,
        contact=contact,
        readings=ClientReadings(client, contact, desk),
        orders=ClientOrders(client, contact, desk),
        slow_s=client.template.timing.slow_s,
        pacing_s=client.template.timing.pacing_s,
        writes=client.template.writes,
    )


def _closing(
    server: HttpServer, keeper: RoleKeeper[Server], book: RecordFile
) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        await server.close()
        await asyncio.to_thread(keeper.close)
        book.close()

    return close
