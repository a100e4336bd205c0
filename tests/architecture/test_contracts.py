"""The floors of the house hold, and every room has one."""

import configparser
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("protocols", "models", "firmware_sim", "edge_agent", "cloud_coordinator")
PROGRAMS = ("firmware_sim", "edge_agent", "cloud_coordinator")
RUN_TIME_MODELS = {
    "models",
    "models.bidding",
    "models.clear_sky",
    "models.contract",
    "models.day_ahead",
    "models.drift",
    "models.features",
    "models.session",
    "models.shipped_files",
    "models.site",
}
"""What a gateway or a coordinator may need of the models; of day_ahead all it holds."""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """Who imports whom."""
    return grimp.build_graph(*PACKAGES, cache_dir=None)


def test_the_contracts_of_setup_cfg_are_kept() -> None:
    """A program would import another, or a rule would learn of SQL, and nothing would say so."""
    result = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-4000:]


def test_every_package_has_an_exhaustive_contract() -> None:
    """A new room could be built without a floor, and import whatever it likes."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    exhaustive = {
        section["containers"] for section in config.values() if section.get("exhaustive") == "True"
    }
    assert exhaustive == set(PACKAGES)


def test_programs_see_only_what_a_model_needs_at_run_time(graph: grimp.ImportGraph) -> None:
    """A gateway would need the packages for training, or train by accident."""
    seen = {
        (module, imported)
        for program in PROGRAMS
        for module in graph.find_descendants(program)
        for imported in graph.find_modules_directly_imported_by(module)
        if imported.split(".")[0] == "models"
    }
    rooms = {".".join(imported.split(".")[:2]) for _, imported in seen}
    assert rooms <= RUN_TIME_MODELS, sorted(seen)


def test_no_module_is_in_a_circle(graph: grimp.ImportGraph) -> None:
    """Two modules that need each other could only be understood, tested and moved together."""
    circles = [
        module
        for module in graph.modules
        if any(
            graph.find_shortest_chain(importer=imported, imported=module)
            for imported in graph.find_modules_directly_imported_by(module)
        )
    ]
    assert not circles, circles
