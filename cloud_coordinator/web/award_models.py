"""What the API takes and says about obligations: award, command, delivery, statement."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from cloud_coordinator.web.models import Record
from cloud_coordinator.web.paging import CursorText
from protocols.vocabulary.obligation import Service

POWER_W_MAX: Final = 1e12
PRICE_JPY_MAX: Final = 1_000_000
YEAR_FIRST, YEAR_LAST = 2000, 2199

StateName = Literal["proposed", "accepted", "refused", "active", "done", "cancelled"]
ServiceName = Literal[
    "primary",
    "primary-offline",
    "secondary1",
    "secondary2",
    "tertiary1",
    "tertiary2",
    "compound",
    "energy",
]


def _plausible(moment: datetime) -> datetime:
    """Refuse years in which no award lies, and turn the time to UTC."""
    if not YEAR_FIRST <= moment.year <= YEAR_LAST:
        raise ValueError(f"the year must be {YEAR_FIRST} to {YEAR_LAST}")
    return moment.astimezone(UTC)


MomentField = Annotated[
    AwareDatetime,
    AfterValidator(_plausible),
    Field(description="RFC 3339 with an offset, for example 2026-07-22T10:00:00+09:00."),
]
IdText = Annotated[str, Field(min_length=1, max_length=200)]


class Body(BaseModel):
    """What is posted: strict types, nothing unknown."""

    model_config = ConfigDict(strict=True, extra="forbid")


class AwardBody(Body):
    """An award, as posted; the same again changes nothing."""

    obligation_id: IdText = Field(
        description="Made by the originator, the idempotency key: 1 to 64 of a-z, 0-9 and '-'."
    )
    service: Service
    zone: IdText
    start: MomentField
    end: MomentField
    power_w: float = Field(
        gt=0, le=POWER_W_MAX, allow_inf_nan=False, description="Awarded capacity, W."
    )
    tolerance_w: float = Field(
        ge=0, le=POWER_W_MAX, allow_inf_nan=False, description="Half width of the band, W."
    )
    price_jpy_per_kw_30min: Decimal = Field(
        ge=0,
        le=PRICE_JPY_MAX,
        max_digits=12,
        decimal_places=4,
        description="Capacity price, JPY per kW and 30 minutes.",
    )


class CommandBody(Body):
    """A command of the system operator, in force until the next."""

    issued_at: MomentField
    power_w: float = Field(
        ge=-POWER_W_MAX,
        le=POWER_W_MAX,
        allow_inf_nan=False,
        description="W, + upward; clipped to plus or minus the award, or from 0 to the award "
        "where the product is only upward.",
    )


class AssuredState(Record):
    """How sure an award is; its certificates hold the proof."""

    kept: bool = Field(description="Whether both directions are as probable as was wanted.")
    probability_wanted: float
    probability_up: float = Field(description="Of delivering at least the award upward.")
    probability_down: float
    margin_up_w: float = Field(description="Committed beyond the award, W.")
    margin_down_w: float
    cost_up_jpy_per_h: float = Field(description="Were all of it called, by the sites' curves.")
    cost_down_jpy_per_h: float


class AllocationState(Record):
    """How the award was shared, with what proves it."""

    multiplier_up: float | None = Field(description="JPY/kWh; null if nothing was offered.")
    multiplier_down: float | None = Field(description="JPY/kWh; null if nothing was offered.")
    shortfall_up_w: float
    shortfall_down_w: float
    duality_gap_jpy_per_h: float
    assured: AssuredState | None = Field(
        description="How sure it is; null for an award of before that was judged."
    )


class ObligationSummary(Record):
    """An award."""

    obligation_id: str
    service: ServiceName
    zone: str
    start: datetime
    end: datetime
    state: StateName
    power_w: float
    tolerance_w: float
    price_jpy_per_kw_30min: Decimal
    rule_set_id: str
    received_at: datetime
    sites_committed: int
    sites_accepted: int
    sites_refused: int
    allocation: AllocationState | None = Field(description="null until it is allocated.")


class CurveState(Record):
    """A committed curve: power relative to the baseline at each multiplier."""

    multipliers: list[float] = Field(description="JPY/kWh, rising.")
    power_w: list[float] = Field(description="W, not falling.")


class ChildState(Record):
    """A site's part of an award."""

    site_id: str
    state: StateName = Field(description="proposed until the site answers.")
    power_w: float = Field(description="Its part of the awarded capacity, W.")
    tolerance_w: float
    limited_by: str | None = Field(description="The limit that binds; null where none does.")
    curve: CurveState


