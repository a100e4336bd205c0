"""Telemetry in the evidence: the gateway's digest over seconds that the coordinator stored."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import msgpack
import numpy as np
import pytest

from cloud_coordinator.commands.evidence_file import Sources, fault, make_evidence, owed
from cloud_coordinator.commands.evidence_rows import covered_s, spans_of, telemetry_of
from cloud_coordinator.store.telemetry import TelemetrySettings, TelemetryStore
from edge_agent.cycle.digests import RowDigests
from edge_agent.cycle.record import Happened
from edge_agent.journal.records import Draft, JournalStream
from edge_agent.journal.rows import TelemetryRow, telemetry_row_encode
from edge_agent.link.seals import open_seals
from protocols.link.messages import Event, Telemetry
from protocols.link.topics import TopicKind, Topics
from protocols.link.wire import encode
from protocols.vocabulary.identifiers import JournalId, SignalId, SiteId, ZoneId
from tests.link_identity import LinkAuthority
from tests.unit.cloud_coordinator.commands.test_evidence import (
    AT,
    NAME,
    SITE,
    Evidence,
    StoppedClock,
)
from tests.unit.protocols.link.test_vectors import COMMITMENT

JOURNAL = JournalId("00112233445566778899aabbccddeeff")
START_S = int(COMMITMENT.obligation.interval.start.timestamp())
ROWS = 130


class Shown:
    """An obligation of which a gateway wrote seconds, and the file about it."""

    def __init__(self, folder: Path) -> None:
        self.evidence = Evidence(folder / "authority")
        self.seals = open_seals(self.evidence.files, SITE, ZoneId("tokyo"), epochs={})
        values = np.random.default_rng(7).normal(0, 2e3, (ROWS + 1, 14)).astype(np.float32)
        values[:, 8] = np.nan
        times = START_S - 3 + np.arange(ROWS + 1)
        digests, told = RowDigests(SITE, JOURNAL), list[Happened]()
        for at in range(ROWS + 1):
            row = TelemetryRow(
                time_s=int(times[at]),
                signal_id=SignalId(5),
                layout_version=2,
                values=values[at],
                curve_version=4 if at < ROWS else 0,
            )
            draft = Draft(
                stream=JournalStream.TELEMETRY,
                cycle=at,
                kind="row",
                payload=telemetry_row_encode(row),
            )
            told += digests.committed([draft], {JournalStream.TELEMETRY: 40 + at})
        self.digests = [self._sealed(number, one) for number, one in enumerate(told, 1)]
        store = TelemetryStore(TelemetrySettings(root=folder / "telemetry"), StoppedClock())
        store.append(
            SITE,
            Telemetry(
                journal_id=JOURNAL,
                first_sequence=40,
                layout_version=2,
                times_s=times,
                signal_ids=np.full(ROWS + 1, 5),
                values=values,
            ),
        )
        store.flush()
        self.history = folder / "telemetry"

    def _sealed(self, number: int, happened: Happened) -> tuple[str, str]:
        event = Event(
            journal_id=JOURNAL,
            sequence=number,
            recorded_at=datetime(2026, 11, 23, 3, tzinfo=UTC),
            kind=happened.kind,
            payload=happened.payload,
        )
        data = self.seals.sealed(TopicKind.EVENT, event, encode(event))
        return Topics(SITE).topic(TopicKind.EVENT), data.hex()

    def made(self, **changes: Any) -> dict[str, Any]:
        """Make the file as the command does; ``certificate`` may be another's."""
        topics = Topics(SITE)
        messages = [
            (AT, topics.topic(TopicKind.OBLIGATION), self.evidence.order.hex()),
            (AT, topics.topic(TopicKind.EVENT), self.evidence.receipt.hex()),
        ]
        spans = spans_of((topic, bytes.fromhex(data)) for _, topic, data in messages)
        telemetry = telemetry_of(changes.get("digests", self.digests), spans, history=self.history)
        certificate = changes.get("certificate", self.evidence.files.certificate.read_text())
        sources = Sources(
            certificates={SITE: certificate}, root=self.evidence.root.decode(), telemetry=telemetry
        )
        made = make_evidence(NAME, messages, sources=sources, signer=self.evidence.signer)
        return cast("dict[str, Any]", json.loads(json.dumps(made)))

    def fault(self, content: object) -> str:
        """Name what is wrong."""
        return self.evidence.fault(content)


