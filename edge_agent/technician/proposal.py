"""A site file that nobody wrote: devices as they were found, limits as they are safe.

ECHONET Lite nodes answer a question to their group, so they are found without knowing anything;
devices of other protocols must be told and are added by hand. What a person does not say is
taken so that nothing can go wrong by it: nothing is exported.
"""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_agent.config.devices import EOJ_CLASSES
from edge_agent.config.site import (
    EchonetConfig,
    JournalConfig,
    LimitsConfig,
    LinkConfig,
    LocationConfig,
    SiteConfig,
    TariffConfig,
)
from edge_agent.drivers.family import FamilyPorts
from edge_agent.drivers.frames import NO_TAP
from edge_agent.drivers.ledger import FileLedger
from edge_agent.drivers.port import FoundDevice
from edge_agent.identity.enrol import SiteFacts
from edge_agent.technician.status import WATCHDOG_FOLDER
from edge_agent.transports.udp import UdpEndpoint, UdpSettings
from edge_agent.watchdog.recipe import ReleaseRecipe
from models.day_ahead.places import PV_PLACE
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Clock
from protocols.vocabulary.resource import ResourceKind

CONTRACT_KW: Final = 3.0
"""30 A at 100 V: what the smallest usual household contract allows."""
PV_KW: Final = 4.0
IMPORT_JPY_PER_KWH: Final = 31.0
ROUNDS: Final = 2
"""Times the group is asked; datagrams get lost."""
_METER_FIRST: Final = ("0288", "028D", "02A5")
_KIND_OF: Final[Mapping[str, ResourceKind]] = {
    class_code: kind for kind, classes in EOJ_CLASSES.items() for class_code in classes
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteWishes:
    """What a person says of a site; the rest is found or safe.

    Attributes
    ----------
    contract_kw, export_kw : float
        Most import and export at the meter, kW.
    pv_kw : float
        Rated power of the PV, kW; counts only if there is one.
    address, group : str
        Own address on the devices' network, and their multicast group.
    port : int
        UDP port of the nodes.
    """

    contract_kw: float = CONTRACT_KW
    export_kw: float = 0.0
    pv_kw: float = PV_KW
    address: str
    group: str = "224.0.23.0"
    port: int = 3610


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A site file.

    Attributes
    ----------
    text : str
        TOML.
    device_ids : tuple of str
        As they are named in it.
    left_out : tuple of str
        What was found and is not in it, and why.
    """

    text: str
    device_ids: tuple[str, ...]
    left_out: tuple[str, ...]


def own_address(toward: str) -> str:
    """Address of this machine from which a host is reached.

    Raises
    ------
    ConfigError
        If there is no way to it.
    """
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((toward, 9))
            return str(probe.getsockname()[0])
    except OSError as error:
        cause = error.strerror or error
        raise ConfigError(f"--address: name our own on the devices' network ({cause})") from None


def look_around(
    wishes: SiteWishes, facts: SiteFacts, clock: Clock, *, data_dir: Path
) -> list[FoundDevice]:
    """Ask the group who is there.

    Raises
    ------
    ConfigError
        If the address is not ours or the port is taken.
    """
    return asyncio.run(_look_around(wishes, facts, clock, data_dir=data_dir))


async def _look_around(
    wishes: SiteWishes, facts: SiteFacts, clock: Clock, *, data_dir: Path
) -> list[FoundDevice]:
    from edge_agent.drivers.echonet_lite.family import family_at  # noqa: PLC0415 as in families.py

    echonet = EchonetConfig(address=wishes.address, port=wishes.port, group=wishes.group)
    config = _nobody_yet(echonet, facts, data_dir)
    endpoint = await UdpEndpoint.open(
        UdpSettings(address=echonet.address, port=echonet.port, group=echonet.group)
    )
    ledger = FileLedger(data_dir, clock)
    ports = FamilyPorts(
        clock=clock,
        book=ReleaseRecipe.of_site(config, data_dir / WATCHDOG_FOLDER),
        ledger=ledger,
        tap=NO_TAP,
    )
    family = family_at(endpoint, config, echonet, ports=ports)
    found: dict[tuple[str, str], FoundDevice] = {}
    try:
        for _ in range(ROUNDS):
            found.update({(one.address, one.unit): one for one in await family.discover()})
    finally:
        await family.close()
        ledger.close()
    return [found[key] for key in sorted(found)]


def has_pv(found: Sequence[FoundDevice]) -> bool:
    """Whether a PV is among what was found."""
    return any(_KIND_OF.get(one.unit[:4]) is ResourceKind.PV for one in found)


def propose(found: Sequence[FoundDevice], wishes: SiteWishes, facts: SiteFacts) -> Proposal:
    """Write a site file for what was found.

    Raises
    ------
    ConfigError
        If there is no meter among it: no limit could be kept.
    """
    meter = _meter(found)
    counts: Counter[str] = Counter()
    sections, device_ids, left_out = [], [], []
    for one in found:
        kind = _KIND_OF.get(one.unit[:4])
        where = f"{one.unit} at {one.address}"
        if kind is None:
            left_out.append(f"{where}: choose a template, see `edge-agent devices templates`")
            continue
        if kind is ResourceKind.METER and one is not meter:
            left_out.append(f"{where}: a second meter")
            continue
        counts[kind.value] += 1
        name = "meter" if one is meter else f"{kind.value}-{counts[kind.value]}"
        device_ids.append(name)
        sections += _section("[devices]", **_device(name, kind, one))
    place = PV_PLACE.get(facts.zone, PV_PLACE["tokyo"])
    lines = [
        "# Proposed by `edge-agent provision`: check limits, tariff and place.",
        f"site_id = {_value(facts.site_id)}",
        f"zone = {_value(facts.zone)}",
        'data_dir = "data"',
        *_section("link", brokers=list(facts.brokers)),
        *_section(
            "limits",
            contract_import_w=1_000.0 * wishes.contract_kw,
            export_limit_w=1_000.0 * wishes.export_kw,
        ),
        *_section("tariff", import_jpy_per_kwh=IMPORT_JPY_PER_KWH, export_jpy_per_kwh=0.0),
        *_section("location", latitude=place.latitude, longitude=place.longitude),
        *(_section("pv", peak_w=1_000.0 * wishes.pv_kw) if has_pv(found) else []),
        *_section("echonet", address=wishes.address, port=wishes.port, group=wishes.group),
        *sections,
    ]
    return Proposal(
        text="\n".join(lines) + "\n",
        device_ids=tuple(device_ids),
        left_out=tuple(left_out),
    )


def _meter(found: Sequence[FoundDevice]) -> FoundDevice:
    for class_code in _METER_FIRST:
        for one in found:
            if one.unit.startswith(class_code):
                return one
    raise ConfigError(
        f"no meter among the {len(found)} ECHONET objects that answered; is it on this network? "
        "See --address and --group, or write the site file by hand"
    )


def _device(name: str, kind: ResourceKind, one: FoundDevice) -> dict[str, object]:
    made: dict[str, object] = {
        "id": name,
        "kind": kind.value,
        "protocol": "echonet-lite",
        "address": one.address,
        "eoj": one.unit,
    }
    if one.identity.startswith("FE"):
        made["identity"] = one.identity
    return made


def _nobody_yet(echonet: EchonetConfig, facts: SiteFacts, data_dir: Path) -> SiteConfig:
    """Return the configuration of a site of which nothing is known."""
    return SiteConfig(
        site_id=facts.site_id,
        zone=facts.zone,
        data_dir=data_dir,
        link=LinkConfig(brokers=(), keepalive_s=10),
        limits=LimitsConfig(contract_import_w=0.0, export_limit_w=0.0),
        tariff=TariffConfig(import_jpy_per_kwh=0.0, export_jpy_per_kwh=0.0),
        location=LocationConfig(latitude=0.0, longitude=0.0),
        echonet=echonet,
        journal=JournalConfig(bytes_max=1_000_000, tick_age_s_max=60.0),
        pv_peak_w=0.0,
        forecast_model=None,
        devices=(),
    )


def _section(name: str, **values: object) -> list[str]:
    return ["", f"[{name}]", *(f"{key} = {_value(value)}" for key, value in values.items())]


def _value(value: object) -> str:
    """JSON's texts, numbers and lists are TOML's."""
    return json.dumps(value, ensure_ascii=False)
