"""``vpp bench optimize``: what a request to the optimise call takes, at size.

A coordinator with its stores, its tick and its web server runs in a process of its own, its fleet
written into the live table every second; another process posts the requests over a socket.
Nothing is judged: times and refusals are printed.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from firmware_sim.demo.machine import describe_machine, describe_versions, machine_line
from firmware_sim.demo.processes import dying_with_parent
from firmware_sim.demo.programs import check_programs, environment
from protocols.vocabulary.errors import ConfigError, VppError

FORMAT: Final = "vpp-bench-optimize/1"
EPILOG: Final = "Example 例: vpp bench optimize --resources 100000 --json optimize.json"
STANDARD_OUTPUT: Final = "-"
EXIT_FAILED: Final = 1
EXIT_BAD_INPUT: Final = 2
DEFINITIONS: Final[Mapping[str, str]] = {
    "first_ms": "from the request being sent to the head of the answer, by the wall: reading it, "
    "looking at the fleet, deciding and recording",
    "all_ms": "to the last byte of the answer, which is not read as JSON",
    "statuses": "200 decided; 504 not within 100 ms; 503 not ready; times are those of 200",
    "decision_cpu_ms": "processor time of the thread for looking at the fleet and deciding",
    "just_joined": "a decision right after all sites have joined, why it was refused, and after "
    "which time requests are answered",
    "cases": "each objective, without limits of the grid and with 100 feeders of which every "
    "other one is full; 8 kW of each site are owed",
}


def optimize(
    *,
    resources: Annotated[
        int, typer.Option(min=20, max=1_000_000, help="In sites of 20. 機器数。")
    ] = 100_000,
    requests: Annotated[
        int, typer.Option(min=1, max=10_000, help="Of each case. 各条件の回数。")
    ] = 50,
    json_file: Annotated[
        str | None,
        typer.Option("--json", help="Write JSON here; alone, to standard output. JSON出力先。"),
    ] = None,
) -> None:
    """Measure requests to POST /api/v1/control/optimize, over a socket.

    リアルタイム制御最適化APIの応答時間を測ります。
    """
    try:
        check_programs()
        found = _found(resources, requests)
        text = json.dumps(found, indent=1) + "\n"
        if json_file not in {None, STANDARD_OUTPUT}:
            _write(Path(str(json_file)), text)
    except VppError as error:
        sys.stderr.write(f"vpp bench optimize: {error}\n")
        bad = isinstance(error, ConfigError)
        raise typer.Exit(EXIT_BAD_INPUT if bad else EXIT_FAILED) from None
    sys.stdout.write(text if json_file == STANDARD_OUTPUT else as_text(found))


def _found(resources: int, requests: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "cloud_coordinator.commands.optimize", "run"]
    command += ["--resources", str(resources), "--requests", str(requests)]
    done = subprocess.run(  # noqa: S603  our own program
        dying_with_parent(command),
        env=dict(environment()),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise VppError(f"the coordinator of {resources:,} resources ended with {done.returncode}")
    return {
        "format": FORMAT,
        **json.loads(done.stdout),
        "definitions": dict(DEFINITIONS),
        "machine": describe_machine(),
        "versions": describe_versions(),
    }


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--json {path}: {error.strerror or error}") from error


def as_text(found: Mapping[str, Any]) -> str:
    """Return the figures as a table, for people."""
    joined = found["just_joined"]
    lines = [
        f"{found['resources']:,} resources; {machine_line()}",
        f"just joined: {joined['refused'] or 'answered at once'}",
        f"  ready after {joined['ready_after_s']} s, then {joined['then']['first_ms']} ms",
        f"{'case':32}{'200':>5}{'other':>7}{'first p50':>11}{'p99':>8}{'all p50':>9}{'p99':>8}"
        f"{'cpu':>7}  ms",
    ]
    for name, one in found["cases"].items():
        good = one["statuses"].get("200", 0)
        times = "".join(
            f"{one[key][part] if key in one else '-':>{width}}"
            for key, part, width in (
                ("first_ms", "p50", 11),
                ("first_ms", "p99", 8),
                ("all_ms", "p50", 9),
                ("all_ms", "p99", 8),
                ("decision_cpu_ms", "p50", 7),
            )
        )
        lines.append(f"{name:32}{good:5}{one['requests'] - good:7}{times}")
    return "\n".join(lines) + "\n"
