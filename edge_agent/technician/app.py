"""``edge-agent``: the technician's command line. ``main`` adds ``run`` to it.

Reads files only (``doctor --devices`` asks devices); works beside a running agent and without
a network. Bad input is one line on standard error and exit code 2; 1 says that what was
looked at is not well.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from edge_agent.config.loader import load_config
from edge_agent.config.site import SiteConfig
from edge_agent.journal.reader import JournalReader
from edge_agent.technician.devices import app as devices_app
from edge_agent.technician.doctor import examine_journals, examine_site
from edge_agent.technician.export import journal_lines
from edge_agent.technician.hand import override_command, release_command, safe_command
from edge_agent.technician.history import History
from edge_agent.technician.logs import configure_logging
from edge_agent.technician.moments import parse_time
from edge_agent.technician.page import page_command
from edge_agent.technician.plain import json_text
from edge_agent.technician.primary import app as primary_app
from edge_agent.technician.provision import app as identity_app
from edge_agent.technician.provision import commission_command, provision_command
from edge_agent.technician.replay import Replay, replay
from edge_agent.technician.screen import (
    print_doctor,
    print_journal,
    print_no_cycle,
    print_points,
    print_replay,
    print_status,
    print_why,
)
from edge_agent.technician.signals import signals_command
from edge_agent.technician.status import points_now, status_of
from edge_agent.technician.why import NoCycle, why
from protocols.vocabulary.errors import ConfigError, VppError
from protocols.vocabulary.intervals import Clock
from protocols.vocabulary.setpoint import JournalEntry

EXIT_NOT_WELL: Final = 1
EXIT_BAD_INPUT: Final = 2
WIDTH_MIN: Final = 120

app = typer.Typer(
    name="edge-agent",
    help="Agent of one site. 拠点エージェント。",
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)
app.add_typer(devices_app, name="devices")
app.add_typer(primary_app, name="primary")
app.add_typer(identity_app, name="identity")
app.command("provision", epilog="Example 例: edge-agent provision --coordinator https://h:8443")(
    provision_command
)
app.command("commission", epilog="Example 例: edge-agent commission --cut-s 12")(commission_command)
app.command(
    "override",
    epilog="Example 例: edge-agent override battery 1500 --for 15",
    context_settings={"ignore_unknown_options": True},
)(override_command)
app.command("release", epilog="Example 例: edge-agent release battery")(release_command)
app.command("safe", epilog="Example 例: edge-agent safe --reason smoke")(safe_command)
app.command("page", epilog="Example 例: edge-agent page --config site.toml")(page_command)
app.command("signals", epilog="Example 例: edge-agent signals --json")(signals_command)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The site's TOML file. サイト設定ファイル。")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for programs. JSON で出力。")]
_CONFIG: Final = Path("site.toml")


def run_app(clock: Clock, arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    clock : Clock
        Time, for the commands that need to know what now is.
    arguments : sequence of str, optional
        Instead of the process's own.

    Returns
    -------
    int
        Exit code: 0, 1 if what was looked at is not well, 2 for bad input.
    """
    configure_logging()
    try:
        given = None if arguments is None else list(arguments)
        return int(app(given, standalone_mode=False, obj=clock, prog_name="edge-agent") or 0)
    except VppError as error:
        return _bad_input(str(error))
    except typer.TyperException as error:
        return _bad_input(error.format_message())
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        return 0


def _bad_input(message: str) -> int:
    line = " ".join(message.split())
    if line:
        sys.stderr.write(f"edge-agent: {line}\n")
    return EXIT_BAD_INPUT


@app.command(epilog="Example 例: edge-agent status --config site.toml")
def status(
    context: typer.Context, config: ConfigOption = _CONFIG, *, json: JsonOption = False
) -> None:
    """Show what the site is doing now (現在の状態)."""
    site = load_config(config)
    with _reading(site) as reader:
        found = status_of(site, reader, _clock(context).now())
    if json:
        _print_json(found)
    else:
        print_status(_console(), found)


@app.command(epilog="Example 例: edge-agent why 14:03:05 --config site.toml", name="why")
def why_command(
    context: typer.Context,
    time: Annotated[
        str, typer.Argument(metavar="TIME", help="14:03, 14:03:05 (JST) or ISO 8601. 時刻(JST)。")
    ],
    config: ConfigOption = _CONFIG,
    *,
    json: JsonOption = False,
) -> None:
    """Explain what the site did in that second, and why (その時刻の動作と理由)."""
    asked = parse_time(time, _clock(context).now())
    with _reading(load_config(config)) as reader:
        page = why(History(reader), asked)
    if json:
        _print_json(page)
    elif isinstance(page, NoCycle):
        print_no_cycle(_console(), page)
    else:
        print_why(_console(), page)
    if isinstance(page, NoCycle):
        raise typer.Exit(EXIT_NOT_WELL)


