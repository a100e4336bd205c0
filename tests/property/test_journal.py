"""The journal's chain: whatever is appended verifies, whatever is changed does not."""

import sqlite3
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.journal.chain import entry_digest
from edge_agent.journal.instants import microseconds_of, moment_of
from edge_agent.journal.journal import Journal
from edge_agent.journal.records import Draft, JournalStream, Retention
from edge_agent.journal.verify import verify
from protocols.vocabulary.identifiers import SiteId

SITE = SiteId("s")


@dataclass
class WanderingClock:
    """Wall time that steps as told; monotonic time that rises."""

    wall: datetime = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
    monotonic: int = 0

    def now(self) -> datetime:
        return self.wall

    def monotonic_ns(self) -> int:
        self.monotonic += 1
        return self.monotonic


drafts = st.builds(
    Draft,
    stream=st.sampled_from(JournalStream),
    cycle=st.integers(0, 2**40),
    kind=st.text(max_size=12).filter(lambda text: "\0" not in text).filter(str.isprintable),
    payload=st.binary(max_size=200),
)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.lists(drafts, max_size=5)),
        st.tuples(st.just("trim"), st.integers(0, 20)),
        st.tuples(st.just("reopen"), st.none()),
        st.tuples(st.just("step"), st.integers(-(10**7), 10**7)),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(actions)
def test_whatever_happens_the_journal_is_what_was_appended(
    steps: list[tuple[str, object]],
) -> None:
    """If this fails, the record of a site is not what the site did."""
    with tempfile.TemporaryDirectory() as folder:
        path, clock = Path(folder) / "j.sqlite", WanderingClock()
        journal = Journal.open(path, SITE, clock)
        written: dict[JournalStream, list[bytes]] = {stream: [] for stream in JournalStream}
        for step, argument in steps:
            if step == "append":
                assert isinstance(argument, list)
                journal.append(argument)
                for draft in argument:
                    written[draft.stream].append(draft.payload)
            elif step == "trim":
                assert isinstance(argument, int)
                durable = dict.fromkeys(JournalStream, argument)
                journal.trim(
                    Retention(
                        bytes_max=1, tick_age_s_max=1e9, durable=durable, ticks_kept_min=argument
                    )
                )
            elif step == "reopen":
                journal.close()
                journal = Journal.open(path, SITE, clock)
                assert not journal.report.set_aside
            else:
                assert isinstance(argument, int)
                clock.wall += timedelta(seconds=argument)
        for stream, payloads in written.items():
            oldest, last = journal.oldest(stream), journal.last(stream)
            assert last == len(payloads)
            held = [entry.payload for entry in journal.read(stream, 1, last)]
            assert held == payloads[oldest - 1 :]
        journal.close()
        assert verify(path).ok


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 8),
    st.sampled_from(["recorded_us", "monotonic_ns", "cycle", "kind", "payload", "digest"]),
)
def test_any_changed_column_is_found(sequence: int, column: str) -> None:
    """If this fails, a delivery record can be edited without anybody noticing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "j.sqlite"
        journal = Journal.open(path, SITE, WanderingClock())
        for cycle in range(8):
            journal.append(
                [Draft(stream=JournalStream.TELEMETRY, cycle=cycle, kind="k", payload=b"12345")]
            )
        journal.close()
        changed = {"kind": "'other'", "payload": "X'3132333436'", "digest": "zeroblob(32)"}
        connection = sqlite3.connect(path)
        connection.execute(
            f"UPDATE tel SET {column} = {changed.get(column, f'{column} + 1')} "
            f"WHERE sequence = {sequence}"
        )
        connection.commit()
        connection.close()
        assert f"entry {sequence} was changed" in verify(path).fault


@given(st.integers(-(2**55), 2**55))
def test_instants_are_exact(microseconds: int) -> None:
    """If this fails, a digest does not fit because a time was rounded."""
    assert microseconds_of(moment_of(microseconds)) == microseconds


contents = st.tuples(st.text(max_size=5), st.binary(max_size=5))


@given(contents, contents)
def test_kind_and_payload_cannot_trade_bytes(
    first: tuple[str, bytes], second: tuple[str, bytes]
) -> None:
    """If this fails, two different entries have one digest."""
    digests = [
        entry_digest(b"", "tel", (1, 2, 3, 4), kind=kind, payload=payload)
        for kind, payload in (first, second)
    ]
    assert (digests[0] == digests[1]) == (first == second)
