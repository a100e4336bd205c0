"""``vpp allocation``: wiring only. Measures the allocation on this machine.

Exit codes: 0, 2 for bad input.
"""

import json
import platform
import sys
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Final, TextIO

import typer

from cloud_coordinator.allocation.engines import kernel_absence
from cloud_coordinator.allocation.rows_compiled import compiled_engine
from cloud_coordinator.allocation.rows_numpy import NumpyEngine
from cloud_coordinator.commands.allocation_bench.measure import (
    COMPILED,
    FLOOR,
    NUMPY,
    WARM,
    measure_family,
    measure_loads,
)
from cloud_coordinator.commands.allocation_bench.rivals import RIVALS
from cloud_coordinator.commands.allocation_strategies import strategies, train
from protocols.vocabulary.errors import ConfigError, VppError

FORMAT: Final = "vpp-bench-allocate/1"
EXIT_BAD_INPUT: Final = 2
SIZES: Final = "1000,10000,100000,1000000"
FAMILIES: Final = "F1,F2,F3"
ROWS_MAX: Final = 2_000_000
LOADS_ROWS_MAX: Final = 100_000
STANDARD_OUTPUT: Final = "-"
PACKAGES: Final = ("vpp", "numpy", "scipy", "piqp", "clarabel", "osqp")
DEFINITIONS: Final = {
    "cpu_ms": "least processor time of one answer, all threads; the rounds are interleaved",
    "ours": "a whole call of allocate: checks, search, powers, proof; the grid's topology is "
    "prepared before, as it does not change",
    "ours compiled, warm": "1 % more is required, upper bounds are up to 2 % lower",
    "memory floor": "four columns of float64 read, one written, once",
    "rivals": "setting up and solving with given matrices; in F3 shortage is a column each",
    "times_ours": "processor time divided by ours compiled",
    "cost_above_ours": "cost with shortage, relative; negative where a rival breaks limits",
    "F1": "one balance",
    "F2": "one balance, caps on feeders of 50 and substations of 2000 resources",
    "F3": "three products sharing headroom, delivery factors, the same caps",
}
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def allocation() -> None:
    """Programs of the allocation.

    配分計算のプログラム。
    """


@app.command(epilog="Example 例: vpp allocation bench --sizes 1000,100000 --json bench.json")
def bench(
    *,
    sizes: Annotated[str, typer.Option(help="Resources, by commas. リソース数。")] = SIZES,
    only: Annotated[str, typer.Option(help="Families, by commas. 問題の種類。")] = FAMILIES,
    json_file: Annotated[
        str | None,
        typer.Option("--json", help="Write JSON here; - is standard output. JSON出力先。"),
    ] = None,
) -> None:
    """Measure the allocation beside PIQP, Clarabel, OSQP and the memory floor.

    配分計算の速度と精度を、他のソルバーと比べて測定します。
    """
    rows, families = _numbers(sizes), _names(only)
    target = _target(json_file)
    tell = sys.stderr if target == STANDARD_OUTPUT else sys.stdout
    found = _measured(rows, families, tell)
    text = json.dumps(found, indent=1) + "\n"
    if target == STANDARD_OUTPUT:
        sys.stdout.write(text)
    elif target is not None:
        Path(target).write_text(text, encoding="utf-8")


app.command(epilog="Example 例: vpp allocation strategies --resources 200 --seed 1")(strategies)
app.command(epilog="Example 例: vpp allocation train --seed 1 --output policy.onnx")(train)


def _numbers(sizes: str) -> list[int]:
    words = [word.strip() for word in sizes.split(",")]
    if not all(word.isdecimal() and 1 <= int(word) <= ROWS_MAX for word in words):
        raise ConfigError(f"--sizes {sizes}: numbers from 1 to {ROWS_MAX:,}, by commas")
    return [int(word) for word in words]


def _names(only: str) -> list[str]:
    words = [word.strip().upper() for word in only.split(",")]
    if not set(words) <= set(FAMILIES.split(",")):
        raise ConfigError(f"--only {only}: of {FAMILIES}")
    return words


def _target(json_file: str | None) -> str | None:
    """Refuse a place that cannot be written before anything is measured."""
    if json_file is None or json_file == STANDARD_OUTPUT:
        return json_file
    place = Path(json_file)
    if place.is_dir() or not place.resolve().parent.is_dir():
        raise ConfigError(f"--json {json_file}: is a folder, or its folder does not exist")
    return json_file


def _measured(rows: Iterable[int], families: Sequence[str], tell: TextIO) -> dict[str, Any]:
    absence = kernel_absence()
    compiled = None if absence else compiled_engine()
    if absence:
        tell.write(f"ours runs on NumPy: {absence}\n")
    found: dict[str, Any] = {
        "format": FORMAT,
        "families": [],
        "f3_loads": [],
        "kernel": absence or "compiled",
        "versions": {name: _version(name) for name in PACKAGES},
        "machine": f"{platform.processor() or platform.machine()}, Python "
        f"{platform.python_version()}",
        "definitions": DEFINITIONS,
    }
    for count in rows:
        for family in families:
            measured = measure_family(family, count, compiled=compiled)
            found["families"].append(measured)
            tell.write(_family_text(measured))
            tell.flush()
    if "F3" in families and max(rows, default=0) >= LOADS_ROWS_MAX:
        tell.write(f"\nF3 over load, {LOADS_ROWS_MAX:,} resources, CPU ms: cold, warm, gap\n")
        for level in measure_loads(LOADS_ROWS_MAX, compiled or NumpyEngine()):
            found["f3_loads"].append(level)
            cold, warm = level["cold"], level["warm"]
            tell.write(
                f"{100 * level['load']:5.0f} %  {cold['cpu_ms']:8.1f}  {warm['cpu_ms']:8.1f}  "
                f"{max(cold['relative_gap'], warm['relative_gap']):.1e}\n"
            )
            tell.flush()
    return found


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _family_text(measured: dict[str, Any]) -> str:
    lines = [
        f"\n{measured['family']}, {measured['resources']:,} resources: relative gap "
        f"{measured['ours']['relative_gap']:.1e}, {measured['ours']['binding_groups']} groups bind"
    ]
    for name in (FLOOR, COMPILED, WARM, NUMPY, *RIVALS):
        figures = measured["contenders"].get(name)
        if figures is None:
            why = measured["left_out"].get(name)
            lines += [f"  {name:22} {why}"] if why else []
            continue
        end = ""
        if "solved" in figures:
            end = f"  cost {figures['cost_above_ours']:+.0e}" if figures["solved"] else "  unsolved"
        lines.append(
            f"  {name:22} {figures['cpu_ms']:12.3f} ms  {figures['times_ours']:11.2f} x{end}"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run ``vpp allocation``.

    Returns
    -------
    int
        Exit code.
    """
    try:
        app(standalone_mode=False, prog_name="vpp allocation")
    except typer.TyperException as error:
        return _bad_input(error.format_message())
    except VppError as error:
        return _bad_input(str(error))
    return 0


def _bad_input(message: str) -> int:
    sys.stderr.write(f"vpp allocation: {' '.join(message.split())}\n")
    return EXIT_BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
