"""A coordinator with an identity as its own process: verbs over TLS, audit, and no secret told."""

import json
import os
import secrets
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cloud_coordinator.access.permissions import Role
from cloud_coordinator.access.scope import EVERYWHERE
from cloud_coordinator.commands import alerts, audit, authority, emergency, override, sites, users
from cloud_coordinator.commands.access_store import office
from cloud_coordinator.gateway.authority.authority import make_authority
from protocols.vocabulary.errors import ConfigError, VppError
from tests.ports import free_port

PASSWORD = "planted-password-xyzzy"
PASSPHRASE = "planted-passphrase-xyzzy"
PROGRAM = "from cloud_coordinator.main import main; raise SystemExit(main())"


@dataclass
class Running:
    """What a test knows of the coordinator."""

    folder: Path
    url: str
    process: subprocess.Popen[str]
    keys: dict[str, Path]
    planted: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def at(self, who: str) -> list[str]:
        """Options of a verb that asks this coordinator."""
        ca = ["--url", self.url, "--ca", str(self.folder / "identity")]
        return [*ca, "--key-file", str(self.keys[who])] if who else ca

    def refused(self, app: Any, words: list[str], who: str) -> str:
        """Run a verb that is refused, and return its one line."""
        with pytest.raises(VppError) as caught:
            app([*words, *self.at(who)], standalone_mode=False)
        self.told.append(str(caught.value))
        return str(caught.value)

    def log_in(self, password: str) -> Any:
        body = json.dumps({"name": "hana", "password": password}).encode()
        headers = {"Content-Type": "application/json"}
        asked = urllib.request.Request(f"{self.url}/api/v1/session", body, headers)
        context = ssl.create_default_context(cafile=str(self.folder / "identity" / "root.pem"))
        return urllib.request.urlopen(asked, context=context, timeout=10.0)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run a coordinator with two persons, a program and an auditor until the last test."""
    folder = tmp_path_factory.mktemp("access")
    identity, data = folder / "identity", folder / "data"
    now = datetime.now(UTC)
    names = ["localhost", "127.0.0.1"]
    make_authority(identity, PASSPHRASE.encode(), name="vpp", names=names, at=now)
    keys: dict[str, Path] = {}
    planted = {"password": PASSWORD, "passphrase": PASSPHRASE}
    with office(data, secrets.token_bytes, is_new=True) as desk:
        operators = frozenset({Role.OPERATOR})
        for name in ("hana", "sato"):
            desk.accounts.add_user(name, PASSWORD, roles=operators, scope=EVERYWHERE)
        administrators = frozenset({Role.ADMINISTRATOR})
        desk.accounts.add_user("root", PASSWORD, roles=administrators, scope=EVERYWHERE)
        for name, role in (
            ("hana", Role.OPERATOR),
            ("sato", Role.OPERATOR),
            ("robot", Role.OPERATOR),
            ("watcher", Role.AUDITOR),
        ):
            person = name if name in {"hana", "sato"} else ""
            _, text = desk.accounts.create_key(
                name, roles=frozenset({role}), scope=EVERYWHERE, days=1, person=person
            )
            planted[f"key of {name}"] = text.split("_", 2)[2]
            keys[name] = folder / f"{name}.key"
            keys[name].write_text(text + "\n")
    port = free_port()
    command = [
        *(sys.executable, "-c", PROGRAM, "--data-dir", str(data), "--identity", str(identity)),
        *("--http", f"127.0.0.1:{port}", "--mqtt-port", str(free_port()), "--verbose"),
    ]
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    assert "coordinator.ready" in process.stdout.readline(), (folder / "log.txt").read_text()
    yield Running(folder, f"https://127.0.0.1:{port}", process, keys, planted)
    if process.poll() is None:
        process.terminate()
        process.wait(20.0)
    process.stdout.close()


def test_verbs_speak_https_with_a_key_and_say_one_line_when_refused(
    running: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If it fails, an operator cannot act on a secured coordinator, or cannot tell why not."""
    monkeypatch.delenv("VPP_API_KEY", raising=False)
    alerts.app(["list", *running.at("watcher")], standalone_mode=False)
    assert "no alert stands" in capsys.readouterr().out
    assert "set VPP_API_KEY or --key-file" in running.refused(alerts.app, ["list"], "")
    stop = ["stop", "--reason", "火災 drill"]
    assert "your roles (auditor)" in running.refused(emergency.app, stop, "watcher")
    assert "is no person" in running.refused(emergency.app, stop, "robot")
    emergency.app([*stop, *running.at("hana")], standalone_mode=False)
    assert "a second person" in running.refused(emergency.app, ["confirm"], "hana")
    emergency.app(["confirm", *running.at("sato")], standalone_mode=False)
    assert "control 制御: stopped" in capsys.readouterr().out
    wrong = ["set", "site-1/battery", "--power-w", "1"]
    assert "there is none" in running.refused(override.app, wrong, "hana")
    monkeypatch.setenv("VPP_API_KEY", "vpp_000000000000_planted-wrong-key")
    assert "is not known" in running.refused(alerts.app, ["list"], "")
    with pytest.raises(ConfigError, match="name its authority with --ca"):
        alerts.app(["list", "--url", running.url], standalone_mode=False)


