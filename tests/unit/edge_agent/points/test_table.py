"""The points of a site."""

from pathlib import Path

from edge_agent.config.site import (
    Broker,
    DeviceConfig,
    EchonetConfig,
    JournalConfig,
    LimitsConfig,
    LinkConfig,
    LocationConfig,
    SiteConfig,
    TariffConfig,
)
from edge_agent.points.table import QUANTITIES, point_id, points_of
from protocols.vocabulary.identifiers import SiteId, ZoneId
from protocols.vocabulary.resource import ResourceKind


def device(device_id: str, kind: ResourceKind, eoj: str) -> DeviceConfig:
    return DeviceConfig(
        device_id=device_id,
        kind=kind,
        protocol="echonet-lite",
        address="127.0.0.1",
        eoj=eoj,
        power_w_max=500.0,
    )


CONFIG = SiteConfig(
    site_id=SiteId("s"),
    zone=ZoneId("z"),
    data_dir=Path("data"),
    link=LinkConfig(brokers=(Broker(host="h", port=1, tls=False),), keepalive_s=10),
    limits=LimitsConfig(contract_import_w=1e4, export_limit_w=0.0),
    tariff=TariffConfig(import_jpy_per_kwh=30.0, export_jpy_per_kwh=8.0),
    location=LocationConfig(latitude=35.0, longitude=139.0),
    echonet=EchonetConfig(address="127.0.0.1", port=3610, group="224.0.23.0", timeout_s=2.0),
    journal=JournalConfig(bytes_max=10**9, tick_age_s_max=1e6),
    pv_peak_w=0.0,
    forecast_model=None,
    devices=(
        device("meter", ResourceKind.METER, "028801"),
        device("battery-1", ResourceKind.BATTERY, "027D01"),
    ),
)


def test_points_are_named_after_device_and_quantity() -> None:
    """If this fails, a driver's readings land nowhere and control is blind."""
    points = points_of(CONFIG)
    names = [point.point_id for point in points]
    assert len(set(names)) == len(names)
    assert names[0] == point_id("meter", "power_w") == "meter.power_w"
    assert {"battery-1.power_w", "battery-1.soc", "battery-1.mode"} <= set(names)


def test_every_kind_reads_power_and_every_range_is_sane() -> None:
    """If this fails, a kind of device exists that no balance can count."""
    assert set(QUANTITIES) == set(ResourceKind)
    for quantities in QUANTITIES.values():
        assert "power_w" in {quantity.quantity for quantity in quantities}
        for quantity in quantities:
            assert quantity.minimum < quantity.maximum
            assert 0.0 < quantity.max_age_s <= 600.0


def test_a_broken_limit_is_still_believed() -> None:
    """If this fails, a battery at 3 kW with a 500 W limit is hidden as BAD just when it matters."""
    power = next(point for point in points_of(CONFIG) if point.point_id == "battery-1.power_w")
    assert power.maximum >= 3000.0
    assert power.maximum < 0x7FFFFFFF
