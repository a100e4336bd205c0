"""Many MQTT 3.1.1 connections of one thread: as little of the protocol as a gateway uses.

One TCP connection, client id and subscription per gateway, clean session, QoS 0, no TLS. It
speaks to the broker exactly as that many gateways would, but costs one ``epoll`` and some
bytes each, where a client library costs a task and 50 microseconds a message. Called by
:mod:`firmware_sim.fleet.gateways`; whoever calls decides when to poll.
"""

import enum
import errno
import select
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from firmware_sim.fleet.frames import PUBLISH, remaining_length

KEEP_ALIVE_S: Final = 10
RECEIVE_BYTES: Final = 65_536
BACKLOG_BYTES_MAX: Final = 4 * 1024 * 1024
"""Bytes that may wait for one socket; a connection that takes none is closed beyond it."""
_CONNECT, _CONNACK, _SUBSCRIBE, _SUBACK = 0x10, 0x20, 0x82, 0x90
_TYPE, _REFUSED = 0xF0, 0x80
_CLEAN_SESSION: Final = 0x02

_FAILED: Final = select.EPOLLERR | select.EPOLLHUP


class Stage(enum.Enum):
    """How far a connection is."""

    CONNECTING = "connecting"
    GREETING = "greeting"
    SUBSCRIBING = "subscribing"
    UP = "up"


@dataclass(slots=True)
class Happenings:
    """What came in one poll.

    Attributes
    ----------
    up, down : list of int
        Gateways whose subscriptions are confirmed, whose connection is gone.
    messages : list of (int, bytes, bytes)
        Gateway, topic and payload, in order.
    """

    up: list[int] = field(default_factory=list)
    down: list[int] = field(default_factory=list)
    messages: list[tuple[int, bytes, bytes]] = field(default_factory=list)


@dataclass(slots=True)
class _Connection:
    gateway: int
    socket: socket.socket
    stage: Stage = Stage.CONNECTING
    left: bytes = b""
    waiting: bytearray = field(default_factory=bytearray)


