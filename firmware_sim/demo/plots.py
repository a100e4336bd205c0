"""The report's plots as SVG texts. Draws only; every number is computed elsewhere."""

import io
from collections.abc import Callable, Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from firmware_sim.demo.records import FloatArray, RunRecord
from firmware_sim.demo.tracking import NEAR_SHARE, fleet_w, promised_w

WIDTH_IN, HEIGHT_IN = 5.4, 2.9
LINES_MAX: Final = 250
_CUT, _KILL, _PROMISED, _DELIVERED, _QUIET = "#f3b43f", "#c62828", "#555555", "#0b6bcb", "#b8c0c8"
_STRONG: Final = ("#0b6bcb", "#c2410c", "#15803d", "#7e22ce", "#be185d", "#0e7490", "#854d0e")
_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e9ec",
    "svg.hashsalt": "vpp",
}


def draw_all(record: RunRecord) -> dict[str, str]:
    """Draw every plot.

    Parameters
    ----------
    record : RunRecord
        The run.

    Returns
    -------
    dict of str to str
        Name to SVG text: ``delivery``, ``error``, ``sites``, ``soc``, ``cycles``.
    """
    drawings: dict[str, Callable[[Any, RunRecord], None]] = {
        "delivery": _delivery,
        "error": _error,
        "sites": _sites,
        "soc": _soc,
        "cycles": _cycles,
    }
    return {name: _svg(draw, record) for name, draw in drawings.items()}


def _svg(draw: Callable[[Any, RunRecord], None], record: RunRecord) -> str:
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), layout="constrained")
        draw(figure.add_subplot(), record)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]


def _times(record: RunRecord) -> FloatArray:
    return np.asarray(record.table.second - record.start_s, dtype=np.float64)


def _delivery(axes: Any, record: RunRecord) -> None:  # noqa: ANN401  matplotlib has no types
    times, promised = _times(record), promised_w(record.table.second, record.commands)
    _spans(axes, record)
    axes.step(times, promised / 1e3, where="post", color=_PROMISED, lw=1.1, label="promised")
    axes.step(times, fleet_w(record.table) / 1e3, where="post", color=_DELIVERED, label="delivered")
    axes.set(xlabel="s after the start of the award", ylabel="kW, + toward the grid")
    _legend(axes)


def _error(axes: Any, record: RunRecord) -> None:  # noqa: ANN401  as above
    error_w = fleet_w(record.table) - promised_w(record.table.second, record.commands)
    _spans(axes, record)
    near_pct = 100.0 * NEAR_SHARE
    axes.axhspan(-near_pct, near_pct, color="#15803d", alpha=0.12, lw=0)
    axes.step(_times(record), 100.0 * error_w / record.award_w, where="post", color=_DELIVERED)
    axes.set(xlabel="s after the start of the award", ylabel="error, % of the award")


def _sites(axes: Any, record: RunRecord) -> None:  # noqa: ANN401  as above
    table, times = record.table, _times(record)
    cut = [cut.site_id for cut in record.cuts][: len(_STRONG)]
    _spans(axes, record)
    for row, site_id in enumerate(table.site_ids[:LINES_MAX]):
        if site_id not in cut:
            axes.plot(times, table.delivered_w[row] / 1e3, color=_QUIET, lw=0.7)
    for site_id, colour in zip(cut, _STRONG, strict=False):
        row = table.site_ids.index(site_id) if site_id in table.site_ids else -1
        if row >= 0:
            axes.plot(times, table.delivered_w[row] / 1e3, color=colour, lw=1.1, label=site_id)
            axes.plot(times, table.share_w[row] / 1e3, color=colour, lw=0.8, ls=":")
    axes.set(xlabel="s after the start of the award", ylabel="kW; dotted: the site's share")
    _legend(axes)


def _soc(axes: Any, record: RunRecord) -> None:  # noqa: ANN401  as above
    for index, (_, course) in enumerate(sorted(record.socs.items())[:LINES_MAX]):
        seconds = sorted(course)
        colour = _STRONG[index % len(_STRONG)]
        shown = [100.0 * course[second] for second in seconds]
        axes.plot([second - record.start_s for second in seconds], shown, color=colour, lw=0.9)
    axes.set(xlabel="s after the start of the award", ylabel="battery, % of usable energy")


def _cycles(axes: Any, record: RunRecord) -> None:  # noqa: ANN401  as above
    if record.cycles_ms:
        times_ms = np.array(record.cycles_ms)
        axes.hist(times_ms, bins=60, color=_DELIVERED)
        axes.set_yscale("log")
        for share, colour in ((99.0, "#c2410c"), (99.9, _KILL)):
            at = float(np.percentile(times_ms, share))
            axes.axvline(at, color=colour, lw=1.0, label=f"p{share:g} = {at:.1f} ms")
        _legend(axes)
    axes.set(xlabel="own work of a cycle, ms", ylabel="cycles")


def _spans(axes: Any, record: RunRecord) -> None:  # noqa: ANN401  as above
    """Shade the cuts and mark the kills."""
    cuts = {(cut.begin_s, cut.end_s) for cut in record.cuts}
    if cuts:
        begin_s, end_s = min(begin for begin, _ in cuts), max(end for _, end in cuts)
        label = f"{len(record.cuts)} links cut"
        axes.axvspan(
            begin_s - record.start_s,
            end_s - record.start_s,
            color=_CUT,
            alpha=0.22,
            lw=0,
            label=label,
        )
    for kill in record.kills:
        at_s = kill.at_s - record.start_s
        back_s = at_s if kill.back_s is None else kill.back_s - record.start_s
        axes.axvspan(at_s, back_s, color=_KILL, alpha=0.12, lw=0)
        axes.axvline(at_s, color=_KILL, lw=0.9, ls="--")
        axes.annotate(
            kill.victim,
            (at_s, 1.0),
            xycoords=("data", "axes fraction"),
            rotation=90,
            va="top",
            ha="right",
            fontsize=7,
            color=_KILL,
        )


def _legend(axes: Any) -> None:  # noqa: ANN401  as above
    handles: Sequence[Any] = axes.get_legend_handles_labels()[0]
    if handles:
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            borderaxespad=0.2,
            fontsize=7,
            frameon=False,
            ncols=min(5, len(handles)),
        )
