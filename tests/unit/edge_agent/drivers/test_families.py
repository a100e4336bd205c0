"""What a site does not have costs it nothing."""

import subprocess
import sys

import pytest

LIBRARIES = ("bacpypes3", "pymodbus", "sunspec2", "ocpp", "websockets")


@pytest.mark.parametrize("module", ["edge_agent.main", "edge_agent.technician.app"])
def test_no_protocols_library_is_loaded_at_the_start(module: str) -> None:
    """If it fails, every command and every small gateway loads what only other sites need."""
    code = f"import sys, {module}; print([n for n in {LIBRARIES!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
