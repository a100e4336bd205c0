"""``vpp bench der``: polls per second, latency and processor time of the servers of DER protocols.

A benchmark measures and prints; it judges nothing, and says so when the peer to compare with is
not there.
"""

import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TextIO

import typer

from firmware_sim.bench_der.ieee2030_5 import measure_2030_5
from firmware_sim.bench_der.measure import Cost, Plan, free_port, measure_vtn
from firmware_sim.bench_der.peer import peer_python
from firmware_sim.bench_der.restart import RestartCost, measure_restart
from firmware_sim.bench_der.servers import make_ground, our_vtn, peer_vtn
from firmware_sim.demo.machine import describe_machine, describe_versions, machine_line
from firmware_sim.demo.processes import Family, once
from firmware_sim.demo.programs import check_programs, environment
from protocols.vocabulary.errors import ConfigError, VppError

FORMAT: Final = "vpp-bench-der/1"
STANDARD_OUTPUT: Final = "-"
CLIENTS_MAX: Final = 5_000
SECONDS_MIN: Final = 1.0
SECONDS_MAX: Final = 3_600.0
EVERY_S: Final = 10.0
RESTART_VENS_MAX: Final = 100
RESTART_SHARE: Final = 0.3
EXIT_FAILED: Final = 1
EXIT_BAD_INPUT: Final = 2
EXIT_INTERRUPTED: Final = 130
DEFINITIONS: Final = {
    "natural": f"each client polls every {EVERY_S:.0f} s, phases spread; latency from when the "
    "poll was due",
    "closed loop": "32 requests under way at a time, each client in turn",
    "cpu_ms_per_poll": "processor time of the server's process per good reply",
    "client_share": "processor time of the client by wall time; near 1.0 the client is the limit",
    "restart": "our VTN, killed with SIGKILL twice under load and once after; lost is what had "
    "been answered before and is not there after",
}
NO_PEER: Final = "openleadr is not in .peers/der: measured without it; scripts/peers installs it"
_PARTS: Final = ("vtn", "2030.5", "restart")
EPILOG: Final = "Example 例: vpp bench der --json"


@dataclass(slots=True, kw_only=True)
class Found:
    """Everything that was measured."""

    costs: list[Cost]
    restart: RestartCost | None = None
    peer: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person wants measured."""

    clients: int
    seconds: float
    parts: tuple[str, ...]


def der(
    *,
    clients: Annotated[
        int, typer.Option(help="VENs, and EndDevices, that poll. クライアント数。")
    ] = 500,
    seconds: Annotated[
        float, typer.Option(help="Length of each load, s. 各負荷の計測秒数。")
    ] = 20.0,
    only: Annotated[str, typer.Option(help=f"Parts: {', '.join(_PARTS)}. 計測項目。")] = ",".join(
        _PARTS
    ),
    json_file: Annotated[
        str | None,
        typer.Option("--json", help="Write JSON here; alone, to standard output. JSON出力先。"),
    ] = None,
) -> None:
    """Measure our OpenADR VTN and IEEE 2030.5 server under polling clients, beside openleadr.

    OpenADR VTNとIEEE 2030.5サーバーの性能を測定します。
    """
    tell = _say_to(sys.stderr if json_file == STANDARD_OUTPUT else sys.stdout)
    try:
        wish = _wish(clients, seconds, only)
        check_programs()
        tell(machine_line())
        found = asyncio.run(_measured(wish, tell))
        _write(found, json_file)
    except ConfigError as error:
        raise typer.Exit(_complain(str(error), EXIT_BAD_INPUT)) from None
    except VppError as error:
        raise typer.Exit(_complain(str(error), EXIT_FAILED)) from None
    except asyncio.CancelledError:
        code = _complain("interrupted; everything was ended", EXIT_INTERRUPTED)
        raise typer.Exit(code) from None


def with_json_value(arguments: Sequence[str]) -> list[str]:
    """Give a bare ``--json`` of a part with a name its value, standard output."""
    given = list(arguments)
    if not {"der", "allocate", "cycle", "optimize", "models"} & set(given):
        return given
    for place, word in enumerate(given):
        alone = place + 1 == len(given) or given[place + 1].startswith("--")
        if word == "--json" and alone:
            return [*given[: place + 1], STANDARD_OUTPUT, *given[place + 1 :]]
    return given


def cost_table(costs: Sequence[Cost]) -> list[list[str]]:
    """Lines of the table of costs, its head first."""
    head = ["server", "transport", "load", "polls/s", "p50 ms", "p99 ms", "max ms", "failed",
            "CPU ms/poll", "client"]  # fmt: skip
    rows = [
        [
            cost.server,
            cost.transport,
            cost.load,
            f"{cost.polls_per_s:,.1f}",
            f"{cost.p50_ms:.1f}",
            f"{cost.p99_ms:.1f}",
            f"{cost.max_ms:.1f}",
            str(cost.failed),
            "–" if cost.cpu_ms_per_poll is None else f"{cost.cpu_ms_per_poll:.3f}",
            f"{100.0 * cost.client_share:.0f} %",
        ]
        for cost in costs
    ]
    return [head, *rows]


def result(found: Found) -> dict[str, Any]:
    """Everything in JSON's own types."""
    restart = found.restart
    return {
        "format": FORMAT,
        "peer": "openleadr" if found.peer else None,
        "costs": [asdict(cost) for cost in found.costs],
        "restart": None if restart is None else {**asdict(restart), "lost": restart.lost},
        "definitions": dict(DEFINITIONS),
        "machine": describe_machine(),
        "versions": describe_versions(),
    }


