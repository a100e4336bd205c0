"""After the run: reads both sides of the record, and the simulator's truth."""

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from firmware_sim.demo import programs
from firmware_sim.demo.board import Board
from firmware_sim.demo.coordinator_client import READ_TIMEOUT_S, CoordinatorClient
from firmware_sim.demo.counting import is_drained
from firmware_sim.demo.ground import Ground
from firmware_sim.demo.machine import describe_machine, describe_versions
from firmware_sim.demo.plant import Plant
from firmware_sim.demo.readings import (
    ask_doctor,
    cycle_times_ms,
    read_delivery,
    read_pages,
    stream_account,
)
from firmware_sim.demo.records import (
    DeliveryTable,
    JournalAccount,
    MeterReading,
    RunRecord,
    StreamAccount,
)
from firmware_sim.demo.run import Run
from firmware_sim.demo.system_operator import OBLIGATION_ID
from firmware_sim.truth import read_truth

DOCTORS_AT_ONCE: Final = 2
SETTLE_S: Final = 20.0
BATTERY: Final = "battery-1"
_POLL_S: Final = 0.5


async def collect(
    ground: Ground, plant: Plant, *, run: Run, client: CoordinatorClient, board: Board
) -> RunRecord:
    """Stop the agents, let the store settle, and read everything.

    Returns
    -------
    RunRecord
        What the report is computed from.

    Raises
    ------
    VppError
        If a program does not answer.
    """
    board.begin("stopping the agents: every device is released")
    forced = await plant.stop_agents()
    if forced:
        board.say(f"had to be killed: {', '.join(forced)}")
    journals = await _journals(ground, board)
    board.begin("waiting for the store to settle")
    streams = await _streams(client, journals)
    board.begin("reading the record")
    table = await read_delivery(client)
    statement = await client.get(
        f"/api/v1/obligations/{OBLIGATION_ID}/statement", timeout_s=READ_TIMEOUT_S
    )
    truth = await asyncio.to_thread(read_truth, ground.out / "truth.jsonl")
    operator = run.operator
    return RunRecord(
        start_s=operator.start_s,
        duration_s=ground.plan.duration_s,
        award_w=operator.award_w,
        tolerance_w=operator.tolerance_w,
        commands=tuple(operator.commands),
        table=table,
        cuts=plant.links.cuts,
        kills=tuple(plant.kills),
        streams=streams,
        journals=journals,
        statement=statement,
        truth=_by_site((one.site_id, one.time_s, (one.meter_w, one.meter_mean_w)) for one in truth),
        meters=meter_readings(table, run.baselines_w),
        socs=_by_site(
            (one.site_id, one.time_s, one.socs[BATTERY]) for one in truth if BATTERY in one.socs
        ),
        cycles_ms=tuple(
            ms
            for site_id in ground.plan.site_ids
            for ms in cycle_times_ms(ground.log(programs.agent_name(site_id)))
        ),
        context=_context(ground, run),
    )


def meter_readings(
    table: DeliveryTable, baselines_w: dict[str, list[tuple[float, float]]]
) -> tuple[MeterReading, ...]:
    """Meter powers of the stored samples: delivered power plus the baseline of the site.

    Parameters
    ----------
    table : DeliveryTable
        From the store.
    baselines_w : dict
        Per site the Unix times at which its baseline was first seen, and W.
    """
    found = []
    for row, site_id in enumerate(table.site_ids):
        known = baselines_w.get(site_id, [])
        times = [at_s for at_s, _ in known]
        for column, second in enumerate(table.second.tolist()):
            delivered_w = float(table.delivered_w[row, column])
            if not known or np.isnan(delivered_w):
                continue
            baseline_w = known[max(0, bisect_right(times, second + 1.0) - 1)][1]
            found.append(
                MeterReading(site_id=site_id, second=second, meter_w=delivered_w + baseline_w)
            )
    return tuple(found)


async def _journals(ground: Ground, board: Board) -> tuple[JournalAccount, ...]:
    """Let every agent's doctor look at its journals."""
    site_ids = ground.plan.site_ids
    board.begin("verifying every journal", len(site_ids))
    gate = asyncio.Semaphore(DOCTORS_AT_ONCE)

    async def look(site_id: str) -> tuple[JournalAccount, ...]:
        async with gate:
            found = await ask_doctor(programs.doctor_command(ground, site_id))
        board.step += 1
        return found

    found = await asyncio.gather(*(look(site_id) for site_id in site_ids))
    return tuple(journal for journals in found for journal in journals)


async def _streams(
    client: CoordinatorClient, journals: Sequence[JournalAccount]
) -> tuple[StreamAccount, ...]:
    """Read the accounting until it holds every journal's end, or the time is over."""
    wanted = {one.journal_id: one.samples for one in journals if one.journal_id}
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SETTLE_S
    while True:
        items = await read_pages(client, "/api/v1/telemetry/accounting")
        streams = tuple(stream_account(item) for item in items)
        if is_drained(wanted, streams) or loop.time() >= deadline:
            return streams
        await asyncio.sleep(_POLL_S)


def _by_site(entries: Any) -> dict[str, dict[int, Any]]:  # noqa: ANN401  pairs of any value
    found: dict[str, dict[int, Any]] = {}
    for site_id, second, value in entries:
        found.setdefault(site_id, {})[second] = value
    return found


def _context(ground: Ground, run: Run) -> dict[str, Any]:
    options, dispatch = ground.options, ground.plan.dispatch
    return {
        "run": {
            "sites": options.sites,
            "duration_s": options.duration_s,
            "cut_share": options.cut_share,
            "seed": options.seed,
            "chaos_seed": options.chaos_seed,
            "broker": options.broker or "embedded nats-server of the coordinator",
            "echonet_port": ground.scenario["port"],
            "folder": str(ground.out),
        },
        "signal": {
            "source": dispatch.source,
            "generated": dispatch.generated,
            "start_s": dispatch.start_s,
            "step_s": dispatch.step_s,
            "values": len(dispatch.values),
        },
        "data_sources": ground.scenario["sources"],
        "obligation": {
            key: run.obligation.get(key)
            for key in ("state", "sites_committed", "sites_accepted", "allocation")
        },
        "machine": describe_machine(),
        "versions": describe_versions(),
    }
