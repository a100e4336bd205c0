"""Simulated Modbus units on real sockets: TCP, and RTU on a line that is handed in.

Framing and checksums are pymodbus's; what a unit answers is its own
(:mod:`firmware_sim.devices.modbus.device`), and what leaves when is decided frame by frame
here, for that is where the wire's faults are: another transaction, another unit, nothing at
all on a connection that is taken. Several units may stand behind one address.
"""

import asyncio
import os
import tty
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import structlog
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU

from firmware_sim.devices.modbus.device import RegisterDevice
from firmware_sim.devices.modbus.image import Refusal, refusal
from firmware_sim.faults import FaultKind
from firmware_sim.servers.port import Hosted, World
from firmware_sim.wire_faults import shape
from protocols.vocabulary.errors import ConfigError

FRAME_MAX: Final = 260
"""Longest Modbus/TCP frame; a peer that sends more without sense is hung up on."""
CONNECTIONS_MAX: Final = 32
"""Connections one address takes; the oldest gives way."""
_WRONG_TRANSACTION: Final = 0x0101
_SERIAL: Final = "/"
_READ_BYTES: Final = 4096

_log = structlog.get_logger(__name__)
_Place = tuple[str, int]
_Reply = Callable[[bytes, int], bytes]
"""Frames a PDU for a unit, as the wire of the request has it."""


class Units:
    """The units behind one address.

    Parameters
    ----------
    hosted : sequence of Hosted
        One each.
    world : World
        Time, and who steps it.
    """

    def __init__(self, hosted: Sequence[Hosted], world: World) -> None:
        self._world = world
        self._units: dict[int, RegisterDevice] = {}
        self._sent: dict[int, int] = {}
        self._waiting: set[asyncio.TimerHandle] = set()
        for entry in hosted:
            assert isinstance(entry.device, RegisterDevice), "a unit with registers"
            if entry.unit in self._units:
                raise ConfigError(f"{entry.address}:{entry.port}: unit {entry.unit} twice")
            self._units[entry.unit] = entry.device

    def ask(self, unit: int, pdu: bytes, reply: _Reply, *, send: Callable[[bytes], None]) -> None:
        """Let a unit serve a request; its answer is sent when its faults let it."""
        device = self._units.get(unit)
        if device is None:
            send(reply(refusal(pdu[0], Refusal.NO_TARGET), unit))
            return
        self._world.catch_up(device.name)
        if device.faults.has(FaultKind.ADDRESS_CHANGE) or device.faults.has(FaultKind.SILENT):
            return
        delay_s = device.faults.service_delay_s
        self._later(delay_s, lambda: self._serve(unit, pdu, reply, send=send))

    def has(self, unit: int) -> bool:
        """Whether a unit is behind this address."""
        return unit in self._units

    def close(self) -> None:
        """Forget what waits to be sent."""
        for handle in self._waiting:
            handle.cancel()
        self._waiting.clear()

    def _serve(
        self, unit: int, pdu: bytes, reply: _Reply, *, send: Callable[[bytes], None]
    ) -> None:
        device = self._units[unit]
        answer = device.answer(pdu)
        wrong = device.faults.has(FaultKind.WRONG_UNIT)
        frame = reply(answer, (unit + 1) % 248 if wrong else unit)
        if device.faults.has(FaultKind.WRONG_TRANSACTION) and isinstance(reply, _TcpReply):
            frame = reply.renumbered(_WRONG_TRANSACTION)(answer, unit)
        number = self._sent.get(unit, 0)
        self._sent[unit] = number + 1
        for departure in shape(device.faults, frame, number):
            self._later(departure.delay_s, partial(send, departure.data))

    def _later(self, delay_s: float, call: Callable[[], None]) -> None:
        if delay_s <= 0.0:
            call()
            return

        def due() -> None:
            self._waiting.discard(handle)
            call()

        handle = asyncio.get_running_loop().call_later(delay_s, due)
        self._waiting.add(handle)


class _TcpReply:
    """Frames answers with the transaction of their request."""

    def __init__(self, framer: FramerSocket, transaction: int) -> None:
        self._framer = framer
        self._transaction = transaction

    def __call__(self, pdu: bytes, unit: int) -> bytes:
        return self._framer.encode(pdu, unit, self._transaction)

    def renumbered(self, offset: int) -> "_TcpReply":
        """Make one with a number nobody asked with."""
        return _TcpReply(self._framer, (self._transaction + offset) % 65_536)


class _Clients:
    """The clients of one address on Modbus/TCP.

    Parameters
    ----------
    units : Units
        Who is behind the address.
    """

    def __init__(self, units: Units) -> None:
        self._units = units
        self._open: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client, in the place of the oldest if there are too many."""
        self._open.append(writer)
        if len(self._open) > CONNECTIONS_MAX:
            self._open[0].transport.abort()
        try:
            await self._answer(reader, writer)
        except OSError as error:
            _log.debug("client.gone", cause=str(error))
        finally:
            self._open.remove(writer)
            writer.transport.abort()

    def hang_up(self) -> None:
        """End every connection."""
        for writer in self._open:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve every whole request, in order; return on what is no Modbus."""
        framer = FramerSocket(DecodePDU(True))  # noqa: FBT003 - as a server, positional there
        received = b""
        while data := await reader.read(_READ_BYTES):
            received += data
            while len(received) >= FramerSocket.MIN_SIZE:
                if not _plausible(received):
                    return
                used, unit, transaction, pdu = framer.decode(received)
                if not used:
                    break
                received = received[used:]
                send = partial(_send, writer)
                self._units.ask(unit, pdu, _TcpReply(framer, transaction), send=send)