async def _measured(wish: Wish, tell: Callable[[str], None]) -> Found:
    """Measure in a folder that is removed after; a signal ends everything."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "this is a task"
    interrupt = once(task.cancel)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, interrupt)
    found = Found(costs=[])
    family = Family(environment())
    with tempfile.TemporaryDirectory(prefix="vpp-bench-der-") as folder:
        try:
            await _parts(wish, Path(folder), family, found=found, tell=tell)
        finally:
            await family.end(())
    return found


async def _parts(
    wish: Wish,
    folder: Path,
    family: Family,
    *,
    found: Found,
    tell: Callable[[str], None],
) -> None:
    _progress(f"making {wish.clients} certificates")
    ground = make_ground(folder, wish.clients)
    plan = Plan(every_s=EVERY_S, seconds=wish.seconds)
    if "vtn" in wish.parts:
        python = peer_python()
        found.peer = python is not None
        if python is None:
            tell(NO_PEER)
        for secure in (False, True):
            servers = [our_vtn(ground, free_port(), secure=secure)]
            if python is not None:
                servers.append(peer_vtn(ground, free_port(), secure=secure, python=python))
            for server in servers:
                costs = await measure_vtn(family, server, ground, plan=plan, tell=_progress)
                _add(found, costs, tell)
    if "2030.5" in wish.parts:
        costs = await measure_2030_5(family, ground, free_port(), plan=plan, tell=_progress)
        _add(found, costs, tell)
    if "restart" in wish.parts:
        few = make_ground(folder, min(wish.clients, RESTART_VENS_MAX))
        server = our_vtn(few, free_port(), secure=False, name="our-vtn-restart")
        found.restart = await measure_restart(
            family, server, few, seconds=RESTART_SHARE * wish.seconds, tell=_progress
        )
        tell(restart_line(found.restart))


def restart_line(cost: RestartCost) -> str:
    """Say what the restart showed, in a line."""
    return (
        f"\nrestart under load: {cost.kills} kills, {cost.vens} VENs; promised {cost.events} "
        f"events to each, {cost.answers:,} answers, {cost.readings:,} readings; lost "
        f"{cost.lost_deliveries} deliveries, {cost.lost_answers} answers, {cost.lost_readings} "
        f"readings; away {cost.away_s:.1f} s at most"
    )


def _add(found: Found, costs: Sequence[Cost], tell: Callable[[str], None]) -> None:
    """Keep and print what was measured, at once."""
    lines = cost_table(costs)
    widths = (24, 16, 12, 9, 8, 8, 8, 7, 12, 8)
    for line in lines if not found.costs else lines[1:]:
        cells = [line[0].ljust(widths[0]), line[1].ljust(widths[1]), line[2].ljust(widths[2])]
        numbers = [cell.rjust(width) for cell, width in zip(line[3:], widths[3:], strict=True)]
        tell("".join([*cells, *numbers]).rstrip())
    found.costs.extend(costs)


def _wish(clients: int, seconds: float, only: str) -> Wish:
    """Refuse what cannot be measured before anything is started."""
    if not 1 <= clients <= CLIENTS_MAX:
        raise ConfigError(f"--clients {clients}: use 1 to {CLIENTS_MAX}")
    if not SECONDS_MIN <= seconds <= SECONDS_MAX:
        raise ConfigError(f"--seconds {seconds}: use {SECONDS_MIN:.0f} to {SECONDS_MAX:.0f}")
    parts = tuple(part.strip() for part in only.split(","))
    unknown = [part for part in parts if part not in _PARTS]
    if unknown:
        raise ConfigError(f"--only {unknown[0]!r}: use {', '.join(_PARTS)}")
    return Wish(clients=clients, seconds=seconds, parts=parts)


def _write(found: Found, json_file: str | None) -> None:
    if json_file is None:
        return
    text = json.dumps(result(found), indent=1) + "\n"
    if json_file == STANDARD_OUTPUT:
        sys.stdout.write(text)
        return
    try:
        Path(json_file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--json {json_file}: {error.strerror or error}") from error


def _say_to(stream: TextIO) -> Callable[[str], None]:
    def tell(text: str) -> None:
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")
        stream.write(f"{text}\n")
        stream.flush()

    return tell


def _progress(text: str) -> None:
    """One line that is overwritten on a terminal, else a line each."""
    sys.stderr.write(f"\r\x1b[K{text}" if sys.stderr.isatty() else f"{text}\n")
    sys.stderr.flush()


def _complain(message: str, code: int) -> int:
    sys.stderr.write(f"vpp bench der: {message}\n")
    return code
