"""Which resources count: a power conditioner and what is behind it are not added twice."""

from dataclasses import replace
from math import fsum
from pathlib import Path

import pytest

from edge_agent.config.site import (
    DeviceConfig,
    EchonetConfig,
    JournalConfig,
    LimitsConfig,
    LinkConfig,
    LocationConfig,
    SiteConfig,
    TariffConfig,
)
from edge_agent.control.supply import is_sink
from edge_agent.cycle.framing import bindings_of, frame_of
from protocols.vocabulary.identifiers import ResourceId, SiteId, ZoneId
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

POWERS_W = {"meter": 1_350.0, "pcs": 2_000.0, "pv": 3_500.0, "battery": -1_500.0, "fc": 700.0}
HOUSE_W = -1_350.0
"""Not a resource: what is left of the meter."""


def device(name: str, kind: ResourceKind, *, parent: str | None = None) -> DeviceConfig:
    protocol = "sunspec" if name.startswith("sunspec") else "echonet-lite"
    return DeviceConfig(device_id=name, kind=kind, protocol=protocol, address="", parent=parent)


def site(*devices: DeviceConfig) -> SiteConfig:
    return SiteConfig(
        site_id=SiteId("site-1"),
        zone=ZoneId("tokyo"),
        data_dir=Path("data"),
        link=LinkConfig(brokers=(), keepalive_s=10),
        limits=LimitsConfig(contract_import_w=10_000.0, export_limit_w=5_000.0),
        tariff=TariffConfig(import_jpy_per_kwh=30.0, export_jpy_per_kwh=8.0),
        location=LocationConfig(latitude=35.6, longitude=139.7),
        echonet=EchonetConfig(address="127.6.0.1", port=3610, group="239.192.6.1", timeout_s=1.0),
        journal=JournalConfig(bytes_max=10**9, tick_age_s_max=86_400.0),
        pv_peak_w=0.0,
        forecast_model=None,
        devices=devices,
    )


def resource(name: str, kind: ResourceKind, *found: Capability) -> Resource:
    return Resource(
        resource_id=ResourceId(f"site-1/{name}"),
        site_id=SiteId("site-1"),
        kind=kind,
        power_w_min=-5_000.0,
        power_w_max=5_000.0,
        ramp_w_per_s=float("inf"),
        capabilities=frozenset(found),
    )


def counted(config: SiteConfig, *, sums: str = "") -> list[str]:
    """Devices whose power counts; ``sums`` says of itself that it is a sum."""
    resources = [
        resource(
            entry.device_id,
            entry.kind,
            Capability.READS_POWER,
            *([Capability.SUMS_OTHERS] if entry.device_id == sums else []),
        )
        for entry in config.devices
    ]
    bindings = bindings_of(config, resources)
    return [binding.resource.resource_id.removeprefix("site-1/") for binding in bindings]


METER = device("meter", ResourceKind.METER)
PCS = device("pcs", ResourceKind.BATTERY)
FUEL_CELL = device("fc", ResourceKind.FUEL_CELL)


def test_resources_and_house_make_the_meter() -> None:
    """If it fails, what is behind a power conditioner is counted twice, in money too."""
    config = site(
        METER,
        PCS,
        device("pv", ResourceKind.PV),
        device("battery", ResourceKind.BATTERY),
        FUEL_CELL,
    )
    names = counted(config, sums="pcs")
    assert names == ["pv", "battery", "fc"]
    total_w = fsum(POWERS_W[name] for name in names) + HOUSE_W
    assert total_w == POWERS_W["meter"]


def test_configured_parent_counts_for_a_device_that_says_nothing() -> None:
    """If it fails, a conditioner without a list of its devices is counted twice."""
    config = site(
        METER,
        PCS,
        device("pv", ResourceKind.PV, parent="pcs"),
        device("battery", ResourceKind.BATTERY, parent="pcs"),
        FUEL_CELL,
    )
    assert counted(config) == ["pv", "battery", "fc"]


