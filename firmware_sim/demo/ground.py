"""What a run stands on: its folder, scenario, ports and site files. Made before any process."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_sim.demo.identities import FOLDER as IDENTITY
from firmware_sim.demo.options import PAGE_PORT, DemoOptions, broker_address, check
from firmware_sim.demo.plan import DemoPlan, make_plan
from firmware_sim.demo.ports import HOST, broker_port, echonet_port, page_port
from firmware_sim.demo.report_files import write_whole
from firmware_sim.demo.site_file import SiteLink, site_toml
from firmware_sim.scenario.generate import make_scenario
from firmware_sim.scenario.load import parse_scenario
from protocols.vocabulary.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Everything that is settled before the first process starts.

    Attributes
    ----------
    options, plan : DemoOptions, DemoPlan
        What was asked, and what will happen.
    scenario : mapping
        Plain data, as ``vpp sim`` reads it.
    http_port : int
        Of the page.
    broker : tuple of str and int
        Where relays lead to.
    """

    options: DemoOptions
    plan: DemoPlan
    scenario: Mapping[str, Any]
    http_port: int
    broker: tuple[str, int]

    @property
    def out(self) -> Path:
        """Folder of the run."""
        return self.options.out

    @property
    def page(self) -> str:
        """Address of the coordinator."""
        return f"http{'' if self.options.plain else 's'}://{HOST}:{self.http_port}"

    @property
    def authority(self) -> Path:
        """Folder of the run's authority, the coordinator's identity."""
        return self.out / "authority"

    @property
    def trust(self) -> Path | None:
        """The root that the coordinator's certificate leads to; None without TLS."""
        return None if self.options.plain else self.authority / "root.pem"

    @property
    def sites(self) -> Mapping[str, Mapping[str, Any]]:
        """The scenario's sites by id."""
        return {site["site_id"]: site for site in self.scenario["sites"]}

    def site_file(self, site_id: str) -> Path:
        """Return the configuration file of a site's agent."""
        return self.out / "sites" / site_id / "site.toml"

    def log(self, name: str) -> Path:
        """Return the log of a program."""
        return self.out / "logs" / f"{name}.log"


def lay_ground(options: DemoOptions) -> Ground:
    """Check everything that a person wrote, then make the folder of the run.

    Raises
    ------
    ConfigError
        One clear line; nothing has been made then.
    """
    check(options)
    scenario = make_scenario(options.sites, options.seed, data=options.data)
    sites: list[dict[str, Any]] = scenario["sites"]  # type: ignore[assignment]
    plan = make_plan(options, [site["site_id"] for site in sites])
    addresses = [site["gateway"] for site in sites]
    addresses += [device["address"] for site in sites for device in site["devices"]]
    scenario["port"] = echonet_port(addresses)
    parse_scenario(json.dumps(scenario), origin="the scenario of the demo")
    broker = (HOST, broker_port()) if options.broker is None else broker_address(options.broker)
    ground = Ground(
        options=options,
        plan=plan,
        scenario=scenario,
        http_port=page_port(options.port, PAGE_PORT),
        broker=broker,
    )
    try:
        (ground.out / "logs").mkdir(parents=True)
        write_whole(ground.out / "scenario.json", json.dumps(scenario, indent=1) + "\n")
    except OSError as error:
        raise ConfigError(f"--out {ground.out}: {error.strerror or error}") from None
    return ground


def write_site_files(ground: Ground, relay_ports: Mapping[str, int]) -> None:
    """Write the configuration of every agent.

    Parameters
    ----------
    ground : Ground
        The run.
    relay_ports : mapping of str to int
        Port of each site's relay.
    """
    plain = ground.options.plain
    for site_id, site in ground.sites.items():
        link = SiteLink(
            broker=f"mqtt{'' if plain else 's'}://{HOST}:{relay_ports[site_id]}",
            echonet_port=ground.scenario["port"],
            identity=None if plain else IDENTITY,
        )
        path = ground.site_file(site_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, site_toml(site, link))
