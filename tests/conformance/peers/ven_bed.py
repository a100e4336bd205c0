"""Our VEN beside openleadr's VTN, each at its own end of a real connection."""

import asyncio
import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from edge_agent.config.northbound import OpenAdrVenConfig, TlsFiles
from edge_agent.northbound.apart import Apart
from edge_agent.northbound.openadr.ven import OpenAdrVen, VenParts
from edge_agent.northbound.port import (
    GridOrder,
    OrderRefusal,
    Origin,
    Ratings,
    RefusalKind,
    SiteSecond,
)
from edge_agent.transports.record_file import RecordFile

HERE = Path(__file__).parent
MODES = {"SIMPLE.level", "LOAD_DISPATCH.setpoint", "LOAD_DISPATCH.delta"}


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)

    def monotonic_ns(self) -> int:
        """Never goes back."""
        return time.monotonic_ns()


class FakeJudge:
    """Supports a few modes."""

    def refusal(self, order: GridOrder) -> OrderRefusal | None:
        """Refuse what is not supported."""
        if order.mode in MODES:
            return None
        return OrderRefusal(kind=RefusalKind.UNSUPPORTED, cause=f"{order.mode} <&> unknown")

    def modes(self, origin: Origin) -> tuple[str, ...]:
        """Supported ones."""
        return tuple(MODES)


class ForeignVtn:
    """openleadr's VTN as a process.

    Parameters
    ----------
    python : str
        Of the peers' environment.
    settings : dict
        As openleadr_vtn.py reads them.
    """

    def __init__(self, python: str, settings: dict[str, object]) -> None:
        self._child = subprocess.Popen(
            [python, str(HERE / "openleadr_vtn.py"), json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self.seen: list[dict[str, object]] = []
        self.errors: list[str] = []
        threading.Thread(target=self._pump, daemon=True).start()
        threading.Thread(target=self._pump_errors, daemon=True).start()

    def _pump(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            if line.startswith("{"):
                self._lines.put(line)

    def _pump_errors(self) -> None:
        assert self._child.stderr is not None
        self.errors += iter(self._child.stderr)

    def wait_for(
        self,
        event: str,
        *,
        where: Callable[[dict[str, object]], bool] = lambda _: True,
        timeout_s: float = 20.0,
    ) -> dict[str, object]:
        """Next thing the VTN saw of a kind."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                line = self._lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                words = "".join(self.errors[-20:])
                raise AssertionError(f"no {event!r} after {self.seen[-5:]}: {words}") from None
            record = json.loads(line)
            self.seen.append(record)
            if record["event"] == event and where(record):
                return record

    def do(self, what: str, **fields: object) -> None:
        """Give a command and wait until it is obeyed."""
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps({"do": what, **fields}) + "\n")
        self._child.stdin.flush()
        self.wait_for("obeyed")

    def drain(self) -> list[dict[str, object]]:
        """All that was seen so far."""
        while not self._lines.empty():
            self.seen.append(json.loads(self._lines.get()))
        return self.seen

    def end(self) -> None:
        """End the process."""
        self._child.terminate()
        try:
            self._child.wait(5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait(5)


class OurVen:
    """Our VEN in its thread, with a meter that reads what is set.

    Parameters
    ----------
    url : str
        Of the VTN.
    path : Path
        Of the records.
    tls : TlsFiles or None
        With them, messages are signed, too.
    vtn_fingerprint : str or None
        Of the VTN.
    """

    def __init__(
        self,
        url: str,
        path: Path,
        *,
        tls: TlsFiles | None = None,
        vtn_fingerprint: str | None = None,
    ) -> None:
        self.meter_w = -1500.0
        config = OpenAdrVenConfig(
            url=url,
            ven_name='倉庫 "A" & <B>',
            vtn_id="VTN-lower",
            tls=tls,
            signs=tls is not None,
            vtn_fingerprint=vtn_fingerprint,
            listener=None,
            poll_s=1.0,
            market_contexts=(),
            signals=None,
        )
        clock = SystemClock()
        self._book = RecordFile(path, clock)
        self._apart = Apart(
            Origin.OPENADR,
            lambda: OpenAdrVen(config, VenParts(judge=FakeJudge(), book=self._book, clock=clock)),
            clock,
        )
        self._apart.start()
        self._ends = threading.Event()
        self._meter = threading.Thread(target=self._measure, daemon=True)
        self._meter.start()

    def _measure(self) -> None:
        while not self._ends.wait(0.5):
            self._apart.tell(
                SiteSecond(
                    at=datetime.now(UTC),
                    meter_w=self.meter_w,
                    resources=(),
                    ratings=Ratings(
                        max_w=0.0, max_charge_w=0.0, max_discharge_w=0.0, load_w=0.0, energy_wh=0.0
                    ),
                    reports=(),
                )
            )

    def orders(self) -> dict[str, list[GridOrder]]:
        """Orders by event."""
        found: dict[str, list[GridOrder]] = {}
        for order in self._apart.orders():
            found.setdefault(order.event_id, []).append(order)
        return found

    def until(self, holds: Callable[[dict[str, list[GridOrder]]], bool], what: str) -> None:
        """Wait until something holds of the orders."""
        deadline = time.monotonic() + 15.0
        while not holds(self.orders()):
            assert time.monotonic() < deadline, f"{what}: {self.orders()} {self._apart.trouble}"
            time.sleep(0.1)

    def end(self) -> None:
        """End it as a loss of power would, but for the thread."""
        self._ends.set()
        asyncio.run(self._apart.stop())
