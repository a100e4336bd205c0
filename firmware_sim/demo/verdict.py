"""The report's figures from the record of a run, their definitions, and the verdict. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from firmware_sim.demo.counting import (
    SampleCount,
    chain_faults,
    compare_meters,
    count_samples,
    merged_quantiles,
    mode_changes,
    total,
)
from firmware_sim.demo.records import FloatArray, RunRecord
from firmware_sim.demo.tracking import (
    FLOOR_SHARE,
    LOST_S,
    NEAR_SHARE,
    Holding,
    Tracking,
    fleet_w,
    held_ratio,
    holding,
    promised_w,
    track,
    undisturbed,
)

HELD_RATIO_MIN: Final = 0.9
"""Cut sites "kept delivering" if they held their share in this part of the cut seconds."""
FORMAT: Final = "vpp-demo-report/1"

DEFINITIONS: Final[Mapping[str, str]] = {
    "promised_w": "the latest command of the system operator issued until the second began, as "
    "the demo issued it (not as the coordinator understood it); W, + upward",
    "delivered_w": "sum over the sites of the award of meter power less committed baseline of "
    "the sample of that second, read from the coordinator's store after the run; a sample that "
    "is not there adds nothing and is not filled in",
    "samples_expected": "telemetry rows (one per site and second) that the agents' own journals "
    "hold, those of journals kept aside included",
    "samples_lost": "expected rows that the coordinator's store does not hold at the end",
    "samples_duplicated": "rows the store holds more than once, and seconds of a site with more "
    "than one row",
    "seconds_without_sample": "seconds between a site's first and last row in which its agent "
    "wrote none (it was down or too late): nothing was measured, so nothing could be lost",
    "delivered_within_5pct_ratio": f"part of the award's seconds with |delivered - promised| <= "
    f"{100 * NEAR_SHARE:.0f} % of the awarded power; the whole run, cuts and kills included",
    "delivered_within_5pct_of_command_ratio": f"the same with {100 * NEAR_SHARE:.0f} % of that "
    f"second's command, at least {100 * FLOOR_SHARE:.0f} % of the award",
    "error_rms_pct": "root mean square of delivered - promised, % of the award, all seconds; "
    "error_median_pct and error_max_pct: of its magnitude",
    "response_lag_s": "delay at which the delivered course fits the promised one best; "
    "error_rms_at_lag_pct is what is left at that delay. A command is in force from the second "
    "it is issued in, so the way to the devices and back counts as error above",
    "obligation_held_while_cut_ratio": f"over all cut links, part of the seconds from "
    f"{LOST_S:.0f} s after the cut until the heal in which the site's delivered power is within "
    "its tolerance of exactly the last share it received before the cut; a second without a "
    f"sample is not held. 'held' asks for {HELD_RATIO_MIN:g}",
    "cycle_ms": "a cycle's own work: all steps but waiting for the devices' answers, ms",
    "witness": "how far each recorded meter reading lies outside the range of the true power "
    "between its second and the next, by the simulator's own log",
}


def build_report(record: RunRecord) -> dict[str, Any]:
    """Compute every figure.

    Parameters
    ----------
    record : RunRecord
        The run.

    Returns
    -------
    dict
        JSON's own types; ``ok`` and ``verdict`` say how it ended.
    """
    promised = promised_w(record.table.second, record.commands)
    delivered = fleet_w(record.table)
    tracking = track(promised, delivered, award_w=record.award_w)
    holdings = [holding(record.table, cut) for cut in record.cuts]
    counts = count_samples(record.journals, record.streams)
    report: dict[str, Any] = {
        "format": FORMAT,
        **_samples(record, counts),
        **_figures(tracking),
        "undisturbed": _undisturbed(record, promised, delivered),
        "sites": len(record.table.site_ids),
        "sites_cut": len({cut.site_id for cut in record.cuts}),
        "obligation_held_while_cut_ratio": held_ratio(holdings),
        "cycle_ms": merged_quantiles(record.journals, record.cycles_ms),
        "mode_changes": len(mode_changes(record.journals)),
        "mode_change_list": mode_changes(record.journals),
        "cut_periods": [
            {**asdict(cut), **_held(one)} for cut, one in zip(record.cuts, holdings, strict=True)
        ],
        "kills": [asdict(kill) for kill in record.kills],
        "award": _award(record),
        "per_site": _per_site(record, counts),
        "witness": asdict(compare_meters(record.meters, record.truth)),
        "statement": dict(record.statement),
        "definitions": dict(DEFINITIONS),
        **record.context,
    }
    problems = find_problems(report, chain_faults(record.journals))
    report["chain_verified"] = not chain_faults(record.journals)
    report["ok"] = not problems
    report["verdict"] = "; ".join(problems) if problems else _praise(report)
    told: dict[str, Any] = finite(report)
    return told


def find_problems(report: Mapping[str, Any], faults: Sequence[str]) -> list[str]:
    """Why the run is not good enough; empty if it is."""
    problems = []
    if report["samples_expected"] == 0:
        problems.append("no samples were recorded at all")
    if report["samples_lost"]:
        problems.append(f"{report['samples_lost']} samples lost")
    if report["samples_duplicated"]:
        problems.append(f"{report['samples_duplicated']} samples duplicated")
    if report["samples_foreign"]:
        problems.append(f"{report['samples_foreign']} stored samples that no agent recorded")
    problems += [f"journal: {fault}" for fault in faults]
    ratio = report["obligation_held_while_cut_ratio"]
    if ratio is not None and ratio < HELD_RATIO_MIN:
        problems.append(
            f"cut sites held their obligation in {100 * ratio:.1f} % of the cut seconds, "
            f"at least {100 * HELD_RATIO_MIN:.0f} % are wanted"
        )
    dead = [kill["victim"] for kill in report["kills"] if kill["back_s"] is None]
    problems += [f"the {victim} did not come back after its kill" for victim in dead]
    return problems


def finite(value: Any) -> Any:  # noqa: ANN401  a JSON tree
    """Return the tree with JSON's own types; what is no number becomes null."""
    if isinstance(value, Mapping):
        return {str(key): finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def _samples(record: RunRecord, counts: Sequence[SampleCount]) -> dict[str, Any]:
    fleet = total(counts)
    return {
        "samples_expected": fleet.expected,
        "samples_stored": fleet.stored,
        "samples_lost": fleet.lost,
        "samples_duplicated": fleet.duplicated,
        "samples_foreign": fleet.foreign,
        "seconds_without_sample": sum(one.skipped_s for one in record.journals),
    }


def _figures(tracking: Tracking) -> dict[str, Any]:
    return {
        "delivered_within_5pct_ratio": tracking.within_award_ratio,
        "delivered_within_5pct_of_command_ratio": tracking.within_command_ratio,
        "error_rms_pct": tracking.rms_pct,
        "error_median_pct": tracking.median_pct,
        "error_max_pct": tracking.max_pct,
        "response_lag_s": tracking.lag_s,
        "error_rms_at_lag_pct": tracking.rms_at_lag_pct,
    }


def _undisturbed(
    record: RunRecord, promised: FloatArray, delivered: FloatArray
) -> dict[str, Any] | None:
    """Return the same figures for seconds in which nothing was cut or killed."""
    calm = undisturbed(record.table.second, record.cuts, record.kills) > 0.0
    if not calm.any():
        return None
    found = track(promised[calm], delivered[calm], award_w=record.award_w)
    figures = _figures(found)
    del figures["response_lag_s"], figures["error_rms_at_lag_pct"]
    return {"seconds": int(calm.sum()), **figures}


def _held(one: Holding) -> dict[str, Any]:
    told = asdict(one)
    del told["site_id"]
    return {**told, "held_ratio": one.held / one.seconds if one.seconds else None}


def _award(record: RunRecord) -> dict[str, Any]:
    return {
        "start_s": record.start_s,
        "duration_s": record.duration_s,
        "power_w": record.award_w,
        "tolerance_w": record.tolerance_w,
        "commands": len(record.commands),
        "commands_not_taken": sum(not command.taken for command in record.commands),
    }


def _per_site(record: RunRecord, counts: Sequence[SampleCount]) -> list[dict[str, Any]]:
    cut = {one.site_id for one in record.cuts}
    told = []
    for count in counts:
        row = record.table.row_of(count.site_id)
        own = [one for one in record.journals if one.site_id == count.site_id]
        told.append(
            {
                **asdict(count),
                "cut": count.site_id in cut,
                "seconds_without_sample": sum(one.skipped_s for one in own),
                "gaps": [dict(gap) for one in own for gap in one.gaps],
                "mode_changes": sum(len(one.mode_changes) for one in own),
                "delivered_wh": None
                if row is None
                else float(np.nansum(record.table.delivered_w[row])) / 3600.0,
                "share_error_median_w": _share_error_w(record, row),
                "cycle_ms": dict(own[0].cycle_ms) if own else {},
            }
        )
    return told


def _share_error_w(record: RunRecord, row: int | None) -> float | None:
    """Median distance of a site's delivery from its share in the same second, W."""
    if row is None:
        return None
    distance = np.abs(record.table.delivered_w[row] - record.table.share_w[row])
    known = distance[np.isfinite(distance)]
    return float(np.median(known)) if len(known) else None


def _praise(report: Mapping[str, Any]) -> str:
    ratio = report["obligation_held_while_cut_ratio"]
    held = "" if ratio is None else f", cut sites held their share in {100 * ratio:.1f} %"
    near = 100 * report["delivered_within_5pct_ratio"]
    return (
        f"{report['samples_expected']} samples, none lost, none counted twice{held}; "
        f"{near:.1f} % of the seconds within 5 % of the award"
    )
