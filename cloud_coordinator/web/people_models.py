"""Records and bodies of the calls of people in charge: alerts, emergency, override."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import Field

from cloud_coordinator.alerts.alert import Alert, Severity
from cloud_coordinator.services.emergency import EmergencyView
from cloud_coordinator.services.intervention import CHECK_LIST, WINDOW_S
from cloud_coordinator.services.situation import Situation
from cloud_coordinator.web.models import Record
from protocols.vocabulary.intervals import utc_from_seconds

_SeverityName = Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"]
Words = Annotated[str, Field(min_length=1, max_length=200)]
Minutes = Annotated[float, Field(gt=0.0, le=240.0)]
Watts = Annotated[float, Field(ge=-1e7, le=1e7, allow_inf_nan=False)]


class AlertQuery(Record):
    """Which alerts."""

    state: Literal["standing", "all"] = "standing"
    limit: Annotated[int, Field(ge=1, le=1000)] = 200


class AlertItem(Record):
    """An alert."""

    alert_id: str
    rule: str
    place: str = Field(description="Site, resource, subject, or fleet.")
    severity: _SeverityName
    state: Literal["standing", "cleared"]
    first_at: datetime
    last_at: datetime
    count: int = Field(description="Sightings it groups.")
    evidence: list[str]
    seen_by: str | None = Field(description="Who acknowledged it.")
    cleared_at: datetime | None


class AlertList(Record):
    """Alerts."""

    items: list[AlertItem]


class Acknowledgement(Record):
    """A person has seen an alert."""

    alert_id: Words


class ReasonBody(Record):
    """Why something is asked for."""

    reason: Words


class CheckBody(Record):
    """A point of the check list."""

    point: Words


class SiteBody(Record):
    """A stop of one site."""

    site_id: Words
    reason: Words


class OverrideBody(Record):
    """A resource in a person's hand."""

    resource_id: Words
    power_w: Watts | None = Field(
        default=None, description="W, + toward the grid; without it the override is released."
    )
    minutes: Minutes = 15.0


class OverrideState(Record):
    """What was sent; the site's event says what became of it."""

    resource_id: str
    power_w: float | None
    by: str


class CheckPoint(Record):
    """A point of the check list."""

    point: str
    text: str
    text_ja: str
    ticked_by: str | None


class EmergencyState(Record):
    """Who is in charge, and how a stop goes."""

    control: Literal["automatic", "person", "stopped"]
    since: datetime | None
    by: list[str]
    reason: str
    asked_by: str | None = Field(description="Waits for a second person.")
    asked_until: datetime | None
    check_list: list[CheckPoint]
    stopped_sites: list[str]
    sites_told: int
    sites_safe: int
    sites_unheard: int
    waiting: list[str] = Field(description="Heard and not yet safe, some of them.")
    without_command: list[str] = Field(description="Must be called by a person.")
    last_safe_after_s: float | None


class AwardAtStake(Record):
    """An award that is owed."""

    obligation_id: str
    ends_at: datetime
    award_w: float
    command_w: float
    measured_w: float | None
    at_stake_jpy: int


class SituationState(Record):
    """The situation report."""

    at: datetime
    sites_by_link: dict[str, int]
    sites_by_mode: dict[str, int]
    awards: list[AwardAtStake]
    at_stake_jpy: int


_SEVERITIES: Final[Mapping[Severity, _SeverityName]] = {
    Severity.LOW: "LOW",
    Severity.MEDIUM: "MEDIUM",
    Severity.HIGH: "HIGH",
    Severity.CRITICAL: "CRITICAL",
}


def alert_item(alert: Alert) -> AlertItem:
    """Show an alert."""
    return AlertItem(
        alert_id=alert.alert_id,
        rule=alert.rule,
        place=alert.place,
        severity=_SEVERITIES[alert.severity],
        state=alert.state.value,
        first_at=utc_from_seconds(alert.first_s),
        last_at=utc_from_seconds(alert.last_s),
        count=alert.count,
        evidence=list(alert.evidence),
        seen_by=alert.seen_by or None,
        cleared_at=None if alert.cleared_s is None else utc_from_seconds(alert.cleared_s),
    )


def emergency_state(view: EmergencyView) -> EmergencyState:
    """Show who is in charge."""
    command, progress, asked = view.command, view.progress, view.command.asked
    return EmergencyState(
        control=command.control.value,
        since=utc_from_seconds(command.since_s) if command.since_s else None,
        by=list(command.by),
        reason=command.reason,
        asked_by=None if asked is None else asked.by,
        asked_until=None if asked is None else utc_from_seconds(asked.at_s + WINDOW_S),
        check_list=[
            CheckPoint(point=point, text=text, text_ja=ja, ticked_by=command.ticked.get(point))
            for point, (text, ja) in CHECK_LIST.items()
        ],
        stopped_sites=[str(site) for site in view.stopped_sites],
        sites_told=progress.told,
        sites_safe=progress.safe,
        sites_unheard=progress.unheard,
        waiting=[str(site) for site in progress.waiting],
        without_command=[str(site) for site in progress.without_command],
        last_safe_after_s=progress.last_safe_after_s,
    )


def situation_state(found: Situation) -> SituationState:
    """Show the situation report."""
    return SituationState(
        at=found.at,
        sites_by_link=found.sites_by_link,
        sites_by_mode=found.sites_by_mode,
        awards=[
            AwardAtStake(
                obligation_id=one.obligation_id,
                ends_at=one.ends_at,
                award_w=one.award_w,
                command_w=one.command_w,
                measured_w=one.measured_w,
                at_stake_jpy=int(one.at_stake_jpy),
            )
            for one in found.awards
        ],
        at_stake_jpy=int(found.at_stake_jpy),
    )
