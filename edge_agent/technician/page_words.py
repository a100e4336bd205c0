"""The words and the markup of the gateway's own page, Japanese and English. Pure data and text."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from edge_agent.cycle.hand import HandMemory
from edge_agent.technician.moments import shown
from edge_agent.technician.status import Status

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "title": "Site",
        "mode": "Mode",
        "why": "Why",
        "age": "Age of this, s",
        "agent": "Agent",
        "runs": "runs",
        "stopped": "does not run; every device is at its own default",
        "device": "Device",
        "power": "Power, W",
        "told": "Told, W",
        "limited": "Limited by",
        "meter": "Meter, W",
        "hand": "In a person's hand",
        "safe_by": "Safe, by",
        "until": "until",
        "alarms": "Alarms",
        "none": "none",
        "override": "Hold this power",
        "release": "Give back to automatic control",
        "safe": "Make the site safe",
        "all": "(whole site)",
        "minutes": "Minutes",
        "reason": "Reason",
        "by": "Your name",
        "pin": "PIN",
        "done": "Done.",
        "refused": "Refused:",
        "back": "Back",
        "wrong_pin": "the PIN is wrong",
        "locked": "too many wrong PINs; wait a minute",
        "no_cycle": "no cycle yet",
    },
    "ja": {
        "title": "サイト",
        "mode": "運転モード",
        "why": "理由",
        "age": "この情報の経過秒",
        "agent": "エージェント",
        "runs": "動作中",
        "stopped": "停止中。全機器は機器自身の既定動作です",
        "device": "機器",
        "power": "電力 W",
        "told": "指令 W",
        "limited": "制限の根拠",
        "meter": "受電点 W",
        "hand": "手動操作中",
        "safe_by": "安全状態、実施者",
        "until": "期限",
        "alarms": "警報",
        "none": "なし",
        "override": "この電力で固定",
        "release": "自動制御へ戻す",
        "safe": "安全状態にする",
        "all": "(サイト全体)",
        "minutes": "分",
        "reason": "理由",
        "by": "氏名",
        "pin": "暗証番号",
        "done": "実行しました。",
        "refused": "実行できません:",
        "back": "戻る",
        "wrong_pin": "暗証番号が違います",
        "locked": "暗証番号の誤りが続きました。1分待ってください",
        "no_cycle": "まだ周期がありません",
    },
}
_STYLE: Final = (
    "body{font:16px sans-serif;margin:1em;max-width:60em}table{border-collapse:collapse}"
    "td,th{padding:.3em .8em;border-bottom:1px solid #ccc;text-align:left}"
    "form{margin:1em 0;padding:.8em;border:1px solid #888}input,select,button{font:inherit;"
    "margin:.2em}iframe{width:100%;height:26em;border:0}.safe{border:3px solid #b00}"
)


def document(language: str, body: str, *, refresh_s: int = 0) -> str:
    """Put a body into a whole page."""
    again = f'<meta http-equiv="refresh" content="{refresh_s}">' if refresh_s else ""
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">{again}'
        f'<meta name="viewport" content="width=device-width"><title>VPP</title>'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>"
    )


def state_body(language: str, status: Status, hand: HandMemory) -> str:
    """Show what the site does, and why."""
    words, page = WORDS[language], status.last
    runs = words["runs"] if status.agent_pid is not None else words["stopped"]
    rows = [(words["agent"], runs)]
    if page is None:
        rows.append((words["mode"], words["no_cycle"]))
    else:
        rows += [
            (words["mode"], page.mode),
            (words["why"], page.reason),
            (words["age"], f"{status.age_s or 0.0:.0f}"),
            (words["meter"], _watts(page.meter_w)),
        ]
    rows.append((words["hand"], _in_hand(words, hand)))
    alarms = "; ".join(f"{one.name}: {one.detail}" for one in status.alarms)
    rows.append((words["alarms"], alarms or words["none"]))
    head = "".join(f"<tr><th>{escape(a)}</th><td>{escape(b)}</td></tr>" for a, b in rows)
    lines = [
        (one.resource_id, _watts(one.power_w), _watts(one.setpoint_w), one.limited_by, one.reason)
        for one in (() if page is None else page.resources)
    ]
    titles = (words[k] for k in ("device", "power", "told", "limited", "why"))
    return (
        f"<table>{head}</table><table><tr>"
        + "".join(f"<th>{escape(title)}</th>" for title in titles)
        + "</tr>"
        + "".join(_row(line) for line in lines)
        + "</table>"
    )


def front_body(language: str, site_id: str, devices: Sequence[str]) -> str:
    """Show the state in a frame that renews itself, and the three forms beside it."""
    words = WORDS[language]
    other = "en" if language == "ja" else "ja"
    some = "".join(f"<option>{escape(name)}</option>" for name in devices)
    whole = f'<option value="">{escape(words["all"])}</option>{some}'
    power = _field(words["power"], "power_w", "number") + _field(
        words["minutes"], "minutes", "number"
    )
    return (
        f'<p><a href="/?lang={other}">{other}</a></p><h1>{escape(words["title"])} '
        f'{escape(site_id)}</h1><iframe src="/state?lang={language}"></iframe>'
        + _form(language, "override", f'<select name="device">{some}</select>{power}')
        + _form(language, "release", f'<select name="device">{whole}</select>')
        + _form(language, "safe", "")
    )


def answer_body(language: str, refused: str) -> str:
    """Say what became of an order."""
    words = WORDS[language]
    said = f"{words['refused']} {refused}" if refused else words["done"]
    return f'<p>{escape(said)}</p><p><a href="/?lang={language}">{escape(words["back"])}</a></p>'


def _form(language: str, kind: str, inside: str) -> str:
    words = WORDS[language]
    common = (
        _field(words["by"], "by", "text")
        + _field(words["reason"], "reason", "text")
        + _field(words["pin"], "pin", "password")
    )
    return (
        f'<form class="{kind}" method="post" action="/{kind}?lang={language}">{inside}{common}'
        f"<button>{escape(words[kind])}</button></form>"
    )


def _field(label: str, name: str, kind: str) -> str:
    step = ' step="any"' if kind == "number" else ""
    off = ' autocomplete="off"'
    return f'<label>{escape(label)} <input name="{name}" type="{kind}"{step}{off}></label>'


def _in_hand(words: Mapping[str, str], hand: HandMemory) -> str:
    held = [
        f"{one.resource_id} {one.power_w:.0f} W {words['until']} {shown(one.until)} ({one.by})"
        for one in hand.overrides
    ]
    if hand.safe_by:
        held.insert(0, f"{words['safe_by']} {hand.safe_by}")
    return "; ".join(held) or words["none"]


def _row(cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def _watts(power_w: float | None) -> str:
    return "?" if power_w is None else f"{power_w:.0f}"
