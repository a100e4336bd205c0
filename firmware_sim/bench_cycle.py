"""``vpp bench cycle``: what the coordinator's cycle costs while a fleet runs on the same machine.

The coordinator measures itself (``--cycle-log``), second by second, with the gateways of
``vpp sim fleet`` connected and dispatched; then a program of its own measures the same steps on
a million resources without gateways. Processor time of the coordinator's thread and wall time
are told apart: the wall holds whatever else the machine does, its load is beside it.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from firmware_sim.demo.machine import describe_machine, describe_versions
from firmware_sim.demo.processes import dying_with_parent, first_error
from firmware_sim.demo.programs import check_programs, environment
from firmware_sim.demo.signal_file import generate_signal
from firmware_sim.fleet.report import fleet_report
from firmware_sim.fleet.run import FleetOptions, FleetRun
from protocols.vocabulary.errors import ConfigError, VppError
from protocols.vocabulary.intervals import Clock

FORMAT: Final = "vpp-bench-cycle/1"
EPILOG: Final = "Example 例: vpp bench cycle --gateways 500 --seconds 60 --json cycle.json"
CYCLES_ASKED: Final = 300
TELL_EVERY: Final = 30
"""Cycles of the program without gateways between two words of progress."""
STANDARD_OUTPUT: Final = "-"
EXIT_FAILED: Final = 1
EXIT_BAD_INPUT: Final = 2
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "decision_f1": ("snapshot", "bounds", "allocate_f1", "encode_signal", "hand_over_signal"),
    "decision_f3": ("snapshot", "bounds", "caps", "allocate_f3", "encode_sites", "hand_over_sites"),
}
DEFINITIONS: Final[Mapping[str, str]] = {
    "decode": "live rows of one second: msgpack read, checked, judged by their sessions, queued "
    "for the history and written into the arrays; in up to twenty batches",
    "tick": "the coordinator's own second: links, the running award's multiplier from the curves "
    "committed by those that answer, encoded and handed to the bus, the live view",
    "snapshot": "resource and site columns copied; bounds: what each resource can give now",
    "allocate_f1": "all resources, one product, from the answer of the second before",
    "allocate_f3": "all resources, three products that share headroom, caps on feeders and "
    "substations, from the answer of the second before; prices and caps are drawn from a seed",
    "encode_sites": "a message of setpoints for each site; hand_over_sites: framed for the broker, "
    "each with a subject of its own, into the bus's queue; "
    "drain (without the fleet only): until the socket has them",
    "cpu_ms": "processor time of the coordinator's thread; flushes run in another one",
    "wall_ms": "time by the wall, with the fleet, the broker and the neighbours on the same cores",
    "decision_f1, decision_f3": "sums of the steps from snapshot to hand-over of that family",
}


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """Median, p99 and greatest of some values."""
    return {
        "p50": round(float(np.percentile(values, 50)), 4),
        "p99": round(float(np.percentile(values, 99)), 4),
        "max": round(float(np.max(values)), 4),
    }


def summary(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Quantiles of every step and of the decisions, over the given cycles.

    Parameters
    ----------
    lines : sequence of mapping
        Cycles as the coordinator wrote them, at least one.
    """
    result: dict[str, Any] = {
        "cycles": len(lines),
        "resources": max(line["resources"] for line in lines),
        "rows_per_cycle": quantiles([line["rows"] for line in lines]),
    }
    loads = [line["load"] for line in lines if "load" in line]
    if loads:
        result["load_average"] = {"least": min(loads), "most": max(loads)}
    for clock in ("cpu_ms", "wall_ms"):
        steps = {name: [line[clock].get(name, 0.0) for line in lines] for name in lines[0][clock]}
        for group, members in GROUPS.items():
            steps[group] = [sum(line[clock].get(one, 0.0) for one in members) for line in lines]
        result[clock] = {name: quantiles(values) for name, values in steps.items()}
    return result


