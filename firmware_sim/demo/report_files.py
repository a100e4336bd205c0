"""Writes the report: HTML with plots for people, CSV per second, JSON for programs.

The HTML needs nothing beside itself and is readable on a phone.
"""

import csv
import html
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from firmware_sim.demo.records import RunRecord
from firmware_sim.demo.tracking import fleet_w, promised_w

MODE_CHANGES_SHOWN: Final = 200

_CAPTIONS: Final = (
    ("delivery", "Promised and delivered / 指令と実績", "promised_w delivered_w"),
    ("error", "Error / 誤差", "delivered_within_5pct_ratio"),
    (
        "sites",
        "Sites, cut ones in colour / 拠点（通信断は色付き）",
        "obligation_held_while_cut_ratio",
    ),
    ("soc", "State of charge / 充電率", ""),
    ("cycles", "Cycle time of the agents / 制御周期の処理時間", "cycle_ms"),
)

_FIGURES: Final = (
    ("samples_expected", "samples expected / 記録行数", ""),
    ("samples_lost", "lost / 欠測", ""),
    ("samples_duplicated", "counted twice / 重複", ""),
    ("seconds_without_sample", "seconds without a sample / 記録のない秒", "s"),
    ("delivered_within_5pct_ratio", "within 5 % of the award / 契約±5 %以内", "%"),
    ("delivered_within_5pct_of_command_ratio", "within 5 % of the command / 指令±5 %以内", "%"),
    ("error_rms_pct", "error of award, rms / 誤差(rms)", "pct"),
    ("error_median_pct", "error of award, median / 誤差(中央値)", "pct"),
    ("error_max_pct", "error of award, worst / 誤差(最大)", "pct"),
    ("response_lag_s", "response lag / 応答遅れ", "s"),
    ("error_rms_at_lag_pct", "error of award, rms, at that lag / 遅れ補正後", "pct"),
    ("sites_cut", "sites cut off / 通信断の拠点", ""),
    ("obligation_held_while_cut_ratio", "obligation held while cut / 断中の履行", "%"),
    ("mode_changes", "mode changes / モード遷移", ""),
)
_RATIOS: Final = frozenset({"%"})

