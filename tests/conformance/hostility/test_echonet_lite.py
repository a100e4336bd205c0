"""ECHONET Lite's cells of the fault matrix: a battery with each fault against our driver."""

import pytest

from firmware_sim.faults import Fault, FaultKind, MapFault
from firmware_sim.matrix import Cell
from tests.conformance.hostility.harness import Bench, cells, fault_id, prove

PORT = 36_106
BENCH = Bench(
    template_id="echonet-battery-amount",
    room="echonet_lite",
    address="127.6.20.11",
    other_address="127.6.20.12",
    port=PORT,
    configured="127.6.20.11",
    section=(
        f'[echonet]\naddress = "127.6.20.1"\nport = {PORT}\ngroup = "239.192.6.20"\n'
        "timeout_s = 0.3\n"
    ),
    group="239.192.6.20",
)


@pytest.mark.parametrize("cell", cells("echonet-lite"), ids=fault_id)
def test_fault(cell: Cell) -> None:
    """If it fails, an ECHONET device with this fault gives a wrong number or none again."""
    prove(cell, BENCH)


@pytest.mark.parametrize("variant", MapFault)
def test_every_way_a_map_can_lie(variant: MapFault) -> None:
    """If it fails, a battery that miscounts, forgets or invents properties is lost to us."""
    (cell,) = (one for one in cells("echonet-lite") if one.fault is FaultKind.WRONG_MAP)
    prove(cell, BENCH, fault=Fault(kind=FaultKind.WRONG_MAP, variant=variant))
