"""openleadr's VTN against our VEN, as processes: plain, and with mutual TLS and signatures."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from edge_agent.config.northbound import TlsFiles
from protocols.openadr.identity import fingerprint
from tests.conformance.peers.ven_bed import ForeignVtn, OurVen
from tests.pki import Pki
from tests.ports import free_port

HOST = "127.71.3.1"
pytestmark = [pytest.mark.peer("openleadr"), pytest.mark.timeout(120)]


class Bed:
    """A VTN that is not ours and a VEN that is."""

    def __init__(self, folder: Path, python: str, *, secure: bool) -> None:
        self._folder, self._python = folder, python
        self._port = free_port()
        self._tls: TlsFiles | None = None
        self._settings: dict[str, object] = {"host": HOST, "port": self._port, "report_s": 2}
        self._fingerprint: str | None = None
        if secure:
            pki = Pki(folder / "pki")
            server, device = pki.server(HOST), pki.device("ven")
            self._tls = TlsFiles(
                certificate=device.certificate, key=device.key, authorities=pki.authorities
            )
            self._settings |= {
                "cert": str(server.certificate),
                "key": str(server.key),
                "ca": str(pki.authorities),
            }
            leaf = x509.load_pem_x509_certificate(server.leaf.read_bytes())
            self._fingerprint = fingerprint(leaf.public_bytes(Encoding.DER))
        self.vtn = ForeignVtn(python, self._settings)
        self.vtn.wait_for("listening")
        self.ven = self.start_ven()

    def start_ven(self) -> OurVen:
        """Our VEN with the records it has."""
        scheme = "http" if self._tls is None else "https"
        return OurVen(
            f"{scheme}://{HOST}:{self._port}/OpenADR2/Simple/2.0b",
            self._folder / "ven.sqlite",
            tls=self._tls,
            vtn_fingerprint=self._fingerprint,
        )

    def restart_ven(self) -> None:
        """End our VEN and start it anew."""
        self.ven.end()
        self.ven = self.start_ven()

    def restart_vtn(self) -> None:
        """End the VTN, which forgets everything, and start it anew."""
        self.vtn.end()
        self.vtn = ForeignVtn(self._python, self._settings)
        self.vtn.wait_for("listening")

    def end(self) -> None:
        """End both."""
        self.ven.end()
        self.vtn.end()


@pytest.fixture(params=[False, True], ids=["plain", "signed"])
def bed(
    request: pytest.FixtureRequest, tmp_path: Path, peer: Callable[[str], str]
) -> Iterator[Bed]:
    made = Bed(tmp_path, peer("openleadr"), secure=request.param)
    try:
        yield made
    finally:
        made.end()


def event(event_id: str, ven_id: str, start: datetime, **changes: object) -> dict[str, object]:
    """Make an event of two minutes."""
    return {
        "event_id": event_id,
        "ven_id": ven_id,
        "start": start.isoformat(),
        "intervals": [[60, 2.0], [60, 1.0]],
        **changes,
    }


def responses(bed: Bed) -> list[tuple[object, object]]:
    """Return what the VTN was answered, in order."""
    return [
        (one["event_id"], one["opt_type"]) for one in bed.vtn.drain() if one["event"] == "responded"
    ]


def test_our_ven_does_its_whole_day_with_a_foreign_vtn(bed: Bed) -> None:
    """If it fails, a site cannot take part in a programme that another maker's VTN runs."""
    registered = bed.vtn.wait_for("registered")
    ven_id = str(registered["ven_id"])
    assert registered["ven_name"] == '倉庫 "A" & <B>'
    bed.vtn.wait_for("offered", where=lambda one: one["unit"] == "W")
    values = bed.vtn.wait_for("values", where=lambda one: one["resource_id"] == "meter")["values"]
    assert isinstance(values, list)
    assert values[0][1] == pytest.approx(1500.0), "usage is import above zero"

    start = (datetime.now(UTC) + timedelta(seconds=30)).replace(microsecond=0)
    bed.vtn.do("add", **event("first-1", ven_id, start))
    answer = bed.vtn.wait_for("responded")
    assert (answer["event_id"], answer["opt_type"]) == ("first-1", "optIn")
    bed.ven.until(lambda orders: "first-1" in orders, "the event is known")
    one, two = bed.ven.orders()["first-1"]
    assert (one.mode, one.value, two.value) == ("SIMPLE.level", 2.0, 1.0)
    assert (one.interval.start, two.interval.start) == (start, start + timedelta(minutes=1))

    changed = event("first-1", ven_id, start, modification=1, intervals=[[60, 3.0]], priority=1)
    bed.vtn.do("modify", **changed)
    bed.vtn.wait_for("responded")
    bed.ven.until(lambda orders: orders["first-1"][0].value == 3.0, "the change is known")

    bed.vtn.do("add", **event("second", ven_id, start, priority=2))
    bed.vtn.wait_for("responded", where=lambda one: one["event_id"] == "second")
    bed.ven.until(lambda orders: len(orders) == 2, "overlapping events are both known")
    by_priority = [orders[0].priority for orders in bed.ven.orders().values()]
    assert by_priority == [1, 2], "the higher priority comes first"

    bed.restart_ven()
    assert set(bed.ven.orders()) == {"first-1", "second"}, "a restart loses no event"

    bed.vtn.do("cancel", ven_id=ven_id, event_id="first-1")
    bed.vtn.wait_for("responded", where=lambda one: one["event_id"] == "first-1")
    bed.ven.until(lambda orders: set(orders) == {"second"}, "cancelled by word")
    bed.vtn.do("add", **event("third", ven_id, start))
    bed.vtn.do("omit", ven_id=ven_id, event_id="second")
    bed.ven.until(lambda orders: set(orders) == {"third"}, "cancelled by absence")
    bed.vtn.wait_for("responded", where=lambda one: one["event_id"] == "third")
    assert responses(bed) == [
        ("first-1", "optIn"),
        ("first-1", "optIn"),
        ("second", "optIn"),
        ("first-1", "optIn"),
        ("third", "optIn"),
    ], "each version is answered once, also across the restart"


def test_unknown_signal_is_refused_alone(bed: Bed) -> None:
    """If it fails, one signal we do not know keeps good events of the same VTN away."""
    ven_id = str(bed.vtn.wait_for("registered")["ven_id"])
    start = datetime.now(UTC) + timedelta(seconds=30)
    strange = event("strange", ven_id, start, signal_name="CHARGE_STATE", signal_type="setpoint")
    bed.vtn.do("add", **strange)
    bed.vtn.do("add", **event("good", ven_id, start))
    found = {
        one["event_id"]: one["opt_type"]
        for one in (bed.vtn.wait_for("responded"), bed.vtn.wait_for("responded"))
    }
    assert found == {"strange": "optOut", "good": "optIn"}
    bed.ven.until(lambda orders: set(orders) == {"good"}, "only the good one")


def test_a_vtn_that_forgot_everything_is_registered_with_again(bed: Bed) -> None:
    """If it fails, a site is lost to its VTN after the VTN's restart, or drops a running event."""
    ven_id = str(bed.vtn.wait_for("registered")["ven_id"])
    start = datetime.now(UTC) + timedelta(seconds=2)
    bed.vtn.do("add", **event("running", ven_id, start))
    bed.ven.until(lambda orders: "running" in orders, "the event is known")
    bed.restart_vtn()
    again = bed.vtn.wait_for("registered", timeout_s=30.0)
    assert again["ven_id"] == ven_id
    bed.vtn.wait_for("values", timeout_s=30.0)
    assert "running" in bed.ven.orders(), "a VTN that says nothing has cancelled nothing"
