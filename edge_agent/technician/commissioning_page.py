"""The commissioning record as a page that prints on one sheet, Japanese and English."""

import html
from typing import Final

from edge_agent.technician.commissioning import CommissioningRecord, DeviceLine
from edge_agent.technician.link_trial import LinkTrial

_HEAD: Final = (
    "Device 機器",
    "Read 読取 W",
    "Driven 指令 W",
    "Held 保持 W",
    "Result 結果",
    "Released 解放",
)
_STYLE: Final = (
    "body{font:14px sans-serif;margin:2em}table{border-collapse:collapse;width:100%}"
    "td,th{border:1px solid #888;padding:.3em;text-align:left}code{word-break:break-all}"
)


def page_of(record: CommissioningRecord, *, signature: str) -> str:
    """Write the page.

    Parameters
    ----------
    record : CommissioningRecord
        What was seen.
    signature : str
        The gateway's, hexadecimal, as in the JSON file beside.
    """
    rows = "".join(_row("td", _cells(line)) for line in record.devices)
    word = "passed 合格" if record.ok else "NOT passed 不合格"
    hertz = "–" if record.frequency_hz is None else f"{record.frequency_hz:.3f} Hz"
    missing = "".join(f"<li>{html.escape(one)}</li>" for one in record.not_tested)
    not_tested = f"<p>Not tested 未試験:</p><ul>{missing}</ul>" if missing else ""
    return (
        '<!doctype html><html lang="ja"><meta charset="utf-8">'
        f"<title>{html.escape(record.site_id)}</title><style>{_STYLE}</style>"
        f"<h1>Commissioning 竣工試験: {html.escape(record.site_id)}</h1>"
        f"<p>{record.started_at:%F %T} – {record.ended_at:%T} UTC, certificate 証明書 "
        f"{html.escape(record.serial)}, frequency 周波数 {hertz}: <b>{word}</b></p>"
        f"<table>{_row('th', _HEAD)}{rows}</table>"
        f"<p>Link cut 通信断: {html.escape(_link(record.link))}</p>{not_tested}"
        f"<p>Signature 署名: <code>{html.escape(signature)}</code></p>"
        "<p>Installer 施工者: ____________________ Date 日付: ____________</p></html>\n"
    )


def _row(tag: str, cells: tuple[str, ...]) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def _link(link: LinkTrial | None) -> str:
    if link is None:
        return "not tested 未試験"
    if link.held_ratio is None:
        return link.cause
    back = "did not come back 復帰せず" if link.back_s is None else f"back 復帰 {link.back_s:.1f} s"
    return (
        f"{link.cut_s:.0f} s, obligation of {link.share_w:+,.0f} W held 保持 "
        f"{link.held_ratio:.0%}, {back}{'; ' + link.cause if link.cause else ''}"
    )


def _cells(line: DeviceLine) -> tuple[str, ...]:
    return (
        line.device_id,
        _plain(line.power_w),
        _plain(line.asked_w),
        _plain(line.held_w),
        line.driven,
        line.released,
    )


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:+,.0f}"
