"""The simulated devices on real UDP: sockets, timers and nothing else.

One unicast socket per node at (address, port), one socket per multicast group. Answers go to
the asker's address at the same port, whatever port it asked from, as most devices do. All of
it stays on loopback addresses and needs no root.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterable, Iterator

import structlog

from firmware_sim.devices.node import Outgoing
from firmware_sim.faults import Fault, FaultKind
from firmware_sim.site import Placed, Site
from firmware_sim.truth import TruthLog
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Clock

TICK_S = 0.2
PENDING_MAX = 10_000
"""Datagrams that wait for their time to be served or to leave."""

_RECEIVE_BUFFER_BYTES = 1 << 20
_NANOSECONDS = 1e9
_log = structlog.get_logger(__name__)


class _Ear(asyncio.DatagramProtocol):
    """Hands datagrams on; errors of single sends are the network's, not ours."""

    def __init__(self, hear: Callable[[bytes, str], None]) -> None:
        self._hear = hear

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Hand a datagram on with its sender's address."""
        self._hear(data, addr[0])


class SimulationServer:
    """All sites of a scenario on the wire.

    Parameters
    ----------
    sites : tuple of Site
        Built for ``clock``'s time of now.
    port : int
        UDP port of every node.
    clock : Clock
        Read once for the wall time; then its monotonic time counts.
    truth : TruthLog or None
        Where the truth is written.
    """

    def __init__(
        self, sites: tuple[Site, ...], *, port: int, clock: Clock, truth: TruthLog | None = None
    ) -> None:
        self._sites = sites
        self._port = port
        self._clock = clock
        self._truth = truth
        self._wall_s = clock.now().timestamp()
        self._started_ns = clock.monotonic_ns()
        self._by_name = {
            placed.node.name: (site, placed) for site in sites for placed in site.placed
        }
        self._own = frozenset(placed.address for _, placed in self._by_name.values())
        self._voices: dict[str, asyncio.DatagramTransport] = {}
        self._ears: list[asyncio.BaseTransport] = []
        self._pending: set[asyncio.TimerHandle] = set()

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of all devices, ``site/device``."""
        return tuple(self._by_name)

    def now_s(self) -> float:
        """Unix time in s, never going back."""
        return self._wall_s + self.elapsed_s()

    def elapsed_s(self) -> float:
        """Seconds since the server was made."""
        return (self._clock.monotonic_ns() - self._started_ns) / _NANOSECONDS

    async def start(self) -> None:
        """Bind every socket and let every node announce itself.

        Raises
        ------
        ConfigError
            If an address and port are taken or not allowed; nothing stays bound.
        """
        try:
            for site in self._sites:
                for placed in site.placed:
                    await self._listen(site, placed)
            for group, sites in self._groups().items():
                await self._listen_to_group(group, sites)
        except ConfigError:
            self.close()
            raise
        for site, placed in self._by_name.values():
            self._send(site, placed, placed.node.start(), asker="")

    async def run(self, stop: asyncio.Event) -> None:
        """Step all sites at least every :data:`TICK_S` until told to stop."""
        while not stop.is_set():
            for site in self._sites:
                self._tick(site)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), TICK_S)

    def close(self) -> None:
        """Close every socket and forget what was waiting."""
        for handle in self._pending:
            handle.cancel()
        self._pending.clear()
        for transport in (*self._voices.values(), *self._ears):
            transport.close()
        self._voices.clear()
        self._ears.clear()

    def switch_on(self, name: str, fault: Fault) -> None:
        """Begin a fault of a device; KeyError for a device that is not here."""
        site, placed = self._by_name[name]
        site.advance(self.now_s())
        _log.info("fault.started", device=name, fault=fault.kind.value)
        self._send(site, placed, placed.node.switch_on(fault, self.now_s()), asker="")

    def switch_off(self, name: str, kind: FaultKind) -> None:
        """End a fault of a device; KeyError for a device that is not here."""
        site, placed = self._by_name[name]
        site.advance(self.now_s())
        placed.node.switch_off(kind)
        _log.info("fault.ended", device=name, fault=kind.value)

    def status(self) -> dict[str, dict[str, object]]:
        """Truth of now per device: power, state of charge, faults in force."""
        for site in self._sites:
            site.advance(self.now_s())
        return {name: _device_status(placed) for name, (_, placed) in self._by_name.items()}

    def _groups(self) -> dict[str, list[Site]]:
        groups: dict[str, list[Site]] = {}
        for site in self._sites:
            groups.setdefault(site.plan.group, []).append(site)
        return groups

    async def _listen(self, site: Site, placed: Placed) -> None:
        """Bind a node's own socket."""

        def hear(data: bytes, asker: str) -> None:
            self._hear(site, placed, data=data, asker=asker)

        bound = _unicast_socket(placed, self._port)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Ear(hear), sock=bound)
        self._voices[placed.node.name] = transport

    async def _listen_to_group(self, group: str, sites: list[Site]) -> None:
        """Bind the one socket of a group for all nodes in it."""

        def hear(data: bytes, asker: str) -> None:
            if asker in self._own:
                return
            for site in sites:
                for placed in site.placed:
                    self._hear(site, placed, data=data, asker=asker)

        interface = sites[0].placed[0].address
        bound = _group_socket(group, interface, self._port)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Ear(hear), sock=bound)
        self._ears.append(transport)

    def _hear(self, site: Site, placed: Placed, *, data: bytes, asker: str) -> None:
        """Serve a datagram now, or later if the device is slow."""

        def serve() -> None:
            site.advance(self.now_s())
            self._send(site, placed, placed.node.receive(data, self.now_s()), asker=asker)

        self._after(placed.node.faults.service_delay_s, serve)

    def _send(
        self, site: Site, placed: Placed, outgoing: Iterable[Outgoing], *, asker: str
    ) -> None:
        """Let datagrams leave at their time."""
        for datagram in outgoing:
            target = site.plan.group if datagram.multicast else asker
            self._after(datagram.delay_s, self._departure(placed, datagram.data, target))

    def _departure(self, placed: Placed, data: bytes, target: str) -> Callable[[], None]:
        def depart() -> None:
            voice = self._voices.get(placed.node.name)
            if voice is not None and not voice.is_closing():
                voice.sendto(data, (target, self._port))

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

    def _tick(self, site: Site) -> None:
        """Step a site to now, announce changes, write the truth."""
        now_s = self.now_s()
        site.advance(now_s)
        for placed in site.placed:
            self._send(site, placed, placed.node.announcements(now_s), asker="")
        truths = site.take_truths()
        if self._truth is not None:
            self._truth.write(truths)


def _device_status(placed: Placed) -> dict[str, object]:
    """Plain data about a device."""
    reading = placed.node.reading
    return {
        "kind": placed.kind,
        "address": placed.address,
        "power_w": reading.power_w,
        "soc": reading.soc,
        "faults": sorted(kind.value for kind in placed.node.faults.active),
    }


@contextlib.contextmanager
def _binding(sock: socket.socket, place: str) -> Iterator[None]:
    """Turn a failed bind into one clear line and close the socket."""
    try:
        yield
    except OSError as error:
        sock.close()
        raise ConfigError(f"{place}: cannot bind: {error.strerror}") from None


def _unicast_socket(placed: Placed, port: int) -> socket.socket:
    """Socket of one node, multicasting from its own address on this machine only."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with _binding(sock, f"device {placed.node.name}: address {placed.address} port {port}"):
        sock.settimeout(0.0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        interface = socket.inet_aton(placed.address)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        sock.bind((placed.address, port))
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
