"""Kill -9 and torn writes: the journal afterwards is a prefix that verifies."""

import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_agent.journal.journal import Journal
from edge_agent.journal.records import Draft, JournalStream
from edge_agent.journal.verify import verify
from protocols.vocabulary.identifiers import SiteId

SITE = SiteId("site-001")
TICK, TEL = JournalStream.TICK, JournalStream.TELEMETRY
WRITER = Path(__file__).with_name("journal_writer.py")
KILLS = 10
TICKS = 12
WAL_HEADER_BYTES = 32
FRAME_BYTES = 24 + 4096


@dataclass
class FakeClock:
    """Always the same moment."""

    def now(self) -> datetime:
        return datetime(2026, 7, 22, 1, 0, tzinfo=UTC)

    def monotonic_ns(self) -> int:
        return 1


def check_prefix(path: Path, at_least: int) -> int:
    """Open and verify a journal after a crash; return its last tick."""
    journal = Journal.open(path, SITE, FakeClock())
    assert not journal.report.set_aside
    assert not journal.report.created
    last = journal.last(TICK)
    assert last >= at_least
    assert journal.last(TEL) == last, "a commit was taken apart"
    state = journal.state("control")
    if last:
        (newest,) = journal.read(TICK, last, last)
        assert newest.cycle == last
        assert state == newest.payload, "state and last entry are from different ticks"
    else:
        assert state is None
    journal.close()
    report = verify(path)
    assert report.ok, report.fault
    return last


def test_kill_at_any_moment_leaves_a_prefix(tmp_path: Path) -> None:
    """If this fails, a killed agent loses committed seconds or cannot start again."""
    path = tmp_path / "journal.sqlite"
    seed = 20260722
    generator = random.Random(seed)
    last = 0
    for _ in range(KILLS):
        with subprocess.Popen(
            [sys.executable, str(WRITER), str(path), SITE], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            printed = int(writer.stdout.readline())
            time.sleep(generator.uniform(0.0, 0.2))
            writer.kill()
            lines = writer.stdout.read().split("\n")
        committed = [int(line) for line in lines[:-1]]
        assert printed == last + 1, f"seed {seed}: a restart left a gap"
        last = check_prefix(path, max([printed, *committed]))
        assert last <= max([printed, *committed]) + 1, "more was committed than was written"


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of a journal as a crash leaves them: everything after the creation in the log."""
    folder = tmp_path_factory.mktemp("crashed")
    path = folder / "live.sqlite"
    journal = Journal.open(path, SITE, FakeClock())
    for number in range(1, TICKS + 1):
        payload = bytes([number]) * (number * 211 % 6000)
        drafts = [
            Draft(stream=stream, cycle=number, kind="row", payload=payload)
            for stream in (TICK, TEL)
        ]
        journal.append(drafts, {"control": payload})
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{path}{suffix}", folder / f"crashed.sqlite{suffix}")
    journal.close()
    return folder / "crashed.sqlite"


def restored(crashed: Path, folder: Path, log: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "journal.sqlite"
    for old in folder.iterdir():
        old.unlink()
    shutil.copyfile(crashed, path)
    path.with_name(path.name + "-wal").write_bytes(log)
    return path


def frame_ends(log: bytes) -> list[int]:
    """Where the header and each frame of the present generation end.

    Behind them lie frames of the generation before, which the salts tell apart: the log is
    written over in place.
    """
    assert (len(log) - WAL_HEADER_BYTES) % FRAME_BYTES == 0
    salts = log[16:24]
    ends = [WAL_HEADER_BYTES]
    while ends[-1] < len(log) and log[ends[-1] + 8 : ends[-1] + 16] == salts:
        ends.append(ends[-1] + FRAME_BYTES)
    assert TICKS < len(ends) < len(log) // FRAME_BYTES, "the log was not written over in place"
    return ends


def test_a_log_cut_anywhere_is_a_prefix(crashed: Path, tmp_path: Path) -> None:
    """If this fails, a power cut in the middle of a write costs the whole record."""
    log = crashed.with_name(crashed.name + "-wal").read_bytes()
    cuts = [0, WAL_HEADER_BYTES // 2]
    for end in frame_ends(log):
        cuts += [end, min(end + 10, len(log)), min(end + FRAME_BYTES // 2, len(log))]
    lasts = []
    for cut in cuts:
        path = restored(crashed, tmp_path / "cut", log[:cut])
        lasts.append(check_prefix(path, 0))
    assert lasts == sorted(lasts)
    assert set(lasts) == set(range(TICKS + 1)), "every commit is reached exactly"


@pytest.mark.parametrize("filler", [b"\x00", b"\xa5"])
def test_a_garbled_tail_is_a_prefix(crashed: Path, tmp_path: Path, filler: bytes) -> None:
    """If this fails, garbage that a torn write left is taken for a second of delivery."""
    log = crashed.with_name(crashed.name + "-wal").read_bytes()
    for end in frame_ends(log)[:-1]:
        for offset in (0, FRAME_BYTES - 8):
            begin = end + offset
            garbled = log[:begin] + filler * (len(log) - begin)
            path = restored(crashed, tmp_path / "garbled", garbled)
            assert check_prefix(path, 0) < TICKS


def test_one_garbled_frame_ends_the_prefix_there(crashed: Path, tmp_path: Path) -> None:
    """If this fails, entries after a damaged one are believed although one is missing."""
    log = crashed.with_name(crashed.name + "-wal").read_bytes()
    lasts = []
    for end in frame_ends(log)[:-1]:
        garbled = bytearray(log)
        garbled[end + 24 + 100] ^= 0x40
        path = restored(crashed, tmp_path / "frame", bytes(garbled))
        lasts.append(check_prefix(path, 0))
    assert lasts == sorted(lasts)


def test_a_page_torn_while_it_was_copied_back_is_repaired(crashed: Path, tmp_path: Path) -> None:
    """If this fails, a power cut during a checkpoint destroys what the log still holds."""
    log = crashed.with_name(crashed.name + "-wal").read_bytes()
    pages = {int.from_bytes(log[end : end + 4], "big") for end in frame_ends(log)[:-1]}
    size = crashed.stat().st_size
    torn = [page for page in sorted(pages) if page > 1 and page * 4096 <= size]
    assert torn
    for page in torn:
        path = restored(crashed, tmp_path / "page", log)
        data = bytearray(path.read_bytes())
        data[page * 4096 - 2048 : page * 4096] = b"\xa5" * 2048
        path.write_bytes(bytes(data))
        assert check_prefix(path, TICKS) == TICKS
