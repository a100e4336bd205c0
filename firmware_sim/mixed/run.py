"""One run of a mixed site: cells, agent, kills, and what is left for the comparison."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import structlog

from firmware_sim.demo.machine import cpu_s
from firmware_sim.demo.processes import Child, Family, Program, ProgramError
from firmware_sim.demo.programs import command_path, environment
from firmware_sim.mixed.cell import CellSpec
from firmware_sim.mixed.plan import Kill, cells_of, kills_of, victims_of
from firmware_sim.mixed.plant import METER, Plant
from firmware_sim.mixed.site_file import site_toml
from firmware_sim.scenario.load import load_scenario
from firmware_sim.scenario.schema import Scenario, Templated
from protocols.vocabulary.intervals import Clock

AGENT: Final = "agent"
READY_TIMEOUT_S: Final = 60.0
WARM_UP_S: Final = 8.0
"""Time for the devices to be found before the processor time is counted."""
JOURNAL_TIMEOUT_S: Final = 300.0
_STORES: Final = frozenset({"battery", "ev-v2h"})
_GAIN: Final = 0.5
_TICK_S: Final = 1.0
_NS_PER_S: Final = 1e9

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What a run is asked for.

    Attributes
    ----------
    duration_s : float
        Length, s, > 0.
    kills : int
        Devices killed on the way, >= 0.
    seed : int
        Moments and victims.
    truth : Path
        Empty folder for the devices' logs. Not on the agent's disk where that can be had: its
        journal must not wait for what the devices write.
    """

    duration_s: float
    kills: int
    seed: int
    truth: Path


@dataclass(slots=True)
class RunFacts:
    """What a run found out beside the logs.

    Attributes
    ----------
    killed : list of dict
        Processes that were killed: name, Unix times of the end and of the next start.
    cpu_used_s, cpu_wall_s : float
        Processor time of the agent, and the time it was counted in.
    """

    killed: list[dict[str, object]] = field(default_factory=list)
    cpu_used_s: float = 0.0
    cpu_wall_s: float = 0.0

    @property
    def cpu_share(self) -> float | None:
        """Processor time by wall time, 1.0 is one core; None if it is not known."""
        return self.cpu_used_s / self.cpu_wall_s if self.cpu_wall_s > 0.0 else None


