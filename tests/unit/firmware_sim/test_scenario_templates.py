"""Scenarios with devices from templates."""

import json
from typing import Any

import pytest

from firmware_sim.devices.echonet_lite.node import SimulatedNode
from firmware_sim.scenario.build import build_sites
from firmware_sim.scenario.load import parse_scenario
from firmware_sim.scenario.mixed import NAMES, make_site
from firmware_sim.scenario.schema import Templated
from protocols.templates.catalogue import template_of
from protocols.vocabulary.errors import ConfigError

T0 = 1_784_689_200.0
METER = {"id": "meter", "template": "echonet-meter", "address": "127.9.2.10"}
BATTERY = {"id": "b", "template": "echonet-battery-amount", "address": "127.9.2.11"}


def text_of(*devices: dict[str, Any], **site: Any) -> str:
    """Write a scenario of these devices."""
    plain = {"site_id": "s1", "group": "239.192.9.2", "devices": list(devices), **site}
    return json.dumps({"start": "2026-07-22T03:00:00Z", "sites": [plain]})


def test_a_device_from_a_template_lives_beside_one_of_the_old_form() -> None:
    """If it fails, a scenario must be all of templates or none, and old ones cannot be kept."""
    old = {"id": "pv", "kind": "pv", "address": "127.9.2.12", "power_w_rated": 4000}
    (site,) = build_sites(parse_scenario(text_of(METER, BATTERY, old), origin="t"), now_s=T0)
    site.advance(T0 + 20.0)
    kinds = {placed.device_id: placed.kind for placed in site.placed}
    assert kinds == {"b": "battery", "pv": "pv", "meter": "meter"}
    powers = {placed.device_id: placed.device.reading.power_w for placed in site.placed}
    assert site.meter.power_w == pytest.approx(site.house_w + powers["b"] + powers["pv"])
    assert powers["meter"] == pytest.approx(site.meter.power_w)


def test_a_second_meter_shows_the_site_and_is_no_part_of_it() -> None:
    """If it fails, two meters at a connection count each other as loads."""
    second = {"id": "m2", "template": "sunspec-meter-203", "address": "127.9.2.13", "port": 1502}
    scenario = parse_scenario(text_of(METER, BATTERY, second), origin="t")
    devices = {device.id: device for device in scenario.sites[0].devices}
    assert isinstance(devices["m2"], Templated)
    (site,) = build_sites(scenario, now_s=T0)
    site.advance(T0 + 5.0)
    shown = next(placed for placed in site.placed if placed.device_id == "m2")
    assert shown.device.reading.power_w == pytest.approx(site.meter.power_w)


def test_the_frequency_of_a_scenario_reaches_the_devices() -> None:
    """If it fails, no simulated meter can be used to try the primary reserve loop."""
    meter = {**METER, "template": "sunspec-meter-203", "port": 1502}
    course = {"times_s": [0.0, 10.0], "frequency_hz": [50.0, 49.8]}
    scenario = parse_scenario(text_of(meter, BATTERY, frequency=course), origin="t")
    (site,) = build_sites(scenario, now_s=T0)
    assert site.plan.frequency_hz(T0 + site.plan.world_shift_s + 5.0) == pytest.approx(49.9)
    site.advance(T0 + 10.0)
    assert site.plan.meter.device.reading.power_w == pytest.approx(site.meter.power_w, abs=1e-6)


@pytest.mark.parametrize(
    ("device", "cause"),
    [
        ({**BATTERY, "template": "echonet-toaster"}, "is not a template; for example"),
        ({**BATTERY, "kind": "battery"}, "kind: unknown key"),
        ({**BATTERY, "unit": -1}, "unit: input should be greater"),
        ({"id": "b", "address": "127.9.2.11"}, "needs a 'kind' or a 'template'"),
    ],
)
def test_what_is_wrong_is_one_line(device: dict[str, Any], cause: str) -> None:
    """If it fails, a misspelt template simulates something else, or ends in a traceback."""
    with pytest.raises(ConfigError, match=r"^t: sites\[0\]\.devices\[1\]") as refused:
        parse_scenario(text_of(METER, device), origin="t")
    assert cause in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_mixed_site_takes_the_templates_of_a_protocol_in_turn() -> None:
    """If it fails, the run over all protocols tries one device many times and others never."""
    counts = dict.fromkeys(NAMES, 30)
    scenario = parse_scenario(json.dumps(make_site(counts, 1)), origin="mixed")
    devices = [device for device in scenario.sites[0].devices if isinstance(device, Templated)]
    assert len(devices) == 1 + 30 * len(NAMES)
    assert [device.id for device in devices if device.kind == "meter"] == ["meter"]
    for protocol in NAMES.values():
        used = [device.template for device in devices if device.protocol == protocol]
        assert max(used.count(name) for name in used) - min(used.count(n) for n in used) <= 1 + (
            protocol == "echonet-lite"
        )
    instances = [device.unit for device in devices if device.protocol == "bacnet"]
    assert len(set(instances)) == 30


@pytest.mark.parametrize(
    ("counts", "cause"), [({"zigbee": 1}, "zigbee"), ({"ocpp": 0}, "use 1 to")]
)
def test_a_mixed_site_that_cannot_be_made_is_refused(counts: dict[str, int], cause: str) -> None:
    """If it fails, a misspelt protocol is left out in silence."""
    with pytest.raises(ConfigError, match=cause):
        make_site(counts, 1)


def test_an_echonet_device_of_a_template_is_a_node() -> None:
    """If it fails, the ECHONET listener is given something it cannot speak for."""
    (site,) = build_sites(parse_scenario(text_of(METER, BATTERY), origin="t"), now_s=T0)
    battery = next(placed for placed in site.placed if placed.device_id == "b")
    assert isinstance(battery.device, SimulatedNode)
    assert battery.port == 3610
    assert battery.template is template_of("echonet-battery-amount")
