"""The fault matrix: complete, printed, and each cell tested."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_sim.faults import FaultKind
from firmware_sim.matrix import NOT_SIMULATED, PROTOCOLS, Outcome, matrix
from protocols.templates.catalogue import PROTOCOLS as TEMPLATE_PROTOCOLS

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-c", "from firmware_sim.main import main; raise SystemExit(main())"]


def test_every_fault_of_every_protocol_has_a_cell() -> None:
    """If it fails, there is a fault of which nobody has said what the gateway must do."""
    cells = {(each.protocol, each.fault) for each in matrix()}
    assert cells == {(protocol, fault) for protocol in PROTOCOLS for fault in FaultKind}
    assert set(PROTOCOLS) | NOT_SIMULATED >= set(TEMPLATE_PROTOCOLS)
    assert not set(PROTOCOLS) & NOT_SIMULATED


def test_what_does_not_apply_says_why() -> None:
    """If it fails, a cell is left out for no reason."""
    for each in matrix():
        assert bool(each.reason) == (each.outcome is Outcome.NONE)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_cell_is_tested(protocol: str) -> None:
    """If it fails, the matrix promises what nothing proves."""
    module = f"tests/conformance/hostility/test_{protocol.replace('-', '_')}.py"
    found = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"),
            *("-o", "addopts=--import-mode=importlib", module),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    collected = {line.split(" ", 1)[0] for line in found.stdout.splitlines()}
    wanted = {each.test for each in matrix() if each.protocol == protocol and each.test}
    assert wanted <= collected, found.stdout + found.stderr


def test_the_command_prints_every_fault_and_every_cell() -> None:
    """If it fails, the matrix on the screen is not the one that is tested."""
    table = subprocess.run(
        [*COMMAND, "matrix"], capture_output=True, text=True, timeout=30, check=True
    ).stdout
    assert all(fault.value in table for fault in FaultKind)
    assert all(protocol in table for protocol in PROTOCOLS)
    told = subprocess.run(
        [*COMMAND, "matrix", "--json"], capture_output=True, text=True, timeout=30, check=True
    ).stdout
    assert [(each["protocol"], each["fault"]) for each in json.loads(told)] == [
        (each.protocol, each.fault.value) for each in matrix()
    ]
