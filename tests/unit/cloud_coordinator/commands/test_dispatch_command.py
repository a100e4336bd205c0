"""``vpp dispatch explain`` and ``vpp certificate fetch`` against a coordinator's answers."""

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from cloud_coordinator.allocation.certificate import certify, to_data
from cloud_coordinator.allocation.promise import Promise
from cloud_coordinator.commands import certificate, dispatch

EXPLAINED: dict[str, Any] = {
    "site_id": "site-1",
    "obligation_id": "award-1",
    "service": "secondary1",
    "at": "2026-07-22T01:00:05Z",
    "command": {"issued_at": "2026-07-22T01:00:00Z", "power_w": 5000.0, "clipped_w": 5000.0},
    "signal": {
        "signal_id": 1000000007,
        "epoch": 1,
        "sent_at": "2026-07-22T01:00:04.900000Z",
        "multiplier": 15.0,
        "command_w": 5000.0,
        "correction_w": 12.0,
        "held_w": 100.0,
        "shortfall_w": 0.0,
        "following": 4,
        "held": 1,
        "echoed": True,
    },
    "curve_version": 3,
    "multipliers": [10.0, 20.0],
    "power_w": [-1000.0, 2000.0],
    "segment": {
        "multiplier_low": 10.0,
        "power_w_low": -1000.0,
        "multiplier_high": 20.0,
        "power_w_high": 2000.0,
    },
    "curve_w": 500.0,
    "share_w": 500.0,
    "told_share_w": 500.01,
    "delivered_w": 480.0,
    "delivered_next_w": None,
}


class Answers(ThreadingHTTPServer):
    """Answers every question with what is set."""

    said: dict[str, Any]
    status = 200
    asked = ""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Answers)
        server.asked = self.path
        body = json.dumps(server.said).encode()
        self.send_response(server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
        pass


@pytest.fixture
def answers() -> Iterator[Answers]:
    """Return a server on a port of the kernel's choice."""
    server = Answers(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def explain(answers: Answers, monkeypatch: pytest.MonkeyPatch, *more: str) -> int:
    time = "2026-07-22T10:00:05+09:00"
    url = f"http://127.0.0.1:{answers.server_address[1]}"
    argv = ["vpp dispatch", "explain", time, "--site", "site-1", "--url", url, *more]
    monkeypatch.setattr(sys, "argv", argv)
    return dispatch.main()


def test_the_chain_is_told(
    answers: Answers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If it fails, an operator cannot see why a site owed what it owed."""
    answers.said = EXPLAINED
    assert explain(answers, monkeypatch, "--award", "award-1") == 0
    shown = capsys.readouterr().out
    for part in ("5000.0 W", "15.000000 JPY/kWh", "version 3", "500.0 W by the curve", "agrees"):
        assert part in shown
    parts = urlsplit(answers.asked)
    assert parts.path == "/api/v1/sites/site-1/explanation"
    query = parse_qs(parts.query)
    assert query == {"at": ["2026-07-22T10:00:05+09:00"], "obligation_id": ["award-1"]}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"curve_w": 600.0, "share_w": 600.0}, "the curve gives 500.0 W"),
        ({"told_share_w": 300.0}, "the site says it owed 300.0 W"),
        ({"told_share_w": None}, "no row"),
        ({"signal": {**EXPLAINED["signal"], "echoed": False}}, "names no signal"),
    ],
)
def test_what_does_not_agree_is_said(
    answers: Answers,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    changes: dict[str, Any],
    told: str,
) -> None:
    """If it fails, a share that was computed wrongly looks right."""
    answers.said = {**EXPLAINED, **changes}
    assert explain(answers, monkeypatch, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert any(told in fault for fault in found["faults"])
    assert found["recomputed_curve_w"] == 500.0


def test_wrong_questions_get_one_line(
    answers: Answers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If it fails, a wrong id or a coordinator that is down ends in a stack of calls."""
    answers.said, answers.status = {"detail": "no award binds site 'site-1'"}, 404
    assert explain(answers, monkeypatch) == 2
    answers.said, answers.status = {"half": 1}, 200
    assert explain(answers, monkeypatch) == 2
    monkeypatch.setattr(sys, "argv", ["vpp dispatch", "explain", "noon", "--site", "site-1"])
    assert dispatch.main() == 2
    argv = ["vpp dispatch", "explain", "2026-07-22T10:00:05Z", "--site", "s", "--url"]
    monkeypatch.setattr(sys, "argv", [*argv, "http://127.0.0.1:1"])
    assert dispatch.main() == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert "no award binds" in lines[0]
    assert "TIME" in lines[2]


@pytest.mark.parametrize(("broken", "code"), [(False, 0), (True, 1)])
def test_a_certificate_is_fetched_and_checked(
    answers: Answers,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    tmp_path: Path,
    broken: bool,
    code: int,
) -> None:
    """If it fails, a certificate that does not hold is kept for one that does."""
    promise = Promise(power_w=np.full(8, 1000.0), reliability=np.full(8, 0.9))
    data = to_data(certify([f"site-{n}" for n in range(8)], promise, 5000.0))
    data["award"] = {"kept": False, "probability_wanted": 0.999}
    if broken:
        data["claims"]["delivery_probability"] = 0.9999
    answers.said, output = data, tmp_path / "award.json"
    url = f"http://127.0.0.1:{answers.server_address[1]}"
    argv = ["vpp certificate", "fetch", "award-1", "--output", str(output), "--url", url]
    monkeypatch.setattr(sys, "argv", [*argv, "--direction", "down"])
    assert certificate.main() == code
    assert answers.asked == "/api/v1/awards/award-1/certificate?direction=down"
    assert json.loads(output.read_text()) == data
    shown = capsys.readouterr().out
    assert "NOT as probable as wanted" in shown
    assert ("broken:" in shown) == broken
