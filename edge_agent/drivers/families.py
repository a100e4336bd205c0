"""Every family of devices there is, and the driver of a site made of them.

A family's room, and with it the library of its protocol, is loaded when a site that has such
devices is opened, and not before: neither a command that reads files nor a site without them
pays for it (24 MB and half a second for all of them).
"""

from typing import Final

from edge_agent.config.site import SiteConfig
from edge_agent.drivers.family import DeviceFamily, FamilyPorts
from edge_agent.drivers.site import FamilyOpening, SiteDriver


async def _open_echonet_lite(config: SiteConfig, ports: FamilyPorts) -> DeviceFamily | None:
    from edge_agent.drivers.echonet_lite.family import open_family  # noqa: PLC0415 see the module

    return await open_family(config, ports)


async def _open_modbus(config: SiteConfig, ports: FamilyPorts) -> DeviceFamily | None:
    from edge_agent.drivers.sunspec.family import open_family  # noqa: PLC0415 see the module

    return await open_family(config, ports)


async def _open_bacnet(config: SiteConfig, ports: FamilyPorts) -> DeviceFamily | None:
    from edge_agent.drivers.bacnet.family import open_family  # noqa: PLC0415 see the module

    return await open_family(config, ports)


async def _open_ocpp(config: SiteConfig, ports: FamilyPorts) -> DeviceFamily | None:
    from edge_agent.drivers.ocpp.family import open_family  # noqa: PLC0415 see the module

    return await open_family(config, ports)


async def _open_ieee2030_5(config: SiteConfig, ports: FamilyPorts) -> DeviceFamily | None:
    from edge_agent.drivers.ieee2030_5.family import open_family  # noqa: PLC0415 see the module

    return await open_family(config, ports)


async def _open_openadr(config: SiteConfig, ports: FamilyPorts) -> DeviceFamily | None:
    from edge_agent.drivers.openadr.family import open_family  # noqa: PLC0415 see the module

    return await open_family(config, ports)


FAMILIES: Final = (
    FamilyOpening(
        name="echonet-lite", protocols=frozenset({"echonet-lite"}), open=_open_echonet_lite
    ),
    FamilyOpening(name="modbus", protocols=frozenset({"sunspec", "modbus"}), open=_open_modbus),
    FamilyOpening(name="bacnet", protocols=frozenset({"bacnet"}), open=_open_bacnet),
    FamilyOpening(name="ocpp", protocols=frozenset({"ocpp"}), open=_open_ocpp),
    FamilyOpening(name="ieee2030.5", protocols=frozenset({"ieee2030.5"}), open=_open_ieee2030_5),
    FamilyOpening(name="openadr", protocols=frozenset({"openadr"}), open=_open_openadr),
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
