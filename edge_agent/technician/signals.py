"""``edge-agent signals``: what each mode of IEEE 2030.5 and signal of OpenADR means here."""

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edge_agent.config.loader import load_config
from edge_agent.northbound.signals import (
    Becomes,
    OrderScope,
    Side,
    Signal,
    Signals,
    Unit,
    site_signals,
)
from edge_agent.technician.plain import json_text
from protocols.vocabulary.obligation import Authority, RelativeTo

_WIDTH_MIN = 150
_AUTHORITIES = {
    Authority.GRID_CODE: "grid code 系統",
    Authority.TECHNICIAN: "technician 技術者",
    Authority.OWNER: "owner 所有者",
    Authority.OBLIGATION: "obligation 義務",
    Authority.LOCAL_ECONOMY: "local economy 経済",
}
_SCOPES = {
    OrderScope.METER: "the meter 受電点",
    OrderScope.DER: "generators and stores 発電・蓄電の合計",
    OrderScope.GENERATION: "generation 発電合計",
    OrderScope.CONSUMPTION: "consumption 消費合計",
    OrderScope.EACH_DER: "each generator and store 各発電・蓄電",
    OrderScope.EACH_LOAD: "each load 各負荷",
}
_SIDES = {Side.UPPER: "at most 以下", Side.LOWER: "at least 以上", Side.BOTH: "exactly 一致"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalLine:
    """One mode or signal.

    Attributes
    ----------
    origin, mode : str
        Language, and its word.
    supported : bool
        False: it is refused (2030.5 252, OpenADR 460).
    title, title_ja : str
        What it asks for, or why it is refused.
    becomes, means, number, authority, note : str
        What it becomes here; empty when it is refused.
    """

    origin: str
    mode: str
    supported: bool
    title: str
    title_ja: str
    becomes: str = ""
    means: str = ""
    number: str = ""
    authority: str = ""
    note: str = ""


def signal_lines(mapping: Signals) -> tuple[SignalLine, ...]:
    """Lay out a mapping, what is carried out first."""
    supported = [_line(signal) for signal in mapping.supported.values()]
    refused = [
        SignalLine(
            origin=one.origin.value,
            mode=one.mode,
            supported=False,
            title=one.why,
            title_ja=one.why_ja,
        )
        for one in mapping.unsupported.values()
    ]
    return (*supported, *refused)


def _line(signal: Signal) -> SignalLine:
    return SignalLine(
        origin=signal.origin.value,
        mode=signal.mode,
        supported=True,
        title=signal.title,
        title_ja=signal.title_ja,
        becomes=signal.becomes.value,
        means=_means(signal),
        number=_number(signal),
        authority=_AUTHORITIES[signal.authority],
        note=signal.note,
    )


def _means(signal: Signal) -> str:
    if signal.becomes is Becomes.LIMIT:
        assert signal.scope is not None, "a limit has a scope"
        assert signal.side is not None, "a limit has a side"
        side = {Side.UPPER: Side.LOWER, Side.LOWER: Side.UPPER}.get(signal.side, signal.side)
        shown = side if signal.is_load_frame else signal.side
        return f"{_SCOPES[signal.scope]}: {_SIDES[shown]}"
    if signal.becomes is Becomes.OBLIGATION:
        zero = signal.relative_to is RelativeTo.ZERO
        return "power at the meter 受電点電力" if zero else "change at the meter 受電点の変化量"
    return "price of a kWh bought 買電単価"


def _number(signal: Signal) -> str:
    words = [signal.unit.value]
    if signal.of is not None:
        words.append(f"of {signal.of.value}")
    if signal.of_negative is not None:
        words.append(f"(below 0 of {signal.of_negative.value})")
    if signal.unit is Unit.LEVEL:
        words.append(" ".join(f"{n}={100 * part:g}%" for n, part in enumerate(signal.levels)))
    if any(math.isfinite(end) for end in signal.values):
        words.append("{:g}..{:g}".format(*signal.values))
    if signal.unit is Unit.WATT:
        words.append("+ load 消費" if signal.is_load_frame else "+ generation 発電")
    return " ".join(words)


def signals_command(
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="A site's TOML file, for its own signals. 設定。"),
    ] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="JSON for programs. JSON で出力。")] = False,
) -> None:
    """Show what 2030.5 modes and OpenADR signals mean here (信号とその意味)."""
    site = None if config is None else load_config(config)
    ven = None if site is None else site.openadr_ven
    lines = signal_lines(site_signals(None if ven is None else ven.signals))
    if json:
        sys.stdout.write(f"{json_text(lines)}\n")
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH_MIN)
    console.print(_supported(lines))
    console.print(_refused(lines))


def _supported(lines: tuple[SignalLine, ...]) -> Table:
    table = _table(
        "language 言語", "mode モード", "asks 内容", "becomes 扱い", "means 意味", "number 値",
        "authority 優先順位", "note 注記",
    )  # fmt: skip
    for line in lines:
        if line.supported:
            table.add_row(
                line.origin,
                escape(line.mode),
                f"{escape(line.title)}\n[dim]{escape(line.title_ja)}[/]",
                line.becomes,
                line.means,
                line.number,
                line.authority,
                escape(line.note),
            )
    return table


def _refused(lines: tuple[SignalLine, ...]) -> Table:
    table = _table("language 言語", "refused 非対応", "why 理由")
    for line in lines:
        if not line.supported:
            why = f"{escape(line.title)}\n[dim]{escape(line.title_ja)}[/]"
            table.add_row(line.origin, escape(line.mode), why)
    return table


def _table(*heads: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in heads:
        table.add_column(head, no_wrap=head.startswith(("mode", "refused")))
    return table
