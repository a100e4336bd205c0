"""The file door: bytes as published become checked lines of text, or are refused whole.

Knows encodings, packing, sizes and ends of lines; knows no publisher. Readers of a publisher
take a :class:`PublishedFile` and give a :class:`Publication`; :class:`Layout` names one and
:mod:`cloud_coordinator.gateway.exchanges.layouts` lists all.

A file without an end of its last line is refused: its last number may be cut off unseen.
"""

import hashlib
import io
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cloud_coordinator.services.publications import Origin, Publication
from protocols.vocabulary.errors import VppError

PACKED_BYTES_MAX: Final = 32_000_000
TEXT_BYTES_MAX: Final = 64_000_000
LINE_SIGNS_MAX: Final = 20_000
_GZIP: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31
_BOM: Final = b"\xef\xbb\xbf"
_SHOWN_MAX: Final = 60
_NO_TEXT: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffd\ue000-\uf8ff]")
"""Control and replacement signs, and the private ones that wrong bytes become in cp932."""


class ImportRefusedError(VppError):
    """A published file is not as its layout promises; nothing of it was taken.

    Attributes
    ----------
    path : str
        File or address.
    line : int
        1-based; 0 if the whole file is meant.
    cause : str
        What is wrong.
    """

    def __init__(self, path: str, line: int, cause: str) -> None:
        super().__init__(f"{path}:{line}: {cause}" if line else f"{path}: {cause}")
        self.path, self.line, self.cause = path, line, cause


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFile:
    """Text of a published file.

    Attributes
    ----------
    origin : Origin
        Source, digest, size, encoding.
    lines : tuple of str
        Without their ends; blank lines are kept, so that index + 1 is the number of the line.
    """

    origin: Origin
    lines: tuple[str, ...]

    def refusal(self, line: int, cause: str) -> ImportRefusedError:
        """Make the error that refuses this file at a line (1-based; 0 for the whole)."""
        return ImportRefusedError(self.origin.source, line, cause)

    def fields(self, line: int, *, columns: int) -> list[str]:
        """Split a line (1-based) at its commas, spaces around fields taken away.

        Raises
        ------
        ImportRefusedError
            If the file has no such line, or the line another number of columns.
        """
        if not 1 <= line <= len(self.lines):
            raise self.refusal(len(self.lines), "the file ends too early")
        found = split_line(self.lines[line - 1])
        if len(found) != columns:
            raise self.refusal(line, f"has {len(found)} columns, {columns} are promised")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One layout of a published file.

    Attributes
    ----------
    name : str
        For provenance, for example ``tso-power-usage``.
    recognises : callable
        Whether the header is of this layout; never looks at the name of the file.
    read : callable
        Reads the file; the second argument is the area or station where a person or a
        connector has told it, else None. Raises :class:`ImportRefusedError`.
    """

    name: str
    recognises: Callable[[PublishedFile], bool]
    read: Callable[[PublishedFile, str | None], Publication]


def open_published(path: Path) -> PublishedFile:
    """Read a file as published, plain or gzip.

    Raises
    ------
    ImportRefusedError
        If it cannot be read, is too large or is no text of a known encoding.
    """
    try:
        with path.open("rb") as file:
            data = file.read(TEXT_BYTES_MAX + 1)
    except OSError as error:
        raise ImportRefusedError(str(path), 0, error.strerror or str(error)) from error
    return decode_published(data, source=str(path))


def decode_published(data: bytes, *, source: str) -> PublishedFile:
    """Unpack, find the encoding and split into lines.

    Parameters
    ----------
    data : bytes
        As published: plain or gzip; UTF-8 with or without BOM, or cp932; CRLF or LF.
    source : str
        File or address, for messages and provenance.

    Raises
    ------
    ImportRefusedError
        If it is empty, too large, damaged, no text, or cut off in its last line.
    """
    if data.startswith(_GZIP):
        data = _unpacked(data, source)
    if len(data) > TEXT_BYTES_MAX:
        raise ImportRefusedError(source, 0, f"is larger than {TEXT_BYTES_MAX} bytes")
    if not data.strip():
        raise ImportRefusedError(source, 0, "is empty")
    text, encoding = _decoded(data, source)
    lines = tuple(
        line.removesuffix("\n").removesuffix("\r") for line in io.StringIO(text, newline="\n")
    )
    for number, line in enumerate(lines, start=1):
        if len(line) > LINE_SIGNS_MAX:
            raise ImportRefusedError(source, number, f"is longer than {LINE_SIGNS_MAX} signs")
        if _NO_TEXT.search(line):
            raise ImportRefusedError(source, number, f"is no text: {shown(line)}")
    if not text.endswith("\n"):
        raise ImportRefusedError(source, len(lines), "the last line has no end: cut off")
    return PublishedFile(
        origin=Origin(
            source=source,
            sha256=hashlib.sha256(data).hexdigest(),
            size_bytes=len(data),
            encoding=encoding,
        ),
        lines=lines,
    )


def split_line(line: str) -> list[str]:
    """Split at commas; quotes around a field and spaces around it are taken away."""
    return [field.strip().removeprefix('"').removesuffix('"').strip() for field in line.split(",")]


def shown(text: str) -> str:
    """Text for a message: quoted, signs without a picture escaped, cut short."""
    return repr(text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "…")


def _unpacked(data: bytes, source: str) -> bytes:
    if len(data) > PACKED_BYTES_MAX:
        raise ImportRefusedError(source, 0, f"is larger than {PACKED_BYTES_MAX} bytes")
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    try:
        found = unpacker.decompress(data, TEXT_BYTES_MAX + 1)
    except zlib.error as error:
        raise ImportRefusedError(source, 0, f"gzip: {error}") from error
    if len(found) <= TEXT_BYTES_MAX and not unpacker.eof:
        raise ImportRefusedError(source, 0, "gzip: cut off")
    if unpacker.unused_data.strip(b"\0"):
        raise ImportRefusedError(source, 0, "gzip: something follows its end")
    return found


def _decoded(data: bytes, source: str) -> tuple[str, str]:
    with_bom = data.startswith(_BOM)
    body = data.removeprefix(_BOM)
    line, cause = 0, ""
    for encoding in ("utf-8",) if with_bom else ("utf-8", "cp932"):
        try:
            return body.decode(encoding), "utf-8-sig" if with_bom else encoding
        except UnicodeDecodeError as error:
            cause = f"is not {encoding}: {error.reason}"
            line = body.count(b"\n", 0, error.start) + 1
    raise ImportRefusedError(source, line, cause)
