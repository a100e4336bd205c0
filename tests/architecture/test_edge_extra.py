"""The gateway's installation stays small, and each program's extra is enough for it."""

import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
ALLOWED = {
    "aiomqtt", "bacpypes3", "ocpp", "onnxruntime", "osqp", "pydantic", "pymodbus", "pysunspec2",
    "rich", "scipy", "sqlite-utils", "structlog", "typer", "websockets",
    # IEEE 2030.5 and OpenADR on the gateway: HTTP over mutual TLS
    "aiohttp",
}  # fmt: skip
OURS = {"protocols", "models", "firmware_sim", "edge_agent", "cloud_coordinator", "vpp"}
WITH = {"pandas": {"pvlib"}, "pydantic_core": {"pydantic"}, "yarl": {"aiohttp"}}
"""Packages that another one brings as a part of its own interface."""


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


@pytest.mark.parametrize(
    ("package", "extras"),
    [
        ("protocols", ()),
        ("models", ("train",)),
        ("edge_agent", ("edge",)),
        ("cloud_coordinator", ("cloud",)),
        ("firmware_sim", ("sim",)),
    ],
)
def test_a_program_needs_no_more_than_its_extra(package: str, extras: tuple[str, ...]) -> None:
    """An installation with the documented extra would stop at an import."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    brought = set(project["dependencies"])
    brought |= {name for extra in extras for name in project["optional-dependencies"][extra]}
    providers = packages_distributions()
    graph = grimp.build_graph(package, include_external_packages=True, cache_dir=None)
    outside = {
        module
        for module in graph.modules
        if graph.is_module_squashed(module)
        and module not in OURS
        and module not in sys.stdlib_module_names
    }
    missing = {
        module
        for module in outside
        if not brought & {module, *providers.get(module, ()), *WITH.get(module, ())}
    }
    assert not missing, f"not in {extras or 'the dependencies'}: {sorted(missing)}"
