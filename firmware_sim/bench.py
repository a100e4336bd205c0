"""``vpp bench``: prints what the edge's cycle and the link cost on this machine.

A benchmark measures and prints; it judges nothing. What is measured: ``bench_agent`` and
``bench_link``, with ``vpp bench der`` the servers of DER protocols (``bench_der``), with
``vpp bench allocate`` the coordinator's allocation (``bench_allocate``), with ``vpp bench
models`` the shipped forecast models (``bench_models``).
"""

import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from firmware_sim.bench_agent import AgentCost, measure_agent
from firmware_sim.bench_allocate import EPILOG as ALLOCATE_EPILOG
from firmware_sim.bench_allocate import allocate
from firmware_sim.bench_cycle import add_cycle
from firmware_sim.bench_der.command import EPILOG as DER_EPILOG
from firmware_sim.bench_der.command import der, with_json_value
from firmware_sim.bench_link import CYCLE_BUDGET_MS, SITES, LinkCost, measure_link, seal_shares
from firmware_sim.bench_models import EPILOG as MODELS_EPILOG
from firmware_sim.bench_models import models
from firmware_sim.bench_optimize import EPILOG as OPTIMIZE_EPILOG
from firmware_sim.bench_optimize import optimize
from firmware_sim.bench_stop import EPILOG as STOP_EPILOG
from firmware_sim.bench_stop import stop
from firmware_sim.demo.machine import describe_machine, describe_versions, machine_line
from firmware_sim.demo.processes import once
from firmware_sim.demo.programs import check_programs
from firmware_sim.main import SystemClock
from protocols.vocabulary.errors import ConfigError, VppError

FORMAT: Final = "vpp-bench/1"
SECONDS_MIN: Final = 5
SECONDS_MAX: Final = 3_600
QUANTILES: Final = ("p50", "p99", "p999", "max")
EXIT_FAILED: Final = 1
EXIT_BAD_INPUT: Final = 2
EXIT_INTERRUPTED: Final = 130
DEFINITIONS: Final[Mapping[str, str]] = {
    "cycle_ms": "a cycle's own work: all steps but read, which waits for the devices' answers; "
    "from the agent's journal, its start included; the link is down",
    "cpu_share": "processor time of the agent's process by wall time, 1.0 is one whole core",
    "message_ns": "mean time per message of the best of five rounds, one core, nothing is sent",
}
_TOTAL: Final = "total without read"
_EPILOG: Final = "Example 例: vpp bench --seconds 60 --json bench.json"
_APP = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def agent_table(cost: AgentCost) -> str:
    """Return the steps of a cycle as a table, ms."""
    named = [*cost.steps_ms.items(), (_TOTAL, cost.cycle_ms)]
    rows = [[name, *(_ms(times.get(key)) for key in QUANTILES)] for name, times in named]
    return table(["step, ms", *QUANTILES], rows)


def link_table(costs: Sequence[LinkCost]) -> str:
    """Return the link's costs as a table."""
    rows = [
        [
            cost.name,
            time_text(cost.message_ns),
            f"{cost.messages_per_s:,.0f}",
            f"{cost.rows_per_s:,.0f}",
            f"{cost.message_bytes:,}",
        ]
        for cost in costs
    ]
    return table(["link", "per message", "messages/s", "rows/s", "bytes"], rows)


def seals_text(shares: Mapping[str, float]) -> str:
    """Return what signatures cost, for people."""
    return (
        f"signatures: {shares['sign_us']:.1f} µs to sign, {shares['verify_us']:.1f} µs to verify; "
        f"of the {CYCLE_BUDGET_MS:.0f} ms: one broadcast {shares['broadcast_percent']:.2f} %, "
        f"a message to each of {SITES:,} sites {shares['each_site_percent']:.0f} % "
        "(sent over several turns, not within the cycle), "
        f"one check at a gateway {shares['gateway_percent']:.2f} %"
    )


def time_text(time_ns: float) -> str:
    """Return a time as ns below 1 µs, else as µs."""
    return f"{time_ns:.0f} ns" if time_ns < 1e3 else f"{time_ns / 1e3:.1f} µs"  # noqa: PLR2004  1 µs


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align columns: the first to the left, numbers to the right."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            [
                line[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
            ]
        ).rstrip()
        for line in lines
    )


def result(agent: AgentCost | None, link: Sequence[LinkCost]) -> dict[str, Any]:
    """Everything in JSON's own types."""
    return {
        "format": FORMAT,
        "agent": None if agent is None else asdict(agent),
        "link": [
            {
                **asdict(cost),
                "messages_per_s": round(cost.messages_per_s, 1),
                "rows_per_s": round(cost.rows_per_s, 1),
            }
            for cost in link
        ],
        "signatures": seal_shares(link) if link else None,
        "definitions": dict(DEFINITIONS),
        "machine": describe_machine(),
        "versions": describe_versions(),
    }


