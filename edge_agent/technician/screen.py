"""Prints the technician's pages: English with the Japanese word where a person looks.

Powers are W, + toward the grid. Each time names its zone (JST).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edge_agent.cycle.outlooks import Outlooked
from edge_agent.technician.doctor import DoctorReport
from edge_agent.technician.happening import Happening
from edge_agent.technician.journals import JournalSummary
from edge_agent.technician.moments import JST, age_text, shown
from edge_agent.technician.plain import to_json
from edge_agent.technician.replay import Replay
from edge_agent.technician.status import LATE_S, PointLine, Status
from edge_agent.technician.why import NoCycle, ResourceLine, WhyPage, reason_text

_COLOURS = {"GOOD": "green", "STALE": "yellow", "SUBSTITUTED": "yellow", "BAD": "red"}
GAPS_SHOWN = 20


def watts(power_w: float | None) -> str:
    """``+1,500 W``; a dash where there is no number."""
    return "–" if power_w is None else f"{round(power_w):+,d} W"


def print_why(console: Console, page: WhyPage) -> None:
    """Print one second on one page."""
    console.print(f"[bold]{page.site_id}  {shown(page.second)}  (cycle {page.cycle})[/]")
    facts = _facts()
    facts.add_row("rule 理由", f"[bold]{escape(reason_text(page.reason))}[/]")
    facts.add_row("mode モード", escape(_mode_text(page)))
    facts.add_row("meter 受電点", _meter_text(page))
    if page.share_w is not None:
        parts = f"{watts(page.baseline_w)} baseline 基準 {watts(page.share_w)} share 分担"
        facts.add_row("obligation 義務", parts)
    for share in page.shares:
        until = "" if share.ends_at is None else f" until {shown(share.ends_at)}"
        text = (
            f"{share.obligation_id} {share.service}: {watts(share.power_w)} ({share.source}){until}"
        )
        facts.add_row("", escape(text))
    facts.add_row("signal 指令", escape(_signal_text(page)))
    short = f", [yellow]short of 不足 {watts(page.shortfall_w)}[/]" if page.shortfall_w else ""
    facts.add_row("devices 合計", f"{watts(page.flexible_w)}{short}")
    residual = f"{watts(page.residual_w)} ({page.residual_quality})"
    facts.add_row("rest of site 他負荷", f"{residual} at {page.price_jpy_per_kwh:.2f} JPY/kWh")
    if page.forecast_by:
        facts.add_row("forecast 予測", escape(page.forecast_by))
    console.print(facts)
    _print_resources(console, page.resources)
    _print_limits(console, page)
    _print_events(console, page.events)


def print_no_cycle(console: Console, page: NoCycle) -> None:
    """Say that nothing ran in a second, and what is near."""
    console.print(
        f"[bold red]No cycle ran at {shown(page.second)}. この時刻の記録はありません。[/]"
    )
    for word, moment in (("before 直前", page.before), ("after 直後", page.after)):
        console.print(f"  nearest {word}: {'none' if moment is None else shown(moment)}")
    _print_events(console, page.events)


def print_status(console: Console, status: Status) -> None:
    """Print what a site is doing now."""
    facts = _facts()
    running = status.agent_pid is not None
    agent = (
        f"[green]runs, process {status.agent_pid}[/]" if running else "[red]does not run 停止中[/]"
    )
    watchdog = "does not run" if status.watchdog_pid is None else f"process {status.watchdog_pid}"
    facts.add_row("agent エージェント", agent)
    facts.add_row("watchdog 監視", watchdog)
    facts.add_row("journal 記録", status.journal_id)
    unsent = ", ".join(f"{name} {count}" for name, count in status.unsent.items())
    facts.add_row("not yet safe in the cloud 未送達", unsent)
    if status.age_s is None:
        facts.add_row("last cycle 最終", "[red]none yet まだなし[/]")
    else:
        colour = "green" if status.age_s <= LATE_S else "red"
        facts.add_row("last cycle 最終", f"[{colour}]{age_text(status.age_s)} ago[/]")
    for alarm in status.alarms:
        text = f"{alarm.name}: {alarm.detail} since {shown(alarm.since)}"
        facts.add_row("[red]alarm 警報[/]", escape(text))
    if status.forecast is not None:
        facts.add_row("forecast 予測", escape(_forecast_text(status.forecast)))
    console.print(facts)
    if status.last is not None:
        print_why(console, status.last)


def _forecast_text(forecast: Outlooked) -> str:
    """Next half hour, the day, and where it comes from."""
    load = f"{watts(forecast.load_w)}{_band(forecast.load_band_w)}"
    pv = f"{watts(forecast.pv_w)}{_band(forecast.pv_band_w)}"
    day = f"{forecast.day_load_wh / 1000.0:+,.1f} / {forecast.day_pv_wh / 1000.0:+,.1f} kWh"
    return (
        f"from {shown(forecast.start)}: load 負荷 {load}, PV {pv}; 24 h {day}\n"
        f"{forecast.reason} ({forecast.quality})"
    )


def _band(band_w: tuple[float, float] | None) -> str:
    """Where eight of ten lie."""
    return "" if band_w is None else f" (80 %: {watts(band_w[0])} to {watts(band_w[1])})"


def print_points(console: Console, lines: Iterable[PointLine]) -> None:
    """Print each point with its last good value and age."""
    table = _table(
        "point 点", "now 現在", "quality 品質", "last good 最終良好値", "age 経過", "why 理由"
    )
    for line in lines:
        age = "never なし" if line.good_age_s is None else age_text(line.good_age_s)
        colour = _COLOURS.get(line.quality, "red")
        table.add_row(
            line.point_id,
            _number(line.value, line.unit),
            f"[{colour}]{line.quality}[/]",
            _number(line.good_value, line.unit),
            age,
            escape(line.reason),
        )
    console.print(table)


def print_replay(console: Console, found: Replay) -> None:
    """Print what a replay found."""
    span = f"cycles {found.first_cycle}..{found.last_cycle}"
    if found.skipped:
        console.print(f"{found.skipped} cycles at the beginning skipped: frame or plan forgotten")
    if not found.differing:
        console.print(
            f"[green]{found.replayed} cycles replayed ({span}), {found.setpoints} setpoints and "
            "releases: identical, bit for bit 完全一致[/]"
        )
        return
    console.print(f"[red]{found.differing} of {found.replayed} cycles differ 不一致 ({span})[/]")
    for difference in found.differences:
        console.print(f"  {escape(difference)}")


def print_doctor(console: Console, report: DoctorReport) -> None:
    """Print every check and every journal."""
    table = _table("check 項目", "", "found 結果")
    for check in report.checks:
        mark = "[green]ok[/]" if check.ok else "[red]fault 異常[/]"
        table.add_row(check.name, mark, escape(check.detail))
    console.print(table)
    for journal in report.journals:
        print_journal(console, journal)


def print_journal(console: Console, journal: JournalSummary) -> None:
    """Print one journal file."""
    word = "kept aside 退避" if journal.aside else "in use 使用中"
    console.print(f"[bold]{escape(journal.path)}[/] ({word})")
    facts = _facts()
    chain = "[green]holds 正常[/]" if journal.chain_ok else f"[red]{escape(journal.fault)}[/]"
    facts.add_row("journal id", journal.journal_id or "–")
    facts.add_row("chain 連鎖", chain)
    for name, stream in journal.streams.items():
        span = _span(stream.first_at, stream.last_at)
        facts.add_row(
            f"stream {name}", f"{stream.count} entries {stream.first}..{stream.last}{span}"
        )
    facts.add_row("seconds without a sample 欠測", f"{journal.skipped_s} s")
    for gap in journal.gaps[:GAPS_SHOWN]:
        facts.add_row("", f"{_unix(gap.from_s)}, {gap.seconds} s: {escape(gap.reason)}")
    facts.add_row("mode changes モード変更", str(len(journal.mode_changes)))
    if journal.cycle_ms:
        times = " ".join(f"{name} {value:g}" for name, value in journal.cycle_ms.items())
        facts.add_row("cycle ms 周期処理", times)
    console.print(facts)


def _mode_text(page: WhyPage) -> str:
    since = page.mode_since
    if since is None:
        return page.mode
    return f"{page.mode} since {shown(since.at)}, from {since.before}: {since.reason}"


def _meter_text(page: WhyPage) -> str:
    colour = _COLOURS.get(page.meter_quality, "red")
    measured = f"{watts(page.meter_w)} [{colour}]{page.meter_quality}[/]"
    return f"{measured}, target 目標 {watts(page.target_meter_w)}"


def _signal_text(page: WhyPage) -> str:
    signal = page.signal
    if signal is None:
        return "none ever received 受信なし"
    state = "valid 有効" if signal.valid else "expired 失効"
    prices = ", ".join(f"{name} {price:g} JPY/kWh" for name, price in signal.multipliers.items())
    return (
        f"{signal.signal_id} ({state} until {shown(signal.valid_until)}, received "
        f"{shown(signal.received_at)}) {prices}"
    )


def _print_resources(console: Console, resources: Sequence[ResourceLine]) -> None:
    table = _table(
        "device 機器", "measured 実測", "SoC", "setpoint 指令", "why 理由", "device says 応答"
    )
    for line in resources:
        until = "" if line.setpoint_until is None else f"\nuntil {shown(line.setpoint_until)[11:]}"
        allowed = f"{watts(line.allowed_w_min)} .. {watts(line.allowed_w_max)}"
        limited = f"\nallowed {allowed} by {line.limited_by}" if line.limited_by else ""
        table.add_row(
            line.resource_id,
            f"{watts(line.power_w)} [{_COLOURS.get(line.quality, 'red')}]{line.quality}[/]",
            "–" if line.soc is None else f"{100.0 * line.soc:.0f} %",
            f"{watts(line.setpoint_w)} {line.action}{until}",
            escape(f"{reason_text(line.reason)}{limited}"),
            escape(line.outcome) or "–",
        )
    console.print(table)


def _print_limits(console: Console, page: WhyPage) -> None:
    table = _table("limit in force 有効な制限", "authority 権限", "on 対象", "from", "to", "source")
    for line in page.limits:
        until = "" if line.valid_until is None else f" until {shown(line.valid_until)}"
        table.add_row(
            escape(line.name),
            line.authority,
            escape(line.scope),
            watts(line.power_w_min),
            watts(line.power_w_max),
            escape(f"{line.source}{until}"),
        )
    console.print(table)
    for relaxed in page.relaxed:
        text = f"gave way 緩和: {relaxed.name} by {relaxed.amount_w:.0f} W, because of {relaxed.by}"
        console.print(f"[yellow]{escape(text)}[/]")


def _print_events(console: Console, events: Sequence[Happening]) -> None:
    for event in events:
        fields = ", ".join(f"{key}={to_json(value)}" for key, value in event.payload.items())
        text = f"{shown(event.recorded_at)}  {event.kind}  {fields}"
        console.print(escape(text if len(text) <= 200 else f"{text[:197]}..."))  # noqa: PLR2004 - two lines


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    return watts(value) if unit == "W" else f"{value:,.3g}{'' if unit == '1' else f' {unit}'}"


def _span(first_at: datetime | None, last_at: datetime | None) -> str:
    if first_at is None or last_at is None:
        return ""
    return f", {shown(first_at)} to {shown(last_at)}"


def _unix(second: int) -> str:
    return shown(datetime.fromtimestamp(second, tz=JST))


def _facts() -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    return table


def _table(*headers: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="cyan")
    for header in headers:
        table.add_column(header)
    return table
