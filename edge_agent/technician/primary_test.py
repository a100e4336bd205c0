"""``edge-agent primary test``: judges a step test, recorded before or made now with the devices."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edge_agent.config.loader import load_config
from edge_agent.control.recording import Recording
from edge_agent.control.step_plan import AFTER_S, SHARE, length_s
from edge_agent.control.step_test import RULES, Combination, PrimaryRule, StepReport, judge
from edge_agent.cycle.primary_members import save_members
from edge_agent.technician.plain import json_text, to_json
from edge_agent.technician.primary_live import LiveTest, LiveWish, live_test
from edge_agent.technician.primary_record import read_recording, with_injected
from edge_agent.technician.step_run import DeviceRun, StepTerms
from protocols.vocabulary.commitment import Droop
from protocols.vocabulary.droop import unusable
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Clock

EXIT_NOT_WELL: Final = 1
SHOWN_MAX: Final = 20
_WIDTH_MIN: Final = 120
_CONFIG: Final = Path("site.toml")
_PRODUCTS: Final = dict(zip(("online", "offline", "seed"), RULES, strict=True))


def judge_command(  # noqa: PLR0913 - each is an option of the command
    context: typer.Context,
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The site's TOML file. サイト設定ファイル。")
    ] = _CONFIG,
    *,
    recording: Annotated[
        Path | None, typer.Option(help="A recorded step test, CSV; written by --live. 試験記録。")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Move the devices and record it. 実機試験。")
    ] = False,
    device: Annotated[
        list[str] | None,
        typer.Option(help="Of --live: this one only; again for more. 対象機器。"),
    ] = None,
    share: Annotated[
        float,
        typer.Option(min=0.01, max=1.0, help="Of --live: step, part of the rating. 変化幅。"),
    ] = SHARE,
    hold: Annotated[
        float | None,
        typer.Option(min=2.0, max=900.0, help="Of --live: s; else by the rule. 保持時間(秒)。"),
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
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. 確認しない。")] = False,
    json: Annotated[bool, typer.Option("--json", help="JSON for programs. JSON で出力。")] = False,
) -> None:
    """Judge a step test: which devices can give primary reserve (ステップ試験の判定)."""
    if rule not in _PRODUCTS:
        raise ConfigError(f"--rule: {rule!r} is not one of {', '.join(_PRODUCTS)}")
    product, made = _PRODUCTS[rule], None
    if live:
        terms = StepTerms(share=share, hold_s=hold or _hold_s(product))
        wish = LiveWish(devices=tuple(device or ()), terms=terms, target=recording)
        made = _made(config, _clock(context), wish, ask=not yes)
        recording = made.recording
    elif recording is None:
        raise ConfigError("name a recorded test with --recording FILE, or make one with --live")
    report = None
    if made is None or made.moved:
        rows = _read(recording, rated, law)
        report = judge(rows, product)
    _tell(made, report, json=json)
    if save:
        _save(_clock(context), config, report)
    if report is None or report.best is None:
        raise typer.Exit(EXIT_NOT_WELL)


def _hold_s(rule: PrimaryRule) -> float:
    """How long a step is held so that the rule sees all it asks for, s."""
    return max(rule.response_s, rule.duration_s) + AFTER_S


def _made(config: Path, clock: Clock, wish: LiveWish, *, ask: bool) -> LiveTest:
    """Make the recording, once the technician agrees."""
    site = load_config(config)
    if ask:
        which = ", ".join(wish.devices) or "Every device that takes a setpoint"
        typer.confirm(
            f"{which} will move, one after the other, each for "
            f"{length_s(wish.terms.hold_s):.0f} s. 機器が動作します。Go on?",
            abort=True,
            err=True,
        )
    return live_test(site, clock, wish)


def _read(recording: Path, rated: Sequence[str] | None, law: str) -> Recording:
    rows = read_recording(recording)
    if rated:
        rows = with_injected(rows, _ratings(rated), _law(law))
    if not rows.names:
        raise ConfigError(f"{recording}: no device has both command_w and power_w (or --rated)")
    return rows


def _clock(context: typer.Context) -> Clock:
    clock: Clock | None = context.obj
    assert clock is not None, "run_app passes the clock in"
    return clock


def _save(clock: Clock, config: Path, report: StepReport | None) -> None:
    if report is None or report.best is None:
        raise ConfigError("--save: no combination qualifies")
    path = save_members(
        load_config(config),
        report.best,
        rule=report.rule,
        tested_at=clock.now(),
    )
    sys.stderr.write(f"saved to {path}; the agent uses it from its next start\n")


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


# --- what is told --------------------------------------------------------------------------


def _tell(made: LiveTest | None, report: StepReport | None, *, json: bool) -> None:
    if json:
        plain = {} if report is None else to_json(report)
        assert isinstance(plain, dict), "a report is a record"
        best = None if report is None else to_json(report.best)
        live = {} if made is None else {"live": to_json(made)}
        sys.stdout.write(f"{json_text({**plain, 'best': best, **live})}\n")
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH_MIN)
    if made is not None:
        _print_live(console, made)
    if report is not None:
        _print_report(console, report)


def _print_live(console: Console, made: LiveTest) -> None:
    source = made.frequency_from or "[red]no device 計測なし[/]"
    console.print(f"recording 試験記録: {escape(str(made.recording))}, frequency from {source}")
    table = Table("device 機器", "base 基準", "step 変化", "")
    for run in made.devices:
        table.add_row(run.device_id, *_moved(run))
    console.print(table)


def _moved(run: DeviceRun) -> list[str]:
    """Cells of one device."""
    powers = ["–", "–"]
    if run.steps:
        base_w = run.steps[0].power_w
        step_w = max(step.power_w for step in run.steps) - base_w
        powers = [f"{base_w:+,.0f} W", f"±{step_w:,.0f} W"]
    if not run.given_back:
        return [*powers, "[red]not given back 解放未確認[/]"]
    ended = "[green]tested, given back 試験・解放済[/]"
    return [*powers, f"[red]{escape(run.stopped)}[/]" if run.stopped else ended]


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


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} s"


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
