"""The programs of a run as an operator would start them, and how each says that it works."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from firmware_sim.demo.ground import Ground
from firmware_sim.demo.identities import Identities
from firmware_sim.demo.ports import HOST
from firmware_sim.demo.processes import Program
from firmware_sim.demo.site_file import ZONE
from protocols.vocabulary.errors import ConfigError

SIMULATOR: Final = "simulator"
COORDINATOR: Final = "coordinator"
_AGENT: Final = "agent-"
_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def agent_name(site_id: str) -> str:
    """Name of a site's agent among the children."""
    return f"{_AGENT}{site_id}"


def is_agent(name: str) -> bool:
    """Whether a child is an agent."""
    return name.startswith(_AGENT)


def environment() -> Mapping[str, str]:
    """Return what the children get: ours, and one thread for each of many small agents."""
    return {**os.environ, **dict.fromkeys(_THREADS, "1"), "PYTHONUNBUFFERED": "1"}


def simulator(ground: Ground) -> Program:
    """``vpp sim`` for all sites."""
    return Program(
        name=SIMULATOR,
        command=(
            command_path("vpp"),
            "sim",
            "--json",
            *("--scenario", str(ground.out / "scenario.json")),
            *("--truth", str(ground.out / "truth.jsonl")),
        ),
        log=ground.log(SIMULATOR),
        ready_event="sim.ready",
    )


def coordinator(ground: Ground) -> Program:
    """``vpp coordinator`` with its broker, or with the one that was named."""
    options = ground.options
    broker: tuple[str, ...] = ("--mqtt-port", str(ground.broker[1]))
    if options.broker is not None:
        broker = ("--broker", options.broker)
    if not options.plain:
        broker = (*broker, "--identity", str(ground.authority))
    given = () if options.nats_server is None else ("--nats-server", str(options.nats_server))
    return Program(
        name=COORDINATOR,
        command=(
            command_path("vpp"),
            "coordinator",
            *("--data-dir", str(coordinator_data(ground))),
            *("--http", f"{HOST}:{ground.http_port}"),
            *broker,
            *given,
        ),
        log=ground.log(COORDINATOR),
        ready_event="coordinator.ready",
    )


async def make_identities(ground: Ground) -> None:
    """Make the run's authority, and keys and certificates of its sites.

    Raises
    ------
    VppError
        If it cannot be done.
    """
    folders = {site_id: ground.site_file(site_id).parent for site_id in ground.plan.site_ids}
    identities = Identities(ground.authority, ground.out / "requests", site_folders=folders)
    broker = f"mqtts://{HOST}:{ground.broker[1]}"
    await identities.make(command_path("vpp"), coordinator_data(ground), zone=ZONE, broker=broker)


def agent(ground: Ground, site_id: str) -> Program:
    """``edge-agent run`` for one site."""
    name = agent_name(site_id)
    return Program(
        name=name,
        command=(command_path("edge-agent"), "run", "--config", str(ground.site_file(site_id))),
        log=ground.log(name),
        ready_event="agent.ready",
    )


def doctor_command(ground: Ground, site_id: str) -> tuple[str, ...]:
    """``edge-agent doctor`` for one site."""
    config = str(ground.site_file(site_id))
    return (command_path("edge-agent"), "doctor", "--config", config, "--json")


def coordinator_data(ground: Ground) -> Path:
    """Where the coordinator keeps everything."""
    return ground.out / "coordinator"


def broker_pid(ground: Ground) -> int:
    """Process id of the coordinator's own broker, 0 if it is not known."""
    try:
        return int((coordinator_data(ground) / "broker" / "nats-server.pid").read_text())
    except (OSError, ValueError):
        return 0


def check_programs() -> None:
    """Refuse to run without the other programs.

    Raises
    ------
    ConfigError
        If one is not installed beside this Python.
    """
    for name in ("vpp", "edge-agent"):
        if not Path(command_path(name)).is_file():
            raise ConfigError(
                f"{name}: is not installed beside {sys.executable}; "
                "pip install 'vpp[edge,cloud,sim]'"
            )


def command_path(name: str) -> str:
    """Path of an installed command: beside the interpreter, so no PATH can mislead."""
    return str(Path(sys.executable).with_name(name))
