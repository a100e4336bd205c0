"""``edge-agent provision`` as an installer types it: real TLS, simulated devices, a record."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_agent.main import SystemClock
from edge_agent.technician.app import run_app
from tests.scenario.test_devices_command import SCENARIO, SITE

SECRET = "correct horse battery"
MAIN = "import sys; from cloud_coordinator.commands.{} import main; sys.exit(main())"


def command(folder: Path, verb: str, *words: str) -> list[str]:
    """Words of a coordinator's command in a folder."""
    where = ("--identity", str(folder / "authority"))
    if words[0] != "init":
        where = (*where, "--data-dir", str(folder / "data"))
    return [sys.executable, "-c", MAIN.format(verb), *words, *where]


def told(folder: Path, verb: str, *words: str) -> str:
    """Run a coordinator's command to its end."""
    environment = {**os.environ, "VPP_AUTHORITY_PASSPHRASE": SECRET}
    done = subprocess.run(
        command(folder, verb, *words), env=environment, capture_output=True, text=True, check=True
    )
    assert SECRET not in done.stdout + done.stderr
    return done.stdout


@contextmanager
def running(words: list[str], event: str) -> Iterator[dict[str, str]]:
    """Run a program until the test is over."""
    environment = {**os.environ, "VPP_AUTHORITY_PASSPHRASE": SECRET}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["event"] == event
        yield ready
        process.terminate()


def test_from_code_to_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If it fails, an installer leaves a site that is not enrolled, or never moved."""
    box = tmp_path / "box"
    box.mkdir()
    (box / "site.toml").write_text(SITE, encoding="utf-8")
    (box / "scenario.json").write_text(json.dumps(SCENARIO), encoding="utf-8")
    told(tmp_path, "authority", "init")
    code = json.loads(told(tmp_path, "sites", "add", "site-007", "--zone", "tokyo", "--json"))
    simulator = [sys.executable, "-c", "from firmware_sim.main import main; main()"]
    desk = command(
        tmp_path, "authority", "serve", "--listen", "127.0.0.1:0", "--broker", "mqtts://b:8883"
    )
    with (
        running([*simulator, "--scenario", str(box / "scenario.json")], "sim.ready"),
        running(desk, "enrolment.ready") as ready,
    ):
        words = ["provision", "--coordinator", ready["url"], "--code", code["code"]]
        words += ["--config", str(box / "site.toml")]
        assert run_app(SystemClock(), words) == 0, capsys.readouterr()
        assert code["code"] not in capsys.readouterr().out
    record = json.loads(next((box / "data").glob("commissioning-*.json")).read_text())
    battery = next(one for one in record["devices"] if one["device_id"] == "battery-1")
    assert battery["ok"]
    assert battery["released"].startswith("done")
    assert abs(battery["held_w"] - battery["asked_w"]) <= 0.1 * abs(battery["asked_w"])
    assert "合格" in next((box / "data").glob("commissioning-*.html")).read_text()
    assert "mqtts://b:8883" in (box / "site.toml").read_text()
    assert 'folder = "identity"' in (box / "site.toml").read_text()
