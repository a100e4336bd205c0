"""The file door: encodings, packing, sizes, ends."""

import gzip
from pathlib import Path

import pytest

from cloud_coordinator.gateway.exchanges.files import (
    LINE_SIGNS_MAX,
    TEXT_BYTES_MAX,
    ImportRefusedError,
    decode_published,
    open_published,
)

TEXT = "日付,実績(万kW)\n2031/5/2,１２\n\n末尾　①\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_all_ways_of_writing_give_the_same_lines(
    encoding: str, line_end: str, *, packed: bool
) -> None:
    """If it fails, a publisher's change of encoding turns his headers into mojibake."""
    data = TEXT.replace("\n", line_end).encode(encoding)
    file = decode_published(gzip.compress(data, mtime=0) if packed else data, source="a.csv")
    assert file.lines == ("日付,実績(万kW)", "2031/5/2,１２", "", "末尾　①")
    assert (file.origin.encoding, file.origin.size_bytes) == (encoding, len(data))
    plain = decode_published(data, source="b.csv")
    assert plain.origin.sha256 == file.origin.sha256, "packing makes no other content"


@pytest.mark.parametrize(
    ("data", "line", "cause"),
    [
        (b"", 0, "is empty"),
        (b" \r\n\n", 0, "is empty"),
        (b"a,b\n1,23", 2, "cut off"),
        ("電力\n需要".encode("cp932") + b"\x81\n", 2, "is not cp932"),
        (b"\xef\xbb\xbfa\n\x93\x64\n", 2, "is not utf-8"),
        (b"a\nb\x00c\n", 2, "no text"),
        ("電力\n".encode("utf-16"), 1, "no text|is not cp932"),
        (b"a\n" + b"1" * (LINE_SIGNS_MAX + 1) + b"\n", 2, "longer than"),
        (gzip.compress(b"a,b\n" * 99, mtime=0)[:-9], 0, "gzip: cut off"),
        (gzip.compress(b"a\n", mtime=0) + b"more", 0, "something follows"),
        (b"\x1f\x8b" + b"\x99" * 40, 0, "gzip: "),
        (gzip.compress(b"\n" * (TEXT_BYTES_MAX + 1), 1), 0, "larger than"),
    ],
)
def test_what_is_no_whole_text_is_refused(data: bytes, line: int, cause: str) -> None:
    """If it fails, half a file or garbage is taken for what a market published."""
    with pytest.raises(ImportRefusedError, match=cause) as caught:
        decode_published(data, source="x.csv")
    assert (caught.value.path, caught.value.line) == ("x.csv", line)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """If it fails, a wrong path ends in a traceback."""
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(ImportRefusedError, match=str(path)):
            open_published(path)
