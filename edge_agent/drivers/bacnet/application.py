"""The gateway's own BACnet device: what it hears and answers, and nothing more.

bacpypes3 would serve every request that anybody on the network sends, among them the one that
silences a device (DeviceCommunicationControl) and writes to its objects. The gateway is a
client: it lets itself be found and read, takes notifications, and refuses the rest.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from bacpypes3.apdu import ConfirmedRequestPDU, RejectPDU, SimpleAckPDU
from bacpypes3.app import Application
from bacpypes3.comm import Client, Server, bind
from bacpypes3.local.device import DeviceObject
from bacpypes3.local.networkport import NetworkPortObject
from bacpypes3.pdu import IPv4Address

from edge_agent.drivers.bacnet.values import Value, plain
from edge_agent.drivers.frames import Direction, FrameTap
from protocols.vocabulary.errors import ConfigError

APDU_TIMEOUT_MS: Final = 1000
APDU_RETRIES: Final = 1
"""A device that is silent is known to be after (1 + retries) times the time-out."""

BIND_S: Final = 0.02
BIND_ROUNDS: Final = 100
"""Pause between looks whether the port is bound, and how many there are."""
HEARD_PER_S: Final = 100
PEERS_PER_S: Final = 1000
"""Datagrams of one node, and nodes, that are listened to in a second."""

Untyped = Any
"""What comes from bacpypes3, which has no types; it goes no further than this room's border."""

_SERVED: Final = frozenset(
    {
        "WhoIsRequest",
        "IAmRequest",
        "ReadPropertyRequest",
        "ReadPropertyMultipleRequest",
        "ConfirmedCOVNotificationRequest",
        "UnconfirmedCOVNotificationRequest",
    }
)
_UNRECOGNIZED_SERVICE: Final = 9
_VENDOR: Final = 999


@dataclass(frozen=True, slots=True)
class Notification:
    """Values a device told by itself.

    Attributes
    ----------
    node : str
        Where it came from, ``"host:port"``.
    process_id : int
        Subscription it belongs to.
    device_instance : int
        Device that says so.
    object_number, object_instance : int
        Object it is about.
    remaining_s : int
        How long the subscription still lasts, as the device counted when it sent this; 0 if it
        does not say.
    values : dict of int to Value
        By property number.
    """

    node: str
    process_id: int
    device_instance: int
    object_number: int
    object_instance: int
    remaining_s: int
    values: dict[int, Value]


@dataclass(frozen=True, slots=True)
class Announcement:
    """An I-Am: a device, and where it is."""

    node: str
    device_instance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnDevice:
    """Interface with prefix, port and instance of the gateway's device, and its name."""

    address: str
    port: int
    device_instance: int
    name: str


class GatewayApplication(Application):  # type: ignore[misc]
    """A bacpypes3 application that hands on what it hears.

    Attributes
    ----------
    on_notification, on_announcement : callable
        Called with what arrived; whoever listens replaces them.
    """

    on_notification: Callable[[Notification], None]
    on_announcement: Callable[[Announcement], None]

    async def indication(self, apdu: Untyped) -> None:
        """Serve what is served; reject the rest."""
        if type(apdu).__name__ in _SERVED:
            await super().indication(apdu)
        elif isinstance(apdu, ConfirmedRequestPDU):
            await self.response(RejectPDU(reason=_UNRECOGNIZED_SERVICE, context=apdu))

    async def do_IAmRequest(self, apdu: Untyped) -> None:  # noqa: N802 - bacpypes3's name
        """Hand an announcement on."""
        node = node_of(apdu.pduSource)
        if node and apdu.iAmDeviceIdentifier is not None:
            self.on_announcement(Announcement(node, int(apdu.iAmDeviceIdentifier[1])))

    async def do_UnconfirmedCOVNotificationRequest(self, apdu: Untyped) -> None:  # noqa: N802 - bacpypes3's name
        """Hand a notification on."""
        self._notified(apdu)

    async def do_ConfirmedCOVNotificationRequest(self, apdu: Untyped) -> None:  # noqa: N802 - bacpypes3's name
        """Hand a notification on and acknowledge it."""
        self._notified(apdu)
        await self.response(SimpleAckPDU(context=apdu))

    def _notified(self, apdu: Untyped) -> None:
        node = node_of(apdu.pduSource)
        if not node:
            return
        monitored = apdu.monitoredObjectIdentifier
        self.on_notification(
            Notification(
                node=node,
                process_id=int(apdu.subscriberProcessIdentifier),
                device_instance=int(apdu.initiatingDeviceIdentifier[1]),
                object_number=int(monitored[0]),
                object_instance=int(monitored[1]),
                remaining_s=int(apdu.timeRemaining or 0),
                values={
                    int(entry.propertyIdentifier): plain(entry.value) for entry in apdu.listOfValues
                },
            )
        )


