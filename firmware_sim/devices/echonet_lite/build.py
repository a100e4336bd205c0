"""Makes an ECHONET Lite device from a template: the class's appliance behind a node.

The template's wire part says which properties the product has; what the physics of its class
cannot show is refused here, so that no template claims what nobody can read.
"""

from collections.abc import Callable
from typing import Final

from firmware_sim.devices.echonet_lite import modes
from firmware_sim.devices.echonet_lite.air_conditioner import AirConditionerDevice
from firmware_sim.devices.echonet_lite.appliance import Appliance
from firmware_sim.devices.echonet_lite.battery import BatteryDevice, BatteryPolicy
from firmware_sim.devices.echonet_lite.converters import (
    CircuitMeterDevice,
    PowerConditionerDevice,
)
from firmware_sim.devices.echonet_lite.ev import EvDevice
from firmware_sim.devices.echonet_lite.fuel_cell import FuelCellDevice
from firmware_sim.devices.echonet_lite.meter import MeterDevice
from firmware_sim.devices.echonet_lite.node import Shown, SimulatedNode
from firmware_sim.devices.echonet_lite.pv import PvDevice
from firmware_sim.devices.echonet_lite.water_heater import WaterHeaterDevice
from firmware_sim.devices.machines import (
    climate_parameters,
    fuel_cell_parameters,
    machine_of,
    session_of,
    sky_of,
    storage_parameters,
    water_heater_parameters,
)
from firmware_sim.physics.meter import MeterState
from firmware_sim.physics.pv import PvParameters
from protocols.echonet_lite.frame import Eoj
from protocols.templates.echonet_lite import (
    FEW_PER_FRAME,
    REMOTE_NEEDED,
    REVERSE_FLOW_BANNED,
    EchonetWire,
)
from protocols.templates.template import Template
from protocols.vocabulary.errors import ConfigError

_COUNTER_UNIT_WH: Final = 100.0
_POWERS: Final = frozenset({0xEB, 0xEC})
_METHODS: Final = frozenset({0xC1, 0xC2})


def echonet_device(
    template: Template, name: str, *, seed: int, soc_start: float, wall_s: float
) -> SimulatedNode:
    """Make a device.

    Parameters
    ----------
    template : Template
        With an ECHONET Lite wire.
    name : str
        ``"site/device"``.
    seed : int
        Weather and household.
    soc_start : float
        How full it is, 0..1.
    wall_s : float
        Unix time of its start, s.

    Raises
    ------
    ConfigError
        If its class or one of its properties cannot be simulated.
    """
    wire = template.wire
    assert isinstance(wire, EchonetWire), "an ECHONET Lite device has its wire"
    make = _MAKERS.get(wire.class_code)
    if make is None:
        raise ConfigError(f"{template.template_id}: class {wire.class_code:04X} has no simulation")
    shown = Shown(
        readable=wire.readable,
        settable=wire.settable,
        set_batch=wire.set_batch,
        get_batch=wire.get_batch if FEW_PER_FRAME in template.quirks else None,
    )
    appliance = make(template, seed, soc_start)
    node = SimulatedNode(name, Eoj.of(wire.class_code, 1), appliance, wall_s=wall_s, shown=shown)
    lacking = node.lacking
    if lacking:
        epcs = " ".join(f"{epc:02X}" for epc in sorted(lacking))
        raise ConfigError(f"{template.template_id}: properties without simulation: {epcs}")
    return node


def _battery(template: Template, _seed: int, soc_start: float) -> Appliance:
    wire = template.wire
    assert isinstance(wire, EchonetWire), "an ECHONET Lite device has its wire"
    powers_only = bool(_POWERS & wire.settable) and not _METHODS & wire.settable
    policy = BatteryPolicy(
        auto_reserve_soc=template.simulation.get("reserve_soc", 0.3),
        reverse_flow_allowed=REVERSE_FLOW_BANNED not in template.quirks,
        remote_needed=REMOTE_NEEDED in template.quirks,
        method=modes.DESIGNATED if powers_only else modes.MAXIMUM,
    )
    return BatteryDevice(storage_parameters(template), soc_start=soc_start, policy=policy)


def _ev(template: Template, _seed: int, soc_start: float) -> Appliance:
    session = session_of(template, soc_start=soc_start)
    return EvDevice(storage_parameters(template), () if session is None else (session,))


def _pv(template: Template, seed: int, _soc_start: float) -> Appliance:
    return PvDevice(
        PvParameters(power_w_rated=template.nameplate.power_w_max),
        sky_of(template, seed=seed),
        world_s=0.0,
        reverse_flow_allowed=REVERSE_FLOW_BANNED not in template.quirks,
    )


def _fuel_cell(template: Template, _seed: int, _soc_start: float) -> Appliance:
    return FuelCellDevice(
        fuel_cell_parameters(template), generating=True, reverse_flow_allowed=False
    )


def _water_heater(template: Template, seed: int, _soc_start: float) -> Appliance:
    filling = template.simulation.get("filling", 0.6)
    return WaterHeaterDevice(water_heater_parameters(template), filling=filling, seed=seed)


def _air_conditioner(template: Template, _seed: int, _soc_start: float) -> Appliance:
    parameters = climate_parameters(template)
    room_c = template.simulation.get("room_c", parameters.comfort_c)
    return AirConditionerDevice(parameters, room_c=room_c)


def _power_conditioner(template: Template, seed: int, soc_start: float) -> Appliance:
    return PowerConditionerDevice(machine_of(template, seed=seed, soc_start=soc_start))


def _meter(_template: Template, _seed: int, _soc_start: float) -> Appliance:
    return MeterDevice(_COUNTER_UNIT_WH, MeterState())


def _circuit_meter(template: Template, _seed: int, _soc_start: float) -> Appliance:
    return CircuitMeterDevice(round(template.simulation.get("ratio", 1.0)))


_MAKERS: Final[dict[int, Callable[[Template, int, float], Appliance]]] = {
    0x0130: _air_conditioner,
    0x026B: _water_heater,
    0x0279: _pv,
    0x027C: _fuel_cell,
    0x027D: _battery,
    0x027E: _ev,
    0x0288: _meter,
    0x028D: _circuit_meter,
    0x02A1: _ev,
    0x02A5: _power_conditioner,
}
