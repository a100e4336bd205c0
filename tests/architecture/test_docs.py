"""The generated parts of the documentation are what the code says."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_architecture_page_is_true() -> None:
    """A reader would trust a drawing that the code no longer follows; `make docs` redraws it."""
    result = subprocess.run(
        [sys.executable, "scripts/docs.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr or "run `make docs`"
