"""Makes a scenario of one site with devices of several protocols, from templates in turn."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from firmware_sim.physics.noise import between
from firmware_sim.scenario.generate import DEFAULT_START, Plain
from protocols.templates.catalogue import catalogue
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.resource import ResourceKind

NAMES: Final = {
    "echonet": "echonet-lite",
    "sunspec": "sunspec",
    "modbus": "modbus",
    "bacnet": "bacnet",
    "ocpp": "ocpp",
}
"""How people name a protocol in a mixed site, and how templates do."""
NETS: Final = {"echonet": 1, "sunspec": 2, "bacnet": 3, "ocpp": 4, "modbus": 5}
"""Third number of the addresses of a mixed site's devices."""
BLOCKS: Final = (2, 22, 42, 62)
"""Second number; the others serve a second run on the same machine."""
PORTS: Final = {
    "echonet": 3610,
    "sunspec": 1502,
    "modbus": 1502,
    "bacnet": 47808,
    "ocpp": 8887,
}
SITE_ID: Final = "site-mixed"
DEVICES_MAX: Final = 200
_INSTANCES_FROM = 1000
_BASE_W = 400.0
_W_PER_DEVICE = 60.0
_FIRST_DEVICE = 11
_LOCATION: Final = {"latitude": 35.68, "longitude": 139.77}


def make_site(
    counts: Mapping[str, int], seed: int, *, block: int = BLOCKS[0], start: datetime = DEFAULT_START
) -> Plain:
    """Make a scenario of one site with devices of several protocols.

    Parameters
    ----------
    counts : mapping of str to int
        Devices by a name of :data:`NAMES`, at most :data:`DEVICES_MAX` of each. Templates of a
        protocol are taken in turn; a site has one meter, so those of meters are left out.
    seed : int
        Household, weather and states of charge.
    block : int
        Second number of every address, ``127.<block>.<net>.x``.
    start : datetime
        World time at the start, aware UTC.

    Returns
    -------
    dict
        Plain data for :func:`firmware_sim.scenario.load.parse_scenario`; the meter is first
        and on ECHONET Lite. Chargers are given the address of the central system.

    Raises
    ------
    ConfigError
        If a protocol is not known, has no template, or a count is out of range.
    """
    net = f"127.{block}.{NETS['echonet']}"
    meter: Plain = {
        "id": "meter",
        "template": "echonet-meter",
        "address": meter_address(block),
        "port": PORTS["echonet"],
    }
    devices = [meter]
    for name, count in counts.items():
        devices += _devices(name, count, seed, block=block)
    load: Plain = {
        "kind": "household",
        "base_w": min(_BASE_W + _W_PER_DEVICE * len(devices), 5000.0),
        "seed": seed,
    }
    site: Plain = {
        "site_id": SITE_ID,
        "group": f"239.192.{block}.1",
        "gateway": f"{net}.1",
        "location": dict(_LOCATION),
        "load": load,
        "devices": devices,
    }
    return {
        "seed": seed,
        "start": start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "port": PORTS["echonet"],
        "sources": ["devices are made from templates, the household from the seed"],
        "sites": [site],
        "faults": [],
    }


def meter_address(block: int) -> str:
    """Address of the meter of a mixed site."""
    return f"127.{block}.{NETS['echonet']}.10"


def _devices(name: str, count: int, seed: int, *, block: int) -> list[Plain]:
    """Devices of one protocol, its templates in turn."""
    if name not in NAMES:
        raise ConfigError(f"--devices: {name!r} is not one of {', '.join(NAMES)}")
    if not 1 <= count <= DEVICES_MAX:
        raise ConfigError(f"--devices {count}{name}: use 1 to {DEVICES_MAX}")
    templates = [
        template
        for template in catalogue().values()
        if template.protocol == NAMES[name] and template.kind is not ResourceKind.METER
    ]
    if not templates:
        raise ConfigError(f"--devices {count}{name}: there is no template of that protocol")
    net = f"127.{block}.{NETS[name]}"
    made: list[Plain] = []
    for number in range(count):
        template = templates[number % len(templates)]
        address = f"{net}.1" if name == "ocpp" else f"{net}.{_FIRST_DEVICE + number}"
        device: Plain = {
            "id": f"{name}-{number + 1:02d}",
            "template": template.template_id,
            "address": address,
            "port": PORTS[name],
            "seed": number + 1,
            "soc_start": round(between(0.4, 0.7, seed=seed, counters=(NETS[name], number)), 3),
        }
        if name == "bacnet":
            device["unit"] = _INSTANCES_FROM + number
        made.append(device)
    return made
