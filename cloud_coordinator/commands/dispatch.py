"""``vpp dispatch``: wiring only. Explains what a site owed in one second, and why.

The coordinator answers from its record; the share is computed again here from the curve and
the multiplier it gives. Exit codes: 0 if everything agrees, 1 if something does not, 2 for bad
input.
"""

import json
import sys
from datetime import datetime
from typing import Annotated, Any, Final

import typer

from cloud_coordinator.commands.api_client import (
    URL,
    CaOption,
    KeyFileOption,
    Server,
    UrlOption,
    ask,
)
from protocols.vocabulary.arrays import column
from protocols.vocabulary.errors import ConfigError, VppError
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.intervals import Interval, utc_from_seconds
from protocols.vocabulary.obligation import Service
from protocols.vocabulary.offer import OfferCurve, share

EXIT_BROKEN: Final = 1
EXIT_BAD_INPUT: Final = 2
NEAR_W: Final = 0.5
"""Telemetry is in single precision; what a site tells agrees within this, or a millionth."""
NEAR_PART: Final = 1e-6
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def dispatch() -> None:
    """Dispatch: how the power of a second came about.

    指令配分：その1秒の出力の根拠。
    """


@app.command(
    epilog="Example 例: vpp dispatch explain 2026-07-22T10:00:05+09:00 --site site-001 --json"
)
def explain(  # noqa: PLR0913  one parameter per command line option
    *,
    time: Annotated[str, typer.Argument(help="RFC 3339 with an offset. 時刻。")],
    site: Annotated[str, typer.Option(help="Whose share. サイト。")],
    award: Annotated[str, typer.Option(help="Of several awards, this one. 約定。")] = "",
    url: UrlOption = URL,
    key_file: KeyFileOption = None,
    ca: CaOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON. JSONで出力。")] = False,
) -> None:
    """Recompute the share of a site in one second, and compare it with what it delivered.

    ある1秒のサイト配分を保存データから再計算し、実績と比べます。
    """
    query = {"at": _moment(time).isoformat()}
    if award:
        query["obligation_id"] = award
    found = ask(Server(url=url, key_file=key_file, ca=ca), ("sites", site, "explanation"), query)
    try:
        again_w = _again(found)
        faults = _faults(found, again_w)
        lines = _lines(found, again_w)
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise ConfigError(f"{url}: {error!r} in its answer") from error
    if as_json:
        told = {**found, "recomputed_curve_w": again_w, "faults": faults}
        sys.stdout.write(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write("\n".join([*lines, *(f"differs 不一致: {one}" for one in faults)]) + "\n")
        if not faults:
            sys.stdout.write("agrees 一致\n")
    raise typer.Exit(EXIT_BROKEN if faults else 0)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"TIME: {text!r} is no RFC 3339 time") from error
    if moment.tzinfo is None:
        raise ConfigError(f"TIME: {text!r} has no offset, as in 2026-07-22T10:00:05+09:00")
    return moment


def _again(found: dict[str, Any]) -> float:
    """Compute the curve's power at the multiplier; 0 W without a signal."""
    if found["signal"] is None:
        return 0.0
    service = Service(found["service"])
    curve = OfferCurve(
        site_id=SiteId(found["site_id"]),
        service=service,
        version=found["curve_version"],
        multipliers=column(found["multipliers"]),
        power_w=column(found["power_w"]),
        interval=Interval(start=utc_from_seconds(0), end=utc_from_seconds(1)),
    )
    return share(curve, {service: float(found["signal"]["multiplier"])})


def _faults(found: dict[str, Any], again_w: float) -> list[str]:
    """Say what does not agree, one sentence each."""
    faults = []
    if not _near(again_w, found["curve_w"]):
        faults.append(f"the curve gives {again_w:.1f} W, recorded {found['curve_w']:.1f} W")
    told_w, share_w = found["told_share_w"], found["share_w"]
    if found["signal"] is not None and not found["signal"]["echoed"]:
        faults.append("the site's row names no signal of this award")
    elif told_w is not None and not _near(told_w, share_w):
        faults.append(f"the site says it owed {told_w:.1f} W, recomputed {share_w:.1f} W")
    if told_w is None:
        faults.append("the record holds no row of the site in that second")
    return faults


def _near(one_w: float, other_w: float) -> bool:
    return abs(one_w - other_w) <= max(NEAR_W, NEAR_PART * abs(other_w))


def _lines(found: dict[str, Any], again_w: float) -> list[str]:
    """Tell the chain, link by link."""
    command, signal, segment = found["command"], found["signal"], found["segment"]
    lines = [f"award 約定        {found['obligation_id']} ({found['service']}), {found['at']}"]
    if command is None:
        lines.append("command 指令      none, 0 W  なし")
    else:
        lines.append(f"command 指令      {command['clipped_w']:.1f} W since {command['issued_at']}")
    if signal is None:
        lines.append("multiplier 乗数   no signal was sent  信号なし")
    else:
        lines += [
            f"multiplier 乗数   {signal['multiplier']:.6f} JPY/kWh, signal {signal['signal_id']} "
            f"({'echoed' if signal['echoed'] else 'not echoed'}), {signal['sent_at']}",
            f"                  for {signal['command_w']:.1f} W "
            f"{signal['correction_w']:+.1f} W correction {-signal['held_w']:+.1f} W held, "
            f"{signal['following']} sites follow, {signal['held']} do not",
        ]
    if segment is not None:
        lines.append(
            f"curve 曲線        version {found['curve_version']}: "
            f"{segment['power_w_low']:.1f} W at {segment['multiplier_low']:.4f} to "
            f"{segment['power_w_high']:.1f} W at {segment['multiplier_high']:.4f} JPY/kWh"
        )
    lines += [
        f"share 配分        {again_w:.1f} W by the curve, {found['share_w']:.1f} W inside the "
        f"envelope; the site says {_watts(found['told_share_w'])}",
        f"delivered 実績    {_watts(found['delivered_w'])}, "
        f"a second later {_watts(found['delivered_next_w'])}",
    ]
    return lines


def _watts(value: float | None) -> str:
    return "no number 欠測" if value is None else f"{value:.1f} W"


def main() -> int:
    """Run ``vpp dispatch``.

    Returns
    -------
    int
        Exit code.
    """
    try:
        return int(app(standalone_mode=False, prog_name="vpp dispatch") or 0)
    except typer.TyperException as error:
        return _bad_input(error.format_message())
    except VppError as error:
        return _bad_input(str(error))


def _bad_input(message: str) -> int:
    sys.stderr.write(f"vpp dispatch: {' '.join(message.split())}\n")
    return EXIT_BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
