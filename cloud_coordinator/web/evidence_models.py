"""What the API says of evidence: the certificate of an award, the share of a second."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cloud_coordinator.web.award_models import IdText, MomentField, ServiceName
from cloud_coordinator.web.models import Record, Watts


class CertificateQuery(BaseModel):
    """Which certificate of an award."""

    model_config = ConfigDict(extra="forbid")

    direction: Literal["up", "down"] = Field(default="up", description="Upward or downward.")


class SitesOffline(Record):
    """So many sites of at most a size may be missing, whichever they are."""

    count: int
    size_w_max: float


class Claims(Record):
    """What the certificate claims."""

    delivery_probability: float = Field(description="Of delivering at least the obligation.")
    any_share_of_sites_offline: float
    any_sites_offline: list[SitesOffline]


class CertifiedSites(Record):
    """The sites that owe anything, as columns."""

    id: list[str]
    power_w: list[float] = Field(description="Committed, W, as a magnitude.")
    reliability: list[float] = Field(description="That each delivers by itself, 0..1.")


class CommonCause(Record):
    """What takes several sites down at once."""

    name: str
    outage_probability: float
    members: list[int] = Field(description="Positions in the columns of the sites.")


class CertifiedAward(Record):
    """The award a certificate belongs to."""

    obligation_id: str
    direction: Literal["up", "down"]
    service: ServiceName
    zone: str
    start: datetime
    end: datetime
    probability_wanted: float
    kept: bool = Field(description="Whether it is as probable as was wanted.")
    probability: float = Field(description="Of delivering it, by how sites did in the past.")
    spread: float = Field(description="How much wider than promised past deliveries were, >= 1.")
    margin_w: float = Field(description="Committed beyond the award, W.")


class CertificateDocument(Record):
    """A certificate as `vpp certificate verify` checks it, from this document alone."""

    format: str
    obligation_w: float
    claims: Claims
    sites: CertifiedSites
    common_causes: list[CommonCause]
    award: CertifiedAward


class ExplanationQuery(BaseModel):
    """Which second."""

    model_config = ConfigDict(extra="forbid")

    at: MomentField
    obligation_id: IdText | None = Field(
        default=None, description="Of several awards in force then, this one."
    )


class ExplainedCommand(Record):
    """The command in force."""

    issued_at: datetime
    power_w: float
    clipped_w: float = Field(description="Within what the award allows: what is owed, W.")


class ExplainedSignal(Record):
    """The broadcast signal and how it was found."""

    signal_id: int
    epoch: int
    sent_at: datetime
    multiplier: float = Field(description="JPY/kWh.")
    command_w: float
    correction_w: float = Field(description="Integral action at the meters, W.")
    held_w: float = Field(description="Booked for sites that do not follow, W.")
    shortfall_w: float
    following: int
    held: int
    echoed: bool = Field(description="Whether the site's row names this signal.")


class ExplainedSegment(Record):
    """Where the multiplier lies on the curve; both ends alike outside it."""

    multiplier_low: float
    power_w_low: float
    multiplier_high: float
    power_w_high: float


class ExplanationState(Record):
    """The chain from command to delivery of one site in one second."""

    site_id: str
    obligation_id: str
    service: ServiceName
    at: datetime
    command: ExplainedCommand | None
    signal: ExplainedSignal | None
    curve_version: int
    multipliers: list[float] = Field(description="Of the committed curve, JPY/kWh.")
    power_w: list[float] = Field(description="Of the committed curve, W.")
    segment: ExplainedSegment | None
    curve_w: float = Field(description="Power of the curve at the multiplier, W.")
    share_w: float = Field(description="The same inside the committed envelope, W.")
    told_share_w: Watts = Field(description="What the site says it owed, W.")
    delivered_w: Watts = Field(description="Meter less committed baseline in that second, W.")
    delivered_next_w: Watts = Field(description="The same a second later.")
