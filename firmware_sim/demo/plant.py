"""The running plant: processes and links together, started in order, supervised, ended."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Sequence
from typing import Final

from firmware_sim.demo import programs
from firmware_sim.demo.board import Board
from firmware_sim.demo.coordinator_client import CoordinatorClient
from firmware_sim.demo.ground import Ground, write_site_files
from firmware_sim.demo.links import Links
from firmware_sim.demo.plan import PlannedKill, Victim
from firmware_sim.demo.ports import tcp_is_free
from firmware_sim.demo.processes import Child, Family, first_error
from firmware_sim.demo.records import Kill
from protocols.vocabulary.errors import VppError

START_TIMEOUT_S: Final = 30.0
AGENT_TIMEOUT_S: Final = 60.0
STARTING_AT_ONCE: Final = 4
RESTART_AFTER_S: Final = 2.0
BACK_TIMEOUT_S: Final = 45.0
_POLL_S: Final = 0.1


class Plant:
    """Everything that runs.

    Parameters
    ----------
    ground : Ground
        What was settled before.
    board : Board
        Is told what happens.
    client : CoordinatorClient
        To ask whether the coordinator is back.
    now_s : callable
        Unix time, s.
    """

    def __init__(
        self,
        ground: Ground,
        board: Board,
        *,
        client: CoordinatorClient,
        now_s: Callable[[], float],
    ) -> None:
        self._ground = ground
        self._board = board
        self._client = client
        self._now_s = now_s
        self.family = Family(programs.environment())
        self.links = Links(ground.plan.site_ids, ground.broker, now_s=now_s)
        self.kills: list[Kill] = []

    async def start(self) -> None:
        """Start simulator, coordinator with broker, relays, agents; each says that it works.

        Raises
        ------
        ProgramError, ConfigError
            If one does not.
        """
        ground, board = self._ground, self._board
        board.begin("starting the simulated devices")
        simulator = await self.family.start(programs.simulator(ground))
        if not ground.options.plain:
            board.begin("making keys and certificates")
            await programs.make_identities(ground)
        await simulator.ready(START_TIMEOUT_S)
        board.begin("starting the coordinator and its broker")
        coordinator = await self.family.start(programs.coordinator(ground))
        await coordinator.ready(START_TIMEOUT_S)
        trust = "" if ground.trust is None else f" (its authority: {ground.trust})"
        board.say(f"live page: {ground.page}/{trust}")
        write_site_files(ground, await self.links.start())
        site_ids = ground.plan.site_ids
        board.begin(f"starting {len(site_ids)} agents", len(site_ids))
        with first_error():
            await self._start_agents(site_ids)

    async def supervise(self) -> None:
        """Watch the children until cancelled.

        Raises
        ------
        ProgramError
            If one ended although nobody told it to.
        """
        while True:
            self.family.check()
            await asyncio.sleep(_POLL_S)

    async def kill(self, planned: PlannedKill) -> None:
        """Kill -9, start again as a supervisor would, and note when it works again."""
        name = planned.site_id or planned.victim.value
        self._board.say(f"kill -9: {planned.victim.value} {planned.site_id}".rstrip())
        at_s = self._now_s()
        back = await self._killed_and_back(planned)
        back_s = self._now_s() if back else None
        self.kills.append(
            Kill(victim=planned.victim.value, site_id=planned.site_id, at_s=at_s, back_s=back_s)
        )
        word = f"is back after {self._now_s() - at_s:.1f} s" if back else "did not come back"
        self._board.say(f"{name} {word}")

    async def stop_agents(self) -> list[str]:
        """SIGTERM to all agents; return those that had to be killed."""
        return await self.family.stop([n for n in self.family.children if programs.is_agent(n)])

    async def end(self) -> None:
        """End every process, agents first, and every relay; nothing is left."""
        agents = [name for name in self.family.children if programs.is_agent(name)]
        await self.family.end([agents, [programs.COORDINATOR], [programs.SIMULATOR]])
        await self.links.close()

    async def _start_agents(self, site_ids: Sequence[str]) -> None:
        gate = asyncio.Semaphore(STARTING_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for site_id in site_ids:
                group.create_task(self._start_agent(site_id, gate))

    async def _start_agent(self, site_id: str, gate: asyncio.Semaphore) -> None:
        async with gate:
            child = await self.family.start(programs.agent(self._ground, site_id))
            await child.ready(AGENT_TIMEOUT_S)
        self._board.step += 1

    async def _killed_and_back(self, planned: PlannedKill) -> bool:
        if planned.victim is Victim.BROKER:
            return await self._kill_broker()
        name = programs.COORDINATOR
        if planned.victim is Victim.AGENT:
            name = programs.agent_name(planned.site_id)
        child = self.family.children[name]
        child.kill()
        await child.ended(RESTART_AFTER_S)
        await asyncio.sleep(RESTART_AFTER_S)
        return await self._restarted(child)

    async def _restarted(self, child: Child) -> bool:
        await child.start()
        try:
            await child.ready(BACK_TIMEOUT_S)
        except VppError as error:
            self._board.say(str(error))
            return False
        return True

    async def _kill_broker(self) -> bool:
        """Kill the coordinator's broker; the coordinator starts it again."""
        before = programs.broker_pid(self._ground)
        if before == 0:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(before, signal.SIGKILL)
        deadline_s = self._now_s() + BACK_TIMEOUT_S
        while self._now_s() < deadline_s:
            await asyncio.sleep(_POLL_S)
            changed = programs.broker_pid(self._ground) not in {0, before}
            if changed and not tcp_is_free(self._ground.broker[1]):
                return True
        return False
