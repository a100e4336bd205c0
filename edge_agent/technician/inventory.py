"""What a site's devices and the product families are, from files alone.

Works beside a running agent and without a network: configuration, journal, write ledger and
the templates that come with the package.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from edge_agent.config.site import DeviceConfig, SiteConfig
from edge_agent.drivers.ledger import read_ledger
from edge_agent.journal.reader import JournalReader
from edge_agent.points.table import POWER_W, point_id
from edge_agent.technician.status import PointLine, points_now
from protocols.templates.catalogue import catalogue, template_of
from protocols.templates.template import Template
from protocols.vocabulary.errors import JournalError
from protocols.vocabulary.identifiers import ResourceId


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLine:
    """One configured device.

    Attributes
    ----------
    device_id, kind, protocol, address, identity, template : str
        As configured; empty where there is nothing.
    power : PointLine or None
        Its power as the last cycle saw it; None before the first.
    writes_today : int
        Setpoints and releases sent since midnight UTC.
    writes_budget : int or None
        Most of them in a day; None: as many as needed.
    """

    device_id: str
    kind: str
    protocol: str
    address: str
    identity: str
    template: str
    power: PointLine | None
    writes_today: int
    writes_budget: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateLine:
    """One product family.

    Attributes
    ----------
    template_id, protocol, kind, title, title_ja : str
        What it is.
    lease, default : str
        What ends an order, and what the device does then.
    writes_budget : int or None
        Most writes in a day.
    proof, by, source : str
        How far it was checked, against what, and where its facts come from.
    """

    template_id: str
    protocol: str
    kind: str
    title: str
    title_ja: str
    lease: str
    default: str
    writes_budget: int | None
    proof: str
    by: str
    source: str


def devices_of(config: SiteConfig, now: datetime) -> tuple[DeviceLine, ...]:
    """List the configured devices with what the agent last knew of them.

    Parameters
    ----------
    config : SiteConfig
        The site.
    now : datetime
        Aware UTC.
    """
    writes = read_ledger(config.data_dir, now.date())
    powers = _powers(config, now)
    return tuple(_line(config, device, powers, writes=writes) for device in config.devices)


def templates_of(protocol: str | None) -> tuple[TemplateLine, ...]:
    """List the product families, all or those of one protocol."""
    return tuple(
        _family(template)
        for template in catalogue().values()
        if protocol in {None, template.protocol}
    )


def _line(
    config: SiteConfig,
    device: DeviceConfig,
    powers: Mapping[str, PointLine],
    *,
    writes: Mapping[ResourceId, int],
) -> DeviceLine:
    template = None if device.template_id is None else template_of(device.template_id)
    return DeviceLine(
        device_id=device.device_id,
        kind=device.kind.value,
        protocol=device.protocol,
        address=f"{device.address} {device.eoj}".strip(),
        identity=device.identity or "",
        template=device.template_id or "",
        power=powers.get(point_id(device.device_id, POWER_W)),
        writes_today=writes.get(config.resource_id(device.device_id), 0),
        writes_budget=None if template is None else template.writes.budget_per_day,
    )


def _powers(config: SiteConfig, now: datetime) -> dict[str, PointLine]:
    """Power of each device in the last cycle; nothing before the agent has ever run."""
    if not config.journal_path.is_file():
        return {}
    reader = JournalReader(config.journal_path)
    try:
        return {line.point_id: line for line in points_now(config, reader, now)}
    except JournalError:
        return {}
    finally:
        reader.close()


def _family(template: Template) -> TemplateLine:
    return TemplateLine(
        template_id=template.template_id,
        protocol=template.protocol,
        kind=template.kind.value,
        title=template.title,
        title_ja=template.title_ja,
        lease=template.lease.mechanism.value,
        default=template.lease.default,
        writes_budget=template.writes.budget_per_day,
        proof=template.evidence.proof.value,
        by=template.evidence.by,
        source=template.evidence.source,
    )
