"""Addresses of devices as a person writes them, one syntax per protocol.

The loader checks them with these; a driver takes its parts from the same functions. Raises
:class:`ConfigError` with the cause alone: the caller knows the key.
"""

from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Interface
from typing import Final

from protocols.vocabulary.errors import ConfigError

MODBUS_PORT: Final = 502
BACNET_PORT: Final = 47808
_UNIT_MAX: Final = 247
_PORT_MAX: Final = 65535
_BAUDS: Final = frozenset({1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200})


@dataclass(frozen=True, slots=True)
class TcpUnit:
    """A Modbus unit behind TCP: ``192.168.1.9:502/1``."""

    host: str
    port: int
    unit: int

    def __str__(self) -> str:
        """As in the configuration."""
        return f"{self.host}:{self.port}/{self.unit}"


@dataclass(frozen=True, slots=True)
class SerialUnit:
    """A Modbus unit on a serial line: ``/dev/ttyUSB0:9600/1``."""

    path: str
    baud: int
    unit: int

    def __str__(self) -> str:
        """As in the configuration."""
        return f"{self.path}:{self.baud}/{self.unit}"


@dataclass(frozen=True, slots=True)
class UdpNode:
    """A BACnet/IP device: ``192.168.1.7:47808``."""

    host: str
    port: int

    def __str__(self) -> str:
        """As in the configuration."""
        return f"{self.host}:{self.port}"


def node_address(text: str) -> str:
    """IPv4 address of one node.

    Raises
    ------
    ConfigError
        If it is no address, or that of a group.
    """
    try:
        address = IPv4Address(text)
    except AddressValueError:
        raise ConfigError(f"{text!r} is not an IPv4 address like 192.168.1.20") from None
    if address.is_multicast:
        raise ConfigError(f"{text} is a multicast group, not the address of one node")
    return str(address)


def group_address(text: str) -> str:
    """IPv4 multicast group; raises as :func:`node_address`."""
    try:
        address = IPv4Address(text)
    except AddressValueError:
        address = None
    if address is None or not address.is_multicast:
        raise ConfigError(f"{text!r} is not an IPv4 multicast group like 224.0.23.0")
    return str(address)


def interface_address(text: str) -> str:
    """IPv4 address with the prefix of its network; raises as :func:`node_address`."""
    cause = f"{text!r} is not an address with its network like 192.168.1.5/24"
    if "/" not in text:
        raise ConfigError(cause)
    try:
        return str(IPv4Interface(text))
    except ValueError:
        raise ConfigError(cause) from None


def modbus_unit(text: str) -> TcpUnit | SerialUnit:
    """Parse the address of a Modbus unit; the unit is 1 and the port 502 if not written.

    Raises
    ------
    ConfigError
        If it is neither ``host:port/unit`` nor ``/dev/...:baud/unit``.
    """
    cause = f"{text!r} is not a Modbus address like 192.168.1.9:502/1 or /dev/ttyUSB0:9600/1"
    serial = text.startswith("/dev/")
    rest, slash, unit_text = text.rpartition("/")
    if not slash or (serial and ":" not in rest):
        if serial:
            raise ConfigError(f"{cause}: a serial line needs its speed and unit")
        rest, unit_text = text, "1"
    unit = _number(unit_text, _UNIT_MAX, f"{cause}: the unit is a number 0..{_UNIT_MAX}")
    if serial:
        path, _, baud_text = rest.rpartition(":")
        baud = _number(baud_text, 10**6, cause)
        if baud not in _BAUDS:
            raise ConfigError(f"{cause}: {baud} is not a speed of serial lines")
        return SerialUnit(path, baud, unit)
    host, port = _host_port(rest, MODBUS_PORT, cause)
    return TcpUnit(host, port, unit)


def bacnet_node(text: str) -> UdpNode:
    """Parse the address of a BACnet/IP device; the port is 47808 if not written.

    Raises
    ------
    ConfigError
        If it is not ``address:port``.
    """
    cause = f"{text!r} is not a BACnet/IP address like 192.168.1.7:47808"
    host, port = _host_port(text, BACNET_PORT, cause)
    return UdpNode(host, port)


def _host_port(text: str, default: int, cause: str) -> tuple[str, int]:
    host, colon, port_text = text.partition(":")
    port = _number(port_text, _PORT_MAX, f"{cause}: a port is 1..{_PORT_MAX}") if colon else default
    if port == 0:
        raise ConfigError(f"{cause}: a port is 1..{_PORT_MAX}")
    try:
        return node_address(host), port
    except ConfigError as error:
        raise ConfigError(f"{cause}: {error}") from None


def _number(text: str, most: int, cause: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) > most:
        raise ConfigError(cause)
    return int(text)
