"""Opens the northbound clients that a site's configuration names.

A client's room, and with it its libraries, is loaded when a site that has such a client is
opened, and not before. Each is made from its section and its records; the same function makes it
again after it broke, so it holds nothing that its records do not.
"""

from typing import Final

from edge_agent.config.northbound import Ieee2030_5ClientConfig, OpenAdrVenConfig
from edge_agent.config.site import SiteConfig
from edge_agent.northbound.apart import Apart
from edge_agent.northbound.port import Judge, Northbound, Origin
from edge_agent.transports.record_file import RecordFile
from protocols.sansio.records import RecordBook
from protocols.vocabulary.intervals import Clock

RECORDS: Final = "northbound"
"""Folder of the clients' records within the data folder."""


def open_clients(config: SiteConfig, clock: Clock, judge: Judge) -> tuple[Apart, ...]:
    """Make every configured client; nothing speaks yet.

    Parameters
    ----------
    config : SiteConfig
        With or without sections of clients.
    clock : Clock
        Wall and monotonic time.
    judge : Judge
        Tells the clients beforehand what the site cannot carry out.

    Raises
    ------
    ConfigError
        If one cannot be made as configured.
    StoreError
        If the records of one cannot be read.
    """
    clients = []
    utility, ven = config.ieee2030_5_client, config.openadr_ven
    if utility is not None:
        book = _book(config, clock, Origin.IEEE2030_5)
        clients.append(
            Apart(Origin.IEEE2030_5, lambda: _utility(utility, judge, book, clock=clock), clock)
        )
    if ven is not None:
        records = _book(config, clock, Origin.OPENADR)
        clients.append(Apart(Origin.OPENADR, lambda: _ven(ven, judge, records, clock=clock), clock))
    return tuple(clients)


def _book(config: SiteConfig, clock: Clock, origin: Origin) -> RecordFile:
    return RecordFile(config.data_dir / RECORDS / f"{origin.value}.sqlite", clock)


def _utility(
    config: Ieee2030_5ClientConfig, judge: Judge, book: RecordBook, *, clock: Clock
) -> Northbound:
    from edge_agent.northbound.ieee2030_5.client import (  # noqa: PLC0415 see the module
        ClientParts,
        Ieee2030_5Client,
    )

    return Ieee2030_5Client(config, ClientParts(judge=judge, book=book, clock=clock))


def _ven(config: OpenAdrVenConfig, judge: Judge, book: RecordBook, *, clock: Clock) -> Northbound:
    from edge_agent.northbound.openadr.ven import (  # noqa: PLC0415 see the module
        OpenAdrVen,
        VenParts,
    )

    return OpenAdrVen(config, VenParts(judge=judge, book=book, clock=clock))