@app.command(epilog="Example 例: edge-agent points --config site.toml")
def points(
    context: typer.Context, config: ConfigOption = _CONFIG, *, json: JsonOption = False
) -> None:
    """List each point: last good value, quality, age (各点の最終良好値と経過時間)."""
    site = load_config(config)
    with _reading(site) as reader:
        lines = points_now(site, reader, _clock(context).now())
    if json:
        _print_json(lines)
    else:
        print_points(_console(), lines)


@app.command(
    name="replay", epilog="Example 例: edge-agent replay data/site-001.journal.sqlite --cycle 1200"
)
def replay_command(
    journal: Annotated[Path, typer.Argument(help="A journal file. 記録ファイル。")],
    *,
    cycle: Annotated[
        int | None, typer.Option(help="One cycle. 一周期だけ。", show_default="all 全部")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every cycle held. 全周期。")] = False,
    json: JsonOption = False,
) -> None:
    """Decide again from the record and compare bit for bit (記録から再計算して照合)."""
    if cycle is not None and every:
        raise ConfigError("--cycle and --all exclude each other")
    reader = JournalReader(journal)
    try:
        history = History(reader)
        found = replay(history, _chosen(history, cycle))
    finally:
        reader.close()
    if json:
        _print_json(found)
    else:
        print_replay(_console(), found)
    _exit_replay(found, journal)


@app.command(epilog="Example 例: edge-agent journal --config site.toml > journal.jsonl")
def journal(config: ConfigOption = _CONFIG) -> None:
    """Print the journal as JSON lines, for programs (記録を JSON 行で出力)."""
    site = load_config(config)
    with _reading(site) as reader:
        for line in journal_lines(site, reader):
            sys.stdout.write(f"{line}\n")


@app.command(epilog="Example 例: edge-agent doctor --config site.toml --json")
def doctor(
    context: typer.Context,
    config: ConfigOption = _CONFIG,
    *,
    journal: Annotated[
        Path | None,
        typer.Option(help="Look at this journal only, without a configuration. 記録だけを検査。"),
    ] = None,
    devices: Annotated[
        bool, typer.Option("--devices", help="Ask each device too. 機器にも問い合わせる。")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Check configuration, journals, watchdog, disk, port and devices (総点検)."""
    if journal is not None:
        _doctor_journal(journal, json=json)
        return
    site, text = load_config(config), "asking devices 問い合わせ中" if devices else "looking 点検中"
    with Console(stderr=True).status(text):
        report = examine_site(site, _clock(context), ask_devices=devices)
    if json:
        _print_json(report)
    else:
        print_doctor(_console(), report)
    if not report.ok:
        raise typer.Exit(EXIT_NOT_WELL)


def _doctor_journal(path: Path, *, json: bool) -> None:
    journals = examine_journals(path)
    if not journals:
        raise ConfigError(f"{path}: no such journal")
    if json:
        _print_json({"journals": journals})
    else:
        for found in journals:
            print_journal(_console(), found)
    if not journals[0].chain_ok:
        raise typer.Exit(EXIT_NOT_WELL)


def _chosen(history: History, cycle: int | None) -> Iterable[JournalEntry]:
    if cycle is None:
        return history.cycles()
    tick = history.of_cycle(cycle)
    if tick is None:
        raise ConfigError(f"{history.reader.path}: holds no cycle {cycle}")
    return [tick.entry]


def _exit_replay(found: Replay, journal: Path) -> None:
    if not found.replayed:
        raise ConfigError(f"{journal}: holds no cycle that can be replayed")
    if found.differing:
        sys.stderr.write(f"edge-agent: {found.differences[0]}\n")
        raise typer.Exit(EXIT_NOT_WELL)


@contextmanager
def _reading(config: SiteConfig) -> Iterator[JournalReader]:
    reader = JournalReader(config.journal_path)
    try:
        yield reader
    finally:
        reader.close()


def _clock(context: typer.Context) -> Clock:
    clock: Clock | None = context.obj
    assert clock is not None, "run_app passes the clock in"
    return clock


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH_MIN)
    return console


def _print_json(value: object) -> None:
    sys.stdout.write(f"{json_text(value)}\n")
