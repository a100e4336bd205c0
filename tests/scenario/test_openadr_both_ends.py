"""A site's VEN and `vpp openadr vtn` on real sockets, pulled and pushed, while either is killed."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edge_agent.config.northbound import Listener, OpenAdrVenConfig, TlsFiles
from edge_agent.northbound.apart import Apart
from edge_agent.northbound.openadr.ven import OpenAdrVen, VenParts
from edge_agent.northbound.port import GridOrder, OrderRefusal, Origin, Ratings, SiteSecond
from edge_agent.transports.record_file import RecordFile
from tests.conformance.peers.vtn_bed import VtnBed
from tests.ports import free_port

HOST = "127.71.6.1"
pytestmark = pytest.mark.timeout(120)


class Clock:
    """The machine's time."""

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)

    def monotonic_ns(self) -> int:
        """Never goes back."""
        return time.monotonic_ns()


class Willing:
    """Refuses nothing."""

    def refusal(self, order: GridOrder) -> OrderRefusal | None:
        """Refuse nothing."""
        return None

    def modes(self, origin: Origin) -> tuple[str, ...]:
        """Return nothing."""
        return ()


class Pair:
    """Both programs.

    Parameters
    ----------
    folder : Path
        Of all files.
    secure, pushes : bool
        Whether they speak TLS and sign, and who calls whom.
    """

    def __init__(self, folder: Path, *, secure: bool, pushes: bool) -> None:
        self.folder = folder
        self.bed = VtnBed(folder, HOST, free_port(), secure=secure)
        self.bed.start_vtn()
        given = self.bed.credentials("ven")
        port = free_port()
        url = f"{self.bed.url.partition('://')[0]}://{HOST}:{port}/OpenADR2/Simple/2.0b"
        files = None
        if given is not None:
            files = TlsFiles(
                certificate=given[0].certificate, key=given[0].key, authorities=given[1]
            )
        self._config = OpenAdrVenConfig(
            url=self.bed.url,
            ven_name="店舗 <1> & 2",
            vtn_id="TokyoVtn",
            tls=files,
            signs=secure,
            vtn_fingerprint=None if given is None else given[2],
            listener=Listener(address=HOST, port=port, url=url) if pushes else None,
            poll_s=1.0,
            market_contexts=(),
            signals=None,
        )
        self._measures = threading.Event()
        self.start_ven()

    def start_ven(self) -> None:
        """Start the VEN on its records, again if it ran before."""
        clock = Clock()
        book = RecordFile(self.folder / "ven.sqlite", clock)
        parts = VenParts(judge=Willing(), book=book, clock=clock)
        self.apart = Apart(Origin.OPENADR, lambda: OpenAdrVen(self._config, parts), clock)
        self.apart.start()
        self._measures.set()
        self._meter = threading.Thread(target=self._measure, args=(self.apart,), daemon=True)
        self._meter.start()

    def _measure(self, apart: Apart) -> None:
        ratings = Ratings(
            max_w=0.0, max_charge_w=0.0, max_discharge_w=0.0, load_w=0.0, energy_wh=0.0
        )
        while self._measures.is_set() and apart is self.apart:
            now = datetime.now(UTC).replace(microsecond=0)
            second_of_hour = now.minute * 60 + now.second
            apart.tell(
                SiteSecond(
                    at=now,
                    meter_w=-float(second_of_hour),
                    resources=(),
                    ratings=ratings,
                    reports=(),
                )
            )
            time.sleep(1.0 - time.time() % 1.0)

    def kill_ven(self) -> None:
        """End the VEN without a word to anybody."""
        self._measures.clear()
        asyncio.run(self.apart.stop())
        self._meter.join(3.0)

    def kill_vtn(self) -> None:
        """Kill -9."""
        assert self.bed.vtn is not None
        self.bed.vtn.kill()

    def order(self, method: str, event_id: str, value: float) -> None:
        """Order or modify an event that has begun."""
        start = datetime.now(UTC) - timedelta(seconds=5)
        interval = {"duration": "PT1H", "value": value}
        signal = {"name": "SIMPLE", "type": "level", "intervals": [interval]}
        body = {
            "dtstart": start.isoformat(timespec="seconds"),
            "duration": "PT1H",
            "market_context": "http://market.example/dr?a=1&b=2",
            "signals": [signal],
        }
        if method == "POST":
            body["event_id"] = event_id
        self.bed.admin(method, "/events" if method == "POST" else f"/events/{event_id}", body)

    def holds(self) -> dict[str, float]:
        """Return values by event, as the site has them."""
        return {order.event_id: order.value for order in self.apart.orders()}

    def answered(self, event_id: str) -> int | None:
        """Return the modification that the VTN has an answer to."""
        answers = self.bed.admin("GET", f"/events/{event_id}")["answers"]
        return int(answers[0]["modification_number"]) if answers else None

    def readings(self) -> list[dict[str, Any]]:
        """Return all readings that the VTN has of its only VEN."""
        vens = self.bed.admin("GET", "/vens")["vens"]
        if not vens:
            return []
        (ven,) = vens
        told = self.bed.admin("GET", f"/vens/{ven['ven_id']}/readings")
        return list(told["readings"])

    def settled(self, **values: float) -> None:
        """Wait until the site has these events, and the VTN their latest answers."""
        self.bed.until(lambda: self.holds() == values, f"{values}, not {self.holds()}")
        for name in values:
            event = self.bed.admin("GET", f"/events/{name}")
            latest = event["modification_number"]
            self.bed.until(lambda: self.answered(name) == latest, f"answer to {name}")  # noqa: B023 - waited for here

    def said_answers(self) -> Counter[tuple[str, int]]:
        """Count the answers that reached the VTN, by event and modification."""
        lines = (self.folder / "vtn.log").read_text().splitlines()
        said = [json.loads(line) for line in lines if '"event.answered"' in line]
        return Counter((one["event_id"], one["modification_number"]) for one in said)

    def end(self) -> None:
        """End both."""
        self.kill_ven()
        self.bed.end()


