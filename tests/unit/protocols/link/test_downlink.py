"""Obligations and commands until they are receipted."""

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from protocols.link.downlink import MAX_PENDING, Downlink
from protocols.link.messages import Command, Event, Hello, ObligationMessage, Plain
from protocols.link.topics import TopicKind
from protocols.link.wire import decode
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.identifiers import JournalId, ObligationId
from protocols.vocabulary.intervals import Interval

S = 1_000_000_000
VECTORS = Path(__file__).parents[3] / "vectors" / "link" / "v1"
NOW = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)


def golden(name: str) -> bytes:
    data = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return bytes.fromhex("".join(data["hex"]))


def obligation(name: str = "award-7/site-001", version: int = 1) -> ObligationMessage:
    message = decode(TopicKind.OBLIGATION, golden("obligation"))
    assert isinstance(message, ObligationMessage)
    owed = dataclasses.replace(
        message.commitment.obligation, obligation_id=ObligationId(name), version=version
    )
    commitment = dataclasses.replace(message.commitment, obligation=owed)
    return dataclasses.replace(message, commitment=commitment)


def stop(sequence: int) -> Command:
    return Command(
        sequence=sequence,
        epoch=4,
        validity=Interval(start=NOW, end=NOW + timedelta(seconds=10)),
        kind="stop",
        payload={},
    )


def event(kind: str, payload: Mapping[str, Plain]) -> Event:
    return Event(
        journal_id=JournalId("journal-1"), sequence=1, recorded_at=NOW, kind=kind, payload=payload
    )


def receipt(version: int, kind: str = "obligation.accepted") -> Event:
    return event(kind, {"obligation_id": "award-7/site-001", "version": version})


def test_it_is_sent_again_with_back_off_until_receipted() -> None:
    """If it fails, an obligation is lost on a bad line, or a silent site is flooded."""
    downlink = Downlink()
    message = obligation()
    downlink.queue(message, 0)
    times = []
    for _ in range(8):
        deadline = downlink.next_deadline_ns()
        assert deadline is not None
        times.append(deadline / S)
        assert downlink.due(deadline - 1) == []
        assert downlink.due(deadline) == [message]
    assert times == [0, 1, 3, 7, 15, 31, 61, 91]
    assert downlink.receipted(receipt(2)) is None, "another version's receipt"
    assert downlink.receipted(receipt(1)) is message
    assert downlink.receipted(receipt(1)) is None, "the receipt came twice"
    assert downlink.next_deadline_ns() is None


def test_a_refusal_is_a_receipt_too() -> None:
    """If it fails, a refused obligation is sent for ever."""
    downlink = Downlink()
    downlink.queue(obligation(), 0)
    assert downlink.receipted(receipt(1, "obligation.refused")) is not None
    assert downlink.pending == ()


def test_a_newer_version_takes_the_place_of_an_older_one() -> None:
    """If it fails, a site gets the old terms after the new ones."""
    downlink = Downlink()
    for version in (1, 3, 3, 2):
        downlink.queue(obligation(version=version), 0)
    assert [commitment.obligation.version for commitment in downlink.commitments] == [3]
    assert downlink.due(0) == list(downlink.pending)


def test_a_hello_makes_the_rest_due_at_once() -> None:
    """If it fails, a site that is back waits up to half a minute for its obligation."""
    downlink = Downlink()
    downlink.queue(obligation(), 0)
    downlink.queue(obligation("award-8/site-001"), 0)
    downlink.queue(stop(5), 0)
    for second in range(20):
        downlink.due(second * S)
    greeting = decode(TopicKind.HELLO, golden("hello"))
    assert isinstance(greeting, Hello)
    downlink.greeted(greeting, 20 * S)
    assert len(downlink.due(20 * S)) == 2, "award-7 is held by the site"
    assert len(downlink.due(21 * S)) == 2, "the wait begins anew"


def test_commands_are_receipted_by_their_sequence() -> None:
    """If it fails, a stop is believed done that was never executed."""
    downlink = Downlink()
    downlink.queue(stop(5), 0)
    downlink.queue(stop(6), 0)
    assert downlink.receipted(event("command.done", {"sequence": 5})) == stop(5)
    assert downlink.pending == (stop(6),)
    assert downlink.receipted(event("mode.changed", {"sequence": 6})) is None


def test_what_is_out_of_its_time_is_given_up_and_reported() -> None:
    """If it fails, a stop of yesterday is sent to a site that returns today."""
    downlink = Downlink()
    downlink.queue(stop(5), 0)
    assert downlink.expired(NOW + timedelta(seconds=9)) == []
    assert downlink.expired(NOW + timedelta(seconds=10)) == [stop(5)]
    assert downlink.pending == ()


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("obligation.accepted", {}),
        ("obligation.accepted", {"obligation_id": 5, "version": 1}),
        ("obligation.refused", {"obligation_id": "a", "version": "1"}),
        ("command.done", {"sequence": None}),
    ],
)
def test_a_receipt_for_nothing_is_refused(kind: str, payload: dict[str, Plain]) -> None:
    """If it fails, a broken receipt stops the coordinator's event intake."""
    with pytest.raises(RemoteProtocolError, match="does not say what it receipts"):
        Downlink().receipted(event(kind, payload))


def test_the_queue_is_bounded() -> None:
    """If it fails, commands to a site that never answers fill the memory."""
    downlink = Downlink()
    for sequence in range(MAX_PENDING):
        downlink.queue(stop(sequence), 0)
    with pytest.raises(AssertionError, match="too many"):
        downlink.queue(stop(MAX_PENDING), 0)