@_APP.callback(invoke_without_command=True, epilog=_EPILOG)
def bench(
    context: typer.Context,
    *,
    seconds: Annotated[
        int, typer.Option(help="Length of the agent's run at 1 Hz. エージェントの計測秒数。")
    ] = 20,
    only_link: Annotated[
        bool, typer.Option("--only-link", help="Without the agent's run. 通信部のみ。")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the figures here. JSON出力先。")
    ] = None,
) -> None:
    """Measure the edge's cycle on 50 simulated devices, and the link's messages.

    模擬機器50台での制御周期と、通信の処理時間を測定します。
    """
    if context.invoked_subcommand is not None:
        return
    try:
        _check(seconds, json_file)
        check_programs()
        _measure(seconds, only_link=only_link, json_file=json_file)
    except ConfigError as error:
        raise typer.Exit(_complain(str(error), EXIT_BAD_INPUT)) from None
    except VppError as error:
        raise typer.Exit(_complain(str(error), EXIT_FAILED)) from None
    except asyncio.CancelledError:
        code = _complain("interrupted; everything was ended", EXIT_INTERRUPTED)
        raise typer.Exit(code) from None


_APP.command(epilog=DER_EPILOG)(der)
_APP.command(epilog=ALLOCATE_EPILOG)(allocate)
_APP.command(epilog=OPTIMIZE_EPILOG)(optimize)
_APP.command(epilog=STOP_EPILOG)(stop)
_APP.command(epilog=MODELS_EPILOG)(models)
add_cycle(_APP, SystemClock())


def _check(seconds: int, json_file: Path | None) -> None:
    """Refuse what cannot be done before anything is started."""
    if not SECONDS_MIN <= seconds <= SECONDS_MAX:
        raise ConfigError(f"--seconds {seconds}: use {SECONDS_MIN} to {SECONDS_MAX}")
    if json_file is not None and (json_file.is_dir() or not json_file.resolve().parent.is_dir()):
        raise ConfigError(f"--json {json_file}: is a folder, or its folder does not exist")


def _measure(seconds: int, *, only_link: bool, json_file: Path | None) -> None:
    """Measure part after part and print each at once."""
    _print(f"{machine_line()}\n")
    versions = describe_versions()
    _print(", ".join(f"{name} {version}" for name, version in versions.items()) + "\n")
    agent = None if only_link else asyncio.run(_agent(seconds))
    if agent is not None:
        share = "unknown" if agent.cpu_share is None else f"{100.0 * agent.cpu_share:.1f} %"
        _print(
            f"\nedge cycle, {agent.devices} devices at 1 Hz, {agent.cycle_ms['samples']:.0f} "
            f"cycles, no link, {agent.skipped_s} seconds skipped\n{agent_table(agent)}\n"
            f"processor: {share} of one core (the agent's process)\n"
        )
    link = []
    for cost in measure_link():
        link.append(cost)
        _tell(f"link: {cost.name}")
    _print(f"\n{link_table(link)}\n\n{seals_text(seal_shares(link))}\n")
    if json_file is not None:
        text = json.dumps(result(agent, link), indent=1) + "\n"
        try:
            json_file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"--json {json_file}: {error.strerror or error}") from None


async def _agent(seconds: int) -> AgentCost:
    """Run the agent in a folder that is removed after; a signal ends everything."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "this is a task"
    interrupt = once(task.cancel)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, interrupt)
    with tempfile.TemporaryDirectory(prefix="vpp-bench-") as folder:
        _tell("agent: starting the simulator, then the agent")
        return await measure_agent(
            Path(folder), seconds, lambda second: _tell(f"agent: {second} of {seconds} s")
        )


def _ms(time_ms: float | None) -> str:
    return "–" if time_ms is None else f"{time_ms:.3f}"


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _tell(text: str) -> None:
    """Progress: one line that is overwritten on a terminal, else a line each."""
    line = f"\r\x1b[K{text}" if sys.stderr.isatty() else f"{text}\n"
    sys.stderr.write(line)
    sys.stderr.flush()


def _complain(message: str, code: int) -> int:
    sys.stderr.write(f"vpp bench: {message}\n")
    return code


def main() -> int:
    """Run ``vpp bench``.

    Returns
    -------
    int
        0; other codes leave by SystemExit.
    """
    _APP(prog_name="vpp bench", args=with_json_value(sys.argv[1:]))
    return 0
