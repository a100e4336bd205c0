"""Coordinator, simulator and demo with bad input: one line, exit code 2, nothing started."""

import contextlib
import json
import socket
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def taken() -> Iterator[int]:
    """Port of 127.0.0.1 at which another program listens."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as other:
        yield int(other.getsockname()[1])


def _coordinator(run: Run, folder: Path, *options: str) -> str:
    given = ("--data-dir", str(folder), "--http", "127.0.0.1:0", *options)
    return str(run("vpp", "coordinator", *given).line)


def test_a_taken_http_port_is_told(taken: int, tmp_path: Path, run_program: Run) -> None:
    """The operator would look at another program's page."""
    line = _coordinator(run_program, tmp_path / "data", "--http", f"127.0.0.1:{taken}")
    assert f"--http 127.0.0.1:{taken}: Address already in use" in line
    assert not (tmp_path / "data").exists()


def test_a_taken_mqtt_port_is_told(taken: int, tmp_path: Path, run_program: Run) -> None:
    """Gateways would connect to another program, and no broker of ours would be there."""
    line = _coordinator(run_program, tmp_path / "data", "--mqtt-port", str(taken))
    assert str(taken) in line
    assert "taken by another program" in line
    assert "--mqtt-port" in line
    assert not list(tmp_path.rglob("nats-server.pid"))


def test_a_data_folder_in_use_is_told(coordinator: Any, folder: Path, run_program: Run) -> None:
    """Two coordinators would count the same energy into one book."""
    line = _coordinator(run_program, folder / "coordinator", "--mqtt-port", "1")
    assert str(folder / "coordinator") in line
    assert "another coordinator" in line
    assert coordinator.healthy()


@pytest.mark.parametrize("content", ["text", "torn", "foreign"])
def test_a_registry_that_cannot_be_used_is_left_as_it_is(
    content: str, tmp_path: Path, run_program: Run
) -> None:
    """What the plant owes and is owed would be overwritten by an empty book."""
    registry = tmp_path / "registry.sqlite3"
    if content == "foreign":
        with contextlib.closing(sqlite3.connect(registry)) as database:
            database.execute("CREATE TABLE theirs (x)")
    else:
        registry.write_bytes(b"garbage" if content == "text" else b"SQLite format 3\x00" * 500)
    before = registry.read_bytes()
    line = _coordinator(run_program, tmp_path)
    assert str(registry) in line
    assert registry.read_bytes() == before
    assert not list(tmp_path.rglob("nats-server.pid"))


@pytest.mark.parametrize("url", ["http://127.0.0.1:1883", "nats://127.0.0.1:0"])
def test_a_bad_broker_address_is_told(url: str, tmp_path: Path, run_program: Run) -> None:
    """The coordinator would wait for sites at an address that cannot be one."""
    line = _coordinator(run_program, tmp_path / "data", "--broker", url)
    assert url in line
    assert "nats://host:port" in line


def test_a_missing_nats_server_is_told(tmp_path: Path, run_program: Run) -> None:
    """A wrong path would be a stack trace, or the installed server instead of the wanted one."""
    path = tmp_path / "nats-server"
    line = _coordinator(run_program, tmp_path / "data", "--nats-server", str(path))
    assert f"nats-server {path}: does not run: No such file" in line


def _bad_scenarios() -> dict[str, tuple[str, str]]:
    device = {"id": "meter", "kind": "meter", "address": "127.91.251.11"}
    site: dict[str, Any] = {
        "site_id": "site-001",
        "group": "239.192.91.251",
        "gateway": "127.91.251.1",
        "load": {"kind": "household", "seed": 1},
        "devices": [device],
    }
    twice = {**site, "devices": [device, {**device, "address": "127.91.251.12"}]}
    return {
        "not JSON": ('{"sites": [', "Invalid JSON"),
        "unknown key": (json.dumps({"sites": [{**site, "battery_kw": 3}]}), "battery_kw"),
        "two of one id": (json.dumps({"sites": [twice]}), "meter"),
    }


@pytest.mark.parametrize("case", ["not JSON", "unknown key", "two of one id"])
def test_a_bad_scenario_is_told(case: str, tmp_path: Path, run_program: Run) -> None:
    """A test of the plant would run against devices nobody described."""
    text, word = _bad_scenarios()[case]
    scenario = tmp_path / "scenario.json"
    scenario.write_text(text)
    truth = tmp_path / "truth.jsonl"
    options = ("--scenario", str(scenario), "--truth", str(truth))
    line = run_program("vpp", "sim", *options).line
    assert "vpp sim: " in line
    assert str(scenario) in line
    assert word in line
    assert not truth.exists()


def test_a_signal_with_words_in_it_is_told(tmp_path: Path, run_program: Run) -> None:
    """The plant would follow a signal with holes, or be half started."""
    signal, out = tmp_path / "signal.csv", tmp_path / "out"
    signal.write_text("0,0.1\n2,0.2\n4,upward\n6,0.1\n")
    options = ("--signal", str(signal), "--out", str(out), "--sites", "1", "--headless")
    line = run_program("vpp", "demo", *options).line
    assert f"{signal}:3" in line
    assert "upward" in line
    assert not out.exists()
