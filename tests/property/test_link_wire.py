"""The wire over arbitrary messages and arbitrary bytes."""

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from protocols.link.fields import MAX_MAGNITUDE, column, column_to_plain, moment, moment_to_plain
from protocols.link.messages import Telemetry
from protocols.link.plain import (
    baseline_from_plain,
    baseline_to_plain,
    obligation_from_plain,
    obligation_to_plain,
    offer_from_plain,
    offer_to_plain,
)
from protocols.link.telemetry import MAX_MESSAGE_BYTES, MAX_ROWS, rows_per_message
from protocols.link.topics import TopicKind, parse_subject, parse_topic
from protocols.link.wire import decode, encode
from protocols.vocabulary.envelope import Baseline
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.identifiers import JournalId, ModelId, ObligationId, SiteId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Obligation, ObligationState, RelativeTo, Service
from protocols.vocabulary.offer import OfferCurve

VECTORS = Path(__file__).parents[1] / "vectors" / "link" / "v1"
GOLDEN = [
    (TopicKind(data["topic"]), bytes.fromhex("".join(data["hex"])))
    for data in (json.loads(path.read_text(encoding="utf-8")) for path in VECTORS.glob("*.json"))
]

finite = st.floats(-MAX_MAGNITUDE, MAX_MAGNITUDE)
columns = arrays.arrays(np.float64, st.integers(1, 40), elements=finite)
moments = st.integers(0, 200_000_000_000_000_000).map(
    lambda microseconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=24)
)
plain = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=4), inner)
)


def only_refuses(kind: TopicKind, data: bytes) -> None:
    try:
        decode(kind, data)
    except RemoteProtocolError:
        return