def test_a_conditioner_that_is_the_only_resource_counts() -> None:
    """If it fails, PV and battery behind a conditioner that shows only their sum are lost."""
    names = counted(site(METER, PCS, FUEL_CELL))
    assert names == ["pcs", "fc"]
    assert fsum(POWERS_W[name] for name in names) + HOUSE_W == POWERS_W["meter"]


@pytest.mark.parametrize("known", ["battery", "pv"])
def test_one_known_child_is_enough(known: str) -> None:
    """If it fails, the battery counts as itself and in its conditioner; the PV is the house's."""
    kind = ResourceKind.PV if known == "pv" else ResourceKind.BATTERY
    config = site(METER, PCS, device(known, kind, parent="pcs"))
    assert counted(config) == [known]


def test_sunspec_hybrid_inverter_and_its_battery_count_once() -> None:
    """If it fails, the rule holds for one protocol only."""
    config = site(
        METER,
        device("sunspec-inverter", ResourceKind.PV),
        device("sunspec-battery", ResourceKind.BATTERY, parent="sunspec-inverter"),
    )
    assert counted(config) == ["sunspec-battery"]


def test_parents_of_parents_do_not_count() -> None:
    """If it fails, a conditioner behind a conditioner is counted twice."""
    config = site(
        METER,
        device("outer", ResourceKind.BATTERY),
        device("inner", ResourceKind.BATTERY, parent="outer"),
        device("battery", ResourceKind.BATTERY, parent="inner"),
    )
    assert counted(config) == ["battery"]


def load(
    name: str, *found: Capability, template: str | None = None
) -> tuple[DeviceConfig, Resource]:
    """Load in the configuration and as the driver describes it."""
    config = replace(device(name, ResourceKind.LOAD), template_id=template)
    described = replace(
        resource(name, ResourceKind.LOAD, Capability.READS_POWER, *found), power_w_max=0.0
    )
    return config, described


def test_a_load_that_takes_a_limit_has_the_price_of_its_comfort() -> None:
    """If it fails, loads are never held down, or for the price of somebody else."""
    air, air_said = load("ahu", Capability.TAKES_LIMIT, template="bacnet-ahu-demand-limit")
    lamp, lamp_said = load("lamp", Capability.TAKES_LIMIT, template="bacnet-lighting-dimmer")
    plug, plug_said = load("plug")
    battery = device("battery", ResourceKind.BATTERY)
    config = site(METER, replace(air, comfort_jpy_per_kwh=45.0), lamp, plug, battery)
    said = [air_said, lamp_said, plug_said]
    said.append(resource("battery", ResourceKind.BATTERY, Capability.TAKES_SETPOINT))
    bindings = {one.resource.resource_id[7:]: one for one in bindings_of(config, said)}
    assert [is_sink(bindings[name]) for name in ("ahu", "lamp", "plug", "battery")] == [
        True,
        True,
        False,
        False,
    ]
    assert bindings["ahu"].comfort_jpy_per_kwh == 45.0
    assert bindings["ahu"].least_point == "ahu.power_w_max"
    assert bindings["ahu"].bound_by_comfort
    assert bindings["lamp"].comfort_jpy_per_kwh == 60.0
    assert bindings["lamp"].bound_by_comfort is None
    assert bindings["battery"].comfort_jpy_per_kwh is None


def test_an_emergency_stop_turns_no_light_off() -> None:
    """If it fails, the button that stops batteries darkens a stairwell."""
    lamp, lamp_said = load("lamp", Capability.TAKES_LIMIT)
    config = site(METER, lamp, device("battery", ResourceKind.BATTERY))
    said = [lamp_said, resource("battery", ResourceKind.BATTERY, Capability.TAKES_SETPOINT)]
    frame = frame_of(config, bindings_of(config, said), specs=(), commitments=(), stop=True)
    stopped = [one.scope.members for one in frame.limits if one.name == "emergency-stop"]
    assert stopped == [("site-1/battery",)]
