"""``vpp bench allocate``: starts the coordinator's own measurement of its allocation.

Starts it as an operator would, with one thread for every library, and passes on what it prints.
"""

import subprocess
import sys
from typing import Annotated, Final

import typer

from firmware_sim.demo.processes import dying_with_parent
from firmware_sim.demo.programs import check_programs, command_path, environment
from protocols.vocabulary.errors import ConfigError

EXIT_BAD_INPUT: Final = 2
EPILOG: Final = "Example 例: vpp bench allocate --sizes 1000,100000 --json allocate.json"


def allocate(
    *,
    sizes: Annotated[
        str | None, typer.Option(help="Numbers of resources, by commas. リソース数。")
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Families F1,F2,F3, by commas. 問題の種類。")
    ] = None,
    json_file: Annotated[
        str | None,
        typer.Option("--json", help="Write JSON here; alone, to standard output. JSON出力先。"),
    ] = None,
) -> None:
    """Measure the allocation beside PIQP, Clarabel, OSQP and the memory floor.

    配分計算の速度と精度を、他のソルバーと比べて測定します。
    """
    try:
        check_programs()
    except ConfigError as error:
        sys.stderr.write(f"vpp bench allocate: {error}\n")
        raise typer.Exit(EXIT_BAD_INPUT) from None
    given = {"--sizes": sizes, "--only": only, "--json": json_file}
    options = [word for name, value in given.items() if value for word in (name, value)]
    command = [command_path("vpp"), "allocation", "bench", *options]
    done = subprocess.run(  # noqa: S603  our own command, its words checked by itself
        dying_with_parent(command), env=dict(environment()), check=False
    )
    raise typer.Exit(done.returncode)