@pytest.fixture(params=["pull", "pull signed", "push signed"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path, secure="signed" in request.param, pushes="push" in request.param)
    try:
        yield made
    finally:
        made.end()


def test_kills_at_each_state_lose_and_repeat_nothing(pair: Pair) -> None:
    """If it fails, a crash costs an event, its answer or a reading, or counts one twice."""
    pair.bed.until(lambda: len(pair.readings()) >= 2, "readings come")

    pair.order("POST", "known", 1.0)
    pair.settled(known=1.0)
    pair.kill_ven()
    pair.order("POST", "unknown", 2.0)
    pair.order("PUT", "known", 3.0)
    pair.kill_vtn()
    pair.start_ven()
    assert pair.holds() == {"known": 1.0}, "it goes on while the VTN is away"
    pair.bed.start_vtn()
    pair.settled(known=3.0, unknown=2.0)

    pair.kill_vtn()
    pair.bed.start_vtn()
    pair.order("POST", "unanswered", 1.0)
    pair.kill_vtn()
    pair.kill_ven()
    pair.start_ven()
    gone = datetime.now(UTC).replace(microsecond=0)
    time.sleep(4.0)
    pair.bed.start_vtn()
    pair.settled(known=3.0, unknown=2.0, unanswered=1.0)
    pair.bed.admin("DELETE", "/events/known")
    pair.settled(unknown=2.0, unanswered=1.0)

    late = {(gone + timedelta(seconds=k)).isoformat(timespec="seconds") for k in (1, 2, 3)}
    pair.bed.until(lambda: late <= {_start(one) for one in pair.readings()}, f"late {late}")
    starts = [_start(one) for one in pair.readings()]
    assert len(starts) == len(set(starts)), "a reading twice"
    assert all(_value(one) == _second_of_hour(one) for one in pair.readings())
    assert set(pair.said_answers().values()) == {1}, pair.said_answers()


def _start(reading: dict[str, Any]) -> str:
    at = datetime.fromisoformat(str(reading["dtstart"]).replace("Z", "+00:00"))
    return at.isoformat(timespec="seconds")


def _value(reading: dict[str, Any]) -> float:
    (point,) = reading["points"].values()
    return float(point["value"])


def _second_of_hour(reading: dict[str, Any]) -> float:
    at = datetime.fromisoformat(_start(reading))
    return float(at.minute * 60 + at.second)
