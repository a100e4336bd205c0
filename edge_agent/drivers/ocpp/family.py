"""All chargers of a site: one central system, and a field device for each of them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from edge_agent.config.site import DeviceConfig, SiteConfig
from edge_agent.drivers.family import DeviceFamily, FamilyPorts
from edge_agent.drivers.field_device import FieldDevice
from edge_agent.drivers.ocpp.answers import Desk, answers_of
from edge_agent.drivers.ocpp.charger import Charger
from edge_agent.drivers.ocpp.contact import ChargerContact
from edge_agent.drivers.ocpp.link import Answer
from edge_agent.drivers.ocpp.orders import ChargerOrders
from edge_agent.drivers.ocpp.readings import ChargerReadings
from edge_agent.drivers.ocpp.schedule import ChargerSchedule
from edge_agent.drivers.ocpp.server import CentralSystem, ServerTerms
from edge_agent.drivers.ocpp.transaction_book import FileTransactionBook
from edge_agent.drivers.port import FoundDevice
from protocols.templates.catalogue import template_of
from protocols.templates.ocpp import OcppWire
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import ResourceId, SiteId
from protocols.vocabulary.intervals import Clock

PROTOCOL: Final = "ocpp"


@dataclass(slots=True)
class _Doorbell:
    """Tells the workers what their chargers did; they are made after the chargers."""

    family: DeviceFamily | None = field(default=None)

    def ring(self, charger: Charger) -> None:
        """Let the charger's worker meet it anew and arm it again."""
        if self.family is not None:
            self.family.worker(charger.resource_id).restarted()


class _Search:
    """Chargers are not searched for: they call. Those that called and are not ours are found."""

    def __init__(self, system: CentralSystem) -> None:
        self._system = system

    async def run(self) -> None:
        """Nothing to watch: the central system hears every call."""
        await asyncio.Event().wait()

    async def discover(self) -> tuple[FoundDevice, ...]:
        """Strangers that have called."""
        return self._system.strangers()


async def open_family(config: SiteConfig, ports: FamilyPorts) -> DeviceFamily | None:
    """Open the central system of a site and make its chargers.

    Parameters
    ----------
    config : SiteConfig
        The site.
    ports : FamilyPorts
        Clock, book, ledger, tap.

    Returns
    -------
    DeviceFamily or None
        None if no charger is configured.

    Raises
    ------
    ConfigError
        If the port cannot be opened or the transactions' file is none.
    """
    entries = config.devices_of(PROTOCOL)
    if not entries:
        return None
    if config.ocpp is None:
        raise ConfigError("ocpp: is missing, but a device speaks it")
    chargers = [charger_of(config.site_id, entry, ports.clock) for entry in entries]
    book = FileTransactionBook(config.data_dir)
    doorbell = _Doorbell()
    terms = ServerTerms(
        address=config.ocpp.address,
        port=config.ocpp.port,
        password=config.ocpp.password,
        certificate=config.ocpp.certificate,
        key=config.ocpp.key,
        clock=ports.clock,
        tap=ports.tap,
    )
    system = CentralSystem(
        terms,
        {charger.identity: charger for charger in chargers},
        answers=_answering(book, doorbell),
        arrived=doorbell.ring,
    )
    family = DeviceFamily(
        PROTOCOL,
        [_field_device(charger) for charger in chargers],
        ports,
        search=_Search(system),
        close=_closing(system, book),
    )
    doorbell.family = family
    try:
        await system.open()
    except ConfigError:
        book.close()
        raise
    return family


def charger_of(site_id: SiteId, config: DeviceConfig, clock: Clock) -> Charger:
    """Charger as configured, before any contact.

    Raises
    ------
    ConfigError
        If its template is of another protocol.
    """
    template = template_of(config.template_id or "")
    wire = template.wire
    if not isinstance(wire, OcppWire):
        raise ConfigError(f"template {template.template_id!r} is no charger's")
    rated_w = -(
        template.nameplate.power_w_min if config.power_w_min is None else config.power_w_min
    )
    return Charger(
        config=config,
        template=template,
        wire=wire,
        supply=wire.supply(
            power_w_rated=rated_w + 0.0, power_w_least=template.nameplate.power_w_least
        ),
        site_id=site_id,
        resource_id=ResourceId(f"{site_id}/{config.device_id}"),
        clock=clock,
    )


def _field_device(charger: Charger) -> FieldDevice:
    contact, schedule = ChargerContact(charger), ChargerSchedule(charger)
    return FieldDevice(
        resource_id=charger.resource_id,
        contact=contact,
        readings=ChargerReadings(charger, contact, schedule),
        orders=ChargerOrders(charger, contact, schedule),
        slow_s=charger.template.timing.slow_s,
        pacing_s=charger.template.timing.pacing_s,
        writes=charger.template.writes,
    )


def _answering(
    book: FileTransactionBook, doorbell: _Doorbell
) -> Callable[[Charger], dict[str, Answer]]:
    def answers(charger: Charger) -> dict[str, Answer]:
        def booted_again() -> None:
            doorbell.ring(charger)

        return answers_of(Desk(charger=charger, book=book, booted_again=booted_again))

    return answers


def _closing(system: CentralSystem, book: FileTransactionBook) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        await system.close()
        book.close()

    return close
