"""``vpp demo`` as a whole: programs killed, links cut, Ctrl-C in the middle."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

VPP = str(Path(sys.executable).with_name("vpp"))
AGENT = str(Path(sys.executable).with_name("edge-agent"))
PROGRAMS_MIN = 6
"""Simulator, coordinator, broker and an agent with its watchdog at the least, and the demo."""


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """Let one demo run at a time: all of them use the same loopback addresses."""
    with (Path(tempfile.gettempdir()) / "vpp-demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def processes_of(folder: Path) -> dict[int, str]:
    """Living processes that name a run's folder on their command line."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if f"{folder}/" in line and int(entry.parent.name) != os.getpid():
                found[int(entry.parent.name)] = line
    return found


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_nothing_is_lost_when_agent_broker_and_coordinator_are_killed(tmp_path: Path) -> None:
    """A kill -9 or a cut link would cost telemetry, count it twice, or change the past."""
    run = tmp_path / "run"
    done = subprocess.run(
        [
            *(VPP, "demo", "--headless", "--sites", "3", "--duration", "45", "--cut", "0.34"),
            *("--chaos", "5", "--json", "out.json", "--out", str(run)),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert processes_of(tmp_path) == {}
    report = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert report["samples_lost"] == report["samples_duplicated"] == 0
    assert report["samples_expected"] >= 3 * 45
    kills = report["kills"]
    assert sorted(kill["victim"] for kill in kills) == ["agent", "broker", "coordinator"]
    assert all(kill["back_s"] > kill["at_s"] for kill in kills)
    assert report["sites_cut"] >= 1
    for site_id in ("site-001", "site-002", "site-003"):
        replays_identically(run / "sites" / site_id / "data" / f"{site_id}.journal.sqlite")


def replays_identically(journal: Path) -> None:
    """Decide every cycle of a journal again."""
    done = subprocess.run(
        [AGENT, "replay", str(journal), "--all", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    replay = json.loads(done.stdout)
    assert replay["replayed"] >= 45
    assert replay["differing"] == 0
    assert replay["skipped"] == 0


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_control_c_in_the_middle_leaves_nothing_behind(tmp_path: Path) -> None:
    """A person who ends the demo, twice since they are in a hurry, would keep its programs."""
    run = tmp_path / "run"
    command = [VPP, "demo", "--headless", "--sites", "3", "--duration", "60", "--cut", "0.34"]
    with subprocess.Popen(
        [*command, "--out", str(run)], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stderr is not None
        try:
            said = next((line for line in demo.stderr if "delivering for" in line), "")
            assert said, "the demo ended before it delivered"
            time.sleep(3.0)
            assert len(processes_of(tmp_path)) >= PROGRAMS_MIN
            pressed_s = time.monotonic()
            demo.send_signal(signal.SIGINT)
            time.sleep(0.3)
            demo.send_signal(signal.SIGINT)
            rest = demo.stderr.read()
            assert demo.wait(30.0) == 130, rest
            took_s = time.monotonic() - pressed_s
        finally:
            demo.kill()
    assert took_s < 15.0
    assert "interrupted; everything was ended" in rest
    assert "Traceback" not in rest
    assert processes_of(tmp_path) == {}
