"""The repository as syntax trees by path, read once, and the script that draws the documents."""

import ast
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("protocols", "models", "firmware_sim", "edge_agent", "cloud_coordinator")


def _parsed(paths: Iterable[Path]) -> dict[str, ast.Module]:
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(paths)
    }


@pytest.fixture(scope="session")
def product() -> dict[str, ast.Module]:
    """Every module that is installed."""
    inside = (path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
    return _parsed([ROOT / "vpp.py", *inside])


@pytest.fixture(scope="session")
def suite() -> dict[str, ast.Module]:
    """Every module of the tests."""
    return _parsed((ROOT / "tests").rglob("*.py"))


@pytest.fixture(scope="session")
def beside() -> dict[str, ast.Module]:
    """Every module that is neither installed nor a test: scripts and examples."""
    return _parsed(path for name in ("scripts", "examples") for path in (ROOT / name).glob("*.py"))


@pytest.fixture(scope="session")
def drawing() -> ModuleType:
    """``scripts/docs.py`` as a module."""
    spec = importlib.util.spec_from_file_location("docs", ROOT / "scripts" / "docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
