"""Parses template files and lists those that come with the package.

The parser is pure; :func:`catalogue` reads the package's own data, which is as much part of
the program as its code.
"""

import functools
import math
import tomllib
from collections.abc import Callable, Mapping
from importlib import resources
from types import MappingProxyType
from typing import Final

from protocols.templates.bacnet import bacnet_wire
from protocols.templates.echonet_lite import echonet_wire
from protocols.templates.ieee2030_5 import ieee2030_5_wire
from protocols.templates.modbus import modbus_wire
from protocols.templates.ocpp import ocpp_wire
from protocols.templates.openadr import openadr_wire
from protocols.templates.sunspec import sunspec_wire
from protocols.templates.table import Table, choice
from protocols.templates.template import (
    Evidence,
    LeaseMechanism,
    LeaseTerms,
    Nameplate,
    Proof,
    Template,
    Timing,
    Wire,
    Writes,
)
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.resource import ResourceKind

_WIRES: Final[Mapping[str, Callable[[Table], Wire]]] = {
    "echonet-lite": echonet_wire,
    "sunspec": sunspec_wire,
    "modbus": modbus_wire,
    "bacnet": bacnet_wire,
    "ocpp": ocpp_wire,
    "ieee2030.5": ieee2030_5_wire,
    "openadr": openadr_wire,
}
PROTOCOLS: Final = tuple(_WIRES)
_POWER_W: Final = 1e7


def parse_template(text: str, template_id: str) -> Template:
    """Parse one file.

    Parameters
    ----------
    text : str
        TOML.
    template_id : str
        Stem of the file.

    Raises
    ------
    ConfigError
        ``<file>.<table>.<key>: <cause>`` for the first thing that is wrong.
    """
    try:
        document = Table(tomllib.loads(text), f"{template_id}.toml")
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{template_id}.toml: is not TOML: {error}") from None
    protocol = choice(document, "protocol", PROTOCOLS)
    lease = _lease(document.table("lease"))
    wire_table = document.table("wire")
    template = Template(
        template_id=template_id,
        kind=ResourceKind(choice(document, "kind", tuple(kind.value for kind in ResourceKind))),
        title=document.text("title"),
        title_ja=document.text("title_ja"),
        wire=_WIRES[protocol](wire_table),
        timing=_timing(document.table("timing")),
        lease=lease,
        nameplate=_nameplate(document.table("nameplate")),
        writes=_writes(document.table("writes")),
        evidence=_evidence(document.table("evidence")),
        quirks=document.listed("quirks", str, ()),
        simulation=document.table("simulation").numbers(),
    )
    wire_table.end()
    document.end()
    return template


@functools.cache
def catalogue() -> Mapping[str, Template]:
    """Every template of the package, by id, in alphabetical order."""
    files = resources.files("protocols.templates").joinpath("data")
    names = sorted(entry.name for entry in files.iterdir() if entry.name.endswith(".toml"))
    found: dict[str, Template] = {}
    for name in names:
        template_id = name.removesuffix(".toml")
        text = files.joinpath(name).read_text(encoding="utf-8")
        found[template_id] = parse_template(text, template_id)
    return MappingProxyType(found)


def template_of(template_id: str) -> Template:
    """Template of a name.

    Raises
    ------
    ConfigError
        If there is none; the nearest names are told.
    """
    known = catalogue()
    if template_id not in known:
        family = template_id.split("-", maxsplit=1)[0]
        near = [name for name in known if name.startswith(family)] or list(known)
        raise ConfigError(f"{template_id!r} is not a template; for example {', '.join(near[:5])}")
    return known[template_id]


def _timing(table: Table) -> Timing:
    timing = Timing(
        timeout_s=table.number("timeout_s", 2.0, low=0.05, high=30.0),
        slow_s=table.number("slow_s", 30.0, low=1.0, high=3600.0),
        pacing_s=table.number("pacing_s", 0.0, low=0.0, high=10.0),
    )
    table.end()
    return timing


def _lease(table: Table) -> LeaseTerms:
    mechanism = choice(table, "mechanism", tuple(each.value for each in LeaseMechanism))
    terms = LeaseTerms(
        mechanism=LeaseMechanism(mechanism),
        default=table.text("default"),
        default_power_w=(
            table.number("default_power_w", low=-_POWER_W, high=_POWER_W)
            if "default_power_w" in table
            else None
        ),
    )
    table.end()
    return terms


def _nameplate(table: Table) -> Nameplate:
    nameplate = Nameplate(
        power_w_min=table.number("power_w_min", 0.0, low=-_POWER_W, high=0.0),
        power_w_max=table.number("power_w_max", 0.0, low=0.0, high=_POWER_W),
        power_w_least=table.number("power_w_least", 0.0, low=0.0, high=_POWER_W),
        power_w_step=table.number("power_w_step", 1.0, low=1e-3, high=_POWER_W),
        ramp_w_per_s=table.number("ramp_w_per_s", math.inf, low=1e-3, high=math.inf),
        energy_wh_capacity=table.number("energy_wh_capacity", 0.0, low=0.0, high=1e9),
    )
    table.end()
    return nameplate


def _writes(table: Table) -> Writes:
    flash = table.yes("flash", default=False)
    writes = Writes(
        flash=flash,
        budget_per_day=(
            table.integer("budget_per_day", low=1, high=1_000_000)
            if flash or "budget_per_day" in table
            else None
        ),
        interval_s=table.number("interval_s", 0.0, low=0.0, high=3600.0),
    )
    table.end()
    return writes


def _evidence(table: Table) -> Evidence:
    proof = Proof(choice(table, "proof", tuple(each.value for each in Proof)))
    by = table.text("by", "")
    if (proof is Proof.SIMULATED) != (by == ""):
        raise table.refuse("by", "names the peer or the reason, and nothing if only simulated")
    evidence = Evidence(source=table.text("source"), proof=proof, by=by)
    table.end()
    return evidence
