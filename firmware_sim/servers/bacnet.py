"""Simulated BACnet devices on real sockets: one bacpypes3 application each.

The library owns the services; between it and the socket stands :class:`_Line`, where the wire's
faults are. A device that starts anew, moves or answers as another one gets a new application:
its priorityArray and its subscriptions are gone, as in a real controller.

On loopback the library takes every address at its own port for itself, so whoever speaks with
these devices must have another port. A broadcast reaches every process on loopback, so a device
only hears those of its own 127.x/16.
"""

import asyncio
import socket
from collections.abc import Sequence
from typing import Final

import structlog
from bacpypes3.apdu import (
    AbortPDU,
    ConfirmedRequestPDU,
    ReadPropertyMultipleRequest,
    RejectPDU,
    SimpleAckPDU,
    SubscribeCOVRequest,
    WritePropertyRequest,
)
from bacpypes3.app import Application
from bacpypes3.comm import Client, Server, bind
from bacpypes3.errors import ExecutionError
from bacpypes3.pdu import PDU, Address, LocalBroadcast

from firmware_sim.devices.bacnet.device import BacnetDevice, Quirk
from firmware_sim.faults import FaultKind
from firmware_sim.servers.bacnet_objects import Commanded, Served, Untyped, made_objects
from firmware_sim.servers.port import Hosted, World
from firmware_sim.wire_faults import shape
from protocols.bacnet.objects import ANY_DEVICE
from protocols.vocabulary.errors import ConfigError

PENDING_MAX: Final = 1000
"""Datagrams of one device that wait for their time."""
ASKERS_MAX: Final = 8
"""Who asked lately, and is told of a restart."""
_SMALL_ANSWER: Final = 4
_BUFFER_OVERFLOW, _UNRECOGNIZED_SERVICE = 1, 9
_BVLC_BYTES: Final = 4
_PLAIN_NPDU: Final = b"\x01\x00"
_ANSWERS: Final = frozenset({2, 3, 5, 6, 7})
_SAME_ID_AGAIN: Final = 5
_BIND_ROUNDS, _BIND_S = 100, 0.01

_log = structlog.get_logger(__name__)


class _Line(Client, Server):  # type: ignore[misc]
    """What becomes of a device's datagrams on their way."""

    def __init__(self, device: BacnetDevice, address: str) -> None:
        Client.__init__(self)
        Server.__init__(self)
        self._device = device
        self._network = _network(address)
        self._sent = 0
        self._waiting: set[asyncio.TimerHandle] = set()
        self._leaving: set[asyncio.Task[None]] = set()

    async def confirmation(self, pdu: Untyped) -> None:
        """Let what comes in through, unless the device is deaf, or it is another network's."""
        broadcast = isinstance(pdu.pduDestination, LocalBroadcast)
        strange = broadcast and _network(pdu.pduSource.addrTuple[0]) != self._network
        if not strange and not self._device.faults.has(FaultKind.SILENT):
            await self.response(pdu)

    async def indication(self, pdu: Untyped) -> None:
        """Let what goes out leave at its time and in its shape."""
        data = bytes(pdu.pduData)
        if self._device.faults.has(FaultKind.WRONG_TRANSACTION):
            data = _renumbered(data)
        self._sent += 1
        for departure in shape(self._device.faults, data, self._sent - 1):
            if departure.delay_s > 0.0 and len(self._waiting) < PENDING_MAX:
                self._later(departure.delay_s, departure.data, pdu.pduDestination)
            elif departure.delay_s <= 0.0:
                await self.request(PDU(departure.data, destination=pdu.pduDestination))

    def close(self) -> None:
        """Lose what waits."""
        for handle in self._waiting:
            handle.cancel()
        self._waiting.clear()

    def _later(self, delay_s: float, data: bytes, destination: Untyped) -> None:
        def leave() -> None:
            self._waiting.discard(handle)
            task = asyncio.ensure_future(self.request(PDU(data, destination=destination)))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

        handle = asyncio.get_running_loop().call_later(delay_s, leave)
        self._waiting.add(handle)


