"""UDP for ECHONET Lite: one unicast socket, one group socket, bytes only.

It is the only place that knows sockets; what the bytes mean is the drivers' business. The
drivers open one per gateway address. Nothing here needs root: address, port and group are
configuration.

Notes
-----
A socket bound to a unicast address gets no multicast, so the group has its own. The unicast
socket never shares its port (a second owner would steal answers); the group socket must
share it, because other nodes of this machine listen to the same group.
"""

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from protocols.vocabulary.errors import ConfigError

Receiver = Callable[[bytes, str], None]
"""Called with the bytes of one datagram and the IPv4 address it came from."""

DATAGRAM_BYTES: Final = 8192
"""Longest datagram taken whole; a longer one is cut and will not decode."""
BATCH: Final = 64
"""Most datagrams taken in one turn of the loop, so that a flood cannot starve the rest."""
RECEIVE_BUFFER_BYTES: Final = 1 << 20
"""The bounded receive queue: what the kernel keeps for us; beyond it datagrams are lost."""
PORT_MAX: Final = 0xFFFF
BIND_PAUSE_S: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class UdpSettings:
    """Where to listen.

    Attributes
    ----------
    address : str
        IPv4 address of the gateway on the devices' network; not 0.0.0.0.
    port : int
        UDP port of both ends, 3610 by the specification.
    group : str
        IPv4 multicast group.
    patience_s : float
        How long to wait for a port that is still taken, s, >= 0. Covers a watchdog that is
        just letting go of it.
    """

    address: str
    port: int = 3610
    group: str = "224.0.23.0"
    patience_s: float = 1.5

    def __post_init__(self) -> None:
        """Refuse what cannot be bound, in the words of the configuration."""
        address = _ipv4(self.address, "address")
        if address.is_unspecified or address.is_multicast:
            message = f"echonet.address: {self.address} is not the address of one interface"
            raise ConfigError(message)
        if not _ipv4(self.group, "group").is_multicast:
            message = f"echonet.group: {self.group} is not a multicast address"
            raise ConfigError(message)
        if not 0 < self.port <= PORT_MAX:
            message = f"echonet.port: {self.port} is not in 1..65535"
            raise ConfigError(message)


def _ipv4(text: str, key: str) -> ipaddress.IPv4Address:
    try:
        return ipaddress.IPv4Address(text)
    except ipaddress.AddressValueError:
        message = f"echonet.{key}: {text!r} is not an IPv4 address"
        raise ConfigError(message) from None


class UdpEndpoint:
    """Both sockets of one node on the running loop. Made by :meth:`open`.

    Parameters
    ----------
    settings : UdpSettings
        What was bound.
    unicast, group : socket.socket
        Bound, non-blocking.

    Attributes
    ----------
    received, sent, unsent : int
        Datagrams taken, handed to the kernel, and refused by it (no buffer, no route). An
        unsent datagram is like a lost one: the request times out.
    """

    def __init__(
        self, settings: UdpSettings, *, unicast: socket.socket, group: socket.socket
    ) -> None:
        self._settings = settings
        self._unicast = unicast
        self._group = group
        self._receiver: Receiver | None = None
        self._loop = asyncio.get_running_loop()
        self.received = 0
        self.sent = 0
        self.unsent = 0

    @classmethod
    async def open(cls, settings: UdpSettings) -> "UdpEndpoint":
        """Bind both sockets.

        Raises
        ------
        ConfigError
            If the port is still taken after ``patience_s`` or the address is not ours.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + settings.patience_s
        while True:
            try:
                unicast = _unicast_socket(settings)
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE or loop.time() >= deadline:
                    raise ConfigError(_cause(settings, error)) from None
            await asyncio.sleep(BIND_PAUSE_S)
        try:
            group = _group_socket(settings)
        except OSError as error:
            unicast.close()
            raise ConfigError(_cause(settings, error)) from None
        return cls(settings, unicast=unicast, group=group)

    @property
    def address(self) -> str:
        """Our own IPv4 address."""
        return self._settings.address

    @property
    def port(self) -> int:
        """The port of both ends."""
        return self._settings.port

    def listen(self, receiver: Receiver) -> None:
        """Call ``receiver`` for every datagram from now on, our own multicast excepted."""
        assert self._receiver is None, "an endpoint has one receiver"
        self._receiver = receiver
        self._loop.add_reader(self._unicast, self._drain, self._unicast)
        self._loop.add_reader(self._group, self._drain, self._group)

    def send(self, data: bytes, address: str) -> None:
        """Send to one node; the destination port is always the configured one."""
        self._send(data, address)

    def multicast(self, data: bytes) -> None:
        """Send to the group."""
        self._send(data, self._settings.group)

    def close(self) -> None:
        """Let go of the port; may be called twice."""
        for bound in (self._unicast, self._group):
            if bound.fileno() >= 0:
                self._loop.remove_reader(bound)
                bound.close()

    def _send(self, data: bytes, address: str) -> None:
        try:
            self._unicast.sendto(data, (address, self._settings.port))
        except OSError:
            self.unsent += 1
        else:
            self.sent += 1

    def _drain(self, bound: socket.socket) -> None:
        for _ in range(BATCH):
            try:
                data, source = bound.recvfrom(DATAGRAM_BYTES)
            except OSError:
                return
            address, port = source[0], source[1]
            if address == self._settings.address and port == self._settings.port:
                continue
            self.received += 1
            if self._receiver is not None:
                self._receiver(data, address)


def _unicast_socket(settings: UdpSettings) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        bound.settimeout(0.0)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        interface = socket.inet_aton(settings.address)
        bound.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
        bound.bind((settings.address, settings.port))
    except OSError:
        bound.close()
        raise
    return bound


def _group_socket(settings: UdpSettings) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        bound.settimeout(0.0)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((settings.group, settings.port))
        membership = socket.inet_aton(settings.group) + socket.inet_aton(settings.address)
        bound.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    except OSError:
        bound.close()
        raise
    return bound


def _cause(settings: UdpSettings, error: OSError) -> str:
    place = f"echonet: UDP {settings.address}:{settings.port} (group {settings.group})"
    if error.errno == errno.EADDRINUSE:
        return f"{place}: the port is taken by another program"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{place}: this machine does not have that address"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"{place}: not permitted to use that port"
    if error.errno == errno.ENODEV:
        return f"{place}: no interface for the group"
    return f"{place}: {error.strerror}"
