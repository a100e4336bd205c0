"""``vpp bench stop``: from the second person's word to the last device at rest.

The demo's fleet as processes with its broker, TLS and signatures; two persons stop it in the
middle of an award. When a device rests is what its agent journaled after reading it back.
"""

import asyncio
import json
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import aiohttp
import typer

from firmware_sim.demo.board import Board
from firmware_sim.demo.coordinator_client import CoordinatorClient
from firmware_sim.demo.ground import Ground, lay_ground
from firmware_sim.demo.machine import describe_machine, machine_line
from firmware_sim.demo.options import DemoOptions
from firmware_sim.demo.plant import Plant
from firmware_sim.demo.processes import ProgramError
from firmware_sim.demo.programs import check_programs, command_path
from firmware_sim.demo.run import Run
from protocols.vocabulary.errors import ConfigError, VppError

FORMAT: Final = "vpp-bench-stop/1"
EPILOG: Final = "Example 例: vpp bench stop --sites 8 --json stop.json"
DEFINITIONS: Final[Mapping[str, str]] = {
    "answered_s": "from sending the second person's confirmation to its answer",
    "decided_s": "to the moment of the site's first cycle in SAFE",
    "released_s": "to the last device of the site that ran and was put to rest (0 W) or let go, as "
    "read back from it; a device that already rested is not counted",
}
EXIT_FAILED: Final = 1
EXIT_BAD_INPUT: Final = 2
INTO_AWARD_S: Final = 15.0
DURATION_S: Final = 60
AFTER_S: Final = 6.0
STARTING_S: Final = 240.0
_POLL_S: Final = 0.2
_RELEASE: Final = 0
"""Sequence under which the end of a release is journaled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteStop:
    """How one site was stopped; s after the confirmation, None if it was not.

    Attributes
    ----------
    site_id : str
        Which.
    decided_s : float or None
        First cycle in SAFE.
    devices, released : int
        That ran and were put to rest or let go, and confirmed so.
    released_s : float or None
        When the last of them was.
    """

    site_id: str
    decided_s: float | None
    devices: int
    released: int
    released_s: float | None


def stop(
    *,
    sites: Annotated[int, typer.Option(min=1, max=100, help="How many. 拠点数。")] = 8,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the figures here. JSON出力先。")
    ] = None,
) -> None:
    """Measure an emergency stop of the demo's fleet, from word to last device.

    緊急停止の所要時間を、実際のブローカーと全プロセスで測定します。
    """
    try:
        check_programs()
        with tempfile.TemporaryDirectory(prefix="vpp-bench-") as folder:
            found = asyncio.run(_measured(Path(folder) / "run", sites))
        if json_file is not None:
            json_file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    except (VppError, OSError) as error:
        sys.stderr.write(f"vpp bench stop: {error}\n")
        bad = isinstance(error, ConfigError | OSError)
        raise typer.Exit(EXIT_BAD_INPUT if bad else EXIT_FAILED) from None
    sys.stdout.write(as_text(found))


def site_stop(lines: Sequence[Mapping[str, Any]], said_s: float) -> SiteStop:
    """Find in a journal how a site was stopped.

    Parameters
    ----------
    lines : sequence of mapping
        Of ``edge-agent journal``, parsed.
    said_s : float
        Unix time of the confirmation.
    """
    done = {
        (one["resource_id"], one["sequence"]): one["at_s"] - said_s
        for one in lines
        if one.get("outcome") == "done" and one["at_s"] > said_s
    }
    held: dict[str, float] = {}
    told: dict[str, int] = {}
    decided_s: float | None = None
    for cycle in (one for one in lines if "cycle" in one):
        is_stopped = cycle["at_s"] > said_s and cycle["mode"] == "SAFE"
        if is_stopped and decided_s is None:
            decided_s = round(cycle["at_s"] - said_s, 3)
        for order in cycle["setpoints"]:
            if is_stopped and order["power_w"] != held.get(order["resource_id"]):
                told[order["resource_id"]] = order["sequence"]
            held[order["resource_id"]] = order["power_w"]
        for resource_id in cycle["releases"]:
            if is_stopped:
                told[resource_id] = _RELEASE
            held.pop(resource_id, None)
    ended = [done[one] for one in told.items() if one in done]
    return SiteStop(
        site_id=str(lines[0]["site_id"]),
        decided_s=decided_s,
        devices=len(told),
        released=len(ended),
        released_s=round(max(ended), 3) if told and len(ended) == len(told) else None,
    )


def as_text(found: Mapping[str, Any]) -> str:
    """Return the figures for people."""
    lines = [
        f"{machine_line()}",
        f"answered after {found['answered_s']:.2f} s",
        f"{'site':12}{'decided s':>10}{'devices':>9}{'at rest':>8}{'last s':>8}",
    ]
    lines += [
        f"{one['site_id']:12}{_text(one['decided_s']):>10}{one['devices']:>9}"
        f"{one['released']:>8}{_text(one['released_s']):>8}"
        for one in found["sites"]
    ]
    lines.append(
        f"stop to the last of {found['devices']} devices at {len(found['sites'])} sites: "
        f"{_text(found['last_s'])} s"
    )
    return "\n".join(lines) + "\n"


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


async def _measured(out: Path, sites: int) -> dict[str, Any]:
    ground = lay_ground(_options(out, sites))
    board = Board(page=ground.page, out=str(out), now_s=time.time)
    async with aiohttp.ClientSession() as session:
        client = CoordinatorClient(ground.page, session, trust=ground.trust)
        plant = Plant(ground, board, client=client, now_s=time.time)
        run = Run(ground, plant, client=client, board=board, now_s=time.time)
        running = asyncio.create_task(run.execute())
        try:
            await _delivering(run, board, running=running)
            said_s, answered_s = await _stopped(ground)
            await asyncio.sleep(AFTER_S)
            journals = [_journal(ground, site_id) for site_id in ground.plan.site_ids]
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await plant.end()
    stops = [site_stop(lines, said_s) for lines in journals]
    lasts = [one.released_s for one in stops if one.devices]
    known = [last for last in lasts if last is not None]
    return {
        "format": FORMAT,
        "answered_s": round(answered_s, 3),
        "last_s": max(known) if known and len(known) == len(lasts) else None,
        "devices": sum(one.devices for one in stops),
        "sites": [asdict(one) for one in stops],
        "definitions": dict(DEFINITIONS),
        "machine": describe_machine(),
    }


def _options(out: Path, sites: int) -> DemoOptions:
    return DemoOptions(
        sites=sites,
        duration_s=DURATION_S,
        cut_share=0.0,
        seed=1,
        chaos_seed=None,
        data=None,
        signal=None,
        signal_start_s=0.0,
        out=out,
        json_file=None,
        port=None,
        broker=None,
        nats_server=None,
        headless=True,
        keep=False,
    )


async def _delivering(run: Run, board: Board, *, running: asyncio.Task[None]) -> None:
    """Wait until the fleet is well inside its award."""
    deadline_s, told = time.time() + STARTING_S, ""
    while not run.operator.start_s or time.time() < run.operator.start_s + INTO_AWARD_S:
        if running.done():
            await running
        if time.time() > deadline_s:
            raise ProgramError("the fleet did not begin to deliver")
        if board.stage != told:
            told = board.stage
            sys.stderr.write(f"{told}\n")
        await asyncio.sleep(_POLL_S)


async def _stopped(ground: Ground) -> tuple[float, float]:
    """Let two persons stop the fleet; Unix time of the second one's word, s until its answer."""
    trust: ssl.SSLContext | bool = True
    if ground.trust is not None:
        trust = ssl.create_default_context(cafile=ground.trust)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:
        said_s = 0.0
        for person, what, body in (
            ("mori", "stop", {"reason": "bench"}),
            ("sato", "confirm", {}),
        ):
            said_s = time.time()
            headers = {"X-Operator": person, "X-Reason": "bench"}
            url = f"{ground.page}/api/v1/emergency/{what}"
            async with session.post(url, json=body, headers=headers) as answer:
                if not answer.ok:
                    raise ProgramError(f"{url}: {answer.status}: {(await answer.text())[:200]}")
        return said_s, time.time() - said_s


def _journal(ground: Ground, site_id: str) -> list[dict[str, Any]]:
    command = [command_path("edge-agent"), "journal", "--config", str(ground.site_file(site_id))]
    done = subprocess.run(  # noqa: S603  our own program
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ProgramError(f"{site_id}: {done.stderr.strip()[-200:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]
