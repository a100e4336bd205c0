"""ECHONET Lite as a family: the gateway's node, its conversations, and the site's devices."""

import secrets
from typing import Final

from edge_agent.config.site import EchonetConfig, SiteConfig
from edge_agent.drivers.echonet_lite.device import devices_of
from edge_agent.drivers.echonet_lite.exchange import Exchange, ExchangeSettings
from edge_agent.drivers.echonet_lite.gateway import gateway_node
from edge_agent.drivers.echonet_lite.parts import PartsTerms, field_device
from edge_agent.drivers.echonet_lite.search import EchonetSearch
from edge_agent.drivers.family import DeviceFamily, FamilyPorts
from edge_agent.drivers.port import DatagramEndpoint
from edge_agent.transports.udp import UdpEndpoint, UdpSettings
from protocols.echonet_lite.frame import TID_MAX

PROTOCOL: Final = "echonet-lite"
TIMEOUT_S: Final = 2.0
"""How long an attempt waits where neither the site nor a template says."""


async def open_family(config: SiteConfig, ports: FamilyPorts) -> DeviceFamily | None:
    """Bind the gateway's UDP port and make the family; None without such a device.

    Raises
    ------
    ConfigError
        If the port is taken or the address is not this machine's.
    """
    echonet = config.echonet
    if echonet is None or not config.devices_of(PROTOCOL):
        return None
    endpoint = await UdpEndpoint.open(
        UdpSettings(address=echonet.address, port=echonet.port, group=echonet.group)
    )
    return family_at(endpoint, config, echonet, ports=ports)


def family_at(
    endpoint: DatagramEndpoint,
    config: SiteConfig,
    echonet: EchonetConfig,
    *,
    ports: FamilyPorts,
    first_tid: int | None = None,
) -> DeviceFamily:
    """Make the family on an endpoint.

    Parameters
    ----------
    endpoint : DatagramEndpoint
        Moves the bytes.
    config, echonet : SiteConfig, EchonetConfig
        The site, and its section for this protocol.
    ports : FamilyPorts
        Clock, book, ledger, tap.
    first_tid : int or None
        Where transaction numbers begin; None draws one, so that a late answer to an earlier
        life of the agent matches nothing.
    """
    settings = ExchangeSettings(
        timeout_s=echonet.timeout_s or TIMEOUT_S,
        first_tid=first_tid or secrets.randbelow(TID_MAX) + 1,
        tap=ports.tap,
    )
    exchange = Exchange(
        endpoint, gateway_node(config.site_id), clock=ports.clock, settings=settings
    )
    terms = PartsTerms(exchange=exchange, clock=ports.clock, device_port=echonet.port)
    site_s = echonet.timeout_s
    devices = devices_of(config.site_id, config.devices_of(PROTOCOL), timeout_s=site_s)
    search = EchonetSearch(devices, exchange, ports.clock)

    async def close() -> None:
        exchange.close()
        endpoint.close()

    family = DeviceFamily(
        PROTOCOL,
        [field_device(device, terms) for device in devices],
        ports,
        search=search,
        close=close,
    )
    search.serve(family)
    exchange.start(search.notified)
    return family
