"""A box becomes a site as an installer does it: one code, simulated devices, a real coordinator.

The whole walk in little time: who may enrol, the certificate, devices found and a site file
proposed, each device driven, the link cut while an obligation is held, a signed record at the
coordinator. Then the same on a stick.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloud_coordinator.commands import authority, sites
from edge_agent.config.loader import load_config
from edge_agent.identity.enrol import own_certificate
from edge_agent.identity.files import IdentityFiles
from edge_agent.main import SystemClock
from edge_agent.technician.app import run_app
from tests.ports import free_port
from tests.scenario.test_devices_command import SCENARIO, SITE

SECRET = "correct horse battery"
COORDINATOR = "from cloud_coordinator.main import main; raise SystemExit(main())"
DESK = "from cloud_coordinator.commands.authority import main; raise SystemExit(main())"
SIMULATOR = "from firmware_sim.main import main; raise SystemExit(main())"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an authority in a folder."""
    monkeypatch.setenv("VPP_AUTHORITY_PASSPHRASE", SECRET)
    authority.app(["init", *where(tmp_path)[:2]], standalone_mode=False)
    return tmp_path


def where(folder: Path) -> list[str]:
    """Options that every verb of the desk takes."""
    return ["--identity", str(folder / "authority"), "--data-dir", str(folder / "data")]


def code_for(folder: Path, verb: str, *words: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Print a code as an operator does, and read it."""
    capsys.readouterr()
    sites.app([verb, *words, "--json", *where(folder)], standalone_mode=False)
    printed = capsys.readouterr().out
    assert SECRET not in printed
    return str(json.loads(printed)["code"])


@contextmanager
def running(words: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Run a program until the test is over."""
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def ready(process: subprocess.Popen[str], event: str) -> dict[str, str]:
    """Wait until a program says that it is ready."""
    assert process.stdout is not None
    said: dict[str, str] = json.loads(process.stdout.readline())
    assert said["event"] == event
    return said


@contextmanager
def world(folder: Path) -> Iterator[str]:
    """Run devices, coordinator and desk; give the desk's address."""
    (folder / "scenario.json").write_text(json.dumps(SCENARIO), encoding="utf-8")
    port, python = free_port(), [sys.executable, "-c"]
    coordinator = ["--http", "127.0.0.1:0", "--mqtt-port", str(port), *where(folder)]
    serve = ["--listen", "127.0.0.1:0", "--broker", f"mqtts://127.0.0.1:{port}", *where(folder)]
    with (
        running([*python, COORDINATOR, *coordinator]) as first,
        running([*python, DESK, "serve", *serve]) as second,
        running([*python, SIMULATOR, "--scenario", str(folder / "scenario.json")]) as third,
    ):
        ready(first, "coordinator.ready")
        ready(third, "sim.ready")
        yield ready(second, "enrolment.ready")["url"]


def test_from_code_to_record(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If it fails, an installer leaves a site that is not enrolled, exports, or does not hold."""
    box = desk / "box"
    box.mkdir()
    with world(desk) as url:
        code = code_for(desk, "add", "site-007", "--zone", "tokyo", capsys=capsys)
        words = ["provision", "--coordinator", url, "--code", code, "--contract-kw", "6"]
        words += ["--config", str(box / "site.toml"), "--hold-s", "0.5", "--cut-s", "3"]
        words += ["--address", "127.7.1.1", "--group", "239.192.7.1"]
        result = run_app(SystemClock(), words)
        printed = capsys.readouterr().out
        assert result == 0, printed
        assert code not in printed
        assert printed.count("[x]") == 10
        first = own_certificate(IdentityFiles(folder=box / "identity"))
        assert run_app(SystemClock(), [*words, "--no-test"]) == 0
        assert own_certificate(IdentityFiles(folder=box / "identity")) == first
    site = load_config(box / "site.toml")
    assert (site.limits.contract_import_w, site.limits.export_limit_w) == (6000.0, 0.0)
    assert [device.device_id for device in site.devices] == ["meter", "battery-1"]
    record = json.loads(next((box / "data").glob("commissioning-*.json")).read_text())["record"]
    battery = next(one for one in record["devices"] if one["device_id"] == "battery-1")
    assert battery["released"].startswith("done")
    assert battery["asked_w"] < 0.0
    assert record["link"]["held_ratio"] >= 0.8
    assert record["link"]["back_s"] is not None
    assert "合格" in next((box / "data").glob("commissioning-*.html")).read_text()
    capsys.readouterr()
    sites.app(["records", "site-007", "--json", *where(desk)[2:]], standalone_mode=False)
    kept = json.loads(capsys.readouterr().out)
    assert [one["genuine"] for one in kept] == [True]
    path = Path(kept[0]["file"])
    path.write_text(path.read_text().replace('"ok": true', '"ok":  false', 1))
    assert sites.app(["records", "site-007", *where(desk)[2:]], standalone_mode=False) == 1


def test_a_stick_instead_of_the_network(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If it fails, a site that has no network yet cannot be installed, or believes any stick."""
    box, stick = desk / "box", desk / "stick"
    box.mkdir()
    (box / "site.toml").write_text(SITE, encoding="utf-8")
    words = ["provision", "--bundle", str(stick), "--no-test", "--config", str(box / "site.toml")]
    assert run_app(SystemClock(), words) == 0
    assert os.listdir(stick) == ["request.csr"]  # noqa: PTH208 - names only
    code_for(desk, "add", "site-007", "--zone", "tokyo", capsys=capsys)
    answer = ["bundle", "site-007", "--folder", str(stick), "--broker", "mqtts://b:8883"]
    answer += ["--coordinator", "https://desk:8443", *where(desk)]
    sites.app(answer, standalone_mode=False)
    pin = capsys.readouterr().out.partition("pin ")[2].split()[0]
    assert run_app(SystemClock(), [*words, "--pin", "00" * 10]) == 2
    assert run_app(SystemClock(), [*words, "--pin", pin]) == 0
    assert run_app(SystemClock(), [*words, "--pin", pin]) == 0
    assert load_config(box / "site.toml").link.brokers[0].url == "mqtts://b:8883"
    assert IdentityFiles(folder=box / "identity").complete
    assert "https://desk:8443" in (box / "identity" / "source.json").read_text()
    assert not list(stick.glob("*.key"))