def test_what_the_gateway_wrote_holds(tmp_path: Path) -> None:
    """If it fails, a true delivery cannot be proven second by second."""
    shown = Shown(tmp_path)
    content = shown.made()
    assert not shown.fault(content)
    assert covered_s(content["telemetry"], owed(content))[0] == ROWS - 3 + 1
    assert [len(block["rows"]) for block in content["telemetry"]] == [60, 60, 11]


def _value(content: dict[str, Any]) -> None:
    row = content["telemetry"][1]["rows"][7]
    row[4] = ("1" if row[4][0] != "1" else "2") + row[4][1:]


def _second(content: dict[str, Any]) -> None:
    content["telemetry"][0]["rows"][59][1] += 1


def _row_gone(content: dict[str, Any]) -> None:
    del content["telemetry"][2]["rows"][4]


def _digest_gone(content: dict[str, Any]) -> None:
    del content["telemetry"][1]


def _last_gone(content: dict[str, Any]) -> None:
    del content["telemetry"][2]


def _receipt_gone(content: dict[str, Any]) -> None:
    del content["messages"][1]


def _obligation(content: dict[str, Any]) -> None:
    data = content["messages"][0]["data"]
    content["messages"][0]["data"] = data[:40] + ("0" if data[40] != "0" else "1") + data[41:]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_value, "telemetry 2: "),
        (_value, "a second was changed"),
        (_second, "a second was changed"),
        (_row_gone, "10 of 11 rows"),
        (_digest_gone, "telemetry 2: "),
        (_digest_gone, "the chain is broken"),
        (_last_gone, "a digest was added, left out"),
        (_receipt_gone, "messages: one was changed, added, left out"),
        (_obligation, "messages: one was changed"),
    ],
)
def test_the_first_thing_wrong_is_named(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], named: str
) -> None:
    """If it fails, altered seconds are paid for."""
    shown = Shown(tmp_path)
    content = shown.made()
    change(content)
    assert named in shown.fault(content)


def test_the_coordinator_cannot_invent_seconds(tmp_path: Path) -> None:
    """If it fails, whoever holds store and key of the coordinator makes a delivery up."""
    shown = Shown(tmp_path)
    content = shown.made()
    _value(content)
    sources = Sources(
        certificates=content["certificates"],
        root=content["root"],
        telemetry=content["telemetry"],
    )
    messages = [(one["at"], one["topic"], one["data"]) for one in content["messages"]]
    again = make_evidence(NAME, messages, sources=sources, signer=shown.evidence.signer)
    assert "a second was changed" in shown.fault(again)
    assert "chain is broken" in shown.fault(shown.made(digests=shown.digests[::2]))


def test_another_sites_certificate_vouches_for_nothing(tmp_path: Path) -> None:
    """If it fails, one gateway's key signs for another's delivery."""
    shown = Shown(tmp_path)
    authority = LinkAuthority(tmp_path / "authority")
    other, _ = authority.site("site-999")
    content = shown.made(certificate=other.certificate.read_text())
    wrong = fault(json.dumps(content), keys=shown.evidence.keys, root=authority.trust.read_bytes())
    assert f"no certificate of {SITE} leads to the root" in wrong


def test_a_digest_of_another_site_is_none_of_this(tmp_path: Path) -> None:
    """If it fails, the seconds of a site that delivered stand in for one that did not."""
    shown = Shown(tmp_path)
    content = shown.made()
    content["telemetry"][0]["topic"] = Topics(SiteId("site-999")).topic(TopicKind.EVENT)
    assert "is no digest of seconds that site-999 owed" in shown.fault(content)
    content = shown.made()
    event = bytes.fromhex(content["telemetry"][0]["data"])
    content["telemetry"][0]["data"] = (event[:-1] + bytes((event[-1] ^ 1,))).hex()
    assert f"seal of {SITE}: wrong-signature" in shown.fault(content)
    assert msgpack.unpackb(event)
