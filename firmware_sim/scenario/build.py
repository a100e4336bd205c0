"""Builds sites that can be stepped from a scenario."""

from collections.abc import Callable
from functools import partial

from firmware_sim.devices.echonet_lite.appliance import Appliance
from firmware_sim.devices.echonet_lite.battery import BatteryDevice, BatteryPolicy
from firmware_sim.devices.echonet_lite.ev import EvDevice
from firmware_sim.devices.echonet_lite.fuel_cell import FuelCellDevice
from firmware_sim.devices.echonet_lite.meter import MeterDevice
from firmware_sim.devices.echonet_lite.node import SimulatedNode
from firmware_sim.devices.echonet_lite.pv import PvDevice
from firmware_sim.devices.echonet_lite.water_heater import WaterHeaterDevice
from firmware_sim.devices.rooms import simulated
from firmware_sim.faults import Fault
from firmware_sim.physics.battery import BatteryParameters
from firmware_sim.physics.ev import EvSession
from firmware_sim.physics.fuel_cell import FuelCellParameters
from firmware_sim.physics.load import Household, household_w
from firmware_sim.physics.meter import MeterState
from firmware_sim.physics.profile import Profile
from firmware_sim.physics.pv import PvParameters, Sky, sky_power_w
from firmware_sim.physics.water_heater import WaterHeaterParameters
from firmware_sim.scenario.schema import (
    Battery,
    Device,
    EvCharger,
    EvV2h,
    FaultEvent,
    FuelCell,
    HeatPump,
    Measured,
    Meter,
    Pv,
    Scenario,
    SiteModel,
    Templated,
)
from firmware_sim.site import Placed, Site, SitePlan
from protocols.echonet_lite.frame import Eoj
from protocols.templates.catalogue import template_of
from protocols.templates.echonet_lite import EchonetWire
from protocols.templates.modbus import ModbusWire
from protocols.templates.sunspec import SunspecWire

OldForm = Battery | Pv | EvCharger | EvV2h | FuelCell | HeatPump | Meter
USUAL_PORTS = {
    "echonet-lite": 3610,
    "sunspec": 502,
    "modbus": 502,
    "bacnet": 47808,
    "ocpp": 8887,
}
"""Where devices of a protocol listen; where the central system does that chargers call."""

_JST_S = 9 * 3600.0


def build_sites(scenario: Scenario, *, now_s: float) -> tuple[Site, ...]:
    """Build every site of a scenario.

    Parameters
    ----------
    scenario : Scenario
        Checked.
    now_s : float
        Unix time of the start, s.
    """
    return tuple(_build_site(site, scenario, now_s) for site in scenario.sites)


def fault_of(event: FaultEvent) -> Fault:
    """Fault that an event of the timeline switches on."""
    return Fault(
        kind=event.fault,
        delay_s=event.delay_s,
        gain=event.gain,
        offset_w=event.offset_w,
        every=event.every,
        variant=event.variant,
        address=event.address,
        offset_s=event.offset_s,
    )


def _build_site(site: SiteModel, scenario: Scenario, now_s: float) -> Site:
    """Build one site."""
    world_s = now_s if scenario.start is None else scenario.start.timestamp()
    placed = [
        _place(site, device, now_s=now_s, world_s=world_s, port=scenario.port)
        for device in site.devices
    ]
    meters = [each for each in placed if each.kind == "meter"]
    assert meters, "a checked scenario has a meter per site"
    meter = next((each for each in meters if _shown(each)), meters[0])
    shown = _shown(meter)
    plan = SitePlan(
        site_id=site.site_id,
        group=site.group,
        devices=tuple(each for each in placed if each is not meter),
        meter=meter,
        show_meter=shown.show if shown else _shown_by_itself,
        meter_start=shown.state if shown else MeterState(),
        taken_w=taken_w(site, scenario.seed, world_s=world_s),
        world_shift_s=world_s - now_s,
        frequency_hz=_frequency_hz(site, world_s=world_s),
    )
    return Site(plan, start_s=now_s)


def _shown(placed: Placed) -> MeterDevice | None:
    """Smart meter that is told the site's exact sum; None for a meter of another protocol."""
    device = placed.device
    if isinstance(device, SimulatedNode) and isinstance(device.appliance, MeterDevice):
        return device.appliance
    return None


def _shown_by_itself(state: MeterState, wall_s: float) -> None:
    """Do nothing: a meter over a machine sums up what its spans tell it."""


def _place(site: SiteModel, device: Device, *, now_s: float, world_s: float, port: int) -> Placed:
    """Make a device with its address."""
    name = f"{site.site_id}/{device.id}"
    if isinstance(device, Templated):
        return placed_from_template(device, name, wall_s=now_s, echonet_port=port)
    appliance = _appliance(device, site, world_s=world_s)
    node = SimulatedNode(name, Eoj.parse(device.eoj), appliance, wall_s=now_s)
    return Placed(
        device_id=device.id, kind=device.kind, address=device.address, port=port, device=node
    )


def placed_from_template(
    device: Templated, name: str, *, wall_s: float, echonet_port: int
) -> Placed:
    """Make a device from its template, with the protocol's usual port and unit.

    Parameters
    ----------
    device : Templated
        As the scenario gives it.
    name : str
        ``"site/device"``.
    wall_s : float
        Unix time of its start, s.
    echonet_port : int
        UDP port of nodes that have none of their own.

    Raises
    ------
    ConfigError
        If the protocol cannot be simulated here.
    """
    template = template_of(device.template)
    port, unit = USUAL_PORTS[template.protocol], 1
    if isinstance(template.wire, EchonetWire):
        port = echonet_port
    if isinstance(template.wire, SunspecWire | ModbusWire):
        unit = template.wire.unit_id
    made = simulated(template, name, seed=device.seed, soc_start=device.soc_start, wall_s=wall_s)
    return Placed(
        device_id=device.id,
        kind=device.kind,
        address=device.address,
        port=port if device.port is None else device.port,
        unit=unit if device.unit is None else device.unit,
        device=made,
        template=template,
        protocol=template.protocol,
    )


