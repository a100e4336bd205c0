"""The dispatch signal from a file or a seed: nothing that is wrong with it is played."""

import gzip
import math
from pathlib import Path

import pytest

from firmware_sim.demo.signal_file import FILE_BYTES_MAX, generate_signal, read_signal
from protocols.vocabulary.errors import ConfigError

GOOD = "0,0.0\n2,0.5\n4,-1\n6,1\n"


def written(folder: Path, content: str | bytes) -> Path:
    """Write a signal."""
    path = folder / "signal.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        f"time,signal\n{GOOD}",
        f"\ufefftime,signal\n{GOOD}",
        GOOD.replace("\n", "\r\n"),
        f"{GOOD}\n\n",
        gzip.compress(f"time,signal\n{GOOD}".encode(), mtime=0),
        "2026-07-22T10:00:00+09:00,0\n2026-07-22T01:00:02Z,0.5\n"
        "2026-07-22T01:00:04Z,-1\n2026-07-22T01:00:06Z,1\n",
    ],
)
def test_a_recorded_signal_is_played_as_it_was_recorded(
    tmp_path: Path, content: str | bytes
) -> None:
    """A signal as exchanges and operators publish it could be refused or shifted."""
    signal = read_signal(written(tmp_path, content))
    assert signal.values == (0.0, 0.5, -1.0, 1.0)
    assert signal.step_s == 2.0
    assert signal.length_s == 8.0
    assert not signal.generated


@pytest.mark.parametrize(
    ("content", "line", "cause"),
    [
        ("0,0\n2,up\n", 2, "value 'up' is not a number"),
        ("0,0\n2,nan\n", 2, "value 'nan' is not a number"),
        ("0,0\n2,inf\n", 2, "value 'inf' is not a number"),
        ("0,0\nnan,0\n", 2, "neither seconds nor ISO 8601"),
        ("0,0\n2,1.01\n", 2, "value 1.01 is outside -1..1"),
        ("0,0\n2,-1.01\n", 2, "value -1.01 is outside -1..1"),
        ("0,0\n2,0\n6,0\n", 3, "a gap: 4 s after the line before"),
        ("0,0\n2,0\n3,0\n", 3, "a gap: 1 s after the line before"),
        ("0,0\n2,0\n2,0\n", 3, "does not rise"),
        ("0,0\n2,0\n1,0\n", 3, "does not rise"),
        ("0,0\n2,\n", 2, "the value is missing"),
        ("0,0\n,0.5\n", 2, "the time is missing"),
        ("0,0\n2,0,0\n", 2, "has 3 columns"),
        ("0;0\n2;0\n", 1, "has 1 columns"),
        ("time,value\ntime,value\n", 2, "neither seconds nor ISO 8601"),
        ("0,up\n2,0\n", 1, "value 'up' is not a number"),
        ("0,0\n0.5,0\n", 2, "step 0.5 s; use 1 to 60 s"),
        ("0,0\n61,0\n", 2, "step 61 s; use 1 to 60 s"),
        ("0,0\n2,1_0\n", 2, "is not a number"),
        ("2026-07-22T01:00:00,0\n", 1, "has no offset from UTC"),
        (b"0,0\n2,\xff\n", 2, "is not UTF-8 text"),
    ],
)
def test_a_bad_line_is_named_with_its_cause(
    tmp_path: Path, content: str | bytes, *, line: int, cause: str
) -> None:
    """Wrong numbers could be sent to a fleet, or a person be left to search a long file."""
    path = written(tmp_path, content)
    with pytest.raises(ConfigError) as caught:
        read_signal(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: ")
    assert cause in message
    assert "\n" not in message


@pytest.mark.parametrize("content", ["", "time,value\n", "0,0\n", "\n\n"])
def test_a_signal_without_values_is_refused(tmp_path: Path, content: str) -> None:
    """A run could begin with nothing to follow, and report that it followed it."""
    with pytest.raises(ConfigError, match="a signal needs two or more"):
        read_signal(written(tmp_path, content))


def test_a_file_that_is_no_file_is_one_line(tmp_path: Path) -> None:
    """A wrong path could end in a traceback."""
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_signal(tmp_path / "none.csv")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_signal(tmp_path)


def test_a_cut_off_download_is_refused(tmp_path: Path) -> None:
    """Half a download could be played as if it were the whole day."""
    whole = gzip.compress(GOOD.encode() * 50)
    for damaged in (whole[: len(whole) // 2], whole[:12] + b"\x00" * 20, whole[:-3]):
        with pytest.raises(ConfigError, match="is not a whole gzip file"):
            read_signal(written(tmp_path, damaged))


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(tmp_path: Path) -> None:
    """A few kilobytes of gzip could fill the machine's memory."""
    packed = gzip.compress(b"\n" * (FILE_BYTES_MAX + 1), compresslevel=9)
    with pytest.raises(ConfigError, match="larger than"):
        read_signal(written(tmp_path, packed))


def test_a_piece_begins_where_it_was_asked_to(tmp_path: Path) -> None:
    """A run could follow another part of the day than the report says."""
    piece = read_signal(written(tmp_path, GOOD)).cut(2.0, 4.0)
    assert piece.values == (0.5, -1.0)
    assert piece.start_s == 2.0


@pytest.mark.parametrize(("offset_s", "length_s"), [(0.0, 8.1), (2.0, 7.0), (9.0, 1.0), (-1.0, 2)])
def test_a_signal_shorter_than_the_run_is_refused(
    tmp_path: Path, offset_s: float, length_s: float
) -> None:
    """The end of a run could be without commands, or repeat old ones."""
    signal = read_signal(written(tmp_path, GOOD))
    with pytest.raises(ConfigError, match="holds 8 s"):
        signal.cut(offset_s, length_s)


@pytest.mark.parametrize("seed", [1, 2, 99])
def test_a_generated_signal_says_so_moves_and_stays_in_bounds(seed: int) -> None:
    """Made-up numbers could pass for recorded ones, or leave what was awarded."""
    signal = generate_signal(seed, 600.0)
    assert signal.generated
    assert "generated" in signal.source
    assert signal.length_s >= 600.0
    assert all(math.isfinite(value) and -1.0 <= value <= 1.0 for value in signal.values)
    assert max(signal.values) - min(signal.values) > 0.1
    assert signal == generate_signal(seed, 600.0)
    assert signal.values != generate_signal(seed + 1, 600.0).values
