"""Many live rows read at once, against the codec and the session that read one."""

import random
from dataclasses import replace

import msgpack
import numpy as np
import pytest

from protocols.link.messages import Lane, Telemetry
from protocols.link.site_session import SiteSession, Verdict
from protocols.link.telemetry import decode_rows
from protocols.link.topics import TopicKind
from protocols.link.wire import VERSION, decode, encode
from protocols.vocabulary.errors import ProtocolError
from protocols.vocabulary.identifiers import JournalId, SiteId

JOURNAL = JournalId("j-1")
S = 1_000_000_000


def telemetry(first: int, rows: int = 1, resources: int = 2) -> Telemetry:
    columns = 6 + 4 * resources
    return Telemetry(
        journal_id=JOURNAL,
        first_sequence=first,
        layout_version=3,
        times_s=np.arange(rows, dtype=np.int64) + 1_800_000_000 + first % 997,
        signal_ids=np.full(rows, 9, dtype=np.int64),
        values=np.linspace(0.0, first % 997, rows * columns, dtype=np.float32).reshape(
            rows, columns
        ),
    )


def test_a_block_holds_what_the_messages_hold() -> None:
    """If it fails, the arrays hold another site's or second's values."""
    curved = replace(telemetry(2**40), curve_version=12)
    messages = [telemetry(1), telemetry(7, resources=0), telemetry(5, rows=2), curved]
    blocks, rest = decode_rows([encode(message) for message in messages], VERSION)
    assert rest == [2]
    found = {
        place: block.message(row) for block in blocks for row, place in enumerate(block.positions)
    }
    for place in (0, 1, 3):
        one, other = found[place], decode(TopicKind.TELEMETRY, encode(messages[place]))
        assert isinstance(other, Telemetry)
        assert (one.journal_id, one.first_sequence, one.layout_version) == (
            other.journal_id,
            other.first_sequence,
            other.layout_version,
        )
        np.testing.assert_array_equal(one.times_s, other.times_s)
        np.testing.assert_array_equal(one.signal_ids, other.signal_ids)
        np.testing.assert_array_equal(one.values, other.values)
        assert one.curve_version == other.curve_version == messages[place].curve_version


@pytest.mark.parametrize("seed", range(40))
def test_what_the_codec_refuses_is_in_no_block(seed: int) -> None:
    """If it fails, a broken or hostile gateway writes into the arrays past every check."""
    dice = random.Random(seed)
    payloads = []
    for _ in range(60):
        data = bytearray(encode(telemetry(dice.randint(1, 99), resources=dice.randint(0, 3))))
        for _ in range(dice.choice([0, 1, 1, 2])):
            data[dice.randrange(len(data))] = dice.randrange(256)
        payloads.append(
            bytes(data[: dice.choice([len(data), len(data), dice.randrange(len(data))])])
        )
    blocks, rest = decode_rows(payloads, VERSION)
    inside = {place for block in blocks for place in block.positions}
    assert inside | set(rest) == set(range(60))
    assert not inside & set(rest)
    for place in inside:
        decode(TopicKind.TELEMETRY, payloads[place])


def test_values_that_no_row_can_hold_go_to_the_codec_which_refuses_them() -> None:
    """If it fails, an infinite power poisons every sum of the fleet."""
    good = telemetry(1)
    values = msgpack.unpackb(encode(good))
    broken = []
    for field, wrong in (
        (6, np.full(14, np.inf, "<f4").tobytes()),
        (4, np.array([-5], "<i8").tobytes()),
        (5, np.array([-1], "<i8").tobytes()),
        (2, 0),
        (2, True),
        (0, 2),
        (1, "no journal id!"),
    ):
        broken.append(msgpack.packb([*values[:field], wrong, *values[field + 1 :]]))
    blocks, rest = decode_rows([encode(good), *broken], VERSION)
    assert [block.positions for block in blocks] == [[0]]
    assert rest == list(range(1, 8))
    for payload in broken:
        with pytest.raises(ProtocolError):
            decode(TopicKind.TELEMETRY, payload)


@pytest.mark.parametrize("seed", range(20))
def test_the_short_way_judges_as_the_long_one(seed: int) -> None:
    """If it fails, a row is lost or stored twice, depending on how busy the coordinator was."""
    dice = random.Random(seed)
    short, long = (SiteSession(SiteId("site-1"), 1) for _ in range(2))
    for one in (short, long):
        one.telemetry(telemetry(1), Lane.LIVE, S)
    sequence = 1
    for step in range(200):
        now_ns = S + step * S // 3
        if dice.random() < 0.2:
            first = dice.randint(1, sequence)
            rows = telemetry(first, rows=dice.randint(1, 4))
            assert short.telemetry(rows, Lane.BACKFILL, now_ns) == long.telemetry(
                rows, Lane.BACKFILL, now_ns
            )
            continue
        sequence = max(1, sequence + dice.choice([1, 1, 1, 1, 3, 0, -2]))
        row = telemetry(sequence)
        verdict = short.live_row(JOURNAL, sequence, now_ns)
        if verdict is Verdict.DUPLICATE:
            verdict_rows = short.telemetry(row, Lane.LIVE, now_ns)
            assert verdict_rows == long.telemetry(row, Lane.LIVE, now_ns)
        else:
            judged = long.telemetry(row, Lane.LIVE, now_ns)
            assert judged.live
            assert (judged.history is not None) == (verdict is Verdict.TAKEN)
            assert (judged.ahead == 1) == (verdict is Verdict.AHEAD)
        assert short.acknowledgements(now_ns) == long.acknowledgements(now_ns)
        assert short.missing_rows == long.missing_rows