class SimulatedApplication(Application):  # type: ignore[misc]
    """A device's application: catches up before it serves, and has its device's faults.

    Attributes
    ----------
    hosted, world
        Device, place and time; set by whoever makes it.
    askers : dict of str to None
        Who asked lately, the latest last.
    """

    hosted: Hosted
    world: World
    askers: dict[str, None]

    @property
    def device(self) -> BacnetDevice:
        """The device behind it."""
        assert isinstance(self.hosted.device, BacnetDevice), "a BACnet device"
        return self.hosted.device

    async def indication(self, apdu: Untyped) -> None:
        """Serve a request, or do what the faults and quirks say instead."""
        faults = self.device.faults
        self._remember(str(apdu.pduSource))
        if faults.service_delay_s > 0.0:
            await asyncio.sleep(faults.service_delay_s)
        answer = self._instead(apdu)
        if answer is not None:
            await self.response(answer)
            return
        self.world.catch_up(self.device.name)
        self.refresh()
        await super().indication(apdu)

    def refresh(self) -> None:
        """Let the objects show what the device shows; subscribers are told of changes."""
        shown = self.device.shown()
        for served in self.objectIdentifier.values():
            if isinstance(served, Served):
                served.show(shown[served.served_id])

    def _remember(self, asker: str) -> None:
        self.askers.pop(asker, None)
        self.askers[asker] = None
        while len(self.askers) > ASKERS_MAX:
            del self.askers[next(iter(self.askers))]

    def _instead(self, apdu: Untyped) -> Untyped | None:
        """Answer a confirmed request otherwise than the library would."""
        faults, quirks = self.device.faults, self.device.quirks
        if not isinstance(apdu, ConfirmedRequestPDU):
            return None
        if isinstance(apdu, WritePropertyRequest) and faults.has(FaultKind.NO_EFFECT):
            return SimpleAckPDU(context=apdu)
        several = isinstance(apdu, ReadPropertyMultipleRequest)
        subscribes = isinstance(apdu, SubscribeCOVRequest)
        if (several and Quirk.NO_RPM in quirks) or (subscribes and Quirk.NO_COV in quirks):
            return RejectPDU(reason=_UNRECOGNIZED_SERVICE, context=apdu)
        if several and Quirk.SMALL_APDU in quirks and _asked(apdu) > _SMALL_ANSWER:
            return AbortPDU(reason=_BUFFER_OVERFLOW, context=apdu)
        return None

    async def do_ReadPropertyRequest(self, apdu: Untyped) -> None:  # noqa: N802 - bacpypes3's name
        """Answer, also to who asks for whichever device this is."""
        self._except()
        wildcard = int(apdu.objectIdentifier[1]) == ANY_DEVICE
        if wildcard and Quirk.NO_WILDCARD not in self.device.quirks:
            apdu.objectIdentifier = self.device_object.objectIdentifier
        await super().do_ReadPropertyRequest(apdu)

    async def do_ReadPropertyMultipleRequest(self, apdu: Untyped) -> None:  # noqa: N802 - bacpypes3's name
        """Answer, unless there is an exception."""
        self._except()
        await super().do_ReadPropertyMultipleRequest(apdu)

    async def do_SubscribeCOVRequest(self, apdu: Untyped) -> None:  # noqa: N802 - bacpypes3's name
        """Subscribe, unless there is an exception."""
        self._except()
        await super().do_SubscribeCOVRequest(apdu)

    async def do_WritePropertyRequest(self, apdu: Untyped) -> None:  # noqa: N802 - bacpypes3's name
        """Write, unless it is refused; the machine is told what is commanded now."""
        self._except()
        if self.device.faults.has(FaultKind.REFUSING):
            raise ExecutionError(errorClass="property", errorCode="writeAccessDenied")
        await super().do_WritePropertyRequest(apdu)
        for served in self.objectIdentifier.values():
            if isinstance(served, Commanded):
                self.device.commanded(served.commanded_value())

    def _except(self) -> None:
        if self.device.faults.has(FaultKind.EXCEPTION):
            raise ExecutionError(errorClass="device", errorCode="operationalProblem")


