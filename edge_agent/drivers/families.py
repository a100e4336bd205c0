"""Every family of devices there is, and the driver of a site made of them."""

from typing import Final

from edge_agent.config.site import SiteConfig
from edge_agent.drivers.bacnet import family as bacnet
from edge_agent.drivers.echonet_lite import family as echonet_lite
from edge_agent.drivers.family import FamilyPorts
from edge_agent.drivers.ocpp import family as ocpp
from edge_agent.drivers.site import FamilyOpening, SiteDriver
from edge_agent.drivers.sunspec import family as sunspec

FAMILIES: Final = (
    FamilyOpening(
        name="echonet-lite",
        protocols=frozenset({"echonet-lite"}),
        open=echonet_lite.open_family,
    ),
    FamilyOpening(
        name="modbus", protocols=frozenset({"sunspec", "modbus"}), open=sunspec.open_family
    ),
    FamilyOpening(name="bacnet", protocols=frozenset({"bacnet"}), open=bacnet.open_family),
    FamilyOpening(name="ocpp", protocols=frozenset({"ocpp"}), open=ocpp.open_family),
)


async def open_site(config: SiteConfig, ports: FamilyPorts) -> SiteDriver:
    """Open the families that a site has devices of.

    Raises
    ------
    ConfigError
        If something a person wrote or set up is wrong.
    """
    driver = SiteDriver(config, ports, FAMILIES)
    await driver.open()
    return driver
