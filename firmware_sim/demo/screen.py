"""The live view in the terminal, and the plain lines of ``--headless``."""

import asyncio
import math
import sys
import time
from collections.abc import Sequence
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from firmware_sim.demo.board import Board, PointNow, SiteNow

REFRESH_S: Final = 0.5
PLAIN_EVERY_S: Final = 5.0
_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_LINK_STYLES: Final = {"live": "green", "late": "yellow", "lost": "red"}
_EVENTS_SHOWN: Final = 8
_ROWS_BESIDE: Final = 22
_COURSE_MAX: Final = 100
_LABEL: Final = 12


async def show(board: Board, *, headless: bool) -> None:
    """Show the board until cancelled; the terminal is left as it was."""
    if headless:
        await _print_lines(board)
        return
    console = Console(stderr=True)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(render(board, console.size.height, console.size.width), refresh=True)
            await asyncio.sleep(REFRESH_S)


async def _print_lines(board: Board) -> None:
    """Print each event once and a line of progress every few seconds."""
    said = 0.0
    last_s = -math.inf
    try:
        while True:
            said = _print_events(board, said)
            now_s = time.monotonic()
            if now_s - last_s >= PLAIN_EVERY_S:
                _print(plain_line(board))
                last_s = now_s
            await asyncio.sleep(REFRESH_S)
    finally:
        _print_events(board, said)


def _print_events(board: Board, said: float) -> float:
    """Print what was told after a moment; return the moment of the last."""
    for at_s, text in board.events:
        if at_s > said:
            _print(f"{_clock(at_s)} {text}")
            said = at_s
    return said


def plain_line(board: Board) -> str:
    """One line that says where the run is."""
    line = board.stage
    if board.steps > 0.0:
        line += f" {min(board.step, board.steps):.0f}/{board.steps:.0f}"
    if board.sites:
        live = sum(site.link == "live" for site in board.sites)
        line += f" | {live}/{len(board.sites)} links live"
    point = _latest(board)
    if point is not None:
        delivered_w = point.measured_w + point.booked_w
        line += f" | promised {_kw(point.promised_w)} delivered {_kw(delivered_w)}"
    return line


def render(board: Board, height: int, width: int) -> RenderableType:
    """Lay the board out for a terminal of that size."""
    rows = max(3, height - _ROWS_BESIDE)
    return Group(
        _head(board, width),
        Panel(_course(board, width - 4), title="promised / delivered · 指令 / 実績"),
        _fleet(board.sites, rows),
        Panel(_events(board), title="events · 出来事"),
    )


def _head(board: Board, width: int) -> RenderableType:
    head = Table.grid(padding=(0, 2))
    head.add_row(Text(board.stage, style="bold"), Text(f"page {board.page}", style="cyan"))
    total = board.steps or None
    bar = ProgressBar(total=total, completed=board.step, pulse=total is None, width=width - 2)
    return Group(head, bar, Text("Ctrl-C ends everything cleanly", style="dim"))


def _course(board: Board, width: int) -> RenderableType:
    """Two lines of blocks on one scale, and the latest numbers."""
    shown = min(_COURSE_MAX, max(10, width - _LABEL - 2))
    seconds = sorted(board.points)[-shown:]
    points = [board.points[second] for second in seconds]
    promised = [point.promised_w for point in points]
    delivered = [point.measured_w + point.booked_w for point in points]
    scale_w = max([board.award_w, *map(abs, promised), *map(abs, delivered), 1.0])
    lines = [
        Text(f"{'promised':<{_LABEL}}{spark(promised, scale_w)}"),
        Text(f"{'delivered':<{_LABEL}}{spark(delivered, scale_w)}", style="cyan"),
    ]
    if points:
        error_pct = 100.0 * (delivered[-1] - promised[-1]) / max(board.award_w, 1.0)
        lines.append(
            Text(
                f"{_kw(promised[-1])} promised, {_kw(delivered[-1])} delivered, "
                f"error {error_pct:+.1f} % of the award of {_kw(board.award_w)}"
            )
        )
    return Group(*lines)


def spark(values: Sequence[float], scale: float) -> str:
    """Draw values in -scale..scale as blocks.

    Parameters
    ----------
    values : sequence of float
        What to draw.
    scale : float
        Value of the highest block, > 0.
    """
    last = len(_BLOCKS) - 1
    parts = [min(max((value / scale + 1.0) / 2.0, 0.0), 1.0) for value in values]
    return "".join(_BLOCKS[round(part * last)] for part in parts)


def _fleet(sites: Sequence[SiteNow], rows: int) -> RenderableType:
    """Table of the fleet; cut and late sites first when not all fit."""
    table = Table(expand=True, pad_edge=False)
    for name in ("site", "link", "age s", "mode", "share", "delivered"):
        table.add_column(name, justify="left" if name in {"site", "link", "mode"} else "right")
    order = sorted(sites, key=lambda site: (not site.cut, site.link == "live", site.site_id))
    for site in order[:rows] if len(sites) > rows else sites:
        style = "dim" if site.link != "live" else ""
        link = Text(f"{site.link}{' ✂' if site.cut else ''}", style=_LINK_STYLES.get(site.link, ""))
        age = "–" if site.age_s is None else f"{site.age_s:.0f}"
        table.add_row(
            site.site_id, link, age, site.mode, _kw(site.share_w), _kw(site.delivered_w),
            style=style,
        )  # fmt: skip
    if len(sites) > rows:
        table.caption = f"{len(sites) - rows} more on the page"
    return table


def _events(board: Board) -> RenderableType:
    recent = list(board.events)[-_EVENTS_SHOWN:]
    return Text("\n".join(f"{_clock(at_s)} {text}" for at_s, text in recent))


def _latest(board: Board) -> PointNow | None:
    return board.points[max(board.points)] if board.points else None


def _kw(power_w: float | None) -> str:
    return "–" if power_w is None else f"{power_w / 1e3:+.2f} kW"


def _clock(at_s: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at_s))


def _print(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
