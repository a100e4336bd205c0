"""Two hundred VENs at our VTN, which is killed under their load, as processes on real sockets."""

import asyncio
from pathlib import Path

import pytest

from firmware_sim.bench_der.measure import free_port
from firmware_sim.bench_der.restart import RestartCost, measure_restart
from firmware_sim.bench_der.servers import make_ground, our_vtn
from firmware_sim.demo.processes import Family
from firmware_sim.demo.programs import environment

VENS = 200


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_vtn_that_is_killed_under_load_loses_nothing(tmp_path: Path) -> None:
    """If it fails, events never reach buildings, or delivered energy is not paid, after a crash."""

    async def run() -> RestartCost:
        ground = make_ground(tmp_path, VENS)
        family = Family(environment())
        server = our_vtn(ground, free_port(), secure=False, name="vtn")
        try:
            return await measure_restart(family, server, ground, seconds=1.0, tell=lambda _: None)
        finally:
            await family.end(())

    cost = asyncio.run(run())
    assert cost.lost == 0, cost
    assert cost.events > 0
    assert cost.answers == VENS * cost.events
    assert cost.readings > 0
