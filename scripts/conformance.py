"""Run the CSIP-AUS conformance procedures of cactus-client against our server (`make conformance`).

Several procedures at a time, each worker with a server, a database and clients of its own. Says
for each procedure whether it passed and how long it took; ends with 1 if one has not. The
procedure that observes for 72 hours runs only when it is named. Needs what scripts/peers
installs; starts everything else itself, and ends only what it has started.

usage: python scripts/conformance.py [--workers N] [--strict] [--json] [--keep DIR] [ID ...]
"""

import argparse
import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.pki import Holder, Pki  # noqa: E402 - the repository is no installed package
from tests.ports import free_port  # noqa: E402 - the same

PLUGIN = ROOT / "tests" / "conformance" / "peers" / "cactus_plugin"
CACTUS = ROOT / ".peers" / "cactus" / "bin" / "python"
NOTIFICATIONS = ROOT / ".peers" / "cactus-notifications" / "bin" / "python"
SOAK = "S-ALL-50"
SLOW = ("S-ALL-41", "S-ALL-46")
"""Begun first: they wait for minutes."""
TIMEOUT_S = {"S-ALL-41": 700, "S-ALL-46": 700, SOAK: 270_000}
TIMEOUT_OTHERS_S = 90
READY_S = 30.0
MAX_WATTS = 10_000
PIN = 111_115
_VERDICT = {True: "pass", False: "FAIL"}
_PROCEDURES = """
import json
from cactus_test_definitions.server.test_procedures import TestProcedureId, get_test_procedure
print(json.dumps({str(i): [None if c.client_type is None else str(c.client_type)
    for c in get_test_procedure(i).preconditions.required_clients] for i in TestProcedureId}))
"""
_SERVE = "import sys; from cloud_coordinator.commands.ieee2030_5 import main; sys.exit(main())"
_SINK = """
import sys
from aiohttp import web
from cactus_client_notifications.server.main import app
web.run_app(app, host=sys.argv[1], port=int(sys.argv[2]), print=None)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a procedure."""

    procedure: str
    passed: bool
    duration_s: float
    cause: str


class Worker:
    """One server with its clients and its sink of notifications, and procedures one by one."""

    def __init__(self, folder: Path, host: str, *, strict: bool) -> None:
        self._folder = folder
        self._host = host
        self._strict = strict
        self._pki = Pki(folder / "pki")
        self._server = self._pki.server("localhost", host)
        self._clients: dict[str, Holder] = {
            name: self._pki.device(name) for name in ("device1", "device2", "aggregator1")
        }
        self._managed = self._pki.device("managed")
        self._admin = ""

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Start server and sink; end them."""
        sink_port = free_port()
        environment = os.environ | {
            "APP_PORT": str(sink_port),
            "SERVER_URL": f"http://{self._host}:{sink_port}",
        }
        serve = [sys.executable, "-c", _SERVE, "serve", *self._options()]
        sink = [str(NOTIFICATIONS), "-c", _SINK, self._host, str(sink_port)]
        with (
            _running(serve, self._folder / "server.log") as server,
            _running(sink, self._folder / "sink.log", environment),
        ):
            assert server.stdout is not None
            ready = json.loads(server.stdout.readline() or "{}")
            if "dcap" not in ready:
                raise SystemExit((self._folder / "server.log").read_text())
            self._admin = str(ready["admin"])
            self._configure(str(ready["dcap"]), f"http://{self._host}:{sink_port}")
            yield

    def run(self, procedure: str, required: Sequence[str | None]) -> Result:
        """Run one procedure."""
        timeout_s = TIMEOUT_S.get(procedure, TIMEOUT_OTHERS_S)
        command = [str(CACTUS), "-m", "cactus_client.cli.main", "run", procedure]
        command += [*self._assigned(required), "--headless", "--timeout", str(timeout_s)]
        command += ["-c", str(self._folder / "cactus.yaml")]
        command += ["--strict"] if self._strict else []
        environment = os.environ | {"PYTHONPATH": str(PLUGIN), "VPP_ADMIN_URL": self._admin}
        begun = time.monotonic()
        ended = subprocess.run(  # noqa: S603 - our own commands
            command,
            cwd=self._folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout_s + 60,
            check=False,
        )
        output = f"{ended.stderr}\n{ended.stdout}"
        (self._folder / f"{procedure}.txt").write_text(output, encoding="utf-8")
        return Result(
            procedure=procedure,
            passed=ended.returncode == 0,
            duration_s=time.monotonic() - begun,
            cause="" if ended.returncode == 0 else _cause(ended.stdout),
        )

    def _options(self) -> list[str]:
        given = {
            "--host": self._host,
            "--port": free_port(),
            "--cert": self._server.certificate,
            "--key": self._server.key,
            "--ca": self._pki.authorities,
            "--database": self._folder / "server.sqlite3",
            "--admin-host": self._host,
            "--admin-port": 0,
            "--poll-rate": 10,
            "--post-rate": 1,
            "--log": self._folder / "server.jsonl",
        }
        return [str(part) for pair in given.items() for part in pair]

    def _assigned(self, required: Sequence[str | None]) -> list[str]:
        """Clients of a procedure: by kind, devices where it does not matter."""
        free = list(self._clients)
        taken: list[str] = []
        for kind in required:
            name = next(n for n in free if n.startswith(kind or "device"))
            free.remove(name)
            taken.append(name)
        return taken

    def _configure(self, dcap: str, sink: str) -> None:
        clients = []
        for name, holder in self._clients.items():
            identity = self._managed if name.startswith("aggregator") else holder
            clients.append(
                {
                    "id": name,
                    "type": name.rstrip("12"),
                    "certificate_file": str(holder.certificate),
                    "key_file": str(holder.key),
                    "lfdi": identity.lfdi,
                    "sfdi": identity.sfdi,
                    "pen": 0,
                    "pin": PIN,
                    "max_watts": MAX_WATTS,
                }
            )
        output = self._folder / "output"
        output.mkdir(exist_ok=True)
        config = {
            "output_dir": str(output),
            "server": {
                "device_capability_uri": dcap,
                "verify_ssl": True,
                "verify_host_name": True,
                "serca_pem_file": str(self._pki.serca),
                "notification_uri": sink,
                "pen": 0,
            },
            "clients": clients,
        }
        text = json.dumps(config, indent=1)  # YAML reads JSON
        (self._folder / "cactus.yaml").write_text(text, encoding="utf-8")


@contextlib.contextmanager
def _running(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[str]"]:
    with log.open("w", encoding="utf-8") as out:
        child = subprocess.Popen(  # noqa: S603 - our own commands
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=out, text=True
        )
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(READY_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _cause(output: str) -> str:
    """Lines of the suite's report that say what was wrong."""
    lines = [" ".join(line.strip("│┃| ").split()) for line in output.splitlines()]
    told = [
        line
        for line in lines
        if any(word in line.lower() for word in ("failed:", "exception", "expected", "timed out"))
    ]
    return " / ".join(told)[:400] or "see its output"


