"""The plain Modbus cells of the fault matrix: a battery with each fault against our driver."""

import pytest

from firmware_sim.matrix import Cell
from tests.conformance.hostility.harness import Bench, cells, fault_id, prove
from tests.unit.edge_agent.drivers.sunspec.bench import WORKER

NETWORK = f"127.3.{150 + WORKER}"
BENCH = Bench(
    template_id="modbus-battery-signed",
    room="sunspec",
    address=f"{NETWORK}.11",
    other_address=f"{NETWORK}.12",
    port=15_021,
    configured=f"{NETWORK}.11:15021/1",
    section="[modbus]\ntimeout_s = 0.3\n",
)


@pytest.mark.parametrize("cell", cells("modbus"), ids=fault_id)
def test_fault(cell: Cell) -> None:
    """If it fails, a Modbus device with this fault gives a wrong number or none again."""
    prove(cell, BENCH)
