"""Evidence of an obligation: what holds, and that anything changed in it is named."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cloud_coordinator.commands.evidence_file import Sources, fault, make_evidence
from cloud_coordinator.gateway.evidence_log import EvidenceLog, is_about, kept_messages
from edge_agent.link.seals import open_seals
from protocols.identity.signing import Signer, Statement
from protocols.link.messages import Event, ObligationMessage
from protocols.link.topics import TopicKind, Topics, parse_topic
from protocols.link.wire import encode
from protocols.vocabulary.identifiers import JournalId, ObligationId, SiteId, ZoneId
from protocols.vocabulary.intervals import Clock
from tests.link_identity import LinkAuthority
from tests.unit.protocols.link.test_vectors import COMMITMENT, HALF_HOUR

NAME = COMMITMENT.obligation.obligation_id
SITE = SiteId(COMMITMENT.obligation.target)
VERSION = COMMITMENT.obligation.version
AT = "2026-11-23T03:00:00+00:00"


class Evidence:
    """A file's content and the keys to trust."""

    def __init__(self, folder: Path) -> None:
        authority = LinkAuthority(folder)
        files, _ = authority.site(SITE)
        self.signer, self.files = authority.signer, files
        self.keys = {self.signer.key_id: self.signer.public}
        self.root = authority.trust.read_bytes()
        ordered = ObligationMessage(sequence=1, epoch=1, validity=HALF_HOUR, commitment=COMMITMENT)
        self.order = self.signer.seal(_statement("dn/ob"), encode(ordered))
        receipt = Event(
            journal_id=JournalId("00112233445566778899aabbccddeeff"),
            sequence=2,
            recorded_at=datetime(2026, 11, 23, 3, tzinfo=UTC),
            kind="obligation.accepted",
            payload={"obligation_id": NAME, "version": VERSION},
        )
        seals = open_seals(files, SITE, ZoneId("tokyo"), epochs={})
        self.receipt = seals.sealed(TopicKind.EVENT, receipt, encode(receipt))
        self.forged = Signer(bytes(32)).seal(_statement("up/evt"), encode(receipt))

    def made(self, receipt: bytes) -> dict[str, Any]:
        """Make a file with this receipt."""
        topics = Topics(SITE)
        messages = [
            (AT, topics.topic(TopicKind.OBLIGATION), self.order.hex()),
            (AT, topics.topic(TopicKind.EVENT), receipt.hex()),
        ]
        sources = Sources(
            certificates={SITE: self.files.certificate.read_text()}, root=self.root.decode()
        )
        return make_evidence(NAME, messages, sources=sources, signer=self.signer)

    def fault(self, content: object) -> str:
        """Name what is wrong."""
        return fault(json.dumps(content), keys=self.keys, root=self.root)


def _statement(kind: str) -> Statement:
    return Statement(
        kind=kind, scope=SITE, sequence=1, epoch=1, not_before_ms=0, valid_until_ms=1 << 50
    )


def test_good_evidence_holds(tmp_path: Path) -> None:
    """If it fails, a true delivery cannot be proven."""
    evidence = Evidence(tmp_path)
    assert not evidence.fault(evidence.made(evidence.receipt))


def _drop(content: dict[str, Any]) -> None:
    del content["messages"][1]


def _swap(content: dict[str, Any]) -> None:
    content["messages"].reverse()


def _turn(content: dict[str, Any]) -> None:
    data = content["messages"][0]["data"]
    content["messages"][0]["data"] = data[:-1] + ("0" if data[-1] != "0" else "1")


def _rename(content: dict[str, Any]) -> None:
    content["obligation"] = "another"


def _cut(content: dict[str, Any]) -> None:
    del content["end"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_drop, "sealed digest differs"),
        (_swap, "sealed digest differs"),
        (_turn, "sealed digest differs"),
        (_rename, "other-scope"),
        (_cut, "incomplete or damaged"),
    ],
)
def test_tampering_is_named(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], named: str
) -> None:
    """If it fails, altered evidence convinces a referee."""
    evidence = Evidence(tmp_path)
    content = evidence.made(evidence.receipt)
    change(content)
    assert named in evidence.fault(content)


def test_the_coordinator_cannot_make_a_receipt_up(tmp_path: Path) -> None:
    """If it fails, whoever holds the store proves a delivery that no gateway accepted."""
    evidence = Evidence(tmp_path)
    assert f"seal of {SITE}: unknown-key" in evidence.fault(evidence.made(evidence.forged))
    stranger = LinkAuthority(tmp_path / "other")
    content = evidence.made(evidence.receipt)
    wrong = fault(json.dumps(content), keys=evidence.keys, root=stranger.trust.read_bytes())
    assert "leads to the root" in wrong


class StoppedClock:
    """A clock that stands."""

    def now(self) -> datetime:
        """Return one moment."""
        return datetime.fromisoformat(AT)

    def monotonic_ns(self) -> int:
        """Return one moment."""
        return 0


def test_what_was_on_the_wire_is_kept_once(tmp_path: Path) -> None:
    """If it fails, the order that was sent cannot be shown, or each repeat of it fills the disk."""
    evidence = Evidence(tmp_path / "authority")
    clock: Clock = StoppedClock()
    log, topic = EvidenceLog(tmp_path / "evidence", clock), Topics(SITE).topic(TopicKind.OBLIGATION)
    for _ in range(2):
        log.tap(parse_topic(topic), evidence.order)
        asyncio.run(log.flush())
    kept = list(kept_messages(tmp_path / "evidence", ObligationId(NAME)))
    assert kept == [(AT, topic, evidence.order.hex())]


def test_an_award_is_all_its_shares_and_no_other_award_s() -> None:
    """If it fails, the evidence of an award lacks a site, or holds one of another award."""
    assert is_about("award", "award")
    assert is_about("award/site-1", "award")
    assert not is_about("award-2/site-1", "award")
    assert not is_about("award", "award/site-1")
