"""Makes the machine of a template: its kind says which physics, its numbers how large.

Keys of ``[simulation]`` that machines read (others belong to the wires), all optional:

=============  ===================================================================================
kind           keys
=============  ===================================================================================
storage        efficiency_charge, efficiency_discharge, standby_w, reserve_soc, energy_wh_needed,
               car (0: no car comes)
pv             cloudiness
fuel-cell      start_delay_s, stop_delay_s, efficiency
heat-pump      efficiency, filling
load           lighting (1: lighting, else climate), fans_w, efficiency, mass_wh_per_k,
               loss_w_per_k, gain_w, comfort_c, room_c, heats (1: winter)
=============  ===================================================================================
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Final

from firmware_sim.devices.machine import Machine
from firmware_sim.devices.machine_generation import FuelCellMachine, PvMachine
from firmware_sim.devices.machine_loads import (
    ClimateMachine,
    LightingMachine,
    MeterMachine,
    WaterHeaterMachine,
)
from firmware_sim.devices.machine_storage import BatteryMachine, EvMachine
from firmware_sim.physics.battery import BatteryParameters, ramp_needed_w_per_s
from firmware_sim.physics.ev import EvSession
from firmware_sim.physics.fuel_cell import FuelCellParameters
from firmware_sim.physics.hvac import ClimateParameters, LightingParameters
from firmware_sim.physics.pv import PvParameters, Sky, sky_power_w
from firmware_sim.physics.water_heater import WaterHeaterParameters
from protocols.templates.template import Template
from protocols.vocabulary.resource import ResourceKind

LONG_STAY: Final = (0.0, 1e12)
"""World time of a car that is always there, s."""

_BATTERY_WH, _CAR_WH, _TANK_WH = 10_000.0, 50_000.0, 18_000.0
_RAMP_W_PER_S = 2500.0


def machine_of(template: Template, *, seed: int, soc_start: float = 0.5) -> Machine:
    """Make the physics of a device.

    Parameters
    ----------
    template : Template
        Kind, nameplate and simulation numbers.
    seed : int
        Weather, household and rooms.
    soc_start : float
        Where it stores: how full it is at the start, 0..1.
    """
    return _MAKERS[template.kind](template, seed, soc_start)


def storage_parameters(template: Template) -> BatteryParameters:
    """Physics of a battery or a car: nameplate and simulation numbers.

    The ramp is never slower than the power limit falls near full and empty.
    """
    plate, numbers = template.nameplate, template.simulation
    cars = {ResourceKind.EV_CHARGER, ResourceKind.EV_V2H}
    usual_wh = _CAR_WH if template.kind in cars else _BATTERY_WH
    efficiency = 0.93 if template.kind in cars else 0.95
    loose = BatteryParameters(
        energy_wh_capacity=plate.energy_wh_capacity or usual_wh,
        power_w_charge_max=-plate.power_w_min,
        power_w_discharge_max=plate.power_w_max,
        efficiency_charge=numbers.get("efficiency_charge", efficiency),
        efficiency_discharge=numbers.get("efficiency_discharge", efficiency),
        ramp_w_per_s=math.inf,
        standby_w=numbers.get("standby_w", 0.0 if template.kind in cars else 15.0),
    )
    stated = plate.ramp_w_per_s if math.isfinite(plate.ramp_w_per_s) else _RAMP_W_PER_S
    return BatteryParameters(
        energy_wh_capacity=loose.energy_wh_capacity,
        power_w_charge_max=loose.power_w_charge_max,
        power_w_discharge_max=loose.power_w_discharge_max,
        efficiency_charge=loose.efficiency_charge,
        efficiency_discharge=loose.efficiency_discharge,
        ramp_w_per_s=max(stated, ramp_needed_w_per_s(loose)),
        standby_w=loose.standby_w,
    )


def session_of(template: Template, *, soc_start: float) -> EvSession | None:
    """Stay of a template's car; None if no car comes."""
    if template.simulation.get("car", 1.0) == 0.0:
        return None
    arrival_s, departure_s = LONG_STAY
    return EvSession(
        arrival_s=arrival_s,
        departure_s=departure_s,
        arrival_soc=soc_start,
        energy_wh_needed=template.simulation.get("energy_wh_needed", _CAR_WH),
    )


def fuel_cell_parameters(template: Template) -> FuelCellParameters:
    """Physics of a fuel cell."""
    plate, numbers = template.nameplate, template.simulation
    usual = FuelCellParameters()
    rated_w = plate.power_w_max or usual.power_w_rated
    ramp = plate.ramp_w_per_s if math.isfinite(plate.ramp_w_per_s) else usual.ramp_w_per_s
    return FuelCellParameters(
        power_w_rated=rated_w,
        power_w_min=min(plate.power_w_least or usual.power_w_min, rated_w),
        ramp_w_per_s=ramp,
        start_delay_s=numbers.get("start_delay_s", usual.start_delay_s),
        stop_delay_s=numbers.get("stop_delay_s", usual.stop_delay_s),
        efficiency=numbers.get("efficiency", usual.efficiency),
    )


