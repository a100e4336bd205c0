"""Turns what the programs answer (JSON) into the run's own records."""

import asyncio
import json
import math
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from firmware_sim.demo.board import PointNow, SiteNow
from firmware_sim.demo.coordinator_client import READ_TIMEOUT_S, CoordinatorClient
from firmware_sim.demo.processes import ProgramError
from firmware_sim.demo.records import (
    DeliveryTable,
    FloatArray,
    JournalAccount,
    StreamAccount,
)
from firmware_sim.demo.system_operator import OBLIGATION_ID

PAGES_MAX: Final = 10_000
PAGE_LIMIT: Final = 1000
DOCTOR_TIMEOUT_S: Final = 120.0
_LOG_LINE_MAX: Final = 100_000


async def read_pages(client: CoordinatorClient, path: str) -> list[dict[str, Any]]:
    """Read a list that comes in pages.

    Raises
    ------
    VppError
        If the coordinator does not answer.
    """
    items: list[dict[str, Any]] = []
    cursor = ""
    for _ in range(PAGES_MAX):
        page = await client.get(
            f"{path}?limit={PAGE_LIMIT}{cursor and f'&cursor={cursor}'}", timeout_s=READ_TIMEOUT_S
        )
        items += page["items"]
        if not page["next_cursor"]:
            break
        cursor = page["next_cursor"]
    return items


def site_now(site: Mapping[str, Any], is_cut: Callable[[str], bool]) -> SiteNow:
    """Read a site of the live view."""
    return SiteNow(
        site_id=site["site_id"],
        link=site["link"],
        mode=site["mode"] or "",
        age_s=site["age_s"],
        share_w=site["share_w"],
        delivered_w=site["delivered_w"],
        cut=is_cut(site["site_id"]),
    )


def point_now(point: Mapping[str, Any]) -> PointNow:
    """Read a second of the live view."""
    return PointNow(
        second=point["second"],
        promised_w=point["promised_w"],
        measured_w=point["measured_w"],
        booked_w=point["booked_w"],
    )


def not_ready(
    site_ids: Sequence[str],
    sites: Sequence[Mapping[str, Any]],
    resources: Sequence[Mapping[str, Any]],
) -> dict[str, str]:
    """Sites that cannot be counted on yet, and what is missing of each."""
    known = {site["site_id"]: site for site in sites}
    batteries = {one["site_id"]: one for one in resources if one["kind"] == "battery"}
    missing = {}
    for site_id in site_ids:
        site, battery = known.get(site_id), batteries.get(site_id)
        if site is None:
            missing[site_id] = "has not said hello"
        elif site["link"] != "live":
            missing[site_id] = "sends no telemetry"
        elif site["meter_w"] is None:
            missing[site_id] = "its meter gives no number"
        elif battery is None or battery["power_w"] is None:
            missing[site_id] = "its battery gives no number"
    return missing


async def read_delivery(client: CoordinatorClient) -> DeliveryTable:
    """Read promised and delivered seconds of the award from the store, page by page."""
    path = f"/api/v1/obligations/{OBLIGATION_ID}/delivery"
    pages = []
    cursor = ""
    for _ in range(PAGES_MAX):
        page = await client.get(f"{path}{cursor}", timeout_s=READ_TIMEOUT_S)
        pages.append(page)
        if not page["next_cursor"]:
            break
        cursor = f"?cursor={page['next_cursor']}"
    return delivery_table(pages)


def delivery_table(pages: Sequence[Mapping[str, Any]]) -> DeliveryTable:
    """Put the pages of a delivery together."""
    sites = pages[0]["sites"]
    return DeliveryTable(
        site_ids=tuple(site["site_id"] for site in sites),
        second=np.array([second for page in pages for second in page["second"]], dtype=np.int64),
        delivered_w=_columns(pages, "delivered_w"),
        share_w=_columns(pages, "share_w"),
        tolerance_w=np.array([site["tolerance_w"] for site in sites], dtype=np.float64),
    )


def stream_account(item: Mapping[str, Any]) -> StreamAccount:
    """Read one line of the accounting."""
    return StreamAccount(
        site_id=item["site_id"],
        journal_id=item["journal_id"],
        rows=item["rows"],
        distinct=item["distinct"],
        first_sequence=item["first_sequence"],
        last_sequence=item["last_sequence"],
    )


async def ask_doctor(command: Sequence[str]) -> tuple[JournalAccount, ...]:
    """Run ``edge-agent doctor --json`` and read what it says of the journals.

    Raises
    ------
    ProgramError
        If it says nothing that can be read. Exit code 1 (something is not well) is no error:
        the journals tell what.
    """
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        said, wrong = await asyncio.wait_for(process.communicate(), DOCTOR_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise ProgramError(f"{' '.join(command)}: no answer in {DOCTOR_TIMEOUT_S:.0f} s") from None
    try:
        told = json.loads(said)
        return tuple(journal_account(told, one) for one in told["journals"])
    except (ValueError, KeyError, TypeError) as error:
        line = wrong.decode(errors="replace").strip().splitlines()[-1:] or [str(error)]
        raise ProgramError(f"{' '.join(command)}: {line[0]}") from None


def journal_account(told: Mapping[str, Any], one: Mapping[str, Any]) -> JournalAccount:
    """Read one journal of a doctor's report."""
    return JournalAccount(
        site_id=one["site_id"] or told["site_id"],
        journal_id=one["journal_id"],
        path=one["path"],
        aside=one["aside"],
        chain_ok=one["chain_ok"],
        fault=one["fault"],
        samples=one["tel_last"],
        repeated_s=one["tel_repeated_s"],
        skipped_s=one["skipped_s"],
        gaps=tuple(one["gaps"]),
        mode_changes=tuple(one["mode_changes"]),
        cycle_ms=one["cycle_ms"],
        steps_ms=one["steps_ms"],
    )


def cycle_times_ms(log: Path) -> list[float]:
    """Own work of every cycle an agent told in its log: all steps but ``read``."""
    found = []
    with log.open("rb") as stream:
        for line in stream:
            if b'"cycle.done"' not in line or len(line) > _LOG_LINE_MAX:
                continue
            try:
                steps = json.loads(line)["steps_ms"]
            except (ValueError, KeyError):
                continue
            found.append(math.fsum(ms for name, ms in steps.items() if name != "read"))
    return found


def _columns(pages: Sequence[Mapping[str, Any]], key: str) -> FloatArray:
    """Shape (sites, n): a column of every site, null as NaN."""
    rows = [
        [
            math.nan if value is None else value
            for page in pages
            for value in page["sites"][index][key]
        ]
        for index in range(len(pages[0]["sites"]))
    ]
    return np.array(rows, dtype=np.float64).reshape(len(rows), -1)
