"""Prints the pages of ``edge-agent devices``. Powers are W, + toward the grid."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edge_agent.config.site import SiteConfig
from edge_agent.drivers.port import FoundDevice, Reading, WriteOutcome, WriteState
from edge_agent.technician.bench import DriveTest, Probe
from edge_agent.technician.inventory import DeviceLine, TemplateLine
from edge_agent.technician.moments import age_text

_PROOF = {
    "verified": "[green]verified 実証済[/]",
    "simulated": "[yellow]simulated 模擬[/]",
    "exempt": "[red]exempt 対象外[/]",
}
_QUALITY = {"GOOD": "green", "STALE": "yellow", "SUBSTITUTED": "yellow", "BAD": "red"}


def print_devices(console: Console, lines: Sequence[DeviceLine]) -> None:
    """Print the configured devices."""
    table = _table(
        "device 機器", "kind 種別", "protocol", "address アドレス", "template テンプレート",
        "power 電力", "age 経過", "writes today 本日の書込",
    )  # fmt: skip
    for line in lines:
        budget = "" if line.writes_budget is None else f" / {line.writes_budget}"
        spent = line.writes_budget is not None and line.writes_today >= line.writes_budget
        writes = f"{line.writes_today}{budget}"
        table.add_row(
            line.device_id,
            line.kind,
            line.protocol,
            escape(line.address or line.identity),
            line.template or "–",
            *_power(line),
            f"[red]{writes}[/]" if spent else writes,
        )
    console.print(table)


def print_templates(console: Console, lines: Sequence[TemplateLine]) -> None:
    """Print the product families, and how many were checked how far."""
    table = _table("template テンプレート", "kind 種別", "lease 期限", "proof 検証", "what 内容")
    for line in lines:
        proof = _PROOF[line.proof] + (f"\n{escape(line.by)}" if line.by else "")
        table.add_row(
            line.template_id,
            line.kind,
            line.lease,
            proof,
            f"{escape(line.title)}\n[dim]{escape(line.title_ja)}[/]",
        )
    console.print(table)
    counts = {proof: sum(line.proof == proof for line in lines) for proof in _PROOF}
    told = ", ".join(f"{count} {proof}" for proof, count in counts.items())
    console.print(f"{len(lines)} templates: {told}")


def print_found(console: Console, config: SiteConfig, found: Iterable[FoundDevice]) -> None:
    """Print the devices that answered, and the configured ones that did not."""
    table = _table("device 機器", "address アドレス", "unit", "identity 固有番号", "about 製品")
    answered = set()
    for one in found:
        answered.add(one.device_id)
        name = one.device_id or "[yellow]not configured 未設定[/]"
        table.add_row(
            name, escape(one.address), escape(one.unit), escape(one.identity), escape(one.about)
        )
    for device in config.devices:
        if device.device_id not in answered:
            place = escape(device.address or device.identity or "")
            table.add_row(device.device_id, place, "", "", "[red]does not answer 応答なし[/]")
    console.print(table)


def print_probe(console: Console, probe: Probe) -> None:
    """Print everything one device told."""
    if probe.found is None:
        console.print(f"[red]{probe.device_id} does not answer. 応答がありません。[/]")
        return
    found = probe.found
    console.print(f"[bold]{probe.device_id}[/]  {escape(found.about)}  {escape(found.address)}")
    if found.identity:
        console.print(f"identity 固有番号: {escape(found.identity)}")
    if probe.resource is not None:
        can = ", ".join(sorted(one.value for one in probe.resource.capabilities))
        console.print(f"can 能力: {can or 'nothing'}")
        least_w, most_w = probe.resource.power_w_min, probe.resource.power_w_max
        console.print(f"range 範囲: {least_w:+,.0f} .. {most_w:+,.0f} W")
    console.print(_values(probe.values))


def print_drive(console: Console, test: DriveTest) -> None:
    """Print what came of moving a device."""
    console.print(f"[bold]{test.device_id}[/]: asked for {test.asked_w:+,.0f} W")
    console.print(f"set 設定: {_outcome(test.written)}")
    console.print(f"release 解放: {_outcome(test.released)}")
    table = _table("point 点", "before 前", "held 保持中", "after 解放後")
    columns = [dict(each) for each in (test.before, test.held, test.after)]
    for point in sorted(set().union(*columns)):
        table.add_row(
            point,
            *("–" if point not in values else _number(values[point].value) for values in columns),
        )
    console.print(table)


def _outcome(outcome: WriteOutcome) -> str:
    colour = "green" if outcome.state is WriteState.DONE else "red"
    return f"[{colour}]{outcome.state.value}[/] {escape(outcome.detail)}"


def _values(values: Iterable[Reading]) -> Table:
    table = _table("point 点", "value 値", "quality 品質", "why 理由")
    for point, measurement in values:
        colour = _QUALITY[measurement.quality.name]
        table.add_row(
            point,
            _number(measurement.value),
            f"[{colour}]{measurement.quality.name}[/]",
            escape(measurement.reason),
        )
    return table


def _power(line: DeviceLine) -> tuple[str, str]:
    power = line.power
    if power is None:
        return "–", "never なし"
    colour = _QUALITY.get(power.quality, "red")
    age = "never なし" if power.good_age_s is None else age_text(power.good_age_s)
    return f"[{colour}]{_number(power.value)} W[/]", age


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.6g}"


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column)
    return table
