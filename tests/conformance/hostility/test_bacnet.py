"""BACnet's cells of the fault matrix: an air handling unit with each fault against our driver.

Loopback: devices 127.4.20.x at UDP 47820, the gateway at 47821.
"""

import pytest

from firmware_sim.faults import Fault, FaultKind, MapFault
from firmware_sim.matrix import Cell, Outcome
from tests.conformance.hostility.harness import Bench, cells, fault_id, prove

BENCH = Bench(
    template_id="bacnet-ahu-demand-limit",
    room="bacnet",
    address="127.4.20.11",
    other_address="127.4.20.12",
    port=47_820,
    configured="127.4.20.11:47820",
    section='[bacnet]\naddress = "127.4.20.1/8"\nport = 47821\n',
    unit=20_011,
    setpoint_w=-5000.0,
    delay_s=2.6,
    grace_s=6.0,
    watch_s=2.5,
    back_s=20.0,
)
"""A request waits 2 s at most (1 s, once repeated), so that a slow device is slower than that."""


@pytest.mark.parametrize("cell", cells("bacnet"), ids=fault_id)
def test_fault(cell: Cell) -> None:
    """If it fails, a BACnet device with this fault gives a wrong number or none again."""
    prove(cell, BENCH)


def test_a_device_that_lost_half_of_its_objects_gives_no_number_for_them() -> None:
    """If it fails, an object that is gone leaves its last number standing as if it were new."""
    cell = Cell(protocol="bacnet", fault=FaultKind.WRONG_MAP, outcome=Outcome.QUALITY, reason="")
    prove(cell, BENCH, fault=Fault(kind=FaultKind.WRONG_MAP, variant=MapFault.MISSING))


def test_an_object_list_that_miscounts_changes_nothing() -> None:
    """If it fails, a controller with a wrong object list is lost to us."""
    (cell,) = (one for one in cells("bacnet") if one.fault is FaultKind.WRONG_MAP)
    prove(cell, BENCH, fault=Fault(kind=FaultKind.WRONG_MAP, variant=MapFault.COUNT))