def test_every_local_verb_is_on_record(
    running: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If it fails, who adds a site or a person at the machine itself leaves no trace."""
    monkeypatch.setenv("VPP_AUTHORITY_PASSPHRASE", PASSPHRASE)
    data, identity = str(running.folder / "data"), str(running.folder / "identity")
    here = ["--data-dir", data, "--identity", identity]
    sites.app(["add", "site-7", "--zone", "tokyo", "--json", *here], standalone_mode=False)
    running.planted["code"] = json.loads(capsys.readouterr().out)["code"]
    sites.app(["revoke", "site-7", "--reason", "stolen", *here], standalone_mode=False)
    disabled = ["disable", "sato", "--reason", "left", "--data-dir", data]
    users.app(disabled, standalone_mode=False)
    assert "may not log in any more" in running.refused(alerts.app, ["list"], "sato")
    authority.app(["renew", *here], standalone_mode=False)
    capsys.readouterr()
    audit.app(["show", "--data-dir", data], standalone_mode=False)
    shown = capsys.readouterr().out
    for line in (
        "| enrol site: site-7 | done: waiting",
        "| enrol site: site-7 | done: revoked",
        "| stolen",
        "| change users: disable sato | done | left",
        "| authority: renew",
        "| service | coordinator/1/1 | coordinator.started",
        "refused: stop fleet: your roles (auditor)",
        "/emergency/stop | done: 200 | 火災 drill",
    ):
        assert line in shown, line
    running.told.append(shown)


def test_no_secret_is_told_anywhere(running: Running) -> None:
    """If it fails, who reads a log, a process list or a backup can log in as somebody else."""
    with running.log_in(PASSWORD) as answered:
        for cookie in answered.headers.get_all("Set-Cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            running.planted[name] = value
    with pytest.raises(urllib.error.HTTPError) as caught:
        running.log_in("planted-wrong-password")
    running.told.append(caught.value.read().decode())
    running.told += [_arguments(one) for one in _family(running.process.pid)]
    running.process.terminate()
    assert running.process.wait(20.0) == 0
    running.told.append((running.folder / "log.txt").read_text())
    assert "audit.signed" in running.told[-1]
    files = [path for path in (running.folder / "data").rglob("*") if path.is_file()]
    running.told += [path.read_bytes().decode("latin-1") for path in files]
    planted = {**running.planted, "wrong": "planted-wrong"}
    found = [name for name, text in planted.items() for told in running.told if text in told]
    assert not found
    assert {"vpp_session", "vpp_csrf"} <= planted.keys()


def test_the_trail_is_signed_to_its_end_by_the_coordinator(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    """If it fails, the end of the record can be cut off, or nobody elsewhere can check it."""
    running.process.terminate()
    running.process.wait(20.0)
    keys = str(running.folder / "identity" / "coordinator-keys.json")
    here = ["--data-dir", str(running.folder / "data")]
    assert audit.app(["verify", *here, "--keys", keys, "--json"], standalone_mode=False) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["signatures"], said["after_last_checkpoint"]) == ("checked", 0)
    export = running.folder / "audit.jsonl"
    audit.app(["export", str(export), *here], standalone_mode=False)
    elsewhere = ["verify", "--file", str(export), "--keys", keys]
    assert audit.app(elsewhere, standalone_mode=False) == 0
    lines = export.read_text("utf-8").splitlines(keepends=True)
    checkpoint = lines[-1]
    for told, changed in (
        (
            "entry 3: was changed",
            [*lines[:2], lines[2].replace('at\\":\\"2', 'at\\":\\"3'), *lines[3:]],
        ),
        ("entry 2: is missing", [lines[0], *lines[2:]]),
        ("entry 2: is missing", [lines[0], lines[2], lines[1], *lines[3:]]),
        ("the end is missing", [*lines[:-2], checkpoint]),
        ("line 1: cannot be read", ["{", *lines[1:]]),
    ):
        export.write_text("".join(changed), encoding="utf-8")
        capsys.readouterr()
        assert audit.app(elsewhere, standalone_mode=False) == 1, told
        assert told in capsys.readouterr().out


def _family(pid: int) -> list[int]:
    """Return a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children), os.getpid()]


def _arguments(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
