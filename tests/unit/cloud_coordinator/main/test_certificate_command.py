"""``vpp certificate`` and ``vpp allocation`` as a person runs them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

QUESTION: dict[str, Any] = {
    "obligation_w": 60_000.0,
    "shortage_jpy_per_kwh": 500.0,
    "probability": 0.999,
    "sites": {
        "id": [f"site-{at}" for at in range(20)],
        "price_jpy_per_kwh": [10.0 + at for at in range(20)],
        "steepness_jpy_per_kwh_w": [1e-3] * 20,
        "power_w_max": [8_000.0] * 20,
        "reliability": [0.97] * 20,
    },
    "common_causes": [
        {"name": "feeder 3", "outage_probability": 0.004, "sites": ["site-1", "site-2"]}
    ],
}


def _run(module: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"cloud_coordinator.commands.{module}", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate with the command."""
    folder = tmp_path_factory.mktemp("certificate")
    question, output = folder / "question.json", folder / "award.json"
    question.write_text(json.dumps(QUESTION), encoding="utf-8")
    done = _run("certificate", "make", str(question), "--output", str(output))
    assert done.returncode == 0, done.stderr
    assert ", kept" in done.stdout
    return output


def test_certificate_is_checked_from_its_file_alone(made: Path) -> None:
    """If it fails, nobody outside can check what stands behind a commitment."""
    done = _run("certificate", "verify", str(made), "--draws", "20000", "--seed", "5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seen 実測 0.99" in done.stdout
    assert "holds: 99.9" in done.stdout


def test_changed_certificate_is_told_broken(made: Path, tmp_path: Path) -> None:
    """If it fails, a claim improved by hand passes the check."""
    data = json.loads(made.read_text(encoding="utf-8"))
    data["obligation_w"] = 90_000.0
    other = tmp_path / "other.json"
    other.write_text(json.dumps(data), encoding="utf-8")
    done = _run("certificate", "verify", str(other))
    assert done.returncode == 1
    assert "broken: delivered with probability" in done.stdout


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "vpp-certificate/9"}'])
def test_file_that_is_no_certificate_is_one_clear_line(text: str, tmp_path: Path) -> None:
    """If it fails, a wrong file ends in a stack trace."""
    other = tmp_path / "other.json"
    other.write_text(text, encoding="utf-8")
    for words in (["verify", str(other)], ["make", str(other), "--output", str(tmp_path / "x")]):
        done = _run("certificate", *words)
        assert done.returncode == 2
        assert done.stderr.startswith("vpp certificate: ")
        assert done.stderr.count("\n") == 1


def test_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    """If it fails, a slip of the keyboard ends in a stack trace."""
    done = _run("certificate", "verify", str(tmp_path / "none.json"))
    assert done.returncode == 2
    assert "none.json" in done.stderr


def test_benchmark_measures_a_small_fleet(tmp_path: Path) -> None:
    """If it fails, the figures that the product is judged by cannot be measured."""
    output = tmp_path / "bench.json"
    done = _run("allocation", "bench", "--sizes", "300", "--only", "F1,F3", "--json", str(output))
    assert done.returncode == 0, done.stderr
    found = json.loads(output.read_text(encoding="utf-8"))
    assert [one["family"] for one in found["families"]] == ["F1", "F3"]
    for one in found["families"]:
        assert abs(one["ours"]["relative_gap"]) < 1e-7
        assert one["contenders"]["ours NumPy"]["cpu_ms"] > 0.0


@pytest.mark.parametrize("words", [["--sizes", "none"], ["--sizes", "0"], ["--only", "F9"]])
def test_benchmark_refuses_what_it_cannot_measure(words: list[str]) -> None:
    """If it fails, a typing error costs minutes before it is noticed."""
    done = _run("allocation", "bench", *words)
    assert done.returncode == 2
    assert done.stderr.startswith("vpp allocation: ")
