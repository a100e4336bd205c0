"""Whether a site's own ports are free, and whether each of its devices is there.

Devices of every protocol are asked through their own families, as the agent would; so the agent
must not run. A running agent's own readings say more.
"""

import socket
from dataclasses import dataclass

from edge_agent.config.site import DeviceConfig, SiteConfig
from edge_agent.drivers.frames import NO_TAP
from edge_agent.drivers.port import FoundDevice, Reading
from edge_agent.technician.bench import told_by
from edge_agent.technician.opening import open_devices
from protocols.vocabulary.intervals import Clock
from protocols.vocabulary.measurement import Quality


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """Whether a device answered, and what."""

    device_id: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPort:
    """A port of the gateway that devices speak to."""

    kind: socket.SocketKind
    address: str
    port: int

    def __str__(self) -> str:
        """``UDP 192.168.1.2:3610``."""
        name = "UDP" if self.kind is socket.SOCK_DGRAM else "TCP"
        return f"{name} {self.address}:{self.port}"

    def fault(self) -> str:
        """Say why the port cannot be had; empty if it can."""
        with socket.socket(socket.AF_INET, self.kind) as endpoint:
            if self.kind is socket.SOCK_STREAM:
                endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                endpoint.bind((self.address, self.port))
            except OSError as error:
                return f"{self}: {error.strerror}"
        return ""


def own_ports(config: SiteConfig) -> tuple[OwnPort, ...]:
    """List the ports that a site's protocols need at the gateway."""
    found = []
    if config.echonet is not None:
        found.append((socket.SOCK_DGRAM, config.echonet.address, config.echonet.port))
    if config.bacnet is not None:
        address = config.bacnet.address.partition("/")[0]
        found.append((socket.SOCK_DGRAM, address, config.bacnet.port))
    if config.ocpp is not None:
        found.append((socket.SOCK_STREAM, config.ocpp.address, config.ocpp.port))
    found += [
        (socket.SOCK_STREAM, server.address, server.port)
        for server in (config.ieee2030_5_server, config.openadr_vtn)
        if server is not None
    ]
    return tuple(OwnPort(kind=kind, address=address, port=port) for kind, address, port in found)


async def reach(config: SiteConfig, clock: Clock) -> tuple[Reached, ...]:
    """Look for every configured device and ask it for everything it has.

    Raises
    ------
    ConfigError
        If the agent runs, or a port cannot be had.
    """
    async with open_devices(config, clock, NO_TAP) as driver:
        found = {one.device_id: one for one in await driver.discover()}
        values = await told_by(driver)
    return tuple(
        _reached(device, found.get(device.device_id), values.get(device.device_id, ()))
        for device in config.devices
    )


def _reached(
    device: DeviceConfig, found: FoundDevice | None, values: tuple[Reading, ...]
) -> Reached:
    if found is None:
        where = device.address or device.identity or "anywhere"
        detail = f"no answer from {where} ({device.protocol})"
        return Reached(device_id=device.device_id, ok=False, detail=detail)
    good = sum(value.quality is Quality.GOOD for _, value in values)
    about = f", {found.about}" if found.about else ""
    detail = f"answers at {found.address}{about}; {good} of {len(values)} values are good"
    return Reached(device_id=device.device_id, ok=good > 0, detail=detail)