def add_cycle(app: typer.Typer, clock: Clock) -> None:
    """Add ``cycle`` to ``vpp bench``."""

    @app.command(epilog=EPILOG)
    def cycle(
        *,
        gateways: Annotated[
            int, typer.Option(min=1, max=10_000, help="Gateways of 20. ゲートウェイ数。")
        ] = 5_000,
        seconds: Annotated[
            int, typer.Option(min=10, max=3_600, help="Cycles at 1 Hz. 測定秒数。")
        ] = CYCLES_ASKED,
        large: Annotated[
            int, typer.Option(min=0, max=2_000_000, help="Resources without a fleet. 機器数。")
        ] = 1_000_000,
        large_cycles: Annotated[
            int, typer.Option(min=1, help="Cycles of these. その周期数。")
        ] = CYCLES_ASKED,
        json_file: Annotated[
            str | None, typer.Option("--json", help="Write JSON here; - is standard output.")
        ] = None,
    ) -> None:
        """Measure the coordinator's cycle with a fleet, and with a million resources.

        多数のゲートウェイを動かしながら、制御周期の各段階の時間を測ります。
        """
        try:
            found = _found(gateways, seconds, (large, large_cycles), clock=clock)
        except VppError as error:
            _tell(str(error))
            bad = isinstance(error, ConfigError)
            raise typer.Exit(EXIT_BAD_INPUT if bad else EXIT_FAILED) from None
        text = json.dumps(found, indent=1) + "\n"
        if json_file not in {None, STANDARD_OUTPUT}:
            _write(Path(str(json_file)), text)
        sys.stdout.write(text if json_file == STANDARD_OUTPUT else as_text(found))


def _found(gateways: int, seconds: int, large: tuple[int, int], *, clock: Clock) -> dict[str, Any]:
    """Measure both; ``large`` is how many resources and cycles without a fleet."""
    check_programs()
    return {
        "format": FORMAT,
        "with_fleet": _with_fleet(gateways, seconds, clock),
        "without_fleet": _without_fleet(*large) if large[0] else None,
        "definitions": dict(DEFINITIONS),
        "machine": describe_machine(),
        "versions": describe_versions(),
    }


def _with_fleet(gateways: int, seconds: int, clock: Clock) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="vpp-cycle-") as name:
        folder = Path(name)
        log = folder / "cycle.jsonl"
        options = FleetOptions(
            gateways=gateways,
            resources=20,
            dispatch=generate_signal(1, seconds),
            dropout=0.05,
            duration_s=seconds,
            seed=1,
            folder=folder,
            coordinator=("--cycle-log", str(log)),
        )
        run = FleetRun(options, clock=clock, tell=_tell)
        with first_error():
            fleet = fleet_report(asyncio.run(run.run()), run.record)
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        start_s, end_s = run.record.start_s, run.record.ended_s
        chosen = [line for line in lines if start_s <= line["at_s"] <= end_s]
    if not chosen:
        raise ConfigError("the coordinator wrote no cycle while the award ran")
    kept = ("gateways", "resources", "rows", "steady", "joined_s", "slot_late_s_max")
    return {**summary(chosen), "fleet": {name: fleet[name] for name in kept}}


def _without_fleet(resources: int, cycles: int) -> dict[str, Any]:
    _tell(f"{resources} resources without a fleet, {cycles} cycles")
    command = [sys.executable, "-m", "cloud_coordinator.commands.cycle"]
    command += ["--resources", str(resources), "--cycles", str(cycles)]
    found = []
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(  # noqa: S603  our own program
            dying_with_parent(command),
            env=dict(environment()),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None, "its output is a pipe"
        for line in process.stdout:
            found.append(json.loads(line))
            if len(found) % TELL_EVERY == 0:
                _tell(f"{len(found)} of {cycles} cycles")
        if process.wait():
            log.seek(0)
            raise VppError(f"the cycle of {resources} resources failed: {log.read()[-300:]}")
    return summary(found)


def as_text(found: Mapping[str, Any]) -> str:
    """Return the figures as tables, for people."""
    parts = []
    for name in ("with_fleet", "without_fleet"):
        one = found[name]
        if one is None:
            continue
        parts.append(f"{name}: {one['resources']} resources, {one['cycles']} cycles")
        if "load_average" in one:
            parts[-1] += f", load {one['load_average']['least']:.1f} to "
            parts[-1] += f"{one['load_average']['most']:.1f}"
        parts.append(f"  {'step, ms':18}{'cpu p50':>10}{'p99':>10}{'wall p50':>10}{'p99':>10}")
        for step, cpu in one["cpu_ms"].items():
            wall = one["wall_ms"][step]
            parts.append(
                f"  {step:18}{cpu['p50']:10.3f}{cpu['p99']:10.3f}"
                f"{wall['p50']:10.3f}{wall['p99']:10.3f}"
            )
    return "\n".join(parts) + "\n"


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--json {path}: {error.strerror or error}") from None


def _tell(text: str) -> None:
    sys.stderr.write(f"vpp bench cycle: {text}\n")
    sys.stderr.flush()
