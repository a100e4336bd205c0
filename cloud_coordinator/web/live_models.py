"""What the live feed says, once a second."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from cloud_coordinator.web.award_models import ServiceName, StateName
from cloud_coordinator.web.models import AgeS, EventItem, LinkField, ModeName, Record, Watts


class LiveFleet(Record):
    """The fleet in numbers."""

    sites: int
    live: int
    late: int
    lost: int
    never: int
    modes: dict[Literal["normal", "degraded", "autonomous", "safe", "manual", "unknown"], int] = (
        Field(description="Of the sites whose link is live; the others are unknown.")
    )
    meter_w: Watts = Field(description="Sum of the meters of live sites, W; null if there is none.")


class LiveSecond(Record):
    """One second of an award."""

    second: int = Field(description="Unix time.")
    promised_w: float
    measured_w: float = Field(description="Meter less baseline of the sites that reported it, W.")
    booked_w: float = Field(description="What sites that did not report are taken to hold, W.")
    reporting: int
    expected: int
    lower_w: float = Field(description="Lower bound of the rules that steer, W.")
    upper_w: float = Field(description="Upper bound of the rules that steer, W.")


class LiveAwardState(Record):
    """An award as it runs; once it has ended nothing is in force.

    ``band_w`` is 5 % of the award.
    """

    obligation_id: str
    service: ServiceName
    zone: str
    start: datetime
    end: datetime
    state: StateName
    award_w: float
    tolerance_w: float
    band_w: float
    command_w: Watts = Field(description="In force now, W; null after the end.")
    multiplier: float | None = Field(
        description="JPY/kWh of the latest signal; null before the first and after the end."
    )
    correction_w: float | None
    held_w: float | None
    shortfall_w: float | None
    following: int | None
    held: int | None
    sites_committed: int
    sites_accepted: int
    points: list[LiveSecond] = Field(description="The last seconds, oldest first.")


class LiveSiteState(Record):
    """A site as last heard; its values are as old as ``age_s`` says."""

    site_id: str
    zone: str
    link: LinkField
    age_s: AgeS
    mode: ModeName | None
    meter_w: Watts
    delivered_w: Watts
    share_w: Watts
    soc: float | None


class LiveMessage(Record):
    """Everything the page shows. A stream begins with long ``points``; later ones overlap."""

    at: datetime
    fleet: LiveFleet
    awards: list[LiveAwardState]
    sites: list[LiveSiteState] = Field(description="Those that do not answer first.")
    sites_left_out: int = Field(description="Sites that are counted but not listed.")
    events: list[EventItem] = Field(description="The latest, newest first.")
