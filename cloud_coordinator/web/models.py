"""What the API says of sites, resources, events and accounts, and what it may be asked.

pydantic lives at this border only. Powers are W in generator frame (+ toward the grid), soc
0..1, times RFC 3339 in UTC. null means that there is no number, never zero.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from cloud_coordinator.web.paging import PageQuery

Link = Literal["never", "live", "late", "lost"]
ModeName = Literal["normal", "degraded", "autonomous", "safe", "manual"]
QualityName = Literal["good", "stale", "substituted", "bad"]

NameText = Annotated[str, Field(min_length=1, max_length=200)]
Watts = Annotated[float | None, Field(description="W, + toward the grid; null where unknown.")]
AgeS = Annotated[
    float | None,
    Field(description="Age of the latest sample, s; null if none came since the program started."),
]
LinkField = Annotated[
    Link, Field(description="live: answers; late: 3 missed ticks; lost: 10 missed ticks.")
]


def _in_utc(moment: datetime) -> datetime:
    """Turn a time to UTC, which stores compare; near the calendar's ends there is none."""
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is outside the calendar in UTC") from error


class Record(BaseModel):
    """What an answer holds; nothing that is not named."""

    model_config = ConfigDict(extra="forbid")


class SiteSummary(Record):
    """A site as last heard."""

    site_id: str
    zone: str
    link: LinkField
    age_s: AgeS
    mode: ModeName | None
    quality: QualityName | None = Field(description="At least stale unless the link is live.")
    meter_w: Watts
    baseline_w: Watts
    delivered_w: Watts = Field(description="Meter less baseline, W.")
    share_w: Watts = Field(description="What the site says it owes, W relative to its baseline.")
    flexible_w: Watts
    soc: float | None = Field(
        description="State of charge of its storage, weighted by energy, 0..1."
    )
    signal_id: int = Field(description="Dispatch signal in force at the site; 0 is none.")
    journal_id: str
    agent_version: str
    seen_at: datetime = Field(description="Time of the last hello.")


class ResourceState(Record):
    """A resource and its latest values."""

    resource_id: str
    site_id: str
    kind: str
    capabilities: list[str]
    power_w_min: float
    power_w_max: float
    default_power_w: float
    ramp_w_per_s: float | None = Field(description="W/s; null if the device states none.")
    energy_wh_capacity: float
    soc_min: float
    soc_max: float
    link: LinkField
    age_s: AgeS
    power_w: Watts
    setpoint_w: Watts = Field(description="W; null when no lease is in force.")
    soc: float | None
    quality: QualityName | None


class SiteDetail(SiteSummary):
    """A site with its resources."""

    resources: list[ResourceState]


class EventItem(Record):
    """Something that happened at a site, or at the coordinator itself (site_id null)."""

    event_key: str
    site_id: str | None
    recorded_at: datetime
    received_at: datetime
    kind: str
    payload: dict[str, JsonValue] = Field(description="Bytes are shown in hexadecimal.")


class AccountItem(Record):
    """What the store holds of one site's telemetry journal."""

    site_id: str
    journal_id: str
    rows: int
    distinct: int
    duplicated: int = Field(description="Rows stored more than once.")
    missing: int = Field(description="Sequences between first and last that are not stored.")
    first_sequence: int
    last_sequence: int
    received: int = Field(description="Contiguous sequence received.")
    durable: int = Field(description="Contiguous sequence on disk and acknowledged.")


class HealthState(Record):
    """What is up."""

    status: Literal["up", "down"]
    broker: Literal["up", "down"]
    store: Literal["up", "down"]
    tick_age_s: float | None = Field(description="Since the last completed tick, s.")


class ResourceQuery(PageQuery):
    """Which resources."""

    site_id: NameText | None = Field(default=None, description="Of this site only.")


class EventsQuery(PageQuery):
    """Which events."""

    site_id: NameText | None = Field(default=None, description="Of this site only.")
    kind: NameText | None = Field(default=None, description="Of this kind, for example link.lost.")
    since: Annotated[AwareDatetime, AfterValidator(_in_utc)] | None = Field(
        default=None, description="Recorded at or after this time; with an offset."
    )


class LiveQuery(BaseModel):
    """How to see the present."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["sse", "json"] = Field(
        default="sse", description="A stream of events, or one snapshot."
    )
