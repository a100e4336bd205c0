"""OCPP chargers with faults: never a wrong number, and the outcome the matrix asks for.

Loopback 127.5.3.x and 127.5.4.x (each cell its own), port 8887.
"""

from dataclasses import replace

import pytest

from firmware_sim.matrix import Cell
from tests.conformance.hostility.harness import Bench, cells, fault_id, prove

CELLS = cells("ocpp")
BENCH = Bench(
    template_id="ocpp-201-ac-22kw",
    room="ocpp",
    address="",
    port=8887,
    configured="",
    section="",
    identity="device-1",
    setpoint_w=-6_900.0,
    grace_s=3.0,
    back_s=15.0,
)


def _at(bench: Bench, address: str) -> Bench:
    section = f'[ocpp]\naddress = "{address}"\nport = {bench.port}'
    return replace(bench, address=address, section=section)


@pytest.mark.parametrize("cell", CELLS, ids=fault_id)
def test_fault(cell: Cell) -> None:
    """If it fails, a charger with this fault gives a wrong number, or stays lost afterwards."""
    prove(cell, _at(BENCH, f"127.5.3.{CELLS.index(cell) + 1}"))


@pytest.mark.parametrize("cell", CELLS, ids=fault_id)
def test_fault_of_1_6(cell: Cell) -> None:
    """If it fails, a charger of the older version with this fault is believed, or stays lost."""
    bench = replace(BENCH, template_id="ocpp-16-ac-6kw", setpoint_w=-2_000.0)
    prove(cell, _at(bench, f"127.5.4.{CELLS.index(cell) + 1}"))
