"""Every command in the README is run, so that none of them can be wrong."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.strip()]
MAKE = [line for line in COMMANDS if line.startswith("make ")]
DEMO = [line for line in COMMANDS if "vpp demo --sites" in line]
SHORT = [line for line in COMMANDS if line not in MAKE and line not in DEMO]


def _run(command: str, tmp_path: Path, *, timeout_s: float) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    program = str(ROOT / words[0]) if words[0].startswith(".venv") else words[0]
    return subprocess.run(
        [program, *words[1:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def test_the_two_promised_commands_are_there() -> None:
    """A newcomer would not find how to start."""
    assert {"make demo", "make test"} <= set(COMMANDS)


@pytest.mark.parametrize("command", MAKE)
def test_make_targets_exist_and_expand(command: str) -> None:
    """The README names a target that the Makefile does not have.

    `make test` is what runs this very test; `make check` runs `make test`; both are only
    expanded here, as are the long ones.
    """
    result = subprocess.run(
        ["make", "-n", *shlex.split(command)[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip(), f"{command} would do nothing"


@pytest.mark.parametrize("command", SHORT)
def test_short_commands_run(command: str, tmp_path: Path) -> None:
    """A command of the README fails or explains nothing."""
    result = _run(command, tmp_path, timeout_s=60)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("command", DEMO)
def test_the_demo_of_the_readme_runs(command: str, tmp_path: Path) -> None:
    """The first thing a newcomer tries loses telemetry, leaves cut sites idle or crashes."""
    result = _run(command, tmp_path, timeout_s=220)
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert report["samples_lost"] == 0
    assert report["samples_duplicated"] == 0
    assert report["samples_expected"] > 0
    assert report["sites_cut"] >= 1
