"""What is to happen in a run over all protocols."""

import json

import pytest

from firmware_sim.mixed.plan import (
    AGENT_AT,
    cells_of,
    kills_of,
    parse_counts,
    victims_of,
)
from firmware_sim.mixed.site_file import site_toml
from firmware_sim.scenario.load import parse_scenario
from firmware_sim.scenario.mixed import make_site
from firmware_sim.scenario.schema import Scenario, Templated
from protocols.vocabulary.errors import ConfigError


def scenario(counts: str) -> Scenario:
    """Scenario of some counts."""
    return parse_scenario(json.dumps(make_site(parse_counts(counts), 1)), origin="t")


def devices(counts: str) -> list[Templated]:
    """Devices of some counts, without the meter."""
    found = scenario(counts).sites[0].devices
    return [each for each in found if isinstance(each, Templated) and each.id != "meter"]


def test_counts_are_read() -> None:
    """If it fails, the command line runs another site than was asked for."""
    assert parse_counts("20echonet, 4ocpp") == {"echonet": 20, "ocpp": 4}


@pytest.mark.parametrize("text", ["", "echonet", "20", "2echonet,3echonet", "5zigbee", "-1ocpp"])
def test_counts_that_make_no_sense_are_refused(text: str) -> None:
    """If it fails, a misspelt count is left out in silence."""
    with pytest.raises(ConfigError, match="--devices"):
        parse_counts(text)


def test_victims_come_from_every_protocol() -> None:
    """If it fails, five kills hit one protocol and the others are never tried."""
    made = devices("6echonet,6sunspec,6bacnet,2ocpp")
    victims = victims_of(made, 5, 1)
    assert len(set(victims)) == 5
    assert {name.split("-")[0] for name in victims} == {"echonet", "sunspec", "bacnet", "ocpp"}
    assert victims_of(made, 5, 1) == victims
    assert victims_of(made, 5, 2) != victims
    assert len(victims_of(made, 50, 1)) == 20


def test_every_victim_and_the_agent_die_once_and_come_back_in_time() -> None:
    """If it fails, a run ends before a device is back, and its recovery is never seen."""
    kills = kills_of(["a", "b", "c", "d", "e"], "agent", duration_s=600.0, seed=1)
    assert sorted(kill.name for kill in kills) == ["a", "agent", "b", "c", "d", "e"]
    assert all(0.0 < kill.at_s < kill.back_s < 500.0 for kill in kills)
    agent = next(kill for kill in kills if kill.name == "agent")
    assert agent.at_s == AGENT_AT * 600.0
    assert [kill.at_s for kill in kills] == sorted(kill.at_s for kill in kills)


def test_every_device_is_in_one_cell_and_victims_are_alone() -> None:
    """If it fails, kill -9 of one device takes others with it, or one is nowhere."""
    made = devices("3echonet,3sunspec")
    cells = cells_of(made, ["echonet-02"])
    assert cells["device-echonet-02"] == ["echonet-02"]
    held = [name for members in cells.values() for name in members]
    assert sorted(held) == sorted(device.id for device in made)


def test_the_agents_configuration_names_every_device_once() -> None:
    """If it fails, the agent does not know devices that the run compares it with."""
    found = scenario("3echonet,3sunspec,3bacnet,3ocpp,3modbus")
    text = site_toml(found.sites[0])
    assert text.count("[[devices]]") == 16
    for device in found.sites[0].devices:
        assert text.count(f'id = "{device.id}"') == 1
    assert 'address = "127.2.3.1/8"' in text
    assert 'identity = "ocpp-01"' in text