def water_heater_parameters(template: Template) -> WaterHeaterParameters:
    """Physics of a heat-pump water heater."""
    usual = WaterHeaterParameters()
    return WaterHeaterParameters(
        energy_wh_capacity=template.nameplate.energy_wh_capacity or _TANK_WH,
        power_w_rated=-template.nameplate.power_w_min or usual.power_w_rated,
        efficiency=template.simulation.get("efficiency", usual.efficiency),
    )


def climate_parameters(template: Template) -> ClimateParameters:
    """Physics of a building's climate or a room's air conditioner."""
    plate, numbers = template.nameplate, template.simulation
    rated_w = -plate.power_w_min
    heats = bool(numbers.get("heats", 0.0))
    efficiency = numbers.get("efficiency", 3.5)
    heat_w = rated_w * efficiency
    return ClimateParameters(
        power_w_rated=rated_w,
        fans_w=numbers.get("fans_w", 0.1 * rated_w),
        efficiency=efficiency,
        mass_wh_per_k=numbers.get("mass_wh_per_k", heat_w),
        loss_w_per_k=numbers.get("loss_w_per_k", heat_w / 40.0),
        gain_w=numbers.get("gain_w", 0.3 * heat_w),
        comfort_c=numbers.get("comfort_c", 21.0 if heats else 26.0),
        cools=not heats,
        ramp_w_per_s=_load_ramp(template),
    )


def _load_ramp(template: Template) -> float:
    """Rate at which a load changes, W/s: stated, or its rating in five seconds."""
    stated = template.nameplate.ramp_w_per_s
    return stated if math.isfinite(stated) else -template.nameplate.power_w_min / 5.0


def sky_of(template: Template, *, seed: int) -> Callable[[float], float]:
    """Power a template's modules offer, W, at a world time in s."""
    sky = Sky(
        peak_w=template.nameplate.power_w_max,
        seed=seed,
        cloudiness=template.simulation.get("cloudiness", 0.3),
    )
    return partial(sky_power_w, sky)


def _battery(template: Template, _seed: int, soc_start: float) -> Machine:
    return BatteryMachine(
        storage_parameters(template),
        soc_start=soc_start,
        default_w=template.lease.default_power_w,
        reserve_soc=template.simulation.get("reserve_soc", 0.3),
    )


def _ev(template: Template, _seed: int, soc_start: float) -> Machine:
    return EvMachine(storage_parameters(template), session_of(template, soc_start=soc_start))


def _pv(template: Template, seed: int, _soc_start: float) -> Machine:
    plate = template.nameplate
    ramp = plate.ramp_w_per_s if math.isfinite(plate.ramp_w_per_s) else 1000.0
    parameters = PvParameters(power_w_rated=plate.power_w_max, ramp_w_per_s=ramp)
    return PvMachine(parameters, sky_of(template, seed=seed))


def _fuel_cell(template: Template, _seed: int, _soc_start: float) -> Machine:
    return FuelCellMachine(fuel_cell_parameters(template))


def _heat_pump(template: Template, seed: int, _soc_start: float) -> Machine:
    filling = template.simulation.get("filling", 0.6)
    return WaterHeaterMachine(water_heater_parameters(template), filling=filling, seed=seed)


def _load(template: Template, seed: int, _soc_start: float) -> Machine:
    numbers = template.simulation
    if numbers.get("lighting", 0.0):
        parameters_lit = LightingParameters(
            power_w_rated=-template.nameplate.power_w_min,
            ramp_w_per_s=_load_ramp(template),
            seed=seed,
        )
        return LightingMachine(parameters_lit)
    parameters = climate_parameters(template)
    return ClimateMachine(parameters, room_c=numbers.get("room_c", parameters.comfort_c))


def _meter(_template: Template, _seed: int, _soc_start: float) -> Machine:
    return MeterMachine()


_MAKERS: Final[dict[ResourceKind, Callable[[Template, int, float], Machine]]] = {
    ResourceKind.BATTERY: _battery,
    ResourceKind.PV: _pv,
    ResourceKind.EV_CHARGER: _ev,
    ResourceKind.EV_V2H: _ev,
    ResourceKind.FUEL_CELL: _fuel_cell,
    ResourceKind.HEAT_PUMP: _heat_pump,
    ResourceKind.LOAD: _load,
    ResourceKind.METER: _meter,
}
