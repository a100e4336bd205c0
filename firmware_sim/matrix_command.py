"""``vpp sim matrix``: the fault matrix as a table. Wiring only."""

import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from firmware_sim.faults import FaultKind
from firmware_sim.matrix import PROTOCOLS, cell, matrix

WIDTH_MIN = 150


def add_matrix(app: typer.Typer) -> None:
    """Add the command to ``vpp sim``."""

    @app.command(name="matrix", epilog="Example: vpp sim matrix --tests")
    def print_matrix(
        *,
        tests: Annotated[bool, typer.Option("--tests", help="List each cell's test.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
    ) -> None:
        """Show what is required of the gateway for each fault of each protocol's devices."""
        if as_json:
            _print_json()
            return
        console = Console(highlight=False)
        if not console.is_terminal:
            console = Console(highlight=False, width=WIDTH_MIN)
        console.print(_table())
        if tests:
            for each in matrix():
                if each.test:
                    console.print(f"{each.protocol} {each.fault.value}: {each.test}", markup=False)
        else:
            console.print("each cell: tests/conformance/hostility/test_<protocol>.py (--tests)")


def _table() -> Table:
    table = Table(title="fault matrix: required while the fault is on", show_lines=True)
    table.add_column("fault")
    for protocol in PROTOCOLS:
        table.add_column(protocol)
    for fault in FaultKind:
        table.add_row(fault.value, *(str(cell(protocol, fault)) for protocol in PROTOCOLS))
    return table


def _print_json() -> None:
    cells = [
        {
            "protocol": each.protocol,
            "fault": each.fault.value,
            "required": each.outcome.value,
            "reason": each.reason,
            "test": each.test,
        }
        for each in matrix()
    ]
    sys.stdout.write(json.dumps(cells, indent=1) + "\n")
