"""``edge-agent primary``: what the step test of primary reserve shows, and its record.

Reads files only and works beside a running agent. ``test`` judges a recording; it does not move
devices.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edge_agent.config.loader import load_config
from edge_agent.control.step_test import RULES, Combination, StepReport, judge
from edge_agent.cycle.primary_members import named_members, save_members
from edge_agent.journal.reader import JournalReader
from edge_agent.technician.plain import json_text, to_json
from edge_agent.technician.primary_record import (
    PrimarySummary,
    csv_of,
    logged_rows,
    read_recording,
    summary_of,
    with_injected,
)
from protocols.vocabulary.commitment import Droop
from protocols.vocabulary.droop import unusable
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Clock

EXIT_NOT_WELL: Final = 1
SHOWN_MAX: Final = 20
LAST_S: Final = 3600
_WIDTH_MIN: Final = 120
_CONFIG: Final = Path("site.toml")
_PRODUCTS: Final = dict(zip(("online", "offline", "seed"), RULES, strict=True))

app = typer.Typer(help="Primary reserve (一次調整力).", no_args_is_help=True)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The site's TOML file. サイト設定ファイル。")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for programs. JSON で出力。")]


@app.command("test", epilog="Example 例: edge-agent primary test --recording step.csv --rule seed")
def judge_command(  # noqa: PLR0913 - each is an option of the command
    context: typer.Context,
    config: ConfigOption = _CONFIG,
    *,
    recording: Annotated[
        Path | None, typer.Option(help="A recorded step test, CSV. 試験記録。")
    ] = None,
    rule: Annotated[str, typer.Option(help="online, offline or seed. 判定基準。")] = "seed",
    rated: Annotated[
        list[str] | None,
        typer.Option(help="DEVICE=W: it followed the recorded frequency. 周波数追従。"),
    ] = None,
    law: Annotated[
        str, typer.Option(help="NOMINAL/DROOP/DEADBAND of --rated. 調定率など。")
    ] = "50/0.05/0.01",
    save: Annotated[
        bool, typer.Option("--save", help="Lend only the best combination. 採用する。")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Judge a recorded step test: which devices can give primary reserve (ステップ試験の判定)."""
    if recording is None:
        raise ConfigError(
            "--recording FILE is missing: a test is judged from its record, "
            "this command does not move devices"
        )
    if rule not in _PRODUCTS:
        raise ConfigError(f"--rule: {rule!r} is not one of {', '.join(_PRODUCTS)}")
    rows = read_recording(recording)
    if rated:
        rows = with_injected(rows, _ratings(rated), _law(law))
    if not rows.names:
        raise ConfigError(f"{recording}: no device has both command_w and power_w (or --rated)")
    report = judge(rows, _PRODUCTS[rule])
    if json:
        plain = to_json(report)
        assert isinstance(plain, dict), "a report is a record"
        _print(json_text({**plain, "best": to_json(report.best)}))
    else:
        _print_report(_console(), report)
    if save:
        _save(context, config, report)
    if report.best is None:
        raise typer.Exit(EXIT_NOT_WELL)


def _save(context: typer.Context, config: Path, report: StepReport) -> None:
    if report.best is None:
        raise ConfigError("--save: no combination qualifies")
    clock: Clock | None = context.obj
    assert clock is not None, "run_app passes the clock in"
    path = save_members(
        load_config(config),
        report.best.names,
        rule_set_id=report.rule.rule_set_id,
        tested_at=clock.now(),
    )
    sys.stderr.write(f"saved to {path}; the agent uses it from its next start\n")


