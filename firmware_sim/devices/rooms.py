"""Makes a simulated device from a template: finds the room of its protocol.

A room is imported only when a device of it is made, for its library takes a while.
"""

from collections.abc import Callable
from typing import Final, Protocol

from firmware_sim.devices.contract import SimulatedDevice
from firmware_sim.devices.echonet_lite.build import echonet_device
from firmware_sim.devices.machine import Machine
from firmware_sim.devices.machines import machine_of
from firmware_sim.matrix import NOT_SIMULATED
from protocols.templates.echonet_lite import EchonetWire
from protocols.templates.template import Template
from protocols.vocabulary.errors import ConfigError


class DeviceMaker(Protocol):
    """``simulated_device`` of a room: a device over a machine."""

    def __call__(
        self, template: Template, machine: Machine, *, name: str, wall_s: float
    ) -> SimulatedDevice:
        """Make a device at a Unix time in s."""


def simulated(
    template: Template, name: str, *, seed: int, soc_start: float, wall_s: float
) -> SimulatedDevice:
    """Make a device of any protocol.

    Parameters
    ----------
    template : Template
        What it is.
    name : str
        ``"site/device"``.
    seed : int
        Its weather and household.
    soc_start : float
        How full it is, 0..1.
    wall_s : float
        Unix time of its start, s.

    Raises
    ------
    ConfigError
        If the protocol cannot be simulated here.
    """
    if isinstance(template.wire, EchonetWire):
        return echonet_device(template, name, seed=seed, soc_start=soc_start, wall_s=wall_s)
    machine = machine_of(template, seed=seed, soc_start=soc_start)
    return over_machine(template, machine, name=name, wall_s=wall_s)


def over_machine(
    template: Template, machine: Machine, *, name: str, wall_s: float
) -> SimulatedDevice:
    """Make a device of any protocol but ECHONET Lite over a machine.

    Raises
    ------
    ConfigError
        If the protocol cannot be simulated here.
    """
    return device_maker(template.protocol)(template, machine, name=name, wall_s=wall_s)


def device_maker(protocol: str) -> DeviceMaker:
    """Import what makes a protocol's devices; not ECHONET Lite's, which bring their physics.

    Raises
    ------
    ConfigError
        If its library is not installed, or its devices are programs of others.
    """
    if protocol in NOT_SIMULATED:
        raise ConfigError(f"{protocol} is not simulated: let a client of another maker call")
    try:
        return _IMPORTS[protocol]()
    except ImportError as error:
        raise ConfigError(f"{protocol} cannot be simulated: {error}; install 'vpp[sim]'") from None


def _sunspec() -> DeviceMaker:
    from firmware_sim.devices.sunspec import device  # noqa: PLC0415 - see the module

    return device.simulated_device


def _modbus() -> DeviceMaker:
    from firmware_sim.devices.modbus import device  # noqa: PLC0415 - see the module

    return device.simulated_device


def _bacnet() -> DeviceMaker:
    from firmware_sim.devices.bacnet import device  # noqa: PLC0415 - see the module

    return device.simulated_device


def _ocpp() -> DeviceMaker:
    from firmware_sim.devices.ocpp import device  # noqa: PLC0415 - see the module

    return device.simulated_device


_IMPORTS: Final[dict[str, Callable[[], DeviceMaker]]] = {
    "sunspec": _sunspec,
    "modbus": _modbus,
    "bacnet": _bacnet,
    "ocpp": _ocpp,
}
