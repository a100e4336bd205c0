"""ECHONET Lite nodes on real UDP.

One unicast socket per node at (address, port), one socket per multicast group. Answers go to
the asker's address at the same port, whatever port it asked from, as most devices do. All of
it stays on loopback addresses and needs no root.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from firmware_sim.devices.echonet_lite.node import Outgoing, SimulatedNode
from firmware_sim.faults import FaultKind
from firmware_sim.servers.port import Hosted, Listener, World
from protocols.vocabulary.errors import ConfigError

PENDING_MAX = 10_000
"""Datagrams that wait for their time to be served or to leave."""

_RECEIVE_BUFFER_BYTES = 1 << 20


def listener(hosted: Sequence[Hosted], world: World) -> Listener:
    """Make the listener of all ECHONET Lite devices."""
    return EchonetListener(hosted, world)


@dataclass(frozen=True, slots=True)
class _Seat:
    """A node and where it was put."""

    node: SimulatedNode
    hosted: Hosted


class _Ear(asyncio.DatagramProtocol):
    """Hands datagrams on; errors of single sends are the network's, not ours."""

    def __init__(self, hear: Callable[[bytes, str], None]) -> None:
        self._hear = hear

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Hand a datagram on with its sender's address."""
        self._hear(data, addr[0])


class EchonetListener:
    """All nodes of a simulator.

    Parameters
    ----------
    hosted : sequence of Hosted
        Each device a :class:`SimulatedNode`; one without a group is only spoken to directly.
    world : World
        Time.
    """

    def __init__(self, hosted: Sequence[Hosted], world: World) -> None:
        self._seats = tuple(_seat(each) for each in hosted)
        self._world = world
        self._voices: dict[str, asyncio.DatagramTransport] = {}
        self._at = {seat.node.name: seat.hosted.address for seat in self._seats}
        self._ears: list[asyncio.BaseTransport] = []
        self._pending: set[asyncio.TimerHandle] = set()

    async def start(self) -> None:
        """Bind every socket and let every node announce itself, see :class:`Listener`."""
        try:
            for seat in self._seats:
                await self._listen(seat, seat.hosted.address)
            for (group, port), seats in self._groups().items():
                await self._listen_to_group(group, port, seats)
        except ConfigError:
            await self.close()
            raise
        for seat in self._seats:
            self._send(seat, seat.node.start(), asker="")

    async def close(self) -> None:
        """Close every socket and forget what was waiting."""
        for handle in self._pending:
            handle.cancel()
        self._pending.clear()
        for transport in (*self._voices.values(), *self._ears):
            transport.close()
        self._voices.clear()
        self._ears.clear()

    async def tick(self, now_s: float) -> None:
        """Announce what changed; move what has a new address."""
        for seat in self._seats:
            await self._move(seat)
            self._send(seat, seat.node.take_unsent(), asker="")
            self._send(seat, seat.node.announcements(now_s), asker="")

    def _groups(self) -> dict[tuple[str, int], list[_Seat]]:
        groups: dict[tuple[str, int], list[_Seat]] = {}
        for seat in self._seats:
            if seat.hosted.group:
                groups.setdefault((seat.hosted.group, seat.hosted.port), []).append(seat)
        return groups

    async def _listen(self, seat: _Seat, address: str) -> None:
        """Bind a node's own socket."""

        def hear(data: bytes, asker: str) -> None:
            self._hear(seat, data, asker)

        bound = _unicast_socket(seat.node.name, address, seat.hosted.port)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Ear(hear), sock=bound)
        self._voices[seat.node.name] = transport
        self._at[seat.node.name] = address

    async def _move(self, seat: _Seat) -> None:
        """Go to the address a fault names, or back; one that cannot be had changes nothing."""
        fault = seat.node.faults.active.get(FaultKind.ADDRESS_CHANGE)
        wanted = fault.address if fault is not None and fault.address else seat.hosted.address
        if wanted == self._at[seat.node.name]:
            return
        before = self._voices[seat.node.name]
        with contextlib.suppress(ConfigError):
            await self._listen(seat, wanted)
            before.close()

    async def _listen_to_group(self, group: str, port: int, seats: list[_Seat]) -> None:
        """Bind the one socket of a group for all nodes in it."""

        def hear(data: bytes, asker: str) -> None:
            if asker in self._at.values():
                return
            for seat in seats:
                self._hear(seat, data, asker)

        bound = _group_socket(group, seats[0].hosted.address, port)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Ear(hear), sock=bound)
        self._ears.append(transport)

    def _hear(self, seat: _Seat, data: bytes, asker: str) -> None:
        """Serve a datagram now, or later if the device is slow."""

        def serve() -> None:
            self._world.catch_up(seat.node.name)
            self._send(seat, seat.node.receive(data, self._world.now_s()), asker=asker)

        self._after(seat.node.faults.service_delay_s, serve)

    def _send(self, seat: _Seat, outgoing: Iterable[Outgoing], *, asker: str) -> None:
        """Let datagrams leave at their time."""
        for datagram in outgoing:
            target = seat.hosted.group if datagram.multicast else asker
            if target:
                self._after(datagram.delay_s, self._departure(seat, datagram.data, target))

    def _departure(self, seat: _Seat, data: bytes, target: str) -> Callable[[], None]:
        def depart() -> None:
            voice = self._voices.get(seat.node.name)
            if voice is not None and not voice.is_closing():
                voice.sendto(data, (target, seat.hosted.port))

        return depart

    def _after(self, delay_s: float, action: Callable[[], None]) -> None:
        """Run an action now or later; above the limit it is lost, as in a full device."""
        if delay_s <= 0.0:
            action()
            return
        if len(self._pending) >= PENDING_MAX:
            return

        def run() -> None:
            self._pending.discard(handle)
            action()

        handle = asyncio.get_running_loop().call_later(delay_s, run)
        self._pending.add(handle)


def _seat(hosted: Hosted) -> _Seat:
    assert isinstance(hosted.device, SimulatedNode), "an ECHONET Lite device is a node"
    return _Seat(hosted.device, hosted)


@contextlib.contextmanager
def _binding(sock: socket.socket, place: str) -> Iterator[None]:
    """Turn a failed bind into one clear line and close the socket."""
    try:
        yield
    except OSError as error:
        sock.close()
        raise ConfigError(f"{place}: cannot bind: {error.strerror}") from None


def _unicast_socket(name: str, address: str, port: int) -> socket.socket:
    """Socket of one node, multicasting from its own address on this machine only."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with _binding(sock, f"device {name}: address {address} port {port}"):
        sock.settimeout(0.0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        interface = socket.inet_aton(address)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        sock.bind((address, port))
    return sock


def _group_socket(group: str, interface: str, port: int) -> socket.socket:
    """Socket of a multicast group on the loopback interface."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with _binding(sock, f"group {group} port {port}"):
        sock.settimeout(0.0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        sock.bind((group, port))
        membership = socket.inet_aton(group) + socket.inet_aton(interface)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    return sock
