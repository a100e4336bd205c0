"""The agents' configuration files: what the agent reads is what the scenario holds."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.bench_agent import fifty_devices
from firmware_sim.demo.site_file import SiteLink, site_toml
from firmware_sim.scenario.generate import make_scenario

LINK = SiteLink(broker="mqtt://127.0.0.1:18830", echonet_port=3611)
DOCTOR = [str(Path(sys.executable).with_name("edge-agent")), "doctor", "--json", "--config"]


def sites() -> list[dict[str, Any]]:
    """Sites that have every kind of device between them, and one with fifty."""
    made: list[dict[str, Any]] = make_scenario(15, 1)["sites"]  # type: ignore[assignment]
    return [*made, *fifty_devices(3610)["sites"]]


def test_the_scenarios_have_every_kind_of_device() -> None:
    """The tests below could pass for a kind that was never there."""
    kinds = {device["kind"] for site in sites() for device in site["devices"]}
    assert kinds == {
        "battery",
        "ev-charger",
        "ev-v2h",
        "fuel-cell",
        "heat-pump",
        "meter",
        "pv",
    }


@pytest.mark.parametrize("site", sites(), ids=lambda site: str(site["site_id"]))
def test_every_device_is_named_with_its_address_and_limits(site: dict[str, Any]) -> None:
    """An agent could talk to another device, or ask for more than a battery can do."""
    told = tomllib.loads(site_toml(site, LINK))
    assert told["site_id"] == site["site_id"]
    assert told["echonet"] == {
        "address": site["gateway"],
        "port": 3611,
        "group": site["group"],
    }
    assert told["link"]["brokers"] == ["mqtt://127.0.0.1:18830"]
    assert len(told["devices"]) == len(site["devices"])
    for device, known in zip(told["devices"], site["devices"], strict=True):
        assert (device["id"], device["kind"]) == (known["id"], known["kind"])
        assert device["address"] == known["address"]
        if known["kind"] == "battery":
            assert device["power_w_min"] == -known["power_w_charge_max"]
            assert device["power_w_max"] == known["power_w_discharge_max"]


def test_a_name_with_quotes_stays_a_name() -> None:
    """A site's name could change the meaning of its configuration."""
    site = {**sites()[0], "site_id": 'a"\nzone = "b\\'}
    told = tomllib.loads(site_toml(site, LINK))
    assert told["site_id"] == site["site_id"]
    assert told["zone"] == "tokyo"


@pytest.mark.parametrize("index", [7, 13, 15])
def test_the_agent_accepts_it(tmp_path: Path, index: int) -> None:
    """The demo could write files that its own agents refuse."""
    site = sites()[index]
    path = tmp_path / "site.toml"
    path.write_text(site_toml(site, LINK), encoding="utf-8")
    done = subprocess.run(
        [*DOCTOR, str(path)], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout, done.stderr
    config = json.loads(done.stdout)["checks"][0]
    assert config["ok"], done.stderr
    assert config["detail"] == f"{len(site['devices'])} devices"
