"""openleadr's VTN in the place of a TSO commands `vpp coordinator` and its fleet of real agents."""

import contextlib
import json
import sqlite3
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.peers.ven_bed import ForeignVtn
from tests.ports import free_port
from tests.scenario.hostile.conftest import Program, make_site, script, until

HOST = "127.71.5.1"
AWARD, AWARD_W = "award-1", 4_000.0
pytestmark = [pytest.mark.peer("openleadr"), pytest.mark.timeout(240)]


class Bed:
    """A VTN, a coordinator that it commands, and two sites."""

    def __init__(self, folder: Path, python: str) -> None:
        self.folder = folder
        self._starts: dict[str, datetime] = {}
        self._vtn_port, self._mqtt_port, self._http_port = free_port(), free_port(), free_port()
        settings = {"host": HOST, "port": self._vtn_port, "report_s": 60}
        self.vtn = ForeignVtn(python, settings)
        self.vtn.wait_for("listening")
        (folder / "tso.toml").write_text(
            f'url = "http://{HOST}:{self._vtn_port}/OpenADR2/Simple/2.0b"\n'
            'ven_name = "調整力 <AC> & 1"\nzone = "tokyo"\npoll_s = 1\n'
        )
        self.coordinator = self.start()
        self.sites = [make_site(folder, f"mqtt://127.0.0.1:{self._mqtt_port}") for _ in range(2)]
        for site in self.sites:
            site.start_simulator()
            site.start_agent()

    def start(self) -> Program:
        """Start the coordinator, again if it ran before."""
        command = [script("vpp"), "coordinator", "--data-dir", str(self.folder / "coordinator")]
        command += ["--http", f"127.0.0.1:{self._http_port}", "--mqtt-port", str(self._mqtt_port)]
        command += ["--openadr-ven", str(self.folder / "tso.toml")]
        self.coordinator = Program(command, self.folder, "coordinator")
        self.coordinator.ready()
        return self.coordinator

    def get(self, path: str) -> Any:
        """Read from the API."""
        address = f"http://127.0.0.1:{self._http_port}/api/v1{path}"
        with urllib.request.urlopen(address, timeout=5.0) as answer:
            return json.load(answer)

    def post(self, path: str, body: dict[str, object]) -> Any:
        """Write to the API."""
        address = f"http://127.0.0.1:{self._http_port}/api/v1{path}"
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(address, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=5.0) as answer:
            return json.load(answer)

    def delivery(self) -> dict[str, list[float]]:
        """Return the award's seconds as the store has them."""
        return dict(self.get(f"/obligations/{AWARD}/delivery"))

    def promised_w(self) -> float:
        """Return what is owed at the end of the award, as commands stand now."""
        return self.delivery()["promised_w"][-1]

    def delivered_w(self) -> float:
        """Return what all sites delivered together in the last second that has come."""
        seconds = self.delivery()
        whole = [
            w
            for w, is_there in zip(seconds["delivered_w"], seconds["complete"], strict=True)
            if is_there
        ]
        return whole[-1] if whole else 0.0

    def commands(self) -> list[tuple[float, str]]:
        """Return all commands with where they came from, as they are on the disk."""
        place = self.folder / "coordinator" / "registry.sqlite3"
        with contextlib.closing(sqlite3.connect(place)) as database:
            query = "SELECT power_w, source FROM commands ORDER BY issued_at"
            return database.execute(query).fetchall()

    def restart(self) -> None:
        """Kill the coordinator and start it again."""
        self.coordinator.process.kill()
        self.coordinator.process.wait(5.0)
        self.start()

    def order(self, what: str, event_id: str, *values: float, **more: object) -> None:
        """Tell the VTN to add an event that begins now, or to modify it as it runs."""
        begins = datetime.now(UTC) + timedelta(seconds=1)
        self.vtn.do(
            what,
            ven_id="ven-1",
            event_id=event_id,
            start=self._starts.setdefault(event_id, begins).isoformat(),
            intervals=[[600, value] for value in values],
            signal_name="LOAD_DISPATCH",
            signal_type="delta",
            **more,
        )

    def answer(self, event_id: str) -> object:
        """Wait for the answer to an event."""
        said = self.vtn.wait_for("responded", where=lambda one: one["event_id"] == event_id)
        return said["opt_type"]

    def compare_reports(self, minutes: int) -> None:
        """Wait until what was reported is what the store has: sign turned, means of minutes.

        The minute of the kill lacks seconds at first; it is reported again when they have come.
        """
        told: dict[str, float] = {}
        for one in self.vtn.drain():
            told |= _values(one)
        wrong = ["nothing told yet"]
        while len(told) < minutes or wrong:
            told |= _values(self.vtn.wait_for("values", timeout_s=80.0))
            delivery = self.delivery()
            stored = dict(zip(delivery["second"], delivery["delivered_w"], strict=True))
            wrong = [
                f"{moment}: {value} is not {mean}"
                for moment, value in told.items()
                if abs((mean := _mean(stored, moment)) - value) > 60.0
            ]

    def end(self) -> None:
        """End everything."""
        for site in self.sites:
            site.end()
        self.coordinator.end()
        self.vtn.end()


