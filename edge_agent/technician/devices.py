"""``edge-agent devices``: list, discover, probe, test, and the templates there are."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.status import Status

from edge_agent.config.loader import load_config
from edge_agent.drivers.frames import NO_TAP, Direction, FrameTap
from edge_agent.technician.bench import DriveWish, discover, drive, probe
from edge_agent.technician.devices_screen import (
    print_devices,
    print_drive,
    print_found,
    print_probe,
    print_templates,
)
from edge_agent.technician.inventory import devices_of, templates_of
from edge_agent.technician.plain import json_text
from protocols.templates.catalogue import PROTOCOLS
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Clock

EXIT_NOT_WELL: Final = 1
_WIDTH_MIN: Final = 120
_HEX_COLUMNS: Final = 16

app = typer.Typer(help="Devices of the site (機器).", no_args_is_help=True)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The site's TOML file. サイト設定ファイル。")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for programs. JSON で出力。")]
FramesOption = Annotated[
    bool, typer.Option("--frames", help="Show every raw frame. 生フレームを表示。")
]
DeviceArgument = Annotated[str, typer.Argument(metavar="DEVICE", help="Its id. 機器 ID。")]
_CONFIG: Final = Path("site.toml")


@app.command("list", epilog="Example 例: edge-agent devices list --config site.toml")
def list_devices(
    context: typer.Context, config: ConfigOption = _CONFIG, *, json: JsonOption = False
) -> None:
    """List the configured devices, what they do and how often they were written (一覧)."""
    lines = devices_of(load_config(config), _clock(context).now())
    if json:
        _print_json(lines)
    else:
        print_devices(_console(), lines)


@app.command(epilog="Example 例: edge-agent devices templates --protocol sunspec")
def templates(
    *,
    protocol: Annotated[
        str | None, typer.Option(help=f"One of {', '.join(PROTOCOLS)}. プロトコル。")
    ] = None,
    json: JsonOption = False,
) -> None:
    """List the product families and what each was checked against (機種テンプレート)."""
    if protocol is not None and protocol not in PROTOCOLS:
        raise ConfigError(f"--protocol: {protocol!r} is not one of {', '.join(PROTOCOLS)}")
    lines = templates_of(protocol)
    if json:
        _print_json(lines)
    else:
        print_templates(_console(), lines)


@app.command("discover", epilog="Example 例: edge-agent devices discover --frames")
def discover_command(
    context: typer.Context,
    config: ConfigOption = _CONFIG,
    *,
    frames: FramesOption = False,
    json: JsonOption = False,
) -> None:
    """Look for devices on every configured protocol; the agent must not run (探索)."""
    site = load_config(config)
    with _working("looking for devices 探索中"):
        found = asyncio.run(discover(site, _clock(context), _tap(shown=frames)))
    if json:
        _print_json(found)
    else:
        print_found(_console(), site, found)
    answered = {one.device_id for one in found}
    if any(device.device_id not in answered for device in site.devices):
        raise typer.Exit(EXIT_NOT_WELL)


@app.command("probe", epilog="Example 例: edge-agent devices probe battery-1 --frames")
def probe_command(
    context: typer.Context,
    device: DeviceArgument,
    config: ConfigOption = _CONFIG,
    *,
    frames: FramesOption = False,
    json: JsonOption = False,
) -> None:
    """Ask one device for everything it has; the agent must not run (読み出し)."""
    site = load_config(config)
    with _working(f"asking {device} 読み出し中"):
        found = asyncio.run(probe(site, device, _clock(context), tap=_tap(shown=frames)))
    if json:
        _print_json(found)
    else:
        print_probe(_console(), found)
    if not found.ok:
        raise typer.Exit(EXIT_NOT_WELL)


@app.command("test", epilog="Example 例: edge-agent devices test battery-1 --power 300 --yes")
def drive_command(  # noqa: PLR0913 - one parameter per option of the command line
    context: typer.Context,
    device: DeviceArgument,
    config: ConfigOption = _CONFIG,
    *,
    power: Annotated[
        float | None,
        typer.Option(help="W, + toward the grid; else a tenth of what it can. 電力(W)。"),
    ] = None,
    hold: Annotated[
        float, typer.Option(min=0.0, max=600.0, help="Seconds it holds that. 保持時間(秒)。")
    ] = 5.0,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. 確認しない。")] = False,
    frames: FramesOption = False,
    json: JsonOption = False,
) -> None:
    """Drive one device a little, see it, and give it back; the agent must not run (試験)."""
    site = load_config(config)
    if not yes:
        typer.confirm(f"{device} will move for some seconds. 機器が動作します。Go on?", abort=True)
    with _working(f"driving {device} 試験中"):
        result = asyncio.run(
            drive(
                site,
                device,
                _clock(context),
                wish=DriveWish(power_w=power, hold_s=hold),
                tap=_tap(shown=frames),
            )
        )
    if json:
        _print_json(result)
    else:
        print_drive(_console(), result)
    if not result.ok:
        raise typer.Exit(EXIT_NOT_WELL)


def _tap(*, shown: bool) -> FrameTap:
    return _show_frame if shown else NO_TAP


def _show_frame(direction: Direction, peer: str, data: bytes, /) -> None:
    """Print a frame on standard error, so that --json stays what it is."""
    arrow = "-->" if direction is Direction.SENT else "<--"
    rows = [data[at : at + _HEX_COLUMNS] for at in range(0, len(data), _HEX_COLUMNS)] or [b""]
    for number, row in enumerate(rows):
        head = f"{arrow} {peer}" if number == 0 else ""
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)  # noqa: PLR2004 - printable ASCII
        sys.stderr.write(f"{head:<36} {row.hex(' '):<47}  {text}\n")


def _working(text: str) -> Status:
    return _console(stderr=True).status(text)


def _clock(context: typer.Context) -> Clock:
    clock: Clock | None = context.obj
    assert clock is not None, "run_app passes the clock in"
    return clock


def _console(*, stderr: bool = False) -> Console:
    console = Console(highlight=False, stderr=stderr)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH_MIN, stderr=stderr)
    return console


def _print_json(value: object) -> None:
    sys.stdout.write(f"{json_text(value)}\n")
