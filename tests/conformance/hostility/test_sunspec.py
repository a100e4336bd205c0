"""SunSpec's cells of the fault matrix: a battery with each fault against our driver."""

import asyncio
from datetime import UTC, datetime

import pytest

from firmware_sim.faults import Fault, FaultKind, MapFault
from firmware_sim.matrix import Cell
from tests.conformance.hostility.harness import Bench, cells, fault_id, prove, stage
from tests.unit.edge_agent.drivers.sunspec.bench import WORKER

NETWORK = f"127.3.{100 + WORKER}"
BENCH = Bench(
    template_id="sunspec-battery-704",
    room="sunspec",
    address=f"{NETWORK}.11",
    other_address=f"{NETWORK}.12",
    port=15_020,
    configured=f"{NETWORK}.11:15020/1",
    section="[modbus]\ntimeout_s = 0.3\n",
)


@pytest.mark.parametrize("cell", cells("sunspec"), ids=fault_id)
def test_fault(cell: Cell) -> None:
    """If it fails, a SunSpec device with this fault gives a wrong number or none again."""
    prove(cell, BENCH)


@pytest.mark.parametrize("variant", MapFault)
def test_a_chain_that_lies_when_it_is_walked(variant: MapFault) -> None:
    """If it fails, a wrong length or a missing end makes us read one model as another.

    A length too short makes the device unreadable until it is right again; without an end,
    or with a model at the end that is not there, the rest of the chain still holds.
    """

    async def look() -> None:
        async with stage(BENCH) as on:
            begun = datetime.now(UTC)
            on.device.switch_on(Fault(kind=FaultKind.WRONG_MAP, variant=variant), begun.timestamp())
            there = await on.until(lambda: on.fresh(begun), 2.5)
            assert there == (variant is not MapFault.COUNT)
            on.device.switch_off(FaultKind.WRONG_MAP)
            right = datetime.now(UTC)
            assert await on.until(lambda: on.fresh(right), BENCH.back_s)

    asyncio.run(look())
