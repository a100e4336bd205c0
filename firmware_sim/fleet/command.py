"""``vpp sim fleet``: the command. Wiring only."""

import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from firmware_sim.demo.machine import describe_machine, describe_versions
from firmware_sim.demo.processes import first_error
from firmware_sim.demo.programs import check_programs
from firmware_sim.demo.signal_file import read_signal
from firmware_sim.fleet.report import fleet_report
from firmware_sim.fleet.run import FleetOptions, FleetRun
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Clock

GATEWAYS_MAX: Final = 10_000
RESOURCES_MAX: Final = 100
DURATION_S_MIN, DURATION_S_MAX = 10, 3_600
EXIT_FAILED: Final = 1


def add_fleet(app: typer.Typer, clock: Clock) -> None:
    """Add ``fleet`` to ``vpp sim``."""

    @app.command(
        epilog="Example: vpp sim fleet --gateways 500 --dispatch regd.csv.gz --dropout 0.05"
    )
    def fleet(  # noqa: PLR0913 - one parameter per option of the command line
        *,
        gateways: Annotated[
            int, typer.Option(min=1, max=GATEWAYS_MAX, help="Gateways. ゲートウェイ数。")
        ] = 500,
        resources_per_gateway: Annotated[
            int, typer.Option(min=1, max=RESOURCES_MAX, help="Resources of each. 機器数。")
        ] = 20,
        dispatch: Annotated[
            Path | None,
            typer.Option(help="CSV of time and -1..1 to follow. 指令信号のCSV。"),
        ] = None,
        dropout: Annotated[
            float, typer.Option(min=0.0, max=0.5, help="Part of the links that is gone. 断線率。")
        ] = 0.05,
        duration: Annotated[
            int, typer.Option(min=DURATION_S_MIN, max=DURATION_S_MAX, help="Length, s. 長さ。")
        ] = 60,
        seed: Annotated[int, typer.Option(help="Devices, loads, failures. 乱数の種。")] = 1,
        out: Annotated[
            Path | None, typer.Option(help="Keep data and logs in this folder. 保存先。")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
    ) -> None:
        """Run many gateways against a coordinator and report what arrived and was delivered.

        多数のゲートウェイを一つのプロセスで動かし、取込量と指令追従を測ります。
        """
        check_programs()
        signal = None
        if dispatch is not None:
            signal = read_signal(dispatch)
            signal = signal.cut(0.0, min(float(duration), signal.length_s))
        with _folder(out) as folder:
            options = FleetOptions(
                gateways=gateways,
                resources=resources_per_gateway,
                dispatch=signal,
                dropout=dropout,
                duration_s=duration,
                seed=seed,
                folder=folder,
            )
            with first_error():
                report = asyncio.run(_report(FleetRun(options, clock=clock, tell=_tell)))
        sys.stdout.write(json.dumps(report, indent=1) + "\n" if as_json else as_text(report))
        if report["rows"]["lost"] or report["rows"]["doubled"]:
            raise typer.Exit(EXIT_FAILED)


async def _report(run: FleetRun) -> dict[str, Any]:
    report = fleet_report(await run.run(), run.record)
    return {**report, "machine": describe_machine(), "versions": describe_versions()}


def as_text(report: dict[str, Any]) -> str:
    """Return the figures that matter, for people."""
    rows, steady, award = report["rows"], report["steady"], report["award"]
    lines = [
        f"{report['gateways']} gateways x {report['resources']} resources, "
        f"joined in {report['joined_s']:.1f} s",
        f"rows: {rows['journaled']} journaled, {rows['stored']} stored, {rows['lost']} lost, "
        f"{rows['doubled']} doubled",
    ]
    if steady is not None:
        cores = ", ".join(f"{name} {share:.2f}" for name, share in steady["cpu_cores"].items())
        lines += [
            f"ingest: {steady['ingest_rows_per_s']:.0f} rows/s over {steady['seconds']:.0f} s; "
            f"on the way p50 {steady['backlog_rows']['p50']:.0f}, "
            f"p99 {steady['backlog_rows']['p99']:.0f} rows",
            f"cores: {cores}; a slot was late by {report['slot_late_s_max']:.2f} s at most",
        ]
    if award is not None:
        for name in ("whole", "undisturbed"):
            one = award[name]
            lines.append(
                f"{name}: within 5 % {one['within_5pct']:.1%}, within 1 % {one['within_1pct']:.1%} "
                f"of the award; correlation {one['correlation']:.3f}, delay {one['lag_s']} s, "
                f"precision {one['precision']:.3f}, performance {one['performance']:.3f}"
            )
        for name, took in award["compensated_s"].items():
            text = "not within the run" if took is None else f"{took:.1f} s"
            lines.append(f"{name}: made up for in {text}")
    return "\n".join(lines) + "\n"


def _tell(text: str) -> None:
    sys.stderr.write(f"vpp sim fleet: {text}\n")
    sys.stderr.flush()


@contextlib.contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    """Give the folder that was asked for, which must be new or empty, else one for a while."""
    if out is None:
        with tempfile.TemporaryDirectory(prefix="vpp-fleet-") as scratch:
            yield Path(scratch)
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise ConfigError(f"--out {out}: is not empty")
    except OSError as error:
        raise ConfigError(f"--out {out}: {error.strerror}") from None
    yield out.resolve()
