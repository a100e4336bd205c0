"""What the wire refuses to send, and what its arrays are like."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from protocols.link.messages import (
    Event,
    ObligationMessage,
    Offer,
    SignalMessage,
    Snapshot,
    Telemetry,
)
from protocols.link.telemetry import MAX_MESSAGE_BYTES, MAX_ROWS
from protocols.link.topics import TopicKind
from protocols.link.wire import MAX_COMMITMENTS, decode, encode, encode_snapshot
from protocols.vocabulary.arrays import column
from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError

VECTORS = Path(__file__).parents[3] / "vectors" / "link" / "v1"


def golden(name: str) -> object:
    data = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return decode(TopicKind(data["topic"]), bytes.fromhex("".join(data["hex"])))


def test_the_bytes_of_the_smallest_message_are_those_of_msgpack() -> None:
    """If it fails, a will that a broker keeps for us means something else."""
    assert encode(golden("state")) == bytes.fromhex("9201c2")  # type: ignore[arg-type]


def test_telemetry_is_read_without_a_copy_and_cannot_be_changed() -> None:
    """If it fails, a consumer can alter the record that another one stores."""
    message = golden("backfill")
    assert isinstance(message, Telemetry)
    for array in (message.times_s, message.signal_ids, message.values):
        assert not array.flags.owndata
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize(
    ("times", "columns"), [(0, 10), (MAX_ROWS + 1, 10), (2, 9), (2, 2), (1, 5)]
)
def test_columns_that_disagree_are_not_sent(times: int, columns: int) -> None:
    """If it fails, the coordinator refuses rows that the gateway sends again for ever."""
    message = golden("telemetry")
    assert isinstance(message, Telemetry)
    rows = np.zeros((times, columns), np.float32)
    wrong = dataclasses.replace(
        message, times_s=np.zeros(times, np.int64), signal_ids=np.zeros(times), values=rows
    )
    with pytest.raises(LocalProtocolError):
        encode(wrong)
    with pytest.raises(LocalProtocolError, match="3 times"):
        encode(dataclasses.replace(message, times_s=np.zeros(3, np.int64)))


def test_what_is_too_large_or_not_plain_is_not_sent() -> None:
    """If it fails, a broker closes the connection over a message that nobody can read."""
    event = golden("event")
    assert isinstance(event, Event)
    for payload in ({"x": "y" * MAX_MESSAGE_BYTES}, {"x": 2**70}, {"x": object()}):
        with pytest.raises(LocalProtocolError):
            encode(dataclasses.replace(event, payload=payload))
    with pytest.raises(LocalProtocolError):
        encode(dataclasses.replace(event, recorded_at=event.recorded_at.replace(tzinfo=None)))


def test_a_snapshot_with_too_many_commitments_is_shortened() -> None:
    """If it fails, a site with many obligations can never greet."""
    snapshot, obligation = golden("snapshot"), golden("obligation")
    assert isinstance(snapshot, Snapshot)
    assert isinstance(obligation, ObligationMessage)
    small = dataclasses.replace(snapshot, commitments=snapshot.commitments * 100)
    with pytest.raises(LocalProtocolError, match="100 commitments"):
        encode(small)
    back = decode(TopicKind.SNAPSHOT, encode_snapshot(small))
    assert isinstance(back, Snapshot)
    assert len(back.commitments) == MAX_COMMITMENTS
    owed = dataclasses.replace(
        obligation.commitment.obligation, power_w=column(np.arange(3000.0)), step_s=1.0
    )
    large = dataclasses.replace(obligation.commitment, obligation=owed)
    back = decode(
        TopicKind.SNAPSHOT, encode_snapshot(dataclasses.replace(snapshot, commitments=(large,) * 5))
    )
    assert isinstance(back, Snapshot)
    assert len(back.commitments) == 2


@pytest.mark.parametrize("huge", [1.1e12, -1.7e308])
def test_a_number_beyond_every_site_is_refused(huge: float) -> None:
    """If it fails, one site's offer or meter overflows the sums of the fleet: the coordinator ends.

    It is stored first, so the coordinator would end again at each start.
    """
    offer, telemetry, signal = golden("offer"), golden("telemetry"), golden("signal")
    assert isinstance(offer, Offer)
    assert isinstance(telemetry, Telemetry)
    assert isinstance(signal, SignalMessage)
    reach = column([-abs(huge), abs(huge)])
    curve = dataclasses.replace(offer.curve, multipliers=column([1.0, 2.0]), power_w=reach)
    baseline = dataclasses.replace(offer.baseline, power_w=np.full(4, huge))
    values = telemetry.values.copy()
    values[-1, 0] = min(abs(huge), 3e38)
    prices = dict.fromkeys(signal.signal.multipliers, huge)
    for kind, message in (
        (TopicKind.OFFER, dataclasses.replace(offer, curve=curve)),
        (TopicKind.OFFER, dataclasses.replace(offer, baseline=baseline)),
        (TopicKind.TELEMETRY, dataclasses.replace(telemetry, values=values)),
        (
            TopicKind.SIGNAL,
            dataclasses.replace(
                signal, signal=dataclasses.replace(signal.signal, multipliers=prices)
            ),
        ),
    ):
        with pytest.raises(RemoteProtocolError, match=r"1e\+12 at most"):
            decode(kind, encode(message))
