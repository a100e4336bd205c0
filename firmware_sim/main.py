"""``vpp sim``: simulated devices of a scenario on real sockets. Wiring only."""

import asyncio
import contextlib
import json
import logging
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import structlog
import typer

from firmware_sim.control_socket import serving
from firmware_sim.counterparts.command import add_counterparts
from firmware_sim.counterparts.publisher_command import add_publisher
from firmware_sim.fleet.command import add_fleet
from firmware_sim.matrix_command import add_matrix
from firmware_sim.mixed.command import add_site, exit_code
from firmware_sim.scenario.build import build_sites
from firmware_sim.scenario.generate import make_scenario
from firmware_sim.scenario.load import load_scenario
from firmware_sim.scenario.schema import Scenario
from firmware_sim.server import SimulationServer
from firmware_sim.timeline import play
from firmware_sim.truth import TruthLog
from protocols.vocabulary.errors import ConfigError, VppError

_EPILOG = (
    "Example: vpp sim --make 2 > two.json && "
    "vpp sim --scenario two.json --truth truth.jsonl --control sim.sock"
)
_APP = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """Aware UTC wall time."""
        return datetime.now(UTC)

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back."""
        return time.monotonic_ns()


add_site(_APP, SystemClock())
add_matrix(_APP)
add_fleet(_APP, SystemClock())
add_publisher(_APP, SystemClock())
add_counterparts(_APP, SystemClock())


async def simulate(scenario: Scenario, *, truth: Path | None, control: Path | None) -> None:
    """Run a scenario until SIGTERM or SIGINT.

    Parameters
    ----------
    scenario : Scenario
        Checked.
    truth, control : Path or None
        Truth log and control socket.

    Raises
    ------
    ConfigError
        If an address, the log or the socket cannot be had; nothing is left behind.
    """
    clock = SystemClock()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    sites = build_sites(scenario, now_s=clock.now().timestamp())
    async with contextlib.AsyncExitStack() as stack:
        log = None if truth is None else stack.enter_context(contextlib.closing(TruthLog(truth)))
        server = SimulationServer(sites, clock=clock, truth=log)
        stack.push_async_callback(server.close)
        await server.start()
        if control is not None:
            await stack.enter_async_context(serving(server, control))
        _say_ready(scenario, server)
        async with asyncio.TaskGroup() as group:
            group.create_task(server.run(stop))
            group.create_task(play(server, scenario.faults, stop=stop))


def _say_ready(scenario: Scenario, server: SimulationServer) -> None:
    """Print the one line that says all sockets are bound."""
    ready = {
        "event": "sim.ready",
        "sites": len(scenario.sites),
        "devices": len(server.devices),
        "port": scenario.port,
    }
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()


def _log_to_stderr(*, as_json: bool) -> None:
    """Send log lines to stderr, for people or as JSON."""
    renderer = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


@_APP.callback(invoke_without_command=True, epilog=_EPILOG)
def sim(  # noqa: PLR0913 - one parameter per option of the command line
    context: typer.Context,
    *,
    scenario: Annotated[Path | None, typer.Option(help="Scenario to run (JSON).")] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Write what really was: a JSON line per site and second.")
    ] = None,
    control: Annotated[
        Path | None, typer.Option(help="Unix socket for switching faults at run time.")
    ] = None,
    json_log: Annotated[bool, typer.Option("--json", help="Log lines on stderr as JSON.")] = False,
    make: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Print a scenario of that many sites and exit."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed for --make.")] = 1,
    data: Annotated[
        Path | None, typer.Option(help="Directory with measured household/ and pv/ for --make.")
    ] = None,
) -> None:
    """Run simulated devices of any protocol at loopback addresses (no root)."""
    _log_to_stderr(as_json=json_log)
    if context.invoked_subcommand is not None:
        return
    if make is not None:
        made = make_scenario(make, seed, data=data)
        sys.stdout.write(json.dumps(made, indent=1) + "\n")
        return
    asyncio.run(simulate(_loaded(scenario), truth=truth, control=control))


def _loaded(path: Path | None) -> Scenario:
    """Read the scenario the command line names."""
    if path is None:
        raise ConfigError("--scenario: is missing; --make N prints one to begin with")
    return load_scenario(path)


def main() -> int:
    """Run ``vpp sim``; the exit code is 2 for what a person wrote wrong.

    Returns
    -------
    int
        0 after SIGTERM or SIGINT, 2 for bad input; others leave by SystemExit.
    """
    try:
        _APP(prog_name="vpp sim")
    except VppError as error:
        sys.stderr.write(f"vpp sim: {error}\n")
        return exit_code(error)
    return 0
