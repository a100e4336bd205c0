"""Records that survive the process and the power."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_agent.transports.record_file import RecordFile
from protocols.sansio.records import Change
from protocols.vocabulary.errors import ConfigError, StoreError


class Clock:
    """A clock that stands."""

    def now(self) -> datetime:
        return datetime(2026, 7, 22, tzinfo=UTC)

    def monotonic_ns(self) -> int:
        return 0


def put(book: RecordFile, **records: bytes | None) -> None:
    book.put([Change(key=key, value=value) for key, value in records.items()])


def test_what_was_put_is_there_after_a_new_start(tmp_path: Path) -> None:
    """If it fails, a restart forgets an event, or answers it twice."""
    book = RecordFile(tmp_path / "deep" / "a.sqlite", Clock())
    put(book, a=b"1", b=b"2")
    put(book, a=b"3", b=None, c=b"")
    assert dict(RecordFile(tmp_path / "deep" / "a.sqlite", Clock()).load()) == {"a": b"3", "c": b""}


def test_beyond_the_bound_nothing_changes(tmp_path: Path) -> None:
    """If it fails, a peer that sends without end fills the gateway's disk."""
    book = RecordFile(tmp_path / "a.sqlite", Clock(), bytes_max=100)
    put(book, a=b"x" * 50)
    with pytest.raises(StoreError):
        put(book, a=b"y", b=b"z" * 200)
    assert dict(book.load()) == {"a": b"x" * 50}


def test_a_damaged_file_is_set_aside(tmp_path: Path) -> None:
    """If it fails, a torn sector keeps the gateway from starting, or is read as orders."""
    path = tmp_path / "a.sqlite"
    path.write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    book = RecordFile(path, Clock())
    assert dict(book.load()) == {}
    put(book, a=b"1")
    assert list(tmp_path.glob("a.sqlite.damaged-*"))


def test_a_folder_in_the_way_is_told_in_one_line(tmp_path: Path) -> None:
    """If it fails, a wrong data folder ends in a stack of Python."""
    (tmp_path / "a.sqlite").mkdir()
    with pytest.raises(ConfigError):
        RecordFile(tmp_path / "a.sqlite", Clock())


PROGRAM = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from datetime import UTC, datetime
from edge_agent.transports.record_file import RecordFile
from protocols.sansio.records import Change
class Clock:
    def now(self): return datetime.now(UTC)
    def monotonic_ns(self): return 0
book = RecordFile(Path({path!r}), Clock())
for number in range(100000):
    book.put([Change(key="last", value=str(number).encode()),
              Change(key="same", value=str(number).encode())])
    print(number, flush=True)
"""


def test_a_kill_loses_nothing_that_was_put(tmp_path: Path) -> None:
    """If it fails, an answer was sent for what the next life does not know."""
    path = tmp_path / "a.sqlite"
    root = str(Path(__file__).parents[4])
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(root=root, path=str(path))], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(50)]
    os.kill(child.pid, signal.SIGKILL)
    rest = child.stdout.read().splitlines()
    child.wait()
    child.stdout.close()
    said = int(rest[-1] if rest else lines[-1])
    kept = RecordFile(path, Clock()).load()
    assert kept["last"] == kept["same"]
    assert int(kept["last"]) in {said, said + 1}
