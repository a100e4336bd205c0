"""Our IEEE 2030.5 server as a program of its own, for peers to talk to."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tests.pki import Pki
from tests.ports import free_port

SERVE = "import sys; from cloud_coordinator.commands.ieee2030_5 import main; sys.exit(main())"


class ServerProgram:
    """The program, which may be ended without warning and started again.

    Parameters
    ----------
    folder : Path
        Where certificates, database and logs are.
    host : str
        Address of its own.
    options : str
        Further options of the command line.
    """

    def __init__(self, folder: Path, host: str, *options: str) -> None:
        self.pki = Pki(folder / "pki")
        self.host = host
        self.port = free_port()
        self.log = folder / "server.jsonl"
        self.errors = folder / "server.err"
        self._admin_port = free_port()
        holder = self.pki.server("localhost", host)
        given = {
            "--host": host,
            "--port": self.port,
            "--cert": holder.certificate,
            "--key": holder.key,
            "--ca": self.pki.authorities,
            "--database": folder / "server.sqlite3",
            "--admin-port": self._admin_port,
            "--admin-host": host,
            "--poll-rate": 10,
            "--post-rate": 5,
            "--log": self.log,
        }
        self._command = [sys.executable, "-c", SERVE, "serve", "--verbose", *options]
        self._command += [str(part) for pair in given.items() for part in pair]
        self._child: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it and wait until it serves."""
        with self.errors.open("a", encoding="utf-8") as errors:
            self._child = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        assert self._child.stdout is not None
        ready = self._child.stdout.readline()
        assert '"ieee2030_5.ready"' in ready, self.errors.read_text()

    def kill(self) -> None:
        """End it as a loss of power does."""
        assert self._child is not None
        os.kill(self._child.pid, signal.SIGKILL)
        self._child.wait()

    def stop(self) -> int:
        """End it in order; gives its exit code."""
        assert self._child is not None
        self._child.terminate()
        try:
            return self._child.wait(15.0)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait()

    def instruct(self, word: str, client: dict[str, object], **parameters: object) -> None:
        """Give an instruction at the admin door."""
        asked = {"type": word, "client": client, "parameters": parameters}
        request = urllib.request.Request(
            f"http://{self.host}:{self._admin_port}/",
            json.dumps(asked).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            said = json.load(reply)
        assert said == {"result": "done", "reason": ""}, said

    def facts(self, event: str = "") -> list[dict[str, object]]:
        """Lines of its log so far, of one event or of all."""
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        found = [json.loads(line) for line in lines]
        return [fact for fact in found if not event or fact["event"] == event]

    def statuses(self) -> dict[str, list[int]]:
        """Response statuses by the controls' modes, in their order."""
        found: dict[str, list[int]] = {}
        for fact in self.facts():
            if "subject" in fact:
                status = fact["status"]
                assert isinstance(status, int)
                found.setdefault(json.dumps(fact["modes"]), []).append(status)
        return found


def wait_for(happened: Callable[[], bool], *, what: str, timeout_s: float) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.1)
