"""Turns records of the services into what the API says; pure."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from cloud_coordinator.fleet.snapshot import LinkCondition
from cloud_coordinator.services.live import LiveSite
from cloud_coordinator.services.queries import ResourceView, SiteView
from cloud_coordinator.services.records import EventRecord, StreamAccount
from cloud_coordinator.web.models import (
    AccountItem,
    EventItem,
    HealthState,
    Link,
    ModeName,
    QualityName,
    ResourceState,
    SiteDetail,
    SiteSummary,
)
from cloud_coordinator.web.ports import Vitals
from protocols.link.messages import Plain
from protocols.vocabulary.measurement import Quality
from protocols.vocabulary.mode import Mode

TICK_AGE_MAX_S: Final = 3.0
"""A coordinator that has not completed a tick for so long is not well."""
DEPTH_MAX: Final = 16
LARGEST_EXACT: Final = 2**53

_LINKS: Final[Mapping[LinkCondition, Link]] = {
    LinkCondition.NEVER: "never",
    LinkCondition.LIVE: "live",
    LinkCondition.LATE: "late",
    LinkCondition.LOST: "lost",
}
_MODES: Final[Mapping[int, ModeName]] = {
    Mode.NORMAL: "normal",
    Mode.DEGRADED: "degraded",
    Mode.AUTONOMOUS: "autonomous",
    Mode.SAFE: "safe",
    Mode.MANUAL: "manual",
}
_QUALITIES: Final[Mapping[int, QualityName]] = {
    Quality.GOOD: "good",
    Quality.STALE: "stale",
    Quality.SUBSTITUTED: "substituted",
    Quality.BAD: "bad",
}


def number(value: float | None) -> float | None:
    """Return the number, or None if it is none."""
    return None if value is None or not math.isfinite(value) else float(value)


def link_name(link: LinkCondition) -> Link:
    """Word for a link's condition."""
    return _LINKS[link]


def mode_name(mode: int | None) -> ModeName | None:
    """Word for a mode's number; None for one that is not known."""
    return None if mode is None else _MODES.get(mode)


def delivered_w(site: LiveSite) -> float | None:
    """Meter less baseline, W; None if either is unknown."""
    if site.meter_w is None or site.baseline_w is None:
        return None
    return site.meter_w - site.baseline_w


def soc_of(resources: Sequence[ResourceView]) -> float | None:
    """State of charge of a site's storage, weighted by energy; None without any."""
    charge_wh = capacity_wh = 0.0
    for view in resources:
        soc, capacity = view.values.get("soc"), view.resource.energy_wh_capacity
        if soc is not None and math.isfinite(soc) and capacity > 0.0:
            charge_wh += soc * capacity
            capacity_wh += capacity
    return charge_wh / capacity_wh if capacity_wh > 0.0 else None


def site_summary(view: SiteView) -> SiteSummary:
    """Say what is known of a site."""
    return SiteSummary.model_validate(_site_fields(view))


def site_detail(view: SiteView) -> SiteDetail:
    """Say what is known of a site and its resources."""
    resources = [resource_state(one, view.live) for one in view.resources]
    return SiteDetail.model_validate({**_site_fields(view), "resources": resources})


def _site_fields(view: SiteView) -> dict[str, object]:
    live, record = view.live, view.record
    return {
        "site_id": record.site_id,
        "zone": record.zone,
        "link": link_name(live.link),
        "age_s": number(live.age_s),
        "mode": mode_name(live.mode),
        "quality": _QUALITIES.get(live.quality) if live.quality is not None else None,
        "meter_w": number(live.meter_w),
        "baseline_w": number(live.baseline_w),
        "delivered_w": number(delivered_w(live)),
        "share_w": number(live.share_w),
        "flexible_w": number(live.flexible_w),
        "soc": soc_of(view.resources),
        "signal_id": live.signal_id,
        "journal_id": record.journal_id,
        "agent_version": record.agent_version,
        "seen_at": record.seen_at,
    }


def resource_state(view: ResourceView, site: LiveSite) -> ResourceState:
    """Say what is known of a resource; a silent site's values are stale at best."""
    resource, values = view.resource, view.values
    return ResourceState(
        resource_id=resource.resource_id,
        site_id=resource.site_id,
        kind=resource.kind.value,
        capabilities=sorted(one.value for one in resource.capabilities),
        power_w_min=resource.power_w_min,
        power_w_max=resource.power_w_max,
        default_power_w=resource.default_power_w,
        ramp_w_per_s=number(resource.ramp_w_per_s),
        energy_wh_capacity=resource.energy_wh_capacity,
        soc_min=resource.soc_min,
        soc_max=resource.soc_max,
        link=link_name(site.link),
        age_s=number(site.age_s),
        power_w=number(values.get("power_w")),
        setpoint_w=number(values.get("setpoint_w")),
        soc=number(values.get("soc")),
        quality=_quality(values.get("quality"), site.link),
    )


def _quality(value: float | None, link: LinkCondition) -> QualityName | None:
    if value is None or not math.isfinite(value):
        return None
    if link is not LinkCondition.LIVE:
        value = max(value, Quality.STALE)
    return _QUALITIES.get(int(value))


def event_item(event: EventRecord) -> EventItem:
    """Say what happened."""
    payload = {str(name): json_value(value) for name, value in event.payload.items()}
    return EventItem(
        event_key=event.event_key,
        site_id=event.site_id,
        recorded_at=event.recorded_at,
        received_at=event.received_at,
        kind=event.kind,
        payload=payload,
    )


def json_value(value: Plain, depth: int = 0) -> JsonValue:
    """Turn plain data of the link into JSON: bytes in hexadecimal, no NaN, no depth."""
    if isinstance(value, list | dict):
        return _json_container(value, depth)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return number(value)
    if isinstance(value, int) and abs(value) > LARGEST_EXACT:
        return str(value)
    return value


def _json_container(value: list[Plain] | dict[str, Plain], depth: int) -> JsonValue:
    if depth >= DEPTH_MAX:
        return "..."
    if isinstance(value, list):
        return [json_value(one, depth + 1) for one in value]
    return {str(name): json_value(one, depth + 1) for name, one in value.items()}


def account_item(account: StreamAccount) -> AccountItem:
    """Say what the store holds of a journal."""
    return AccountItem(
        site_id=account.site_id,
        journal_id=account.journal_id,
        rows=account.rows,
        distinct=account.distinct,
        duplicated=account.duplicated,
        missing=account.missing,
        first_sequence=account.first_sequence,
        last_sequence=account.last_sequence,
        received=account.received,
        durable=account.durable,
    )


def health_state(vitals: Vitals) -> HealthState:
    """Judge the program by its parts."""
    age_s = number(vitals.tick_age_s)
    ticking = age_s is not None and age_s <= TICK_AGE_MAX_S
    well = vitals.broker_up and vitals.store_up and ticking
    return HealthState(
        status="up" if well else "down",
        broker="up" if vitals.broker_up else "down",
        store="up" if vitals.store_up else "down",
        tick_age_s=age_s,
    )
