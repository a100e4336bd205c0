"""The gateway's installation stays small."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
ALLOWED = {
    "aiomqtt", "onnxruntime", "osqp", "pydantic", "rich", "scipy", "sqlite-utils", "structlog",
    "typer",
}  # fmt: skip


def test_the_edge_extra_is_small() -> None:
    """A package that only the cloud needs would be shipped to every gateway."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(project["optional-dependencies"]["edge"]) <= ALLOWED


def test_every_dependency_is_pinned_with_a_reason() -> None:
    """An unpinned package could change the plant overnight; nobody would dare remove another."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = set(project["dependencies"]).union(*project["optional-dependencies"].values())
    named = {
        line.split("==")[0].lower()
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line and "  # " in line
    }
    missing = {name for name in wanted if name.lower() not in named}
    assert not missing, f"pin these in constraints.txt, with a reason: {sorted(missing)}"
