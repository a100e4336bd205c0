"""``edge-agent override | release | safe``: a person's hand on a running agent, with no network.

The order goes through the folder the agent looks into each second; the command waits for its
answer. Nothing is written to a device here: the agent does that, inside stronger limits, and
journals who ordered what and why. The gateway's page (:mod:`edge_agent.technician.page`) uses
the same functions.
"""

import asyncio
import getpass
import os
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import msgpack
import typer

from edge_agent.config.loader import load_config
from edge_agent.config.site import SiteConfig
from edge_agent.control.records import from_plain
from edge_agent.cycle.hand import OVERRIDE_MAX, HandKind, HandMemory, HandOrder
from edge_agent.cycle.hand_door import answered, knock, withdraw
from edge_agent.cycle.memory import HAND
from edge_agent.journal.opening import writer_pid
from edge_agent.journal.reader import JournalReader
from edge_agent.technician.bench import device_named
from edge_agent.technician.plain import json_text
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Clock

EXIT_REFUSED: Final = 1
WAIT_S: Final = 5.0
"""How long an answer is waited for: a cycle is due every second."""
LOOK_S: Final = 0.05
_MINUTES_MAX: Final = int(OVERRIDE_MAX.total_seconds() // 60)
_CONFIG: Final = Path("site.toml")

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The site's TOML file. サイト設定ファイル。")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for programs. JSON で出力。")]
ByOption = Annotated[str, typer.Option(help="Who orders this; default: the user. 実施者。")]
ReasonOption = Annotated[str, typer.Option(help="Why; it is journaled. 理由。")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person asks for, before it is an order.

    Attributes
    ----------
    kind : HandKind
        What.
    by, reason : str
        Who, and why.
    device_id : str
        As configured; empty for the whole site.
    power_w : float or None
        W, generator frame.
    minutes : float
        How long an override lasts.
    """

    kind: HandKind
    by: str
    reason: str = ""
    device_id: str = ""
    power_w: float | None = None
    minutes: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HandAnswer:
    """What became of an order.

    Attributes
    ----------
    order_id : str
        Its name in the journal.
    is_done : bool
        Whether the agent did it.
    refused : str
        Why not; empty if done.
    """

    order_id: str
    is_done: bool
    refused: str


def hand_memory(reader: JournalReader) -> HandMemory:
    """Return overrides and the safe state that stand, as they were journaled last."""
    packed = reader.state(HAND)
    return from_plain(HandMemory, msgpack.unpackb(packed)) if packed else HandMemory()


async def order_of_agent(site: SiteConfig, wish: Wish, clock: Clock) -> HandAnswer:
    """Give an order to the running agent and wait for its answer.

    Raises
    ------
    ConfigError
        If no agent runs here, it does not answer, or there is no such device.
    """
    if writer_pid(site.journal_path) is None:
        raise ConfigError(
            f"{site.site_id}: no agent runs here; without one every device is released to its own"
            " default"
        )
    now = clock.now()
    device = device_named(site, wish.device_id) if wish.device_id else None
    order = HandOrder(
        order_id=f"{now:%Y%m%dT%H%M%S}-{os.getpid()}-{clock.monotonic_ns()}",
        kind=wish.kind,
        by=wish.by,
        reason=wish.reason,
        given_at=now,
        resource_id=None if device is None else site.resource_id(device.device_id),
        power_w=wish.power_w,
        until=now + timedelta(minutes=wish.minutes) if wish.minutes else None,
    )
    place = knock(site.data_dir, order)
    until_ns = clock.monotonic_ns() + round(WAIT_S * 1e9)
    while clock.monotonic_ns() < until_ns:
        said = answered(place)
        if said is not None:
            return HandAnswer(order_id=order.order_id, is_done=not said, refused=said)
        await asyncio.sleep(LOOK_S)
    withdraw(place)
    raise ConfigError(
        f"{site.site_id}: the agent did not answer in {WAIT_S:.0f} s; order withdrawn"
    )


def override_command(  # noqa: PLR0913, PLR0917 - one parameter per command line option
    context: typer.Context,
    device: Annotated[str, typer.Argument(help="Device, as configured. 機器ID。")],
    power_w: Annotated[
        float, typer.Argument(help="W; + gives to the grid. 出力W、＋が放電・発電。")
    ],
    config: ConfigOption = _CONFIG,
    *,
    minutes: Annotated[
        float, typer.Option("--for", min=0.1, max=_MINUTES_MAX, help="Minutes. 継続分数。")
    ] = 15.0,
    by: ByOption = "",
    reason: ReasonOption = "",
    json: JsonOption = False,
) -> None:
    """Hold one device at a power for some minutes (機器を手動で固定)."""
    wish = Wish(
        kind=HandKind.OVERRIDE,
        by=by or getpass.getuser(),
        reason=reason,
        device_id=device,
        power_w=power_w,
        minutes=minutes,
    )
    _give(context, config, wish, as_json=json)


def release_command(  # noqa: PLR0913 - one parameter per command line option
    context: typer.Context,
    device: Annotated[str, typer.Argument(help="Device; all without. 機器ID、省略で全部。")] = "",
    config: ConfigOption = _CONFIG,
    *,
    by: ByOption = "",
    reason: ReasonOption = "",
    json: JsonOption = False,
) -> None:
    """Give a device, or the whole site, back to automatic control (手動を解除)."""
    wish = Wish(kind=HandKind.RELEASE, by=by or getpass.getuser(), reason=reason, device_id=device)
    _give(context, config, wish, as_json=json)


def safe_command(
    context: typer.Context,
    config: ConfigOption = _CONFIG,
    *,
    by: ByOption = "",
    reason: ReasonOption = "",
    json: JsonOption = False,
) -> None:
    """Let every device go at once, until `edge-agent release` (全機器を安全状態へ)."""
    wish = Wish(kind=HandKind.SAFE, by=by or getpass.getuser(), reason=reason)
    _give(context, config, wish, as_json=json)


def _give(context: typer.Context, config: Path, wish: Wish, *, as_json: bool) -> None:
    clock: Clock | None = context.obj
    assert clock is not None, "run_app passes the clock in"
    site = load_config(config)
    found = asyncio.run(order_of_agent(site, wish, clock))
    if as_json:
        sys.stdout.write(f"{json_text(found)}\n")
    elif found.is_done:
        sys.stdout.write(f"{wish.kind.value}: done 実行しました ({found.order_id})\n")
    else:
        sys.stderr.write(f"edge-agent: {wish.kind.value}: refused: {found.refused}\n")
    if not found.is_done:
        raise typer.Exit(EXIT_REFUSED)
