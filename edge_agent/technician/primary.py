"""``edge-agent primary``: the step test of primary reserve, and its record.

``show`` reads files only and works beside a running agent; so does ``test``, unless it is told
to make the recording with the devices.
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
from edge_agent.cycle.primary_members import named_members
from edge_agent.journal.reader import JournalReader
from edge_agent.technician.plain import json_text, to_json
from edge_agent.technician.primary_record import (
    PrimarySummary,
    csv_of,
    logged_rows,
    summary_of,
)
from edge_agent.technician.primary_test import judge_command
from protocols.vocabulary.errors import ConfigError

EXIT_NOT_WELL: Final = 1
LAST_S: Final = 3600
_WIDTH_MIN: Final = 120
_CONFIG: Final = Path("site.toml")

app = typer.Typer(help="Primary reserve (一次調整力).", no_args_is_help=True)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The site's TOML file. サイト設定ファイル。")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for programs. JSON で出力。")]

app.command("test", epilog="Example 例: edge-agent primary test --live --share 0.2")(judge_command)


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
