"""cactus-client, the CSIP-AUS server tests that are not ours, finds our server conformant.

The suite needs a newer Python than we do. Where the machine has none, ``scripts/peers`` leaves
it out and this is skipped, also where peers are required. ``make conformance`` runs all of it.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROCEDURES = [*(f"S-ALL-{number:02}" for number in range(1, 25)), "S-ALL-44", "S-ALL-49"]


def _newer_python() -> bool:
    """Whether this machine has a Python that the suite runs on, as scripts/peers looks for it."""
    versions = Path.home() / ".pyenv" / "versions"
    return (
        sys.version_info >= (3, 12)
        or any(shutil.which(name) for name in ("python3.12", "python3.13"))
        or any(versions.glob("3.1[23]*/bin/python3"))
    )


required = pytest.mark.peer("cactus") if _newer_python() else pytest.mark.slow


@required
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_suite_passes(peer: Callable[[str], str]) -> None:
    """If it fails, a utility's acceptance of our server against CSIP-AUS fails."""
    if not _newer_python():
        pytest.skip("no Python >= 3.12 here, and cactus-client needs one")
    peer("cactus")
    command = [sys.executable, "scripts/conformance.py", "--json", *PROCEDURES]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=290, check=False
    )
    results = json.loads(ended.stdout or "[]")
    failed = {r["procedure"]: r["cause"] for r in results if not r["passed"]}
    assert failed == {}, ended.stderr
    assert [r["procedure"] for r in results] == PROCEDURES, ended.stderr
