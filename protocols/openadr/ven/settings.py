"""What an operator decides about one VEN, and the bounds of what a VTN may make it keep."""

from dataclasses import dataclass
from datetime import timedelta

from protocols.openadr.messages.elements import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPoint:
    """A quantity that is offered for reports.

    Attributes
    ----------
    r_id : str
        Unique among all points.
    report_name : str
        TELEMETRY_USAGE, TELEMETRY_STATUS or HISTORY_USAGE.
    report_type, reading_type : str
        E.g. usage and Mean; x-resourceStatus and x-notApplicable for a status.
    item_base : Item or None
        Unit; None for a status.
    resource_id : str
        What it is about; also reportSubject and reportDataSource.
    min_period, max_period : timedelta
        Finest and coarsest granularity, > 0.
    """

    r_id: str
    report_name: str
    report_type: str
    reading_type: str
    item_base: Item | None = None
    resource_id: str = ""
    min_period: timedelta = timedelta(minutes=1)
    max_period: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenSettings:
    """One VEN.

    Attributes
    ----------
    ven_name : str
        For people at the VTN.
    vtn_id : str or None
        The only VTN that is listened to; None for the one that answers first.
    points : tuple of DataPoint
        What is offered for reports.
    resource_ids : tuple of str or None
        Names an event's target may use for parts of this VEN; None if the judge knows them.
    market_contexts : tuple of str
        Programmes taken part in; empty for any.
    signed : bool
        True if payloads are signed.
    push_address : str or None
        Where the VTN reaches us; None for polling.
    acts_on_tests : bool
        True to carry out events that say they are tests, too.
    poll_default, poll_min, poll_max : timedelta
        Polling where the VTN says nothing, and the bounds of what it may say.
    retry_min, retry_max : timedelta
        Wait after a first failure, doubled each time up to the second.
    settle : timedelta
        How long after its end a reading is complete.
    resync_every : timedelta
        How often all events are asked for in push mode.
    backlog : timedelta
        How far back readings that were not delivered are kept for delivery.
    events_max, requests_max, replies_max, readings_max : int
        Most events and report requests held, replies waiting, readings in one report.
    """

    ven_name: str
    vtn_id: str | None = None
    points: tuple[DataPoint, ...] = ()
    resource_ids: tuple[str, ...] | None = None
    market_contexts: tuple[str, ...] = ()
    signed: bool = False
    push_address: str | None = None
    acts_on_tests: bool = False
    poll_default: timedelta = timedelta(seconds=30)
    poll_min: timedelta = timedelta(seconds=1)
    poll_max: timedelta = timedelta(hours=1)
    retry_min: timedelta = timedelta(seconds=2)
    retry_max: timedelta = timedelta(minutes=5)
    settle: timedelta = timedelta(seconds=2)
    resync_every: timedelta = timedelta(hours=1)
    backlog: timedelta = timedelta(days=7)
    events_max: int = 500
    requests_max: int = 100
    replies_max: int = 1_000
    readings_max: int = 600
