"""What every protocol's listener is made from and asked for.

Each room of this package has a function ``listener(hosted, world)`` that gives a
:class:`Listener` for all devices of its protocol (:mod:`firmware_sim.servers.registry`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from firmware_sim.devices.contract import SimulatedDevice
from protocols.templates.template import Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosted:
    """A device and where it is found.

    Attributes
    ----------
    device : SimulatedDevice
        What the room's own ``simulated_device`` made. Its ``name`` is ``"site/device"``; an
        OCPP charger calls itself by the part after the last ``/``.
    template : Template or None
        What it was made from; None for a device from the old form of a scenario.
    address, port : str, int
        Where it listens; a charger: where the central system is that it calls.
    unit : int
        Modbus unit id, BACnet device instance, else 1.
    group : str
        Multicast group of its site (ECHONET Lite), else empty.
    """

    device: SimulatedDevice
    template: Template | None
    address: str
    port: int
    unit: int = 1
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Time as listeners see it.

    Attributes
    ----------
    now_s : callable
        Unix time in s, never going back.
    catch_up : callable
        Steps the site of a device of that name to now; call it before a request is served.
    """

    now_s: Callable[[], float]
    catch_up: Callable[[str], None]


class Listener(Protocol):
    """All devices of one protocol on the wire."""

    async def start(self) -> None:
        """Bind every socket.

        Raises
        ------
        ConfigError
            If an address and port are taken or not allowed; nothing stays bound.
        """

    async def close(self) -> None:
        """Close every socket and end every task; what waited to be sent is lost."""

    async def tick(self, now_s: float) -> None:
        """Do what is due at a Unix time in s: announcements, notifications, meter values."""