def _frequency_hz(site: SiteModel, *, world_s: float) -> Callable[[float], float]:
    """Grid frequency over the world's time; 50 Hz where no course is given."""
    course = site.frequency
    if course is None:
        return _nominal_hz
    times_s = tuple(world_s + offset_s for offset_s in course.times_s)
    return Profile(times_s=times_s, power_w=course.frequency_hz).at


def _nominal_hz(_world_s: float) -> float:
    return 50.0


def taken_w(site: SiteModel, seed: int, *, world_s: float) -> Callable[[float], float]:
    """Household consumption over the world's time."""
    load = site.load
    if isinstance(load, Measured):
        return _profile(load, world_s=world_s).at
    household = Household(base_w=load.base_w, seed=seed * 1_000_003 + load.seed)
    return partial(_household_at, household)


def _household_at(household: Household, world_s: float) -> float:
    """Consumption at a world time, in the household's local time."""
    return household_w(household, world_s + _JST_S)


def _profile(measured: Measured, *, world_s: float) -> Profile:
    """Measured course in the world's time."""
    return Profile(
        times_s=tuple(world_s + offset_s for offset_s in measured.times_s),
        power_w=measured.power_w,
    )


def _appliance(device: OldForm, site: SiteModel, *, world_s: float) -> Appliance:
    """Build what is behind the object."""
    match device:
        case Battery():
            return _battery(device)
        case Pv():
            return _pv(device, site, world_s=world_s)
        case EvCharger() | EvV2h():
            return _ev(device, world_s=world_s)
        case FuelCell():
            return _fuel_cell(device)
        case HeatPump():
            return _water_heater(device)
        case Meter():
            return _meter(device)


def _battery(device: Battery) -> BatteryDevice:
    parameters = BatteryParameters(
        energy_wh_capacity=device.energy_wh_capacity,
        power_w_charge_max=device.power_w_charge_max,
        power_w_discharge_max=device.power_w_discharge_max,
        efficiency_charge=device.efficiency_charge,
        efficiency_discharge=device.efficiency_discharge,
        ramp_w_per_s=device.ramp_w_per_s,
        standby_w=device.standby_w,
    )
    policy = BatteryPolicy(
        auto_reserve_soc=device.auto_reserve_soc,
        reverse_flow_allowed=device.reverse_flow_allowed,
        remote_needed=device.remote_needed,
    )
    return BatteryDevice(parameters, soc_start=device.soc_start, policy=policy)


def _pv(device: Pv, site: SiteModel, *, world_s: float) -> PvDevice:
    course = device.course
    if isinstance(course, Measured):
        sky_w: Callable[[float], float] = _profile(course, world_s=world_s).at
    else:
        sky = Sky(
            peak_w=device.power_w_rated,
            latitude=site.location.latitude,
            longitude=site.location.longitude,
            seed=course.seed,
            cloudiness=course.cloudiness,
        )
        sky_w = partial(sky_power_w, sky)
    return PvDevice(
        PvParameters(power_w_rated=device.power_w_rated),
        sky_w,
        world_s=world_s,
        reverse_flow_allowed=device.reverse_flow_allowed,
    )


def _ev(device: EvCharger | EvV2h, *, world_s: float) -> EvDevice:
    parameters = BatteryParameters(
        energy_wh_capacity=device.energy_wh_capacity,
        power_w_charge_max=device.power_w_charge_max,
        power_w_discharge_max=(device.power_w_discharge_max if isinstance(device, EvV2h) else 0.0),
        efficiency_charge=device.efficiency_charge,
        efficiency_discharge=device.efficiency_discharge,
        ramp_w_per_s=device.ramp_w_per_s,
        standby_w=0.0,
    )
    sessions = tuple(
        EvSession(
            arrival_s=world_s + session.arrival_s,
            departure_s=world_s + session.departure_s,
            arrival_soc=session.arrival_soc,
            energy_wh_needed=session.energy_wh_needed,
        )
        for session in device.sessions
    )
    return EvDevice(parameters, sessions)


def _fuel_cell(device: FuelCell) -> FuelCellDevice:
    parameters = FuelCellParameters(
        power_w_rated=device.power_w_rated,
        power_w_min=device.power_w_min,
        ramp_w_per_s=device.ramp_w_per_s,
        start_delay_s=device.start_delay_s,
        stop_delay_s=device.stop_delay_s,
        efficiency=device.efficiency,
    )
    return FuelCellDevice(
        parameters,
        generating=device.generating,
        reverse_flow_allowed=device.reverse_flow_allowed,
    )


def _water_heater(device: HeatPump) -> WaterHeaterDevice:
    parameters = WaterHeaterParameters(
        energy_wh_capacity=device.energy_wh_capacity,
        power_w_rated=device.power_w_rated,
        efficiency=device.efficiency,
    )
    return WaterHeaterDevice(parameters, filling=device.filling_start, seed=device.seed)


def _meter(device: Meter) -> MeterDevice:
    start = MeterState(
        energy_wh_imported=device.energy_wh_imported,
        energy_wh_exported=device.energy_wh_exported,
    )
    return MeterDevice(float(device.counter_unit_wh), start)
