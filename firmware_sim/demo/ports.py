"""Free ports on this machine, and clear words about taken ones."""

import socket
from collections.abc import Callable, Iterable
from typing import Final

from protocols.vocabulary.errors import ConfigError

HOST: Final = "127.0.0.1"
BROKER_PORTS: Final = range(18_830, 19_800)
"""Below the systems' ephemeral ports, so that no client's socket takes one while a killed
broker comes back."""
ECHONET_PORTS: Final = range(3610, 3640)
"""3610 is the specification's; the others serve a second run on the same machine."""


def page_port(wanted: int | None, preferred: int) -> int:
    """Port of the page: the one asked for, else the preferred one, else any.

    Raises
    ------
    ConfigError
        If the port that was asked for is taken.
    """
    if wanted is not None:
        if not tcp_is_free(wanted):
            raise ConfigError(f"--port {wanted}: is taken on {HOST} by another program")
        return wanted
    if tcp_is_free(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def broker_port() -> int:
    """First free port for the broker's MQTT listener.

    Raises
    ------
    ConfigError
        If none of the range is free.
    """
    return _first("TCP", BROKER_PORTS, tcp_is_free)


def echonet_port(addresses: Iterable[str]) -> int:
    """First UDP port that is free at all addresses of the devices and gateways.

    Raises
    ------
    ConfigError
        If none of the range is free.
    """
    wanted = tuple(addresses)
    return _first("UDP", ECHONET_PORTS, lambda port: all(udp_is_free(a, port) for a in wanted))


def tcp_is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def udp_is_free(address: str, port: int) -> bool:
    """Whether a node could bind the address and port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def _first(kind: str, ports: range, is_free: Callable[[int], bool]) -> int:
    for port in ports:
        if is_free(port):
            return port
    raise ConfigError(f"{kind} ports {ports.start} to {ports.stop - 1} on {HOST}: all are taken")