class _Host:
    """One device with the application it has now."""

    def __init__(self, hosted: Hosted, world: World) -> None:
        assert isinstance(hosted.device, BacnetDevice), "a BACnet device"
        self._hosted = hosted
        self._device = hosted.device
        self._world = world
        self._application: SimulatedApplication | None = None
        self._lines: list[_Line] = []
        self._shape: tuple[str, int, int, int] | None = None

    async def refresh(self) -> None:
        """Show what is; start anew where the device has."""
        wanted = self._wanted()
        if wanted != self._shape:
            again = self._shape is not None
            askers = {} if self._application is None else self._application.askers
            self.close()
            await self._open(*wanted[:2], askers)
            self._shape = wanted
            if again:
                self._announce()
        assert self._application is not None, "opened above"
        self._application.refresh()

    def close(self) -> None:
        """Let go of the sockets."""
        for line in self._lines:
            line.close()
        if self._application is not None:
            self._application.close()
        self._application = None
        self._lines = []

    def _wanted(self) -> tuple[str, int, int, int]:
        """Address, instance, start and number of objects as they should be now."""
        faults = self._device.faults.active
        moved = faults.get(FaultKind.ADDRESS_CHANGE)
        address = self._hosted.address if moved is None else moved.address
        instance = self._hosted.unit + (FaultKind.WRONG_UNIT in faults)
        return address, instance, self._device.starts, len(self._device.objects())

    async def _open(self, address: str, instance: int, askers: dict[str, None]) -> None:
        _check_free(address, self._hosted.port)
        application = SimulatedApplication.from_object_list(
            made_objects(self._device, address=f"{address}/8:{self._hosted.port}", unit=instance)
        )
        assert isinstance(application, SimulatedApplication), "made by its own class"
        application.hosted, application.world = self._hosted, self._world
        application.askers = askers
        for link in application.link_layers.values():
            line = _Line(self._device, address)
            bind(link.multiplexer, line, link.server)
            self._lines.append(line)
            await _bound(link.server)
        self._application = application

    def _announce(self) -> None:
        """Tell who asked lately; a broadcast would not leave this port."""
        assert self._application is not None, "opened before"
        for asker in self._application.askers:
            self._application.i_am(address=Address(asker))


class BacnetListener:
    """All simulated BACnet devices.

    Parameters
    ----------
    hosted : sequence of Hosted
        The devices and their places; ``unit`` is the device instance.
    world : World
        Time, and who steps it.
    """

    def __init__(self, hosted: Sequence[Hosted], world: World) -> None:
        self._hosts = [_Host(one, world) for one in hosted]

    async def start(self) -> None:
        """Bind every socket; raises ConfigError if one cannot be bound."""
        try:
            for host in self._hosts:
                await host.refresh()
        except ConfigError:
            await self.close()
            raise

    async def close(self) -> None:
        """Close every socket."""
        for host in self._hosts:
            host.close()
        await asyncio.sleep(0)

    async def tick(self, now_s: float) -> None:  # noqa: ARG002 - the devices are stepped by then
        """Show the devices as they are now."""
        for host in self._hosts:
            try:
                await host.refresh()
            except ConfigError as error:
                _log.warning("listener.failed", cause=str(error))


def listener(hosted: Sequence[Hosted], world: World) -> BacnetListener:
    """Make the listener of all BACnet devices."""
    return BacnetListener(hosted, world)


def _network(address: str) -> str:
    """Network of a loopback address: all of loopback hears a broadcast, so /16 is a network."""
    return ".".join(address.split(".")[:2])


def _asked(apdu: ReadPropertyMultipleRequest) -> int:
    """How many properties a request asks for."""
    return sum(len(spec.listOfPropertyReferences) for spec in apdu.listOfReadAccessSpecs)


def _renumbered(data: bytes) -> bytes:
    """Datagram with another invoke id, if it is an answer."""
    apdu = _BVLC_BYTES + len(_PLAIN_NPDU)
    if data[_BVLC_BYTES:apdu] != _PLAIN_NPDU or len(data) < apdu + 2:
        return data
    if data[apdu] >> 4 not in _ANSWERS:
        return data
    other = (data[apdu + 1] + _SAME_ID_AGAIN) % 256
    return data[: apdu + 1] + bytes((other,)) + data[apdu + 2 :]


async def _bound(server: Untyped) -> None:
    """Wait until the library has its sockets: before that it could not let go of them."""
    for _ in range(_BIND_ROUNDS):
        broadcast = server.broadcast_address is None or server.broadcast_transport is not None
        if server.local_transport is not None and broadcast:
            return
        await asyncio.sleep(_BIND_S)
    raise ConfigError(f"{server.local_address} cannot be bound")


def _check_free(address: str, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise ConfigError(
                f"{address}:{port} cannot be bound: {error.strerror or error}"
            ) from error