class MqttHub:
    """The connections of all gateways.

    Parameters
    ----------
    host, port : str, int
        The broker's MQTT listener.
    client_ids : sequence of str
        By gateway.
    filters : sequence of sequence of str
        Topic filters by gateway.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        client_ids: Sequence[str],
        filters: Sequence[Sequence[str]],
    ) -> None:
        self._address = (host, port)
        self._client_ids = client_ids
        self._filters = filters
        self._epoll = select.epoll()
        self._by_file: dict[int, _Connection] = {}
        self._by_gateway: dict[int, _Connection] = {}
        self.sent_bytes = 0

    def connect(self, gateways: Iterable[int]) -> None:
        """Begin to connect; each shows in ``Happenings.up`` or ``down`` later."""
        for gateway in gateways:
            assert gateway not in self._by_gateway, "it is connected already"
            made = socket.socket()
            made.setblocking(False)  # noqa: FBT003  the standard library's signature
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.connect_ex(self._address)
            connection = _Connection(gateway, made)
            self._by_file[made.fileno()] = self._by_gateway[gateway] = connection
            self._epoll.register(made, select.EPOLLOUT | select.EPOLLIN)

    def cut(self, gateways: Iterable[int]) -> None:
        """Close connections without a word, as a lost link does."""
        for gateway in gateways:
            connection = self._by_gateway.get(gateway)
            if connection is not None:
                self._drop(connection)

    def send(self, gateway: int, packet: bytes | memoryview) -> bool:
        """Send a packet, at once if the socket takes it; False without a connection."""
        connection = self._by_gateway.get(gateway)
        if connection is None or connection.stage is not Stage.UP:
            return False
        self.sent_bytes += len(packet)
        if connection.waiting:
            connection.waiting += packet
            return len(connection.waiting) <= BACKLOG_BYTES_MAX
        return self._write(connection, packet)

    def poll(self, timeout_s: float) -> Happenings:
        """Wait at most that long, then take what has come on all connections."""
        happened = Happenings()
        for file, mask in self._epoll.poll(timeout_s, maxevents=4096):
            connection = self._by_file.get(file)
            if connection is None:
                continue
            try:
                self._serve(connection, mask, happened)
            except OSError:
                self._lost(connection, happened)
        return happened

    def close(self) -> None:
        """Close everything."""
        for connection in list(self._by_gateway.values()):
            self._drop(connection)
        self._epoll.close()

    def _serve(self, connection: _Connection, mask: int, happened: Happenings) -> None:
        if mask & select.EPOLLIN:
            data = connection.socket.recv(RECEIVE_BYTES)
            if not data:
                self._lost(connection, happened)
                return
            self._read(connection, connection.left + data if connection.left else data, happened)
        elif mask & _FAILED:
            self._lost(connection, happened)
            return
        if mask & select.EPOLLOUT and connection.socket.fileno() >= 0:
            self._writable(connection)

    def _writable(self, connection: _Connection) -> None:
        if connection.stage is Stage.CONNECTING:
            failed = connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if failed:
                raise OSError(failed, errno.errorcode.get(failed, "?"))
            connection.stage = Stage.GREETING
            connection.waiting += _connect_packet(self._client_ids[connection.gateway])
        if connection.waiting:
            sent = connection.socket.send(connection.waiting)
            del connection.waiting[:sent]
        if not connection.waiting:
            self._epoll.modify(connection.socket, select.EPOLLIN)

    def _write(self, connection: _Connection, packet: bytes | memoryview) -> bool:
        try:
            sent = connection.socket.send(packet)
        except BlockingIOError:
            sent = 0
        except OSError:
            return False
        if sent < len(packet):
            connection.waiting += packet[sent:]
            self._epoll.modify(connection.socket, select.EPOLLIN | select.EPOLLOUT)
        return True

    def _read(self, connection: _Connection, data: bytes, happened: Happenings) -> None:
        """Take whole packets; what is left waits for more."""
        place, end = 0, len(data)
        while place < end:
            length, body = _length(data, place + 1)
            if body == 0 or body + length > end:
                break
            kind = data[place]
            if kind & _TYPE == PUBLISH:
                name = body + 2
                begin = name + (data[body] << 8 | data[body + 1])
                stop = body + length
                happened.messages.append((connection.gateway, data[name:begin], data[begin:stop]))
            else:
                self._control(connection, kind, body=data[body : body + length], happened=happened)
            place = body + length
        connection.left = data[place:]

    def _control(
        self, connection: _Connection, kind: int, *, body: bytes, happened: Happenings
    ) -> None:
        if kind == _CONNACK:
            if body[1:2] != b"\x00":
                raise OSError(errno.ECONNREFUSED, "the broker refuses us")
            connection.stage = Stage.SUBSCRIBING
            packet = _subscribe_packet(self._filters[connection.gateway])
            self._write(connection, packet)
        elif kind == _SUBACK:
            if any(code & _REFUSED for code in body[2:]):
                raise OSError(errno.EACCES, "the broker refuses a subscription")
            connection.stage = Stage.UP
            happened.up.append(connection.gateway)

    def _lost(self, connection: _Connection, happened: Happenings) -> None:
        self._drop(connection)
        happened.down.append(connection.gateway)

    def _drop(self, connection: _Connection) -> None:
        self._by_file.pop(connection.socket.fileno(), None)
        self._by_gateway.pop(connection.gateway, None)
        connection.socket.close()


def _length(data: bytes, place: int) -> tuple[int, int]:
    """Remaining length at a place, and where the body begins; 0 when it is not whole."""
    length, shift = 0, 0
    while place < len(data) and shift < 28:  # noqa: PLR2004  four bytes of seven bits
        digit = data[place]
        length |= (digit & 0x7F) << shift
        place += 1
        if digit < 0x80:  # noqa: PLR2004  the last byte
            return length, place
        shift += 7
    return 0, 0


def _connect_packet(client_id: str) -> bytes:
    name = client_id.encode("ascii")
    body = b"\x00\x04MQTT\x04" + bytes([_CLEAN_SESSION]) + KEEP_ALIVE_S.to_bytes(2, "big")
    body += len(name).to_bytes(2, "big") + name
    return bytes([_CONNECT]) + remaining_length(len(body)) + body


def _subscribe_packet(filters: Sequence[str]) -> bytes:
    body = (1).to_bytes(2, "big")
    for pattern in filters:
        name = pattern.encode("ascii")
        body += len(name).to_bytes(2, "big") + name + b"\x00"
    return bytes([_SUBSCRIBE]) + remaining_length(len(body)) + body
