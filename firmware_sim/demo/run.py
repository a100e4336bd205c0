"""One run from the first process to the record the report is computed from."""

import asyncio
import contextlib
import math
from collections.abc import Callable
from typing import Any, Final

from firmware_sim.demo.board import Board
from firmware_sim.demo.coordinator_client import CoordinatorClient
from firmware_sim.demo.ground import Ground
from firmware_sim.demo.plan import PlannedCut, PlannedKill, award_power_w
from firmware_sim.demo.plant import Plant
from firmware_sim.demo.processes import ProgramError, first_error
from firmware_sim.demo.readings import (
    not_ready,
    point_now,
    read_delivery,
    read_pages,
    site_now,
)
from firmware_sim.demo.system_operator import OBLIGATION_ID, SystemOperator
from protocols.vocabulary.errors import LinkError, VppError

WARM_UP_S: Final = 60.0
WARM_UP_PER_SITE_S: Final = 1.0
DRAIN_S: Final = 90.0
LAST_SECONDS: Final = 3
"""A site's backlog is in once one of the award's last seconds is: history grows in order."""
MISSING_NAMED_MAX: Final = 5
_POLL_S: Final = 1.0
_TICK_S: Final = 0.25


class Run:
    """The course of a run.

    Parameters
    ----------
    ground : Ground
        What was settled before.
    plant : Plant
        What runs.
    client : CoordinatorClient
        To the coordinator.
    board : Board
        Is told.
    now_s : callable
        Unix time, s.
    """

    def __init__(
        self,
        ground: Ground,
        plant: Plant,
        *,
        client: CoordinatorClient,
        board: Board,
        now_s: Callable[[], float],
    ) -> None:
        self._ground = ground
        self._plant = plant
        self._client = client
        self._board = board
        self._now_s = now_s
        self.operator = SystemOperator(ground.plan, client, board=board, now_s=now_s)
        self.baselines_w: dict[str, list[tuple[float, float]]] = {}
        self.obligation: dict[str, Any] = {}

    async def execute(self) -> None:
        """Start everything, deliver the award, and wait until the record is whole.

        Raises
        ------
        VppError
            If a program fails.
        """
        await self._plant.start()
        watching = asyncio.create_task(self._watch())
        supervising = asyncio.create_task(self._plant.supervise())
        working = asyncio.create_task(self._deliver())
        tasks = {watching, supervising, working}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in (working, supervising, watching):
                if task.done():
                    await task
                    return
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _deliver(self) -> None:
        await self._warm_up()
        await self._award()
        with first_error():
            await self._play()
        await self._drain()

    async def _warm_up(self) -> None:
        """Wait until every site answers with numbers."""
        site_ids = self._ground.plan.site_ids
        self._board.begin("waiting for all sites to answer", len(site_ids))
        deadline_s = self._now_s() + WARM_UP_S + WARM_UP_PER_SITE_S * len(site_ids)
        missing = dict.fromkeys(site_ids, "the coordinator does not answer")
        while self._now_s() < deadline_s:
            with contextlib.suppress(LinkError):
                sites = await read_pages(self._client, "/api/v1/sites")
                resources = await read_pages(self._client, "/api/v1/resources")
                missing = not_ready(site_ids, sites, resources)
                self._board.step = len(site_ids) - len(missing)
                if not missing:
                    return
            await asyncio.sleep(_POLL_S)
        named = [f"{site_id} ({why})" for site_id, why in missing.items()][:MISSING_NAMED_MAX]
        more = len(missing) - len(named)
        tail = f" and {more} more" if more > 0 else ""
        raise ProgramError(f"not all sites answered in time: {', '.join(named)}{tail}")

    async def _award(self) -> None:
        """Post the award and wait for its start, or until all sites have accepted it."""
        resources = await read_pages(self._client, "/api/v1/resources")
        batteries = [one for one in resources if one["kind"] == "battery"]
        power_w = award_power_w(batteries)
        await self.operator.award(power_w)
        self._board.award_w = power_w
        self._board.begin(f"award of {power_w / 1e3:.1f} kW: sites offer and accept")
        while self._now_s() < self.operator.start_s - _POLL_S:
            await asyncio.sleep(_POLL_S)
            with contextlib.suppress(LinkError):
                self.obligation = await self._client.get(f"/api/v1/obligations/{OBLIGATION_ID}")
            self._board.steps = len(self._ground.plan.site_ids)
            self._board.step = self.obligation.get("sites_accepted", 0)
        self._board.say(
            f"{self.obligation.get('sites_accepted', 0)} of "
            f"{len(self._ground.plan.site_ids)} sites have accepted their part"
        )

    async def _play(self) -> None:
        """Commands, cuts and kills at their times, until the award is over."""
        plan, operator = self._ground.plan, self.operator
        self._board.begin(f"delivering for {plan.duration_s} s", plan.duration_s)
        async with asyncio.TaskGroup() as group:
            group.create_task(operator.command_all())
            for cut in plan.cuts:
                group.create_task(self._cut(cut))
            for kill in plan.kills:
                group.create_task(self._kill(kill))
            while self._now_s() < operator.end_s:
                self._board.step = self._now_s() - operator.start_s
                await asyncio.sleep(_TICK_S)
        self._board.step = plan.duration_s

    async def _cut(self, cut: PlannedCut) -> None:
        await self._until(cut.begin_s)
        self._plant.links.cut(cut.site_id, cut.kind)
        self._board.say(f"{cut.site_id}: link cut ({cut.kind.value})")
        await self._until(cut.end_s)
        self._plant.links.heal(cut.site_id)
        self._board.say(f"{cut.site_id}: link healed")

    async def _kill(self, kill: PlannedKill) -> None:
        await self._until(kill.at_s)
        await self._plant.kill(kill)

    async def _until(self, offset_s: float) -> None:
        """Wait for a time after the start of the award."""
        await asyncio.sleep(max(0.0, self.operator.start_s + offset_s - self._now_s()))

    async def _drain(self) -> None:
        """Wait until the store holds the end of the award of every site."""
        self._board.begin("waiting until every site's backlog is in the store")
        deadline_s = self._now_s() + DRAIN_S
        while self._now_s() < deadline_s:
            behind = await self._behind()
            if behind is not None:
                self._board.steps = len(self._ground.plan.site_ids)
                self._board.step = self._board.steps - len(behind)
                if not behind:
                    return
            await asyncio.sleep(_POLL_S)
        self._board.say(f"the backlog was not in after {DRAIN_S:.0f} s; counting what is there")

    async def _behind(self) -> list[str] | None:
        """Sites whose last seconds are not in the store; None if it does not answer."""
        try:
            table = await read_delivery(self._client)
        except VppError:
            return None
        return [
            site_id
            for row, site_id in enumerate(table.site_ids)
            if all(math.isnan(value) for value in table.delivered_w[row, -LAST_SECONDS:])
        ]

    async def _watch(self) -> None:
        """Put the coordinator's live view on the board, as far as it answers."""
        while True:
            try:
                view = await self._client.get("/api/v1/live?format=json")
            except VppError:
                self._board.sites = ()
            else:
                self._look(view)
            await asyncio.sleep(_POLL_S)

    def _look(self, view: dict[str, Any]) -> None:
        at_s = self._now_s()
        is_cut = self._plant.links.is_cut
        self._board.sites = tuple(
            sorted((site_now(site, is_cut) for site in view["sites"]), key=lambda s: s.site_id)
        )
        for award in view["awards"]:
            for point in award["points"]:
                self._board.add_point(point_now(point))
        for site in view["sites"]:
            if site["meter_w"] is None or site["delivered_w"] is None:
                continue
            baseline_w = site["meter_w"] - site["delivered_w"]
            known = self.baselines_w.setdefault(site["site_id"], [])
            if not known or abs(known[-1][1] - baseline_w) > 1.0:
                known.append((at_s, baseline_w))