@given(kind=st.sampled_from(TopicKind), data=st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes_are_read_or_refused(kind: TopicKind, data: bytes) -> None:
    """If it fails, one garbage payload takes the gateway or the coordinator down."""
    only_refuses(kind, data)


@given(golden=st.sampled_from(GOLDEN), data=st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_messages_are_read_or_refused(
    golden: tuple[TopicKind, bytes], data: st.DataObject
) -> None:
    """If it fails, a flipped bit or a cut message takes the program down."""
    kind, message = golden
    damaged = bytearray(message)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    only_refuses(kind, bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))
    only_refuses(kind, bytes(damaged))


@given(golden=st.sampled_from(GOLDEN), data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_wrong_value_anywhere_is_read_or_refused(
    golden: tuple[TopicKind, bytes], data: st.DataObject
) -> None:
    """If it fails, a peer with one wrong field takes the program down, or an assertion escapes."""
    kind, message = golden
    values = msgpack.unpackb(message)
    place: list[object] | dict[str, object] = values
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        inner = place[key]
        if not isinstance(inner, list | dict) or not inner or data.draw(st.booleans()):
            place[key] = data.draw(plain)
            break
        place = inner
    only_refuses(kind, msgpack.packb(values))


@given(golden=st.sampled_from(GOLDEN), data=st.data())
@settings(deadline=None)
def test_a_message_on_a_wrong_topic_is_read_or_refused(
    golden: tuple[TopicKind, bytes], data: st.DataObject
) -> None:
    """If it fails, a message that a broker misroutes takes the program down."""
    only_refuses(data.draw(st.sampled_from(TopicKind)), golden[1])


@given(
    rows=st.integers(1, 12),
    resources=st.integers(0, 12),
    first=st.integers(1, 2**62),
    data=st.data(),
)
@settings(deadline=None)
def test_telemetry_survives_to_the_bit(
    *, rows: int, resources: int, first: int, data: st.DataObject
) -> None:
    """If it fails, the settled record differs from what the meter said."""
    shape = (rows, 6 + 4 * resources)
    element = st.floats(-(2.0**39), 2.0**39, width=32) | st.just(math.nan)
    message = Telemetry(
        journal_id=JournalId("journal-1"),
        first_sequence=first,
        layout_version=3,
        times_s=data.draw(arrays.arrays(np.int64, rows, elements=st.integers(0, 2**35))),
        signal_ids=data.draw(arrays.arrays(np.int64, rows, elements=st.integers(0, 2**62))),
        values=data.draw(arrays.arrays(np.float32, shape, elements=element)),
    )
    back = decode(TopicKind.BACKFILL, encode(message))
    assert isinstance(back, Telemetry)
    assert back.first_sequence == first
    assert back.values.shape == shape
    for name in ("times_s", "signal_ids", "values"):
        column_back = getattr(back, name)
        assert column_back.tobytes() == getattr(message, name).tobytes()
        assert not column_back.flags.writeable


@given(resources=st.integers(0, 256))
@settings(deadline=None)
def test_as_many_rows_as_promised_fit_a_message(resources: int) -> None:
    """If it fails, a site with many devices can never backfill."""
    rows = rows_per_message(resources)
    assert 1 <= rows <= MAX_ROWS
    message = Telemetry(
        journal_id=JournalId("j" * 64),
        first_sequence=2**62,
        layout_version=2**31,
        times_s=np.full(rows, 2**34),
        signal_ids=np.full(rows, 2**60),
        values=np.full((rows, 6 + 4 * resources), np.nan, np.float32),
    )
    assert len(encode(message)) <= MAX_MESSAGE_BYTES


@given(values=columns)
@settings(deadline=None)
def test_a_column_survives_to_the_bit(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    """If it fails, edge and coordinator compute different shares of the same promise."""
    back = column(msgpack.unpackb(msgpack.packb(column_to_plain(values))), "column")
    assert back.tobytes() == values.tobytes()
    assert not back.flags.writeable


@given(at=moments)
@settings(deadline=None)
def test_a_moment_survives_to_the_microsecond(at: datetime) -> None:
    """If it fails, an obligation begins or ends at another time at the site."""
    assert moment(moment_to_plain(at), "moment") == at


@given(start=moments, seconds=st.integers(1, 86_400), power=columns, data=st.data())
@settings(deadline=None)
def test_nouns_survive_storage(
    start: datetime,
    *,
    seconds: int,
    power: np.ndarray[tuple[int], np.dtype[np.float64]],
    data: st.DataObject,
) -> None:
    """If it fails, what a restart reads back is not what was promised."""
    interval = Interval(start=start, end=start + timedelta(seconds=seconds))
    steps = np.unique(power)
    curve = OfferCurve(
        site_id=SiteId("site-001"),
        service=data.draw(st.sampled_from(Service)),
        version=data.draw(st.integers(0, 2**40)),
        multipliers=steps,
        power_w=steps,
        interval=interval,
    )
    assert repr(offer_from_plain(stored(offer_to_plain(curve)))) == repr(curve)
    baseline = Baseline(
        target="site-001",
        interval=interval,
        step_s=seconds / len(power) + 1e-3,
        power_w=power,
        method=data.draw(st.text(max_size=20)),
        computed_at=start,
        data_until=start,
        model_id=ModelId("m"),
    )
    assert repr(baseline_from_plain(stored(baseline_to_plain(baseline)))) == repr(baseline)
    obligation = Obligation(
        obligation_id=ObligationId("award-1/site-001"),
        parent_id=data.draw(st.sampled_from([None, ObligationId("award-1")])),
        target="site-001",
        service=data.draw(st.sampled_from(Service)),
        interval=interval,
        step_s=seconds / len(power) + 1e-3,
        power_w=power,
        relative_to=data.draw(st.sampled_from(RelativeTo)),
        tolerance_w=data.draw(st.floats(0.0, 1e9)),
        state=data.draw(st.sampled_from(ObligationState)),
    )
    assert repr(obligation_from_plain(stored(obligation_to_plain(obligation)))) == repr(obligation)


def stored(value: object) -> object:
    return msgpack.unpackb(msgpack.packb(value))


@given(topic=st.text(alphabet="v1/z+#.*> site-0-tokyo\x00é63updntelsig", max_size=40))
@settings(deadline=None)
def test_any_topic_is_read_or_refused(topic: str) -> None:
    """If it fails, one odd topic name stops the coordinator's subscriber."""
    for parse in (parse_topic, parse_subject):
        try:
            parse(topic)
        except RemoteProtocolError:
            continue


def test_too_many_bytes_are_refused_before_they_are_read() -> None:
    """If it fails, a peer makes the program spend memory on a message of any size."""
    with pytest.raises(RemoteProtocolError, match="at most"):
        decode(TopicKind.EVENT, b"\xc4" * (MAX_MESSAGE_BYTES + 1))
