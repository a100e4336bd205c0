"""One connection to Modbus units, TCP or a serial line: the border to pymodbus.

Requests go out one after the other. What comes back is believed only if it is whole and is
the answer to what was asked: transaction, unit, function, address and count. After silence a
TCP connection is closed, for what may still come on it belongs to nobody; a serial line is
left alone until a late answer must have passed. Everything that pymodbus raises or returns
ends here as an error of ours.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ModbusPDU

from edge_agent.config.addresses import SerialUnit, TcpUnit
from edge_agent.drivers.border import attempt
from edge_agent.drivers.frames import Direction, FrameTap
from protocols.sunspec.chain import Span
from protocols.sunspec.modbus import READ_HOLDING, READ_INPUT, WRITE_MULTIPLE, WRITE_ONE
from protocols.vocabulary.errors import (
    DeviceRefusedError,
    DeviceTimeoutError,
    RemoteProtocolError,
)

RECEIVED_MAX: Final = 65_536
"""Bytes taken before they must have made sense: many answers at once are no reason to lose one."""
BUSY_S: Final = 0.1
"""Pause before a unit that says it is busy is asked once more."""
_READS: Final = frozenset({READ_HOLDING, READ_INPUT})
_BUSY: Final = frozenset({5, 6})
_NOT_THERE: Final = frozenset({10, 11})
_NAMES: Final = {
    1: "function not known",
    2: "no such register",
    3: "value not taken",
    4: "device failure",
    5: "acknowledged, not done",
    6: "busy",
    10: "gateway has no path",
    11: "unit does not answer its gateway",
}
_HEAD_BYTES: Final = 6
_LENGTH_LEAST: Final = 3
_LENGTH_MOST: Final = 254
_Client = AsyncModbusTcpClient | AsyncModbusSerialClient


class Line(Protocol):
    """Moves registers of the units behind one address."""

    async def read(self, unit: int, span: Span, *, function: int, patience_s: float) -> bytes:
        """Read registers, two bytes each.

        Raises
        ------
        DeviceTimeoutError
            If nobody answers in time.
        DeviceRefusedError
            If the unit refuses.
        RemoteProtocolError
            If what comes is not the answer.
        """

    async def write(
        self, unit: int, address: int, data: bytes, *, patience_s: float, single: bool
    ) -> None:
        """Write registers in one request, with FC6 if ``single``; raises as :meth:`read`."""

    async def close(self) -> None:
        """Let go of the connection; it is made again when it is needed."""


class ModbusLine:
    """A :class:`Line` over pymodbus.

    Parameters
    ----------
    place : TcpUnit or SerialUnit
        Where; the unit does not matter.
    timeout_s : float
        Longest wait for a connection, and for any answer.
    tap : FrameTap
        Sees the bytes.
    """

    def __init__(self, place: TcpUnit | SerialUnit, *, timeout_s: float, tap: FrameTap) -> None:
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # its errors become ours
        self._place = place
        self._timeout_s = timeout_s
        self._tap = tap
        self._tcp = isinstance(place, TcpUnit)
        self._lock = asyncio.Lock()
        self._client: _Client | None = None
        self._asking = False
        self._spoiled = False
        self._quiet_until_s = 0.0

    async def read(self, unit: int, span: Span, *, function: int, patience_s: float) -> bytes:
        """Read registers, two bytes each; see :class:`Line`."""
        assert function in _READS, "a read"

        async def ask(client: _Client) -> ModbusPDU:
            asked = (
                client.read_holding_registers
                if function == READ_HOLDING
                else client.read_input_registers
            )
            return await asked(span.address, count=span.count, device_id=unit)

        answer = await self._ask(unit, function, ask, patience_s=patience_s)
        if len(answer.registers) != span.count:
            raise RemoteProtocolError(
                f"{len(answer.registers)} registers came where {span.count} were asked"
            )
        return b"".join(register.to_bytes(2, "big") for register in answer.registers)

    async def write(
        self, unit: int, address: int, data: bytes, *, patience_s: float, single: bool
    ) -> None:
        """Write registers in one request; see :class:`Line`."""
        values = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
        assert values, "something to write"
        assert not single or len(values) == 1, "FC6 writes one register"

        async def ask(client: _Client) -> ModbusPDU:
            if single:
                return await client.write_register(address, values[0], device_id=unit)
            return await client.write_registers(address, values, device_id=unit)

        function = WRITE_ONE if single else WRITE_MULTIPLE
        answer = await self._ask(unit, function, ask, patience_s=patience_s)
        if answer.address != address or (not single and answer.count != len(values)):
            raise RemoteProtocolError("the answer to a write speaks of other registers")

    async def close(self) -> None:
        """Let go of the connection."""
        self._hang_up()

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    async def _ask(
        self,
        unit: int,
        function: int,
        ask: Callable[[_Client], Awaitable[ModbusPDU]],
        *,
        patience_s: float,
    ) -> ModbusPDU:
        answer = await self._once(ask, patience_s)
        if answer.isError() and answer.exception_code in _BUSY and function in _READS:
            await asyncio.sleep(BUSY_S)
            answer = await self._once(ask, patience_s)
        if answer.isError():
            code = answer.exception_code
            said = f"exception {code}: {_NAMES.get(code, 'not known')}"
            if code in _NOT_THERE:
                raise DeviceTimeoutError(said)
            raise DeviceRefusedError(said)
        if answer.dev_id != unit or answer.function_code != function:
            self._hang_up()
            raise RemoteProtocolError("what came is not the answer to what was asked")
        return answer

    async def _once(
        self, ask: Callable[[_Client], Awaitable[ModbusPDU]], patience_s: float
    ) -> ModbusPDU:
        """Ask once, when it is our turn on the line."""
        async with self._lock:
            answered = False
            try:
                async with asyncio.timeout(patience_s):
                    client = await self._connected()
                    self._asking, self._spoiled = True, False
                    answer = await ask(client)
                answered = True
            except (TimeoutError, ModbusException, OSError) as error:
                raise DeviceTimeoutError(f"no answer: {error}".rstrip(": ")) from None
            finally:
                self._asking = False
                if not answered:
                    self._after_silence(patience_s)
            if self._spoiled:
                self._hang_up()
                raise RemoteProtocolError("more came than an answer has")
            if self._tcp and answer.transaction_id != client.ctx.request_transaction_id:
                self._hang_up()
                raise RemoteProtocolError("the answer carries no transaction of ours")
            return answer

    async def _connected(self) -> _Client:
        """Client with a connection; waits until a serial line is quiet."""
        wait_s = self._quiet_until_s - asyncio.get_running_loop().time()
        if wait_s > 0.0:
            await asyncio.sleep(wait_s)
        if self._client is None:
            self._client = self._make()
        if not self._client.connected and not await self._client.connect():
            raise ConnectionException("no connection")
        return self._client

    def _after_silence(self, patience_s: float) -> None:
        if self._tcp or self._client is None or not self._client.connected:
            self._hang_up()
        else:
            self._quiet_until_s = asyncio.get_running_loop().time() + patience_s / 2

    def _make(self) -> _Client:
        place = self._place
        client: _Client
        if isinstance(place, TcpUnit):
            client = AsyncModbusTcpClient(
                place.host,
                port=place.port,
                timeout=self._timeout_s,
                retries=0,
                reconnect_delay=0,
                trace_packet=self._seen,
                trace_connect=self._met,
            )
        else:
            client = AsyncModbusSerialClient(
                place.path,
                baudrate=place.baud,
                timeout=self._timeout_s,
                retries=0,
                reconnect_delay=0,
                trace_packet=self._seen,
                trace_connect=self._met,
            )
        self._contain(client)
        return client

    def _contain(self, client: _Client) -> None:
        """Let what cannot be decoded end the request that waits, and nothing else.

        pymodbus decodes where asyncio hands it the bytes; what it raises there would reach
        nobody but the event loop. Bytes behind an answer that begin no other one mean that
        the peer has lost count.
        """
        decode = client.ctx.callback_data
        client.ctx.max_buffer_size = RECEIVED_MAX

        def undecodable(error: BaseException) -> None:
            self._end_request(f"cannot be decoded: {error}")

        def contained(data: bytes, addr: tuple[str, int] | None = None) -> int:
            used: int | None = attempt(lambda: decode(data, addr), None, undecodable)
            if used is None:
                return len(data)
            if self._tcp and used and not _begins_frame(data[used:]):
                self._spoiled = True
            return used

        client.ctx.callback_data = contained  # type: ignore[method-assign]

    def _met(self, connected: bool) -> None:  # noqa: FBT001 - pymodbus calls it so
        """End the request that waits when the other end hangs up: silence is all it would get."""
        if not connected:
            self._end_request("the connection was closed")

    def _end_request(self, cause: str) -> None:
        if self._asking and self._client is not None:
            waiting = self._client.ctx.response_future
            if not waiting.done():
                waiting.set_exception(ConnectionException(cause))

    def _seen(self, sending: bool, data: bytes) -> bytes:  # noqa: FBT001 - pymodbus calls it so
        self._tap(Direction.SENT if sending else Direction.RECEIVED, str(self._place), data)
        return data


def _begins_frame(rest: bytes) -> bool:
    """Whether bytes are nothing, or may begin another Modbus/TCP frame."""
    head = rest[:_HEAD_BYTES].ljust(_HEAD_BYTES, b"\0")
    length = int.from_bytes(head[4:6], "big")
    if len(rest) < _HEAD_BYTES:
        return head[2:4] == b"\0\0"
    return head[2:4] == b"\0\0" and _LENGTH_LEAST <= length <= _LENGTH_MOST