class SerialLine:
    """Units on a serial line that is already open.

    Parameters
    ----------
    descriptor : int
        Of the line; raw, and closed by :meth:`close`.
    units : Units
        Who is on it; a unit that is not is not answered for.
    """

    def __init__(self, descriptor: int, units: Units) -> None:
        self._descriptor = descriptor
        self._units = units
        self._framer = FramerRTU(DecodePDU(True))  # noqa: FBT003 - as a server, positional there
        self._received = b""

    def start(self) -> None:
        """Listen to the line."""
        os.set_blocking(self._descriptor, False)
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    def close(self) -> None:
        """Let go of the line."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _read(self) -> None:
        try:
            self._received += os.read(self._descriptor, _READ_BYTES)
        except OSError:
            return  # nobody is at the other end now
        used, unit, _, pdu = self._framer.decode(self._received)
        if len(self._received) > FRAME_MAX:
            self._received = b""
        if used:
            self._received = self._received[used:]
        if pdu and self._units.has(unit):
            self._units.ask(unit, pdu, self._framed, send=self._send)

    def _framed(self, pdu: bytes, unit: int) -> bytes:
        return self._framer.encode(pdu, unit, 0)

    def _send(self, data: bytes) -> None:
        try:
            os.write(self._descriptor, data)
        except OSError as error:
            _log.debug("line.unwritten", cause=str(error))


class ModbusListener:
    """All simulated Modbus units of a run.

    Parameters
    ----------
    hosted : sequence of Hosted
        SunSpec and plain Modbus devices.
    world : World
        Time.
    """

    def __init__(self, hosted: Sequence[Hosted], world: World) -> None:
        self._world = world
        self._hosted = tuple(hosted)
        self._servers: dict[_Place, asyncio.Server] = {}
        self._units: dict[_Place, Units] = {}
        self._lines: list[SerialLine] = []
        self._clients: dict[_Place, _Clients] = {}
        self._moved: dict[str, _Place] = {}

    async def start(self) -> None:
        """Bind every address, open every line."""
        places: dict[_Place, list[Hosted]] = {}
        for entry in self._hosted:
            places.setdefault((entry.address, entry.port), []).append(entry)
        try:
            for place, entries in places.items():
                await self._open(place, Units(entries, self._world))
        except (ConfigError, OSError) as error:
            await self.close()
            raise ConfigError(f"Modbus: {error}") from None

    async def close(self) -> None:
        """Close everything."""
        for units in self._units.values():
            units.close()
        for place in tuple(self._servers):
            await self._shut(place)
        for line in self._lines:
            line.close()
        self._lines.clear()
        self._units.clear()

    async def tick(self, now_s: float) -> None:
        """Move the devices whose address changed, and back."""
        del now_s
        for entry in self._hosted:
            device = entry.device
            fault = device.faults.active.get(FaultKind.ADDRESS_CHANGE)
            at = self._moved.get(device.name)
            if fault is not None and at is None and fault.address:
                host, _, port = fault.address.partition(":")
                place = (host, int(port) if port else entry.port)
                units = _MovedUnits([entry], self._world)
                try:
                    await self._open(place, units)
                except OSError as error:
                    _log.warning("device.unmoved", device=device.name, cause=str(error))
                else:
                    self._moved[device.name] = place
            elif fault is None and at is not None:
                await self._shut(at)
                del self._moved[device.name]

    async def _open(self, place: _Place, units: Units) -> None:
        host, port = place
        self._units[place] = units
        if host.startswith(_SERIAL):
            descriptor = os.open(host, os.O_RDWR | os.O_NOCTTY)
            tty.setraw(descriptor)
            line = SerialLine(descriptor, units)
            line.start()
            self._lines.append(line)
            return
        clients = self._clients[place] = _Clients(units)
        self._servers[place] = await asyncio.start_server(clients.serve, host, port)

    async def _shut(self, place: _Place) -> None:
        self._servers.pop(place).close()
        self._clients.pop(place).hang_up()
        await asyncio.sleep(0)


class _MovedUnits(Units):
    """The units at a new address, where the change of address is not silence."""

    def ask(self, unit: int, pdu: bytes, reply: _Reply, *, send: Callable[[bytes], None]) -> None:
        """Serve as at the old address, were it not for the change."""
        device = self._units.get(unit)
        if device is not None and not device.faults.has(FaultKind.SILENT):
            self._world.catch_up(device.name)
            delay_s = device.faults.service_delay_s
            self._later(delay_s, lambda: self._serve(unit, pdu, reply, send=send))


def listener(hosted: Sequence[Hosted], world: World) -> ModbusListener:
    """Make the listener of all SunSpec and Modbus devices."""
    return ModbusListener(hosted, world)


def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Send what is due, unless the client has gone."""
    if not writer.transport.is_closing():
        writer.write(data)


def _plausible(data: bytes) -> bool:
    """Whether bytes may begin a Modbus/TCP frame."""
    length = int.from_bytes(data[4:6], "big")
    return data[2:4] == b"\0\0" and 2 <= length <= FRAME_MAX - 6  # noqa: PLR2004 - unit, function
