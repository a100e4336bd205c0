"""Simulated chargers on real websockets: each connects out to the central system it is told.

A charger that cannot connect, or loses its connection, tries again after :data:`RETRY_S`. Its
calls leave one after the other, each after the answer to the one before; what it is asked is
answered in between. The ``ocpp`` package makes and reads the messages; faults of the wire are
put between it and the socket.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
from ocpp import v16, v201
from ocpp.exceptions import NotImplementedError as NotOfferedError
from ocpp.exceptions import OCPPError, UnknownCallErrorCodeError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from firmware_sim.devices.ocpp.device import OcppDevice
from firmware_sim.devices.ocpp.messages import Call
from firmware_sim.devices.ocpp.requests import ACTIONS_16, ACTIONS_201, served
from firmware_sim.faults import FaultKind
from firmware_sim.servers.port import Hosted, World
from firmware_sim.wire_faults import shape
from protocols.ocpp.states import SUBPROTOCOLS, VERSION_16
from protocols.vocabulary.errors import DeviceUnsupportedError

RETRY_S: Final = 0.5
ANSWER_S: Final = 2.0
"""How long the central system may take to answer."""
ATTEMPTS_MAX: Final = 3
"""How often a call about a transaction is made that is answered with an error."""
_IDLE_S: Final = 0.1
_FRAGMENTS: Final = 2

_log = structlog.get_logger(__name__)


def listener(hosted: Sequence[Hosted], world: World) -> "OcppChargers":
    """Make all chargers of a simulation."""
    return OcppChargers(hosted, world)


class OcppChargers:
    """All simulated chargers.

    Parameters
    ----------
    hosted : sequence of Hosted
        Chargers, each with address and port of its central system.
    world : World
        Time.
    """

    def __init__(self, hosted: Sequence[Hosted], world: World) -> None:
        self._chargers = [_Charger(one, world) for one in hosted]
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Let every charger connect; a central system that is not there yet is tried again."""
        for charger in self._chargers:
            self._tasks.append(asyncio.create_task(charger.run(), name=f"charger {charger.name}"))

    async def close(self) -> None:
        """Cut every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def tick(self, _now_s: float) -> None:
        """Let chargers look whether something is due."""
        for charger in self._chargers:
            charger.wake()


class _Wire:
    """The socket as the package sees it, with the faults of the wire in between."""

    def __init__(self, socket: ClientConnection, device: OcppDevice) -> None:
        self._socket = socket
        self._device = device
        self._sent = 0
        self._later: set[asyncio.Task[None]] = set()

    async def send(self, text: str) -> None:
        faults = self._device.faults
        if faults.has(FaultKind.WRONG_TRANSACTION) and text.startswith(("[3", "[4")):
            text = text.replace('"', '"other-', 1)
        fragmented = faults.has(FaultKind.SPLIT)
        departures = shape(faults.without(FaultKind.SPLIT), text.encode(), self._sent)
        self._sent += 1
        for departure in departures:
            data = departure.data.decode("utf-8", "replace")
            if departure.delay_s > 0.0:
                task = asyncio.create_task(self._send_later(departure.delay_s, data))
                self._later.add(task)
                task.add_done_callback(self._later.discard)
            elif fragmented:
                middle = len(data) // _FRAGMENTS
                await self._socket.send([data[:middle], data[middle:]])
            else:
                await self._socket.send(data)

    async def _send_later(self, delay_s: float, data: str) -> None:
        await asyncio.sleep(delay_s)
        with contextlib.suppress(ConnectionClosed):
            await self._socket.send(data)


class _Charger:
    """One charger and its connection, again and again."""

    def __init__(self, hosted: Hosted, world: World) -> None:
        assert isinstance(hosted.device, OcppDevice), "a charger"
        self._device = hosted.device
        self._hosted = hosted
        self._world = world
        self._wake = asyncio.Event()
        self._attempts = 0
        self.name = hosted.device.name

    def wake(self) -> None:
        """Look whether something is due."""
        self._wake.set()

    async def run(self) -> None:
        """Connect, serve, and connect again."""
        while True:
            try:
                async with self._connection() as socket:
                    await self._serve(socket)
            except (OSError, InvalidHandshake, ConnectionClosed, TimeoutError) as error:
                _log.debug("charger.unconnected", device=self.name, cause=str(error)[:120])
            finally:
                self._device.disconnected()
            await asyncio.sleep(RETRY_S)

    def _connection(self) -> connect:
        hosted = self._hosted
        moved = self._device.faults.active.get(FaultKind.ADDRESS_CHANGE)
        elsewhere = None if moved is None or not moved.address else (moved.address, 0)
        return connect(
            f"ws://{hosted.address}:{hosted.port}/ocpp/{self._device.identity}",
            subprotocols=[Subprotocol(SUBPROTOCOLS[self._device.wire.version])],
            compression=None,
            proxy=None,
            open_timeout=ANSWER_S,
            close_timeout=0.5,
            ping_interval=None,
            logger=_quiet(),
            local_addr=elsewhere,
        )

    async def _serve(self, socket: ClientConnection) -> None:
        library = v16 if self._device.wire.version == VERSION_16 else v201
        point = library.ChargePoint(
            self._device.identity,
            _Wire(socket, self._device),
            response_timeout=ANSWER_S,
            logger=_quiet(),
        )
        actions = ACTIONS_16 if self._device.wire.version == VERSION_16 else ACTIONS_201
        point.route_map = {
            action: {
                "_on_action": self._answering(action, getattr(library.call_result, action)),
                "_skip_schema_validation": False,
            }
            for action in actions
        }
        self._device.connected(self._world.now_s())
        moved = self._device.faults.has(FaultKind.ADDRESS_CHANGE)
        async with asyncio.TaskGroup() as group:
            hearing = group.create_task(self._hear(socket, point.route_message))
            try:
                while self._device.online and not hearing.done():
                    if self._device.faults.has(FaultKind.ADDRESS_CHANGE) != moved:
                        break
                    await self._speak(point.call, library.call)
            finally:
                hearing.cancel()

    async def _hear(
        self, socket: ClientConnection, route: Callable[[str | bytes], Awaitable[None]]
    ) -> None:
        """Take what comes until the connection ends; a silent charger does not."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                message = await socket.recv()
                if self._device.faults.has(FaultKind.SILENT):
                    continue
                if self._device.faults.service_delay_s > 0.0:
                    await asyncio.sleep(self._device.faults.service_delay_s)
                await route(message)
                self.wake()

    async def _speak(self, call: Callable[..., Awaitable[object]], requests: object) -> None:
        """Make the call that is due, or wait for one."""
        due = None
        if not self._device.faults.has(FaultKind.SILENT):
            due = self._device.next_call(self._world.now_s())
        if due is None:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_IDLE_S):
                    await self._wake.wait()
            return
        try:
            request = getattr(requests, due.action)(**due.words)
            result = await call(request, suppress=False)
        except (TimeoutError, ConnectionClosed):
            return  # made again, if it is about a transaction
        except (OCPPError, UnknownCallErrorCodeError) as error:
            self._refused(due, str(error))
            return
        self._attempts = 0
        self._device.answered(due, vars(result))

    def _refused(self, due: Call, cause: str) -> None:
        """Give a call up that is answered with an error again and again."""
        self._attempts += 1
        if self._attempts >= ATTEMPTS_MAX or not due.kept:
            _log.warning("charger.refused", device=self.name, action=due.action, cause=cause[:200])
            self._device.answered(due, None)
            self._attempts = 0

    def _answering(
        self, action: str, result_class: Callable[..., object]
    ) -> Callable[..., Awaitable[object]]:
        async def answer(**words: object) -> object:
            self._world.catch_up(self.name)
            try:
                return result_class(**served(self._device, action, words))
            except DeviceUnsupportedError as refusal:
                raise NotOfferedError(str(refusal)) from None

        return answer


def _quiet() -> logging.Logger:
    """Logger of the packages: what they complain about is the fault that was switched on."""
    logger = logging.getLogger("firmware_sim.servers.ocpp.libraries")
    logger.setLevel(logging.CRITICAL)
    logger.propagate = False
    return logger