@app.command("show", epilog="Example 例: edge-agent primary show --csv primary.csv")
def record_command(
    config: ConfigOption = _CONFIG,
    *,
    seconds: Annotated[
        int, typer.Option(min=1, help="How many of the newest. 直近の秒数。")
    ] = LAST_S,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write the 1-s record there. CSV 出力。")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show the 1-s record of primary reserve and judge it (一次調整力の記録と判定)."""
    site = load_config(config)
    reader = JournalReader(site.journal_path)
    try:
        rows = logged_rows(reader, seconds=seconds)
    finally:
        reader.close()
    members = named_members(site)
    summary = summary_of(rows)
    if csv is not None:
        try:
            csv.write_text(csv_of(rows), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{csv}: {error.strerror or error}") from error
    if json:
        plain = to_json(summary)
        assert isinstance(plain, dict), "a summary is a record"
        _print(json_text({**plain, "members": None if members is None else list(members)}))
    else:
        _print_summary(_console(), summary, members)
    if not rows:
        raise typer.Exit(EXIT_NOT_WELL)


def _ratings(given: Sequence[str]) -> dict[str, float]:
    """Read ``battery-1=5000`` of each ``--rated``."""
    found = {}
    for text in given:
        name, _, number = text.partition("=")
        try:
            found[name] = float(number)
        except ValueError:
            raise ConfigError(f"--rated: {text!r} is not DEVICE=W") from None
    return found


def _law(text: str) -> Droop:
    """Read ``50/0.05/0.01``."""
    try:
        nominal_hz, droop, dead_band_hz = (float(part) for part in text.split("/"))
    except ValueError:
        raise ConfigError(f"--law: {text!r} is not NOMINAL/DROOP/DEADBAND") from None
    law = Droop(nominal_hz=nominal_hz, droop=droop, dead_band_hz=dead_band_hz, delay_s=0.0)
    if fault := unusable(law):
        raise ConfigError(f"--law: {fault}")
    return law


def _print_report(console: Console, report: StepReport) -> None:
    rule = report.rule
    console.print(
        f"[bold]{rule.product} {rule.rule_set_id}[/]: full response within {rule.response_s:g} s, "
        f"first movement within {rule.delay_s:g} s, held {rule.duration_s:g} s"
    )
    console.print(
        f"rows every {_seconds(report.record_s)}, frequency every {_seconds(report.frequency_s)}"
    )
    table = Table("devices 機器", "available 供出可能", "dead", "first", "90 %", "error", "")
    for one in report.combinations[:SHOWN_MAX]:
        table.add_row(*_cells(one))
    console.print(table)
    if (rest := len(report.combinations) - SHOWN_MAX) > 0:
        console.print(f"and {rest} more; --json has them all")


def _cells(one: Combination) -> list[str]:
    """Cells of one combination; times are those of its slowest step."""

    def slowest(values: Sequence[float | None]) -> str:
        known = [value for value in values if value is not None]
        return f"{max(known):.1f} s" if known and len(known) == len(values) else "–"

    errors = [step.settled_error for step in one.steps if step.settled_error is not None]
    return [
        escape(" + ".join(one.names)),
        f"{one.available_w:,.0f} W",
        slowest([step.dead_time_s for step in one.steps]),
        slowest([step.first_movement_s for step in one.steps]),
        slowest([step.to_90_s for step in one.steps]),
        f"{max(errors, key=abs):+.1%}" if errors else "–",
        "[green]qualifies 適合[/]" if one.qualifies else f"[red]{escape(one.reasons[0])}[/]",
    ]


def _print_summary(
    console: Console, summary: PrimarySummary, members: Sequence[str] | None
) -> None:
    table = Table.grid(padding=(0, 2))
    named = "no step test recorded 試験記録なし" if members is None else ", ".join(members)
    table.add_row("devices 機器", escape(named))
    table.add_row("record 記録", f"{summary.seconds} s, {summary.gaps} s missing 欠測")
    table.add_row(
        "frequency 周波数",
        f"{_plain(summary.frequency_hz, 3)} Hz, {_plain(summary.age_s, 1)} s old, "
        f"{summary.samples_per_s:.1f} a second from {escape(summary.source) or '–'}",
    )
    table.add_row(
        "basis 根拠",
        f"{summary.followed} s followed, {summary.held} s held, {summary.without} s without",
    )
    table.add_row(
        "power 出力",
        f"base {_plain(summary.base_w, 0)} W, asked {_plain(summary.asked_w, 0)} W, "
        f"told {_plain(summary.response_w, 0)} W, measured {_plain(summary.power_w, 0)} W",
    )
    word = "passes 合格" if summary.normal.passed else "fails 不合格"
    table.add_row("normal 平常時", f"slope {_plain(summary.normal.slope_w_per_hz, 0)} W/Hz: {word}")
    for fall in summary.falls:
        word = "passes 合格" if fall.passed else f"fails at {len(fall.failed)} points 不合格"
        table.add_row(
            "fall 異常時", f"{fall.points} points, least {_plain(fall.least_margin_w, 0)} W: {word}"
        )
    console.print(table)


def _plain(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} s"


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH_MIN)
    return console


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