class ObligationDetail(ObligationSummary):
    """An award with its sites' parts."""

    sites: list[ChildState]


class CommandState(Record):
    """What became of a command."""

    obligation_id: str
    issued_at: datetime
    power_w: float
    clipped_w: float = Field(description="Within what the award allows: what is owed, W.")
    received_at: datetime
    source: str = Field(description="Who sent it, where it came by OpenADR; else empty.")
    outcome: Literal["accepted", "known", "superseded"]


class DeliveryQuery(BaseModel):
    """Which part of a delivery, and how."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["json", "csv"] = Field(
        default="json", description="csv holds every second; json comes in pages."
    )
    cursor: CursorText | None = None


class SiteDelivery(Record):
    """One site's seconds; null where the store has no row or no number."""

    site_id: str
    award_w: float
    tolerance_w: float
    delivered_w: list[float | None]
    share_w: list[float | None] = Field(
        description="What the site says it owed, less what it owed of other awards, W; of primary "
        "reserve what its law asked for."
    )


class DeliverySeconds(Record):
    """Promised against delivered, second by second, from the store."""

    obligation_id: str
    service: ServiceName
    zone: str
    start: datetime
    end: datetime
    award_w: float
    tolerance_w: float
    second: list[int] = Field(description="Unix time.")
    promised_w: list[float]
    delivered_w: list[float] = Field(description="Sum of the sites that have a row.")
    sites_present: list[int]
    complete: list[bool] = Field(description="Whether every bound site has a row.")
    sites: list[SiteDelivery]
    next_cursor: str | None


class StatementSite(Record):
    """One site's part of a statement."""

    site_id: str
    award_w: float
    energy_wh: int
    seconds_present: int
    seconds_missing: int


class SecondsRun(Record):
    """A run of seconds, half open."""

    start: datetime
    end: datetime


class SlotState(Record):
    """One half hour of a statement."""

    day: date = Field(description="Market day, JST.")
    slot: int = Field(description="1 (00:00) to 48 (23:30), JST.")
    seconds: int = Field(description="Of the slot, covered by the award.")
    award_kw: Decimal = Field(description="After what was declared unable.")
    available_kw: Decimal
    points: int
    points_inside: int
    performance: Literal["passed", "failed", "excluded"]
    abnormal: bool = Field(description="Failed after a fall of the frequency.")
    fee_jpy: Decimal
    penalty_availability_jpy: Decimal
    penalty_performance_jpy: Decimal


class StatementState(Record):
    """What was promised, what was delivered, and what is missing."""

    statement_id: str = Field(description="Digest of the content: the same data, the same id.")
    obligation_id: str
    zone: str
    service: ServiceName
    start: datetime
    end: datetime
    rule_set_id: str = Field(description="The rules by which the market settles that day.")
    rule_version: str = Field(description="Rule set and digest of its text.")
    final_at: datetime = Field(description="Until then late telemetry may still change it.")
    award_w: float
    tolerance_w: float
    seconds_expected: int
    seconds_complete: int
    missing: list[SecondsRun] = Field(description="Incomplete seconds; never filled.")
    promised_wh: int
    delivered_wh: int
    within_tolerance_ratio: float
    within_band_ratio: float
    band_kept: bool = Field(description="Assessment II: delivered as called, in every slot.")
    available: bool = Field(description="Assessment I: the award was there, in every slot.")
    error_rms_w: float | None
    error_median_w: float | None
    error_worst_w: float | None
    capacity_value_jpy: Decimal
    penalty_availability_jpy: Decimal
    penalty_performance_jpy: Decimal
    amount_yen: int = Field(description="Capacity value less penalties, cut to whole yen.")
    slots: list[SlotState]
    sites: list[StatementSite]