def procedures() -> dict[str, list[str | None]]:
    """All procedures and the kinds of clients each wants."""
    listed = subprocess.run(  # noqa: S603 - our own commands
        [str(CACTUS), "-c", _PROCEDURES], capture_output=True, text=True, timeout=60, check=True
    )
    found: dict[str, list[str | None]] = json.loads(listed.stdout)
    return found


def run(wanted: Sequence[str], *, workers: int, folder: Path, strict: bool) -> list[Result]:
    """Run procedures, several at a time; results in the order of the procedures."""
    required = procedures()
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for procedure in sorted(wanted, key=lambda name: (name != SOAK, name not in SLOW)):
        waiting.put(procedure)
    results: list[Result] = []

    def work(number: int) -> None:
        place = folder / f"worker{number}"
        place.mkdir(parents=True, exist_ok=True)
        worker = Worker(place, f"127.30.20.{number + 1}", strict=strict)
        with worker.open():
            while True:
                try:
                    procedure = waiting.get_nowait()
                except queue.Empty:
                    return
                results.append(worker.run(procedure, required[procedure]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(results, key=lambda result: result.procedure)


def _table(results: Sequence[Result], left_out: Sequence[str]) -> str:
    lines = [
        f"{r.procedure}  {_VERDICT[r.passed]}  {r.duration_s:6.1f} s  {r.cause}".rstrip()
        for r in results
    ]
    lines += [f"{name}  not run: it observes for 72 hours; name it to run it" for name in left_out]
    passed = sum(result.passed for result in results)
    lines.append(f"{passed} of {len(results)} passed, {len(left_out)} not run")
    return "\n".join(lines)


def main() -> int:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("ids", nargs="*", help="procedures; all but the longest if none is named")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--strict", action="store_true", help="warnings are failures")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", type=Path, help="folder for everything the run leaves")
    given = parser.parse_args()
    for python in (CACTUS, NOTIFICATIONS):
        if not python.is_file():
            sys.stderr.write(f"{python} is not there: scripts/peers (wants a Python >= 3.12)\n")
            return 2
    wanted = given.ids or [name for name in procedures() if name != SOAK]
    left_out = [] if given.ids else [SOAK]
    with contextlib.ExitStack() as closing:
        folder = given.keep or Path(closing.enter_context(tempfile.TemporaryDirectory()))
        workers = max(1, min(given.workers, len(wanted)))
        results = run(wanted, workers=workers, folder=folder, strict=given.strict)
    if given.json:
        shown = [
            {
                "procedure": r.procedure,
                "passed": r.passed,
                "duration_s": round(r.duration_s, 2),
                "cause": r.cause,
            }
            for r in results
        ]
        sys.stdout.write(json.dumps(shown) + "\n")
    else:
        sys.stdout.write(_table(results, left_out) + "\n")
    return 0 if len(results) == len(wanted) and all(r.passed for r in results) else 1


if __name__ == "__main__":
    sys.exit(main())
