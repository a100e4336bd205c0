"""``vpp sim`` as an operator runs it: a process with signals and exit codes."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_sim.truth import read_truth

COMMAND = [sys.executable, "-c", "from firmware_sim.main import main; raise SystemExit(main())"]
PORT = 30_000 + os.getpid() % 2_000


def scenario(folder: Path, *, net: str) -> Path:
    """Write a scenario of one site."""
    devices = [
        {"id": "meter", "kind": "meter", "address": f"{net}.11"},
        {"id": "pv-1", "kind": "pv", "address": f"{net}.12", "power_w_rated": 5000},
    ]
    site = {"site_id": "s1", "group": "239.192.78.1", "devices": devices}
    path = folder / "scenario.json"
    path.write_text(json.dumps({"port": PORT, "sites": [site]}))
    return path


def run(*options: str) -> subprocess.CompletedProcess[str]:
    """Run to the end."""
    return subprocess.run(
        [*COMMAND, *options], capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """The demo could not stop its simulator, or leave a socket behind."""
    path = scenario(tmp_path, net=f"127.{200 + os.getpid() % 50}.{number % 200}")
    control, truth = tmp_path / "sim.sock", tmp_path / "truth.jsonl"
    options = ["--scenario", str(path), "--truth", str(truth), "--control", str(control)]
    with subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready == {"event": "sim.ready", "sites": 1, "devices": 2, "port": PORT}
        process.send_signal(number)
        assert process.wait(10) == 0
    assert not control.exists()
    assert isinstance(read_truth(truth), list)


def test_a_taken_port_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    """A port that is taken could end in a traceback, or in a simulator that is deaf."""
    net = f"127.{200 + os.getpid() % 50}.251"
    path = scenario(tmp_path, net=net)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((f"{net}.12", PORT))
        done = run("--scenario", str(path))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f"{net}.12 port {PORT}" in done.stderr


def test_a_wrong_scenario_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    """A slip in a scenario could be run half."""
    path = tmp_path / "wrong.json"
    path.write_text('{"sites": [], "seeds": 1}')
    done = run("--scenario", str(path))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"vpp sim: {path}: ")
    missing = run()
    assert missing.returncode == 2
    assert "--scenario" in missing.stderr


def test_it_makes_a_scenario_to_begin_with() -> None:
    """A newcomer could not get a first scenario."""
    done = run("--make", "2", "--seed", "5")
    assert done.returncode == 0
    assert [site["site_id"] for site in json.loads(done.stdout)["sites"]] == [
        "site-001",
        "site-002",
    ]