def _values(said: dict[str, Any]) -> dict[str, float]:
    """Read a report."""
    return {str(at): float(value) for at, value in said.get("values", ())}


def _mean(stored: dict[float, float], moment: str) -> float:
    """Mean of a minute in the store, + consumption."""
    first = int(datetime.fromisoformat(moment).timestamp())
    powers = [stored[at] for at in range(first, first + 60) if at in stored]
    return -sum(powers) / len(powers)


@pytest.fixture
def bed(tmp_path: Path, peer: Callable[[str], str]) -> Iterator[Bed]:
    made = Bed(tmp_path, peer("openleadr"))
    try:
        yield made
    finally:
        made.end()


def test_a_tso_commands_the_fleet_and_is_told_what_it_delivers(bed: Bed) -> None:
    """If it fails, a TSO's command does not reach the fleet, or its answer not the TSO."""
    offered = bed.vtn.wait_for("offered", where=lambda one: one["measurement"] != "Status")
    assert (offered["resource_id"], offered["unit"]) == ("tokyo", "W")
    until(lambda: len(bed.get("/sites")["items"]) == 2, 30.0, "both sites are there")
    bed.order("add", "without-award", -1000.0)
    assert bed.answer("without-award") == "optOut"

    start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=12)
    award = {
        "obligation_id": AWARD,
        "service": "secondary1",
        "zone": "tokyo",
        "start": start.isoformat(),
        "end": (start + timedelta(minutes=5)).isoformat(),
        "power_w": AWARD_W,
        "tolerance_w": 400.0,
        "price_jpy_per_kw_30min": "10.50",
    }
    bed.post("/obligations", award)
    until(lambda: bed.get(f"/obligations/{AWARD}")["state"] == "active", 30.0, "it is allocated")

    bed.order("add", "call", -3000.0)
    assert bed.answer("call") == "optIn"
    until(lambda: bed.promised_w() == 3000.0, 10.0, "the command is taken, upward")
    until(lambda: abs(bed.delivered_w() - 3000.0) < 450.0, 20.0, "the fleet follows")
    bed.order("add", "second", -1000.0, priority=1)
    assert bed.answer("second") == "optIn"
    until(lambda: bed.promised_w() == 1000.0, 10.0, "the higher priority rules")

    bed.restart()
    assert bed.promised_w() == 1000.0
    bed.vtn.do("cancel", ven_id="ven-1", event_id="second")
    until(lambda: bed.promised_w() == 3000.0, 15.0, "what was overlapped holds again")
    bed.order("modify", "call", -2000.0, modification=1)
    until(lambda: bed.promised_w() == 2000.0, 10.0, "a modification replaces")
    until(lambda: abs(bed.delivered_w() - 2000.0) < 450.0, 20.0, "the fleet follows")

    bed.vtn.do("cancel", ven_id="ven-1", event_id="call")
    until(lambda: bed.promised_w() == 0.0, 10.0, "nothing is owed any more")
    bed.compare_reports(minutes=2)
    assert bed.commands() == [
        (3000.0, "openadr/vtn-Lower/0/call/0/0"),
        (1000.0, "openadr/vtn-Lower/0/second/0/0"),
        (3000.0, "openadr/vtn-Lower/0/call/0/0"),
        (2000.0, "openadr/vtn-Lower/1/call/0/0"),
        (0.0, "openadr/vtn-Lower/2/call/0/0/end"),
    ], "each once, and nothing twice after the kill"
