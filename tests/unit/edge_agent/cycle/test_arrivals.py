"""What the coordinator asks, and what a site answers."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from edge_agent.cycle.arrivals import take
from edge_agent.cycle.memory import AgentMemory
from edge_agent.link.inbox import Arrived, GuardMemory, Inbox, Judged, ReceivedSignal
from protocols.link.fencing import Refusal
from protocols.link.messages import Command, ObligationMessage, Plain, SignalMessage, Stream


def arrived(*judged: Judged, signal: ReceivedSignal | None = None) -> Arrived:
    return Arrived(signal=signal, judged=judged, refused_signals=(), overflow=0)


def command(nouns: SimpleNamespace, kind: str, sequence: int = 1, **payload: Plain) -> Command:
    return Command(
        sequence=sequence, epoch=1, validity=nouns.interval(), kind=kind, payload=payload
    )


def test_a_commitment_is_held_and_receipted(nouns: SimpleNamespace) -> None:
    """An award would be sent for ever, or not be delivered."""
    one = nouns.commitment()
    taken = take(AgentMemory(), arrived(Judged(commitment=one)), durable={}, now=nouns.now)
    assert [c.obligation.obligation_id for c in taken.memory.commitments] == ["award-1/site-001"]
    assert taken.receipts[0].kind == "obligation.accepted"
    assert taken.receipts[0].payload["version"] == 1


def test_the_same_commitment_again_changes_nothing(nouns: SimpleNamespace) -> None:
    """A repeated message would restart the obligation: executed twice."""
    first = take(
        AgentMemory(), arrived(Judged(commitment=nouns.commitment())), durable={}, now=nouns.now
    )
    again = take(
        first.memory, arrived(Judged(commitment=nouns.commitment())), durable={}, now=nouns.now
    )
    assert again.memory.commitments is first.memory.commitments
    assert again.receipts[0].kind == "obligation.accepted"


def test_versions_only_rise(nouns: SimpleNamespace) -> None:
    """A late copy of an older version would undo a correction."""
    newer = take(
        AgentMemory(),
        arrived(Judged(commitment=nouns.commitment(version=2))),
        durable={},
        now=nouns.now,
    )
    older = take(
        newer.memory,
        arrived(Judged(commitment=nouns.commitment(version=1))),
        durable={},
        now=nouns.now,
    )
    assert older.memory.commitments[0].obligation.version == 2
    assert older.receipts[0].payload["reason"] == "superseded"


def test_an_ended_commitment_is_refused_with_its_reason(nouns: SimpleNamespace) -> None:
    """A site that slept through an award would say it delivers it."""
    late = nouns.commitment(span=nouns.interval(-900.0, 600.0))
    taken = take(AgentMemory(), arrived(Judged(commitment=late)), durable={}, now=nouns.now)
    assert taken.memory.commitments == ()
    assert taken.receipts[0].kind == "obligation.refused"
    assert taken.receipts[0].payload["reason"] == "ended"


def test_a_refused_one_is_not_held(nouns: SimpleNamespace) -> None:
    """A replaced coordinator could still move a site."""
    judged = Judged(commitment=nouns.commitment(), refusal=Refusal.STALE_EPOCH)
    taken = take(AgentMemory(), arrived(judged), durable={}, now=nouns.now)
    assert taken.memory.commitments == ()
    assert taken.receipts[0].payload["reason"] == "stale-epoch"


def test_ended_ones_are_forgotten_after_a_while(nouns: SimpleNamespace) -> None:
    """The memory would grow with every award for ever."""
    memory = replace(AgentMemory(), commitments=(nouns.commitment(),))
    later = nouns.now + timedelta(seconds=600 + 301)
    assert take(memory, arrived(), durable={}, now=later).memory.commitments == ()


def test_stop_and_resume(nouns: SimpleNamespace) -> None:
    """An emergency stop would not stop, or could not be lifted."""
    stop = arrived(Judged(command=command(nouns, "stop")))
    stopped = take(AgentMemory(), stop, durable={}, now=nouns.now)
    assert stopped.memory.stopped
    assert stopped.receipts[0].kind == "command.done"
    resume = arrived(Judged(command=command(nouns, "resume", 2)))
    assert not take(stopped.memory, resume, durable={}, now=nouns.now).memory.stopped


def test_a_command_done_before_is_only_receipted(nouns: SimpleNamespace) -> None:
    """A stop whose receipt was lost would stop the site again after it was resumed."""
    judged = Judged(command=command(nouns, "stop"), refusal=Refusal.REPLAYED)
    taken = take(AgentMemory(), arrived(judged), durable={}, now=nouns.now)
    assert not taken.memory.stopped
    assert taken.receipts[0].kind == "command.done"


@pytest.mark.parametrize(
    ("kind", "payload", "reason"),
    [
        ("offer", {"start_s": 5, "end_s": 5, "service": "secondary1"}, "malformed"),
        ("offer", {"start_s": "x", "end_s": 9, "service": "secondary1"}, "malformed"),
        ("offer", {"start_s": 5, "end_s": 9, "service": "moonlight"}, "malformed"),
        ("cancel", {}, "malformed"),
        ("dance", {}, "unknown-kind"),
    ],
)
def test_an_unreadable_command_is_refused(
    nouns: SimpleNamespace, kind: str, *, payload: dict[str, Plain], reason: str
) -> None:
    """A bad command would crash the agent in the middle of an award."""
    taken = take(
        AgentMemory(),
        arrived(Judged(command=command(nouns, kind, **payload))),
        durable={},
        now=nouns.now,
    )
    assert taken.receipts[0].kind == "command.refused"
    assert taken.receipts[0].payload["reason"] == reason
    assert taken.offers == ()


def test_an_offer_is_asked_for(nouns: SimpleNamespace) -> None:
    """A site that is asked would never offer."""
    wanted = command(nouns, "offer", start_s=1_000, end_s=2_800, service="secondary1")
    taken = take(AgentMemory(), arrived(Judged(command=wanted)), durable={}, now=nouns.now)
    assert taken.offers[0].interval.duration_s == 1800.0


def test_durable_acknowledgements_are_kept(nouns: SimpleNamespace) -> None:
    """After a restart everything would be sent again from the beginning."""
    memory = replace(AgentMemory(), durable={Stream.EVENT: 3})
    taken = take(memory, arrived(), durable={Stream.TELEMETRY: 9}, now=nouns.now)
    assert taken.memory.durable == {Stream.EVENT: 3, Stream.TELEMETRY: 9}


def test_the_inbox_hands_over_the_newest_admitted_signal(nouns: SimpleNamespace) -> None:
    """A site would follow an old price after a newer one had arrived."""
    inbox = Inbox(nouns.site, nouns.zone, GuardMemory(epochs={}))
    for number in (3, 5, 4):
        inbox.put_signal(SignalMessage(signal=nouns.signal(number)), nouns.now)
    first = inbox.drain(nouns.now)
    assert first.signal is not None
    assert first.signal.signal.signal_id == 5
    inbox.put_signal(SignalMessage(signal=nouns.signal(9, epoch=0)), nouns.now)
    second = inbox.drain(nouns.now)
    assert second.signal is None
    assert second.refused_signals == (Refusal.STALE_EPOCH,)


def test_guards_remember_over_a_restart(nouns: SimpleNamespace) -> None:
    """A replayed signal would be followed after a restart of the agent."""
    inbox = Inbox(nouns.site, nouns.zone, GuardMemory(epochs={}))
    inbox.put_signal(SignalMessage(signal=nouns.signal(7)), nouns.now)
    inbox.drain(nouns.now)
    reborn = Inbox(nouns.site, nouns.zone, inbox.memory)
    reborn.put_signal(SignalMessage(signal=nouns.signal(7)), nouns.now)
    assert reborn.drain(nouns.now).signal is None


def test_a_flooded_inbox_drops_and_says_so(nouns: SimpleNamespace) -> None:
    """A flood of messages would fill the gateway's memory."""
    inbox = Inbox(nouns.site, nouns.zone, GuardMemory(epochs={}))
    message = ObligationMessage(
        sequence=1, epoch=1, validity=nouns.interval(), commitment=nouns.commitment()
    )
    for _ in range(300):
        inbox.put(message, nouns.now)
    result = inbox.drain(nouns.now)
    assert len(result.judged) == 256
    assert result.overflow == 44


def test_refused_signals_are_trouble_until_one_is_admitted(nouns: SimpleNamespace) -> None:
    """A replaced coordinator that goes on shouting would leave no trace in the record."""
    refused = replace(arrived(), refused_signals=(Refusal.STALE_EPOCH,), overflow=2)
    taken = take(AgentMemory(), refused, durable={}, now=nouns.now)
    assert taken.trouble == "stale-epoch, 2 messages dropped"
    assert take(AgentMemory(), arrived(), durable={}, now=nouns.now).trouble is None
    good = ReceivedSignal(signal=nouns.signal(), received_at=nouns.now)
    assert take(AgentMemory(), arrived(signal=good), durable={}, now=nouns.now).trouble == ""
