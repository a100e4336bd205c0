"""Which room simulates which protocol; a room is imported when a device of it is there."""

from collections.abc import Callable, Sequence
from typing import Final

from firmware_sim.servers.port import Hosted, Listener, World
from protocols.vocabulary.errors import ConfigError

ListenerMaker = Callable[[Sequence[Hosted], World], Listener]

SERVERS: Final = {
    "echonet-lite": "echonet",
    "sunspec": "modbus",
    "modbus": "modbus",
    "bacnet": "bacnet",
    "ocpp": "ocpp",
}
"""Room by the protocol's name in templates. Protocols of one room share one listener."""


def listeners(hosted: Sequence[tuple[str, Hosted]], world: World) -> list[Listener]:
    """Make listeners for devices of any protocols, not started.

    Parameters
    ----------
    hosted : sequence of (str, Hosted)
        Protocol and device.
    world : World
        Time.

    Raises
    ------
    ConfigError
        If a protocol cannot be simulated here.
    """
    groups: dict[str, list[Hosted]] = {}
    for protocol, each in hosted:
        groups.setdefault(SERVERS[protocol], []).append(each)
    return [listener_maker(server)(members, world) for server, members in groups.items()]


def listener_maker(server: str) -> ListenerMaker:
    """Import what makes a room's listener.

    Parameters
    ----------
    server : str
        One of the values of :data:`SERVERS`.

    Raises
    ------
    ConfigError
        If its library is not installed.
    """
    try:
        return _IMPORTS[server]()
    except ImportError as error:
        raise ConfigError(f"{server} cannot be simulated: {error}; install 'vpp[sim]'") from None


def _echonet() -> ListenerMaker:
    from firmware_sim.servers import echonet  # noqa: PLC0415 - see the module

    return echonet.listener


def _modbus() -> ListenerMaker:
    from firmware_sim.servers import modbus  # noqa: PLC0415 - see the module

    return modbus.listener


def _bacnet() -> ListenerMaker:
    from firmware_sim.servers import bacnet  # noqa: PLC0415 - see the module

    return bacnet.listener


def _ocpp() -> ListenerMaker:
    from firmware_sim.servers import ocpp  # noqa: PLC0415 - see the module

    return ocpp.listener


_IMPORTS: Final[dict[str, Callable[[], ListenerMaker]]] = {
    "echonet": _echonet,
    "modbus": _modbus,
    "bacnet": _bacnet,
    "ocpp": _ocpp,
}
