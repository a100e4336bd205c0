"""The system clock is read in wiring only; everything else is given the time."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("protocols", "models", "firmware_sim", "edge_agent", "cloud_coordinator")
WIRING = {
    "edge_agent/main.py",
    "cloud_coordinator/main.py",
    "edge_agent/watchdog/__main__.py",
}
FORBIDDEN = {
    ("time", "time"),
    ("time", "time_ns"),
    ("time", "monotonic"),
    ("time", "monotonic_ns"),
    ("datetime", "now"),
    ("datetime", "utcnow"),
}


def _calls(tree: ast.AST) -> set[tuple[str, str]]:
    return {
        (node.func.value.id, node.func.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
    }


def test_only_wiring_reads_the_system_clock() -> None:
    """A decision could not be replayed, because it looked at the clock by itself."""
    offenders = []
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            name = str(path.relative_to(ROOT))
            if name in WIRING or name.startswith("firmware_sim/"):
                continue
            if _calls(ast.parse(path.read_text(encoding="utf-8"))) & FORBIDDEN:
                offenders.append(name)
    assert not offenders, f"pass a Clock instead: {offenders}"
