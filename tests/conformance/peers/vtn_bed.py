"""Our VTN as an operator starts it, and openleadr's VEN beside it, for the tests of this folder."""

import json
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from firmware_sim.bench_der.pki import Authority, Identity

HERE = Path(__file__).parent
READY_S = 20.0


class Talker:
    """A program that says JSON lines, and takes JSON lines."""

    def __init__(self, command: list[str], log: Path) -> None:
        self._log = log
        with log.open("ab") as stream:
            self._child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stream, text=True
            )
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self.said: list[dict[str, Any]] = []
        threading.Thread(target=self._pump, daemon=True).start()

    def _pump(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self._lines.put(json.loads(line))

    def wait_for(
        self, event: str, fits: Callable[[dict[str, Any]], bool] | None = None
    ) -> dict[str, Any]:
        """Next line of an event that fits."""
        deadline = time.monotonic() + READY_S
        while True:
            try:
                said = self._lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                raise AssertionError(
                    f"no {event!r}; said {self.said[-5:]}; log:\n{self._log.read_text()[-4000:]}"
                ) from None
            self.said.append(said)
            if said.get("event") == event and (fits is None or fits(said)):
                return said

    def order(self, **order: object) -> None:
        """Send it a line."""
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(order) + "\n")
        self._child.stdin.flush()

    def kill(self) -> None:
        """Kill -9."""
        self._child.send_signal(signal.SIGKILL)
        self._child.wait(5.0)

    def end(self) -> None:
        """End it, by force if it must be."""
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(5.0)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait(5.0)


class VtnBed:
    """A folder with a VTN and its VENs."""

    def __init__(self, folder: Path, host: str, port: int, *, secure: bool) -> None:
        self.folder = folder
        self.host, self.port = host, port
        self._programs: list[Talker] = []
        self._authority: Authority | None = None
        self._server: Identity | None = None
        if secure:
            self._authority = Authority(folder)
            self._server = self._authority.issue("vtn", address=host)
        self._admin = ""
        self._token = ""
        self.vtn: Talker | None = None

    @property
    def url(self) -> str:
        """Where VENs go."""
        scheme = "http" if self._server is None else "https"
        return f"{scheme}://{self.host}:{self.port}/OpenADR2/Simple/2.0b"

    def start_vtn(self) -> dict[str, Any]:
        """Start our VTN on its database, again if it ran before."""
        command = [
            str(Path(sys.executable).with_name("vpp")), "openadr", "vtn",
            "--vtn-id", "TokyoVtn", "--host", self.host, "--port", str(self.port),
            "--database", str(self.folder / "vtn.db"), "--poll-interval", "1",
            "--report", "TELEMETRY_USAGE,PT1S,PT1S",
        ]  # fmt: skip
        if self._server is not None and self._authority is not None:
            command += ["--cert", str(self._server.certificate), "--key", str(self._server.key)]
            command += ["--ca", str(self._authority.certificate), "--signed"]
        self.vtn = Talker(command, self.folder / "vtn.log")
        self._programs.append(self.vtn)
        ready = self.vtn.wait_for("openadr.ready")
        self._admin = str(ready["admin"])
        self._token = Path(str(ready["token_file"])).read_text().strip()
        return ready

    def start_ven(self, name: str, python: str, **settings: object) -> Talker:
        """Start openleadr's VEN under a name."""
        configuration: dict[str, object] = {"ven_name": name, "url": self.url, **settings}
        if self._authority is not None and self._server is not None:
            stem = f"ven-{len(self._programs)}"
            identity = self._authority.issue(stem)
            configuration |= {
                "cert": str(identity.certificate),
                "key": str(identity.key),
                "ca": str(self._authority.certificate),
                "vtn_fingerprint": self._server.fingerprint,
            }
        command = [python, str(HERE / "openleadr_ven.py"), json.dumps(configuration)]
        log = self.folder / f"ven-{len(self._programs)}.log"
        ven = Talker(command, log)
        self._programs.append(ven)
        return ven

    def credentials(self, stem: str) -> tuple[Identity, Path, str] | None:
        """Make a VEN's certificate; with who signed it and the VTN's fingerprint, None if plain."""
        if self._authority is None or self._server is None:
            return None
        made = self._authority.issue(stem)
        return made, self._authority.certificate, self._server.fingerprint

    def admin(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Ask the operator's door."""
        request = urllib.request.Request(
            self._admin + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}"},
        )
        with urllib.request.urlopen(request, timeout=10.0) as reply:
            read: dict[str, Any] = json.loads(reply.read())
            return read

    def until(self, look: Callable[[], bool], what: str) -> None:
        """Wait for something to become true."""
        deadline = time.monotonic() + READY_S
        while not look():
            log = (self.folder / "vtn.log").read_text()[-3000:]
            assert time.monotonic() < deadline, f"{what}; VTN's log:\n{log}"
            time.sleep(0.1)

    def end(self) -> None:
        """End everything."""
        for program in reversed(self._programs):
            program.end()
