"""What a run leaves behind, as plain records: the input of the report. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A link that was cut, Unix s; ``end_s`` is when it was healed."""

    site_id: str
    kind: str
    begin_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """A kill -9, Unix s; ``back_s`` is when the program worked again, None if it never did."""

    victim: str
    site_id: str
    at_s: float
    back_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command as the system operator issued it; ``taken`` whether the coordinator said so."""

    issued_at_s: float
    power_w: float
    taken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryTable:
    """Delivered power and owed share of each site and second, from the store.

    Attributes
    ----------
    site_ids : tuple of str
        Rows.
    second : IntArray
        Shape (n,), every Unix second of the award.
    delivered_w, share_w : FloatArray
        Shape (sites, n): meter less committed baseline, and the share the site says it owed;
        NaN where the store holds no number. W, + toward the grid.
    tolerance_w : FloatArray
        Shape (sites,), half width of each site's band.
    """

    site_ids: tuple[str, ...]
    second: IntArray
    delivered_w: FloatArray
    share_w: FloatArray
    tolerance_w: FloatArray

    def row_of(self, site_id: str) -> int | None:
        """Row of a site, None if it is not bound by the award."""
        return self.site_ids.index(site_id) if site_id in self.site_ids else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamAccount:
    """What the store holds of one telemetry journal."""

    site_id: str
    journal_id: str
    rows: int
    distinct: int
    first_sequence: int
    last_sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalAccount:
    """What one journal file of an agent says of itself (``edge-agent doctor --json``).

    Attributes
    ----------
    site_id, journal_id, path : str
        Which.
    aside : bool
        Whether it was kept aside.
    chain_ok : bool
        Whether every digest fits and no sequence is missing.
    fault : str
        The first fault.
    samples : int
        Telemetry rows ever written: the last sequence.
    repeated_s : int
        Seconds with more than one row.
    skipped_s : int
        Seconds between the first and the last row without one.
    gaps, mode_changes : tuple of mapping
        As the agent tells them.
    cycle_ms, steps_ms : mapping
        Quantiles of a cycle's own work, and per step.
    """

    site_id: str
    journal_id: str
    path: str
    aside: bool
    chain_ok: bool
    fault: str
    samples: int
    repeated_s: int
    skipped_s: int
    gaps: tuple[Mapping[str, Any], ...]
    mode_changes: tuple[Mapping[str, Any], ...]
    cycle_ms: Mapping[str, float]
    steps_ms: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterReading:
    """A meter power as a site's agent recorded it, of second ``second``."""

    site_id: str
    second: int
    meter_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """Everything the report is computed from.

    Attributes
    ----------
    start_s, duration_s : int
        The award, Unix s and s.
    award_w, tolerance_w : float
        W.
    commands : tuple of Command
        As issued, by time.
    table : DeliveryTable
        From the store.
    cuts, kills
        As they happened.
    streams, journals
        The two sides of the count.
    statement : mapping
        The coordinator's.
    truth : mapping of site to mapping of second to mapping
        Meter power of the simulator's truth log at a second, and mean over the second before.
    socs : mapping of str to mapping of int to float
        State of charge of each site's battery, from the truth log.
    cycles_ms : tuple of float
        Every cycle's own work, for the histogram.
    context : mapping
        Seeds, sources, versions, machine: told as they are.
    """

    start_s: int
    duration_s: int
    award_w: float
    tolerance_w: float
    commands: tuple[Command, ...]
    table: DeliveryTable
    cuts: tuple[Cut, ...]
    kills: tuple[Kill, ...]
    streams: tuple[StreamAccount, ...]
    journals: tuple[JournalAccount, ...]
    statement: Mapping[str, Any]
    truth: Mapping[str, Mapping[int, tuple[float, float]]]
    meters: tuple[MeterReading, ...] = ()
    socs: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    cycles_ms: tuple[float, ...] = ()
    context: Mapping[str, Any] = field(default_factory=dict)
