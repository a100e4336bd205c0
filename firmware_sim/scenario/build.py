"""Builds sites that can be stepped from a scenario."""

from collections.abc import Callable
from functools import partial

from firmware_sim.devices.battery import BatteryDevice, BatteryPolicy
from firmware_sim.devices.contract import Appliance
from firmware_sim.devices.ev import EvDevice
from firmware_sim.devices.fuel_cell import FuelCellDevice
from firmware_sim.devices.meter import MeterDevice
from firmware_sim.devices.node import SimulatedNode
from firmware_sim.devices.pv import PvDevice
from firmware_sim.devices.water_heater import WaterHeaterDevice
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
)
from firmware_sim.site import Placed, Site, SitePlan
from protocols.echonet_lite.frame import Eoj

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
    )


def _build_site(site: SiteModel, scenario: Scenario, now_s: float) -> Site:
    """Build one site."""
    world_s = now_s if scenario.start is None else scenario.start.timestamp()
    meters = [device for device in site.devices if isinstance(device, Meter)]
    assert len(meters) == 1, "a checked scenario has one meter per site"
    meter_device = _meter(meters[0])
    placed = tuple(
        _place(site, device, _appliance(device, site, world_s=world_s), now_s=now_s)
        for device in site.devices
        if not isinstance(device, Meter)
    )
    plan = SitePlan(
        site_id=site.site_id,
        group=site.group,
        devices=placed,
        meter=_place(site, meters[0], meter_device, now_s=now_s),
        meter_device=meter_device,
        taken_w=_taken_w(site, scenario.seed, world_s=world_s),
        world_shift_s=world_s - now_s,
    )
    return Site(plan, start_s=now_s)


def _place(site: SiteModel, device: Device, appliance: Appliance, *, now_s: float) -> Placed:
    """Give an appliance its node and its address."""
    name = f"{site.site_id}/{device.id}"
    node = SimulatedNode(name, Eoj.parse(device.eoj), appliance, wall_s=now_s)
    return Placed(device_id=device.id, kind=device.kind, address=device.address, node=node)


def _taken_w(site: SiteModel, seed: int, *, world_s: float) -> Callable[[float], float]:
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


def _appliance(device: Device, site: SiteModel, *, world_s: float) -> Appliance:
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
