"""What an operator decides about one VTN, and the bounds of what strangers may make it keep."""

from dataclasses import dataclass
from datetime import timedelta

PATH_PREFIX = "/OpenADR2/Simple/2.0b"


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedReport:
    """A kind of report that is asked of every VEN that offers it.

    Attributes
    ----------
    report_name : str
        Without METADATA, e.g. TELEMETRY_USAGE.
    granularity : timedelta
        Time between readings; cut to what the VEN offers.
    report_back : timedelta
        Time between reports, never shorter than the granularity; zero for a single one.
    """

    report_name: str
    granularity: timedelta
    report_back: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class VtnSettings:
    """One VTN.

    Attributes
    ----------
    vtn_id : str
        How it names itself; some VENs refuse one without a capital letter.
    poll_interval : timedelta
        How often VENs are told to poll, > 0.
    path_prefix : str
        Path before the names of the services.
    named_only : bool
        True to register only VENs that the operator named before; else every VEN whose
        certificate the TLS layer accepted, or, without TLS, every VEN.
    wanted_reports : tuple of WantedReport
        Asked for as soon as they are offered.
    vens_max, open_events_max, reports_max, opts_max : int
        Most VENs and events not yet over; most report specifiers with their requests, and most
        opt schedules, of one VEN.
    readings_kept : int
        Intervals kept of each report request; the oldest go first.
    """

    vtn_id: str
    poll_interval: timedelta = timedelta(seconds=10)
    path_prefix: str = PATH_PREFIX
    named_only: bool = False
    wanted_reports: tuple[WantedReport, ...] = ()
    vens_max: int = 10_000
    open_events_max: int = 1_000
    reports_max: int = 50
    opts_max: int = 200
    readings_kept: int = 3_000
