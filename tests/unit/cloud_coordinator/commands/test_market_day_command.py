"""``vpp market day`` as a person runs it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cloud_coordinator.commands.market import app

SHARED = Path(__file__).parents[5] / "shared" / "data"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--date", "tomorrow"], "--date: 'tomorrow' is not a day"),
        (["--date", "2025-05-14", "--area", "mars"], "--area: 'mars' is not one of"),
        (["--date", "2025-05-14", "--strategy", "luck"], "--strategy: 'luck' is not one of exact"),
        (["--date", "2024-05-14"], "name a set with --rules"),
        (["--date", "2025-05-14", "--portfolio", "none.toml"], "none.toml"),
    ],
)
def test_bad_input_is_one_clear_line(tmp_path: Path, options: list[str], said: str) -> None:
    """If it fails, a typing error looks like a crash, or runs another day than was meant."""
    result = CliRunner().invoke(app, ["day", "--data", str(tmp_path), *options])
    assert result.exit_code == 2
    assert said in result.output
    assert len(result.output.splitlines()) == 1


def test_a_folder_with_nothing_in_it_still_makes_a_day(tmp_path: Path) -> None:
    """If it fails, missing files stop the day, or are not told by the exit code."""
    options = ["--data", str(tmp_path), "--date", "2025-05-14", "--json"]
    result = CliRunner().invoke(app, ["day", *options, "--out", str(tmp_path / "report")])
    assert result.exit_code == 1
    day = json.loads(result.stdout)
    assert day["alerts"]
    assert (tmp_path / "report" / "market-tokyo-2025-05-14.html").is_file()


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not there")
def test_a_real_day_is_settled_by_a_named_set() -> None:
    """If it fails, real published data no longer become a statement."""
    options = ["--data", str(SHARED), "--date", "2024-10-05", "--rules", "eprx-2025-04-01"]
    result = CliRunner().invoke(app, ["day", *options, "--json"])
    assert result.exit_code == 0, result.output
    day = json.loads(result.stdout)
    assert day["as_if"]
    assert day["statements"]
    assert sum(one["amount_yen"] for one in day["accounts"].values()) == day["amount_yen"]
