"""How a plan travels: a file name, one file in a zip, base64; and what comes back.

Pure: no clock. A zip of the same document is the same bytes.
"""

import base64
import binascii
import io
import re
import string
import zipfile
import zlib
from dataclasses import dataclass
from datetime import date
from typing import Final

from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError

NAME_TEMPLATE: Final = "W6_{plan_code}_{day}_{sequence:02}_{company}_{area}.xml"
"""As seen in the field: ``W6_0152_20190611_00_61293_3.xml``."""
RESULT_OK: Final = "0000"
DOCUMENT_BYTES_MAX: Final = 8_000_000
PACKED_BYTES_MAX: Final = 4_000_000
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,100}\.xml")
_FIRST_MOMENT: Final = (1980, 1, 1, 0, 0, 0)
_FIELDS: Final = {"plan_code", "day", "sequence", "company", "area"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FileName:
    """What stands in the name of a file.

    Attributes
    ----------
    plan_code : str
        Kind of plan, such as ``0152`` (generation and sales of the next day).
    day : date
        Of delivery.
    sequence : int
        0 to 99.
    company : str
        Code of the company.
    area : int
        1 (Hokkaido) to 10 (Okinawa).
    """

    plan_code: str
    day: date
    sequence: int
    company: str
    area: int


def file_name(name: FileName, *, template: str = NAME_TEMPLATE) -> str:
    """Fill the template.

    Raises
    ------
    LocalProtocolError
        If the template asks for what there is not, or gives no name of a file.
    """
    try:
        asked = {part[1] for part in string.Formatter().parse(template) if part[1] is not None}
        if not asked <= _FIELDS:
            raise LocalProtocolError(f"file name: {template!r} asks for {sorted(asked - _FIELDS)}")
        text = template.format(
            plan_code=name.plan_code,
            day=name.day.strftime("%Y%m%d"),
            sequence=name.sequence,
            company=name.company,
            area=name.area,
        )
    except ValueError as error:
        raise LocalProtocolError(f"file name: {template!r}: {error}") from error
    if not _NAME.fullmatch(text):
        raise LocalProtocolError(f"file name: {text!r} is none")
    return text


def pack(name: str, document: bytes) -> bytes:
    """Put a document in a zip, as base64."""
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name, date_time=_FIRST_MOMENT), document)
    return base64.b64encode(kept.getvalue())


def unpack(body: bytes) -> tuple[str, bytes]:
    """Take the only document out of a zip in base64.

    Returns
    -------
    tuple of str and bytes
        Its name and the document.

    Raises
    ------
    RemoteProtocolError
        If it is no such thing, or more than is read.
    """
    if len(body) > PACKED_BYTES_MAX:
        raise RemoteProtocolError(f"package of {len(body)} bytes, at most {PACKED_BYTES_MAX}")
    try:
        packed = base64.b64decode(b"".join(body.split()), validate=True)
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            entries = archive.infolist()
            if len(entries) != 1:
                raise RemoteProtocolError(f"package with {len(entries)} files, not 1")
            name = entries[0].filename
            if not _NAME.fullmatch(name):
                raise RemoteProtocolError(f"package: {name[:40]!r} is no name of a plan")
            with archive.open(entries[0]) as file:
                document = file.read(DOCUMENT_BYTES_MAX + 1)
    except (
        binascii.Error,
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        ValueError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise RemoteProtocolError(f"package is no zip in base64: {error}") from error
    if len(document) > DOCUMENT_BYTES_MAX:
        raise RemoteProtocolError(f"package: a document of more than {DOCUMENT_BYTES_MAX} bytes")
    return name, document