class _Door(Client, Server):  # type: ignore[misc]
    """What passes between the stack and its socket: shown, and no more of it than is sane.

    A node that floods us is heard :data:`HEARD_PER_S` times in a second; what it sends beyond
    that is dropped before the library spends time on it.
    """

    def __init__(self, tap: FrameTap) -> None:
        Client.__init__(self)
        Server.__init__(self)
        self._tap = tap
        self._heard: dict[str, int] = {}
        self._second = 0

    async def indication(self, pdu: Untyped) -> None:
        """Show what goes down."""
        self._tap(Direction.SENT, str(pdu.pduDestination), bytes(pdu.pduData))
        await self.request(pdu)

    async def confirmation(self, pdu: Untyped) -> None:
        """Show what comes up; drop what is too much."""
        peer = str(pdu.pduSource)
        second = int(asyncio.get_running_loop().time())
        if second != self._second:
            self._second, self._heard = second, {}
        heard = self._heard.get(peer, 0)
        if heard >= HEARD_PER_S or len(self._heard) > PEERS_PER_S:
            return
        self._heard[peer] = heard + 1
        self._tap(Direction.RECEIVED, peer, bytes(pdu.pduData))
        await self.response(pdu)


def node_of(source: Untyped) -> str:
    """``host:port`` of a sender; empty for one behind a router, which is not spoken with."""
    if isinstance(source, IPv4Address):
        host, port = source.addrTuple
        return f"{host}:{port}"
    return ""


async def open_application(own: OwnDevice, tap: FrameTap) -> GatewayApplication:
    """Make the gateway's device and bind its port.

    Raises
    ------
    ConfigError
        If the port is taken or the address is not this machine's.
    """
    host = str(ipaddress.IPv4Interface(own.address).ip)
    _check_free(host, own.port)
    device = DeviceObject(
        objectIdentifier=("device", own.device_instance),
        objectName=own.name,
        vendorIdentifier=_VENDOR,
        apduTimeout=APDU_TIMEOUT_MS,
        numberOfApduRetries=APDU_RETRIES,
        maxApduLengthAccepted=1476,
        segmentationSupported="segmentedBoth",
        maxSegmentsAccepted=64,
    )
    port = NetworkPortObject(
        f"{own.address}:{own.port}", objectIdentifier=("networkPort", 1), objectName="network-port"
    )
    application = GatewayApplication.from_object_list([device, port])
    assert isinstance(application, GatewayApplication), "made by its own class"
    application.on_notification = _ignore
    application.on_announcement = _ignore
    for link in application.link_layers.values():
        bind(link.multiplexer, _Door(tap), link.server)
        if not await _bound(link.server):
            application.close()
            raise ConfigError(f"bacnet.address: {own.address} port {own.port} cannot be bound")
    return application


async def _bound(server: Untyped) -> bool:
    """Wait until the library has its sockets: before that it could not let go of them."""
    for _ in range(BIND_ROUNDS):
        broadcast = server.broadcast_address is None or server.broadcast_transport is not None
        if server.local_transport is not None and broadcast:
            return True
        await asyncio.sleep(BIND_S)
    return False


def _ignore(_heard: object) -> None:
    """Nobody listens yet."""


def _check_free(host: str, port: int) -> None:
    """Refuse a port that is taken: bacpypes3 would wait for it without a word."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"bacnet.address: UDP {host}:{port} cannot be bound: {error.strerror}"
            ) from error
