"""The figures of a fleet's run: what was sent, stored, delivered, and what it cost. Pure."""

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from firmware_sim.fleet.gateways import FleetGateways
from firmware_sim.fleet.run import FleetRecord
from firmware_sim.fleet.scores import DEFINITIONS, Scores, compensated_s, score
from protocols.vocabulary.arrays import FloatArray, IntArray

FORMAT: Final = "vpp-sim-fleet/1"
STEADY_PART: Final = 0.75
"""The steady part of a run begins when so many of the most gateways are live."""
RECOVERY_S: Final = 10.0
"""Seconds after a disturbance that the undisturbed figures leave out."""
_QUANTILES: Final = (50, 90, 99, 100)

_DEFINITIONS: Final[Mapping[str, str]] = {
    **DEFINITIONS,
    "rows": "telemetry rows: journaled by the gateways up to the end of the run; stored by the "
    "coordinator's own accounts (rows after the end included); lost: sequences up to the end that "
    "it does not hold; doubled: rows of a sequence beyond its first",
    "ingest_rows_per_s": "rows the coordinator had taken at the end of the steady part less those "
    "at its begin, per second",
    "backlog_rows": "rows journaled and not yet acknowledged as received, of sites whose link is "
    "up, once a second; the gateways of a second are on the way for about one of them",
    "cpu_cores": "processor time by wall time of a process over the steady part; per row taken: "
    "cpu_us_per_row (answers, flushes and dispatch included)",
    "undisturbed": "without the seconds from each sudden loss until 10 s after it",
}


def fleet_report(gateways: FleetGateways, record: FleetRecord) -> dict[str, Any]:
    """Compute every figure, in JSON's own types."""
    counts = gateways.counts
    return {
        "format": FORMAT,
        "gateways": gateways.count,
        "resources": gateways.resources,
        "joined_s": record.joined_s,
        "rows": _rows(gateways, record),
        "messages": {
            name: getattr(counts, name)
            for name in (
                "live",
                "backfill",
                "backfill_rows",
                "entries",
                "hellos",
                "acknowledgements",
                "signals",
                "refused",
            )
        },
        "sessions_refused": gateways.sessions.refused,
        "slot_late_s_max": counts.late_s,
        "steady": _steady(record),
        "award": _award(gateways, record) if record.commands else None,
        "drained_s": record.drained_s,
        "definitions": dict(_DEFINITIONS),
    }


def _rows(gateways: FleetGateways, record: FleetRecord) -> dict[str, int]:
    """Compare what the journals had at the end with the coordinator's accounts."""
    assert record.journaled is not None, "the run came to its end"
    journaled = dict(zip(gateways.journal_ids, record.journaled.tolist(), strict=True))
    accounts = {one["journal_id"]: one for one in record.accounts}
    lost = 0
    for journal_id, rows in journaled.items():
        account = accounts.get(journal_id)
        if account is None:
            lost += rows
            continue
        reached = account["last_sequence"]
        lost += max(0, rows - reached) + reached - account["distinct"]
    return {
        "journaled": sum(journaled.values()),
        "stored": sum(one["rows"] for one in record.accounts),
        "lost": lost,
        "doubled": sum(one["rows"] - one["distinct"] for one in record.accounts),
    }


def _steady(record: FleetRecord) -> dict[str, Any] | None:
    """Rates over the part of the run in which nearly all gateways were live."""
    if not record.samples:
        return None
    most = max(one.live for one in record.samples)
    steady = [
        one
        for one in record.samples
        if one.live >= STEADY_PART * most and one.at_s < record.ended_s
    ]
    if len(steady) < 2:  # noqa: PLR2004  two samples make a rate
        return None
    first, last = steady[0], steady[-1]
    span_s = last.at_s - first.at_s
    backlog = np.array([one.missing_rows for one in steady])
    taken = last.received_rows - first.received_rows
    used_s = {name: last.cpu_s[name] - first.cpu_s[name] for name in first.cpu_s}
    return {
        "seconds": span_s,
        "ingest_rows_per_s": taken / span_s,
        "journaled_rows_per_s": (last.journaled_rows - first.journaled_rows) / span_s,
        "backlog_rows": {
            f"p{quantile}": float(np.percentile(backlog, quantile)) for quantile in _QUANTILES
        },
        "cpu_cores": {name: used / span_s for name, used in used_s.items()},
        "cpu_us_per_row": {name: 1e6 * used / max(taken, 1) for name, used in used_s.items()},
        "load_average": os.getloadavg()[0],
    }


def _award(gateways: FleetGateways, record: FleetRecord) -> dict[str, Any]:
    seconds, commanded_w, delivered_w = _courses(gateways, record)
    error_w = delivered_w - commanded_w
    calm = np.ones(len(seconds), dtype=np.bool_)
    for at_s in (record.tripped_s, record.cut_s):
        if at_s is not None:
            calm &= (seconds < at_s) | (seconds >= at_s + RECOVERY_S)
    return {
        "award_w": record.award_w,
        "sites_accepted": record.accepted,
        "allocated_s": record.allocated_s,
        "commands": len(record.commands),
        "commands_not_taken": record.commands_lost,
        "whole": _plain(score(commanded_w, delivered_w, award_w=record.award_w)),
        "undisturbed": _plain(score(commanded_w[calm], delivered_w[calm], award_w=record.award_w)),
        "compensated_s": {
            "power_of_20pct_lost": _after(seconds, error_w, record.tripped_s, record=record),
            "links_of_20pct_cut": _after(seconds, error_w, record.cut_s, record=record),
        },
        "course": {
            "second": seconds.tolist(),
            "commanded_w": np.round(commanded_w).tolist(),
            "delivered_w": np.round(delivered_w).tolist(),
        },
    }


def _courses(
    gateways: FleetGateways, record: FleetRecord
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Seconds of the award with a sample of everybody, commanded and delivered power."""
    end_s = record.commands[-1][0] + 1.0
    seconds = np.array(
        [one for one in sorted(gateways.counts.seconds) if record.start_s <= one < end_s],
        dtype=np.int64,
    )
    delivered_w = np.array([gateways.counts.seconds[one] for one in seconds.tolist()])
    issued = np.array([at_s for at_s, _ in record.commands])
    powers = np.array([0.0, *(power_w for _, power_w in record.commands)])
    return seconds, powers[np.searchsorted(issued, seconds + 1e-6, side="right")], delivered_w


def _after(
    seconds: IntArray, error_w: FloatArray, at_s: float | None, *, record: FleetRecord
) -> float | None:
    if at_s is None:
        return None
    return compensated_s(seconds, error_w, at_s=at_s, award_w=record.award_w)


def _plain(scores: Scores) -> dict[str, Any]:
    return {
        name: value if isinstance(value, int) else round(value, 5)
        for name, value in asdict(scores).items()
    }