class MixedRun:
    """A run in a folder.

    Parameters
    ----------
    folder : Path
        Empty; receives everything but the truth.
    scenario : Scenario
        One site; also in ``scenario.json`` of the folder.
    options : RunOptions
        What is asked for.
    clock : Clock
        Wall time of the truth.
    """

    def __init__(
        self, folder: Path, scenario: Scenario, options: RunOptions, *, clock: Clock
    ) -> None:
        self._folder = folder
        self._options = options
        self._truth = options.truth
        self._scenario = scenario
        self._devices = [
            device
            for device in scenario.sites[0].devices
            if isinstance(device, Templated) and device.id != METER
        ]
        self._victims = victims_of(self._devices, options.kills, options.seed)
        self._plant = Plant(scenario, self._truth, clock)
        self._family = Family(environment())
        self._clock = clock
        self.facts = RunFacts()

    @property
    def truth(self) -> Path:
        """Folder of the devices' logs."""
        return self._truth

    async def run(self, progress: Callable[[int], None]) -> RunFacts:
        """Run to the end; ``progress`` is told each second.

        Raises
        ------
        VppError
            If a program fails that was not killed; all are ended then too.
        """
        (self._folder / "site.toml").write_text(
            site_toml(self._scenario.sites[0]), encoding="utf-8"
        )
        try:
            async with asyncio.TaskGroup() as group:
                await self._plant.open(self._folder / "plant.sock")
                stepping = group.create_task(self._plant.run())
                cells = cells_of(self._devices, self._victims)
                starting = [await self._start_cell(name, ids) for name, ids in cells.items()]
                await asyncio.gather(*(cell.ready(READY_TIMEOUT_S) for cell in starting))
                agent = await self._family.start(self._agent())
                await agent.ready(READY_TIMEOUT_S)
                await self._seconds(agent, progress)
                await self._family.end(((AGENT,), tuple(cells)))
                stepping.cancel()
        finally:
            await self._family.end(((AGENT,),))
            await self._plant.close()
        return self.facts

    async def journal(self) -> Path:
        """Let the agent's own command print its journal; return the file."""
        path = self._folder / "journal.jsonl"
        with path.open("wb") as stream:
            process = await asyncio.create_subprocess_exec(
                command_path("edge-agent"),
                "journal",
                *("--config", str(self._folder / "site.toml")),
                stdout=stream,
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                _, wrong = await asyncio.wait_for(process.communicate(), JOURNAL_TIMEOUT_S)
            except TimeoutError:
                process.kill()
                await process.wait()
                raise ProgramError("edge-agent journal: no end of it") from None
        if process.returncode:
            raise ProgramError(f"edge-agent journal: {wrong.decode(errors='replace').strip()}")
        return path

    @property
    def doctor_command(self) -> tuple[str, ...]:
        """Command that counts the journal's cycles."""
        config = str(self._folder / "site.toml")
        return (command_path("edge-agent"), "doctor", "--config", config, "--json")

    async def _seconds(self, agent: Child, progress: Callable[[int], None]) -> None:
        """Let the site live, kill and restart as planned."""
        kills = kills_of(
            [f"device-{name}" for name in self._victims],
            AGENT,
            duration_s=self._options.duration_s,
            seed=self._options.seed,
        )
        begin_s = self._elapsed_s()
        due = [(kill.at_s, kill, False) for kill in kills]
        due += [(kill.back_s, kill, True) for kill in kills]
        due.sort(key=lambda entry: entry[0])
        meter = _CpuMeter(self.facts)
        for second in range(1, round(self._options.duration_s) + 1):
            while due and due[0][0] <= second:
                at_s, kill, back = due.pop(0)
                await asyncio.sleep(max(0.0, begin_s + at_s - self._elapsed_s()))
                await (self._bring_back(kill) if back else self._kill(kill))
            await asyncio.sleep(max(0.0, begin_s + second * _TICK_S - self._elapsed_s()))
            self._family.check()
            if second > WARM_UP_S:
                meter.look(agent.pid if agent.expected_to_run else 0, self._elapsed_s())
            progress(second)

    def _elapsed_s(self) -> float:
        """Seconds that never go back."""
        return self._clock.monotonic_ns() / _NS_PER_S

    async def _kill(self, kill: Kill) -> None:
        """Kill -9."""
        child = self._family.children[kill.name]
        log.info("process.killed", name=kill.name, pid=child.pid)
        child.kill()
        await child.ended(READY_TIMEOUT_S)
        self.facts.killed.append({"name": kill.name, "at_s": self._clock.now().timestamp()})

    async def _bring_back(self, kill: Kill) -> None:
        """Start what was killed again; a device is as full as it was."""
        child = self._family.children[kill.name]
        if kill.name != AGENT:
            self._write_spec(kill.name, [kill.name.removeprefix("device-")])
        await child.start()
        log.info("process.restarted", name=kill.name, pid=child.pid)
        for killed in self.facts.killed:
            if killed["name"] == kill.name:
                killed["back_s"] = self._clock.now().timestamp()

    async def _start_cell(self, name: str, ids: list[str]) -> Child:
        return await self._family.start(
            Program(
                name=name,
                command=(command_path("vpp"), "sim", "cell", str(self._write_spec(name, ids))),
                log=self._folder / f"{name}.log",
                ready_event="cell.ready",
            )
        )

    def _write_spec(self, name: str, ids: list[str]) -> Path:
        """Write what a cell is told."""
        stores = sum(device.kind in _STORES for device in self._devices)
        socs = self._plant.socs
        spec = CellSpec(
            scenario=str(self._folder / "scenario.json"),
            devices=tuple(ids),
            socket=str(self._folder / "plant.sock"),
            truth=str(self._truth),
            world_shift_s=self._plant.world_shift_s,
            gain=_GAIN / max(stores, 1),
            socs={name: socs[name] for name in ids if name in socs},
        )
        path = self._folder / f"{name}.json"
        path.write_text(json.dumps(asdict(spec)), encoding="utf-8")
        return path

    def _agent(self) -> Program:
        config = str(self._folder / "site.toml")
        return Program(
            name=AGENT,
            command=(command_path("edge-agent"), "run", "--config", config),
            log=self._folder / "agent.log",
            ready_event="agent.ready",
        )


class _CpuMeter:
    """Adds up the agent's processor time over its lives."""

    def __init__(self, facts: RunFacts) -> None:
        self._facts = facts
        self._pid = 0
        self._used_s = 0.0
        self._at_s = 0.0

    def look(self, pid: int, at_s: float) -> None:
        """Look at a process; the first look at a new one only notes where it begins."""
        used_s = cpu_s(pid) if pid else None
        if used_s is None:
            self._pid = 0
            return
        if pid == self._pid:
            self._facts.cpu_used_s += used_s - self._used_s
            self._facts.cpu_wall_s += at_s - self._at_s
        self._pid, self._used_s, self._at_s = pid, used_s, at_s


def prepared(folder: Path, plain: dict[str, object]) -> Scenario:
    """Write the scenario into the folder and read it back as every cell will.

    Raises
    ------
    ConfigError
        If it is not one.
    """
    path = folder / "scenario.json"
    path.write_text(json.dumps(plain, indent=1), encoding="utf-8")
    return load_scenario(path)
