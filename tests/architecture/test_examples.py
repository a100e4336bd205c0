"""The examples run, and print what they say they print."""

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
TIMEOUT_S = 20.0


def test_there_are_examples() -> None:
    """A newcomer would find no small piece to begin with."""
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_prints_what_it_promises(example: Path, tmp_path: Path) -> None:
    """A newcomer would learn from something that no longer works, or works otherwise."""
    text = ast.get_docstring(ast.parse(example.read_text(encoding="utf-8"))) or ""
    promised = textwrap.dedent(text.partition("Prints::\n\n")[2])
    result = subprocess.run(
        [sys.executable, str(example)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert promised.strip()
    assert result.stdout.splitlines() == promised.splitlines()
    assert not list(tmp_path.iterdir()), "an example leaves nothing behind"
