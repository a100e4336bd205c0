"""Chooses the bus adapter by the scheme of a broker's address. Called by main."""

from typing import Final
from urllib.parse import unquote, urlsplit

from cloud_coordinator.gateway.bus import Bus
from cloud_coordinator.gateway.mqtt_bus import connect_mqtt
from cloud_coordinator.gateway.nats_bus import connect_nats
from protocols.vocabulary.errors import ConfigError

_DEFAULT_PORTS: Final = {"nats": 4222, "mqtt": 1883}


async def connect_bus(url: str) -> Bus:
    """Connect to the broker at an address.

    Parameters
    ----------
    url : str
        ``nats://[token@]host[:port]``, ``nats://[user:password@]host[:port]`` or
        ``mqtt://[user:password@]host[:port]``.

    Raises
    ------
    ConfigError
        If the address cannot be understood.
    LinkError
        If the broker is not reached within CONNECT_TIMEOUT_S.
    """
    try:
        parts = urlsplit(url)
        usual = _DEFAULT_PORTS[parts.scheme]
        port = usual if parts.port is None else parts.port
    except (KeyError, ValueError) as error:
        message = f"broker address {url!r}: use nats://host:port or mqtt://host:port"
        raise ConfigError(message) from error
    if not port or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        message = f"broker address {url!r}: use nats://host:port or mqtt://host:port"
        raise ConfigError(message)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    connect = connect_nats if parts.scheme == "nats" else connect_mqtt
    return await connect(parts.hostname, port, user=user, password=password)
