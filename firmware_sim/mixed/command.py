"""``vpp sim site``: the command. Wiring only."""

import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from firmware_sim.demo.ports import udp_is_free
from firmware_sim.demo.processes import first_error
from firmware_sim.demo.programs import check_programs
from firmware_sim.demo.readings import ask_doctor
from firmware_sim.devices.rooms import device_maker
from firmware_sim.mixed.cell import live, read_spec
from firmware_sim.mixed.compare import compare
from firmware_sim.mixed.plan import parse_counts
from firmware_sim.mixed.report import SiteReport, show
from firmware_sim.mixed.run import MixedRun, RunOptions, prepared
from firmware_sim.mixed.truth import read_device, read_journal
from firmware_sim.scenario.mixed import BLOCKS, NAMES, PORTS, make_site, meter_address
from firmware_sim.scenario.schema import Scenario, Templated
from firmware_sim.servers.registry import SERVERS, listener_maker
from protocols.templates.catalogue import template_of
from protocols.vocabulary.errors import ConfigError, VppError
from protocols.vocabulary.intervals import Clock

EXIT_FAILED: Final = 1
EXIT_BAD_INPUT: Final = 2
DURATION_S_MIN, DURATION_S_MAX = 20.0, 86_400.0
KILLS_MAX: Final = 50
ECHONET_LITE: Final = "echonet-lite"
_PLAIN_EVERY_S: Final = 10


def add_site(app: typer.Typer, clock: Clock) -> None:
    """Add ``site`` and the command its child processes are to ``vpp sim``."""

    @app.command(
        epilog="Example: vpp sim site --devices 20echonet,20sunspec,10bacnet,4ocpp --kill 5"
    )
    def site(  # noqa: PLR0913 - one parameter per option of the command line
        *,
        devices: Annotated[
            str, typer.Option(help="Devices by protocol.")
        ] = "20echonet,20sunspec,10bacnet,4ocpp",
        duration: Annotated[
            float, typer.Option(min=DURATION_S_MIN, max=DURATION_S_MAX, help="Length, s.")
        ] = 600.0,
        kill: Annotated[
            int, typer.Option(min=0, max=KILLS_MAX, help="Devices killed -9 on the way.")
        ] = 5,
        seed: Annotated[int, typer.Option(help="Weather, household, moments of kills.")] = 1,
        out: Annotated[
            Path | None, typer.Option(help="Keep logs and journal in this new folder.")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
    ) -> None:
        """Run one site of devices of every protocol with one agent, and compare the records."""
        counts, missing = _present(parse_counts(devices))
        check_programs()
        with _scratch() as truth, _scratch_or(out) as folder:
            options = RunOptions(duration_s=duration, kills=kill, seed=seed, truth=truth)
            scenario = prepared(folder, make_site(counts, seed, block=_free_block()))
            run = MixedRun(folder, scenario, options, clock=clock)
            report = asyncio.run(_report(run, scenario, duration, missing=missing))
            if out is not None:
                shutil.copytree(truth, folder / "truth")
        if as_json:
            sys.stdout.write(json.dumps(report.plain(), indent=1) + "\n")
        else:
            show(report, Console(highlight=False))
        if report.problems:
            raise typer.Exit(EXIT_FAILED)

    @app.command(hidden=True)
    def cell(spec: Path) -> None:
        """Run some devices of a mixed site; ``vpp sim site`` starts it."""
        asyncio.run(live(read_spec(spec), clock))


async def _report(
    run: MixedRun, scenario: Scenario, duration_s: float, *, missing: list[str]
) -> SiteReport:
    """Run, read what was written, compare."""
    with first_error(), _Bar(duration_s) as progress:
        facts = await run.run(progress)
    journal = read_journal(await run.journal())
    accounts = [one for one in await ask_doctor(run.doctor_command) if not one.aside]
    devices = [d for d in scenario.sites[0].devices if isinstance(d, Templated)]
    templates = {device.id: template_of(device.template) for device in devices}
    truths = {name: read_device(run.truth / f"{name}.jsonl") for name in templates}
    return SiteReport(
        protocols={device.id: device.protocol for device in devices},
        devices=compare(truths, journal, templates),
        facts=facts,
        cycle_ms=accounts[0].cycle_ms if accounts else {},
        steps_ms=accounts[0].steps_ms if accounts else {},
        cycles=journal.cycles,
        missing=missing,
    )


def _present(counts: Mapping[str, int]) -> tuple[dict[str, int], list[str]]:
    """Leave out protocols that cannot be simulated here, and say why.

    Raises
    ------
    ConfigError
        If none is left.
    """
    there: dict[str, int] = {}
    missing: list[str] = []
    for name, count in counts.items():
        protocol = NAMES[name]
        try:
            listener_maker(SERVERS[protocol])
            if protocol != ECHONET_LITE:
                device_maker(protocol)
        except ConfigError as error:
            missing.append(str(error))
        else:
            there[name] = count
    if not there:
        raise ConfigError(f"--devices: none can be simulated here: {'; '.join(missing)}")
    return there, missing


def _free_block() -> int:
    """Find addresses that no other run on this machine has.

    Raises
    ------
    ConfigError
        If all are taken.
    """
    for block in BLOCKS:
        if udp_is_free(meter_address(block), PORTS["echonet"]):
            return block
    raise ConfigError(f"127.{BLOCKS[0]}.x.x to 127.{BLOCKS[-1]}.x.x: all are taken by other runs")


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """Give a folder in memory where there is such a thing, for as long as the context lasts."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
    there = str(memory) if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="vpp-site-", dir=there) as scratch:
        yield Path(scratch)


@contextlib.contextmanager
def _scratch_or(path: Path | None) -> Iterator[Path]:
    """Give the folder that was asked for, which must be new or empty, else one for a while."""
    if path is None:
        with tempfile.TemporaryDirectory(prefix="vpp-site-") as scratch:
            yield Path(scratch)
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise ConfigError(f"--out {path}: is not empty")
    except OSError as error:
        raise ConfigError(f"--out {path}: {error.strerror}") from None
    yield path.resolve()


class _Bar:
    """Shows on standard error how far the run is: a bar at a terminal, else lines."""

    def __init__(self, duration_s: float) -> None:
        self._duration_s = duration_s
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task("site", total=duration_s)

    def __enter__(self) -> Callable[[int], None]:
        self._bar.start()
        return self._told

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def _told(self, second: int) -> None:
        self._bar.update(self._task, completed=second)
        if self._bar.disable and second % _PLAIN_EVERY_S == 0:
            sys.stderr.write(f"vpp sim site: {second} of {self._duration_s:.0f} s\n")


def exit_code(error: VppError) -> int:
    """2 for what a person wrote wrong, 1 for the rest."""
    return EXIT_BAD_INPUT if isinstance(error, ConfigError) else EXIT_FAILED
