"""``vpp memory``: figures for people and programs, one clear line for bad input."""

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from cloud_coordinator.commands.memory import app
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import SiteId
from tests.learned_world import LearnedWorld, Truth


def run(data_dir: Path, *words: str) -> Result:
    command, *options = words
    return CliRunner().invoke(app, [command, "--data-dir", str(data_dir), *options])


def test_what_was_learned_is_shown(tmp_path: Path) -> None:
    """If it fails, an operator cannot see why a site is asked for less than it offers."""
    site = SiteId("slow")
    world = LearnedWorld(root=tmp_path, truths={site: Truth(delay_s=5.0, gain=0.8)})
    for number in range(2):
        world.run(number)
        world.learn()
    world.close()
    rows = json.loads(run(tmp_path, "show", "--json").output)
    assert [row["name"] for row in rows] == ["slow", "slow/battery-0", "slow/battery-1"]
    assert all(row["events"] == 2 for row in rows)
    assert "slow/battery-1" in run(tmp_path, "show", "--site", "slow").output
    said = json.loads(run(tmp_path, "report", "--json").output)
    assert [line["obligation_id"] for line in said["awards"]] == ["a0", "a0", "a1", "a1"]
    assert said["kinds"]["site"]["error_learned"] < said["kinds"]["site"]["error_prior"]
    assert "learned" in run(tmp_path, "report").output


def test_a_wrong_place_or_site_is_one_line(tmp_path: Path) -> None:
    """If it fails, a wrong path makes an empty registry, or a traceback."""
    wrong = run(tmp_path, "show").exception
    assert isinstance(wrong, ConfigError)
    assert "holds no registry" in str(wrong)
    assert list(tmp_path.iterdir()) == []
    LearnedWorld(root=tmp_path, truths={}).close()
    wrong = run(tmp_path, "show", "--site", "x").exception
    assert isinstance(wrong, ConfigError)
    assert "nothing was learned" in str(wrong)
    assert run(tmp_path, "report").exit_code == 0