_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1b2733;--paper:#f6f7f9;--card:#fff;--line:#d9dee3;
--good:#15803d;--bad:#c62828;--soft:#5b6670}
@media(prefers-color-scheme:dark){:root{--ink:#e7ebef;--paper:#12171c;--card:#1b2229;
--line:#333d46;--good:#4ade80;--bad:#ff8a80;--soft:#a3aeb8}}
*{box-sizing:border-box}body{margin:0 auto;padding:16px;max-width:1180px;background:var(--paper);
color:var(--ink);font:15px/1.5 system-ui,"Hiragino Sans","Noto Sans JP",sans-serif}
h1{font-size:1.35rem;margin:.2em 0}h2{font-size:1.05rem;margin:1.4em 0 .5em}
.verdict{padding:12px 14px;border-radius:8px;background:var(--card);border-left:6px solid}
.good{border-color:var(--good)}.bad{border-color:var(--bad)}
.figures{display:grid;gap:8px;grid-template-columns:repeat(auto-fill,minmax(158px,1fr))}
.figure,figure{background:var(--card);border:1px solid var(--line);border-radius:8px}
.figure{padding:8px 10px}.figure b{display:block;font-size:1.25rem;font-weight:600}
.figure span{color:var(--soft);font-size:.8rem}
.plots{display:grid;gap:12px;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr))}
figure{margin:0;padding:10px}figure svg{width:100%;height:auto;background:#fff;border-radius:4px}
figcaption{font-weight:600}figcaption small{display:block;font-weight:400;color:var(--soft)}
.wide{overflow-x:auto}table{border-collapse:collapse;background:var(--card);font-size:.85rem}
th,td{padding:4px 9px;border:1px solid var(--line);text-align:right;white-space:nowrap}
th:first-child,td:first-child,td.text{text-align:left}dt{font-weight:600;margin-top:.5em}
dd{margin:0 0 0 1em;color:var(--soft)}summary{cursor:pointer;padding:6px 0}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:.8rem}
"""


def write_json(report: Mapping[str, Any], paths: Iterable[Path]) -> None:
    """Write the JSON to each path, whole or not at all."""
    text = json.dumps(report, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    for path in paths:
        write_whole(path, text)


def write_whole(path: Path, text: str) -> None:
    """Write a file beside its place, then move it there."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def csv_text(record: RunRecord) -> str:
    """One line per second of the award.

    Returns
    -------
    str
        Columns: Unix second, UTC, promised, delivered, error, error in per cent of the award,
        sites with a sample, links cut; then delivered power and share of each site, W.
    """
    table = record.table
    promised, delivered = promised_w(table.second, record.commands), fleet_w(table)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        [
            *("second", "utc", "promised_w", "delivered_w", "error_w", "error_pct_of_award"),
            *("sites_sampled", "links_cut"),
            *(f"{site}.{what}" for site in table.site_ids for what in ("delivered_w", "share_w")),
        ]
    )
    for column, second in enumerate(table.second.tolist()):
        error_w = delivered[column] - promised[column]
        pairs = zip(table.delivered_w[:, column], table.share_w[:, column], strict=True)
        writer.writerow(
            [
                second,
                datetime.fromtimestamp(second, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                *(_cell(value) for value in (promised[column], delivered[column], error_w)),
                _cell(100.0 * error_w / record.award_w),
                int(np.isfinite(table.delivered_w[:, column]).sum()),
                sum(cut.begin_s <= second < cut.end_s for cut in record.cuts),
                *(_cell(value) for pair in pairs for value in pair),
            ]
        )
    return stream.getvalue()


def html_text(report: Mapping[str, Any], plots: Mapping[str, str]) -> str:
    """Return the whole page.

    Parameters
    ----------
    report : mapping
        From :func:`firmware_sim.demo.verdict.build_report`.
    plots : mapping of str to str
        SVG texts.
    """
    mark = "good" if report["ok"] else "bad"
    word = "OK" if report["ok"] else "NOT GOOD ENOUGH / 不合格"
    figures = "".join(_figure(report, *entry) for entry in _FIGURES)
    definitions = report["definitions"]
    pictures = "".join(_picture(plots, definitions, *entry) for entry in _CAPTIONS)
    sections = [
        _per_site(report["per_site"]),
        _disturbances(report),
        _folded("Mode changes / モード遷移", _mode_changes(report["mode_change_list"])),
        _folded("Definitions / 定義", _definitions(definitions)),
        _folded("Run, machine, sources / 実行条件", _pre(_rest(report))),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>vpp demo: {html.escape(word)}</title><style>{_STYLE}</style></head><body>"
        "<h1>Virtual power plant, one run / 仮想発電所デモ</h1>"
        f'<p class="verdict {mark}"><b>{html.escape(word)}</b><br>'
        f"{html.escape(str(report['verdict']))}</p>"
        f'<h2>Figures / 主要な数値</h2><div class="figures">{figures}</div>'
        f'<h2>Plots / グラフ</h2><div class="plots">{pictures}</div>'
        f"{''.join(sections)}</body></html>\n"
    )


def _cell(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else ""


def _shown(value: object, unit: str) -> str:
    if value is None:
        return "–"
    if unit in _RATIOS and isinstance(value, int | float):
        return f"{100.0 * value:.1f} %"
    text = f"{value:.2f}" if isinstance(value, float) else str(value)
    return f"{text} {unit.replace('pct', '%')}".strip()


def _figure(report: Mapping[str, Any], key: str, title: str, unit: str) -> str:  # noqa: PLR0917  a table's row
    meaning = html.escape(report["definitions"].get(key, ""), quote=True)
    value = html.escape(_shown(report[key], unit))
    return f'<div class="figure" title="{meaning}"><span>{title}</span><b>{value}</b></div>'


def _picture(plots: Mapping[str, str], definitions: Mapping[str, str], *entry: str) -> str:
    name, title, keys = entry
    meaning = "; ".join(html.escape(definitions[key]) for key in keys.split())
    return f"<figure><figcaption>{title}<small>{meaning}</small></figcaption>{plots[name]}</figure>"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    top = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(_shown(cell, ''))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><tr>{top}</tr>{body}</table></div>'


def _per_site(sites: Sequence[Mapping[str, Any]]) -> str:
    head = ("site", "link cut", "expected", "lost", "twice", "s without", "delivered Wh",
            "|delivered - share| median W", "mode changes", "cycle p99 ms")  # fmt: skip
    rows = [
        (
            site["site_id"],
            "cut" if site["cut"] else "",
            site["expected"],
            site["lost"],
            site["duplicated"],
            site["seconds_without_sample"],
            site["delivered_wh"],
            site["share_error_median_w"],
            site["mode_changes"],
            site["cycle_ms"].get("p99"),
        )
        for site in sites
    ]
    return f"<h2>Per site / 拠点別</h2>{_table(head, rows)}"


def _disturbances(report: Mapping[str, Any]) -> str:
    text = ""
    if report["cut_periods"]:
        head = ("site", "cut by", "s", "held s", "no sample s", "share W", "worst W")
        rows = [
            (cut["site_id"], cut["kind"], cut["seconds"], cut["held"], cut["unsampled"],
             cut["share_w"], cut["worst_w"])
            for cut in report["cut_periods"]
        ]  # fmt: skip
        text += f"<h2>Cut links / 通信断</h2>{_table(head, rows)}"
    if report["kills"]:
        start_s = report["award"]["start_s"]
        columns = ("killed (-9)", "site", "s after start", "back after s")
        rows_of_kills = [
            (kill["victim"], kill["site_id"], kill["at_s"] - start_s,
             None if kill["back_s"] is None else kill["back_s"] - kill["at_s"])
            for kill in report["kills"]
        ]  # fmt: skip
        text += f"<h2>Kills / 強制終了</h2>{_table(columns, rows_of_kills)}"
    return text


def _mode_changes(changes: Sequence[Mapping[str, Any]]) -> str:
    head = ("site", "at", "from", "to", "why")
    rows = [
        (change["site_id"], change.get("at"), change.get("before"), change.get("after"),
         change.get("reason"))
        for change in changes[:MODE_CHANGES_SHOWN]
    ]  # fmt: skip
    more = len(changes) - len(rows)
    tail = f"<p>and {more} more: see report.json</p>" if more > 0 else ""
    return _table(head, rows) + tail


def _definitions(definitions: Mapping[str, str]) -> str:
    entries = "".join(
        f"<dt>{html.escape(key)}</dt><dd>{html.escape(text)}</dd>"
        for key, text in definitions.items()
    )
    return f"<dl>{entries}</dl>"


def _rest(report: Mapping[str, Any]) -> dict[str, Any]:
    shown = {"definitions", "per_site", "mode_change_list", "cut_periods", "kills", "format"}
    return {key: value for key, value in report.items() if key not in shown}


def _pre(value: object) -> str:
    return f"<pre>{html.escape(json.dumps(value, ensure_ascii=False, indent=1))}</pre>"


def _folded(title: str, content: str) -> str:
    return f"<details><summary><b>{title}</b></summary>{content}</details>"
