"""The chain of digests: each entry's digest covers the entry and the digest before it.

It begins at a value made from journal, site and stream, so entries cannot be moved between
journals. Pure; called by the journal and its verification.
"""

import hashlib
import struct
from typing import Final

from protocols.vocabulary.identifiers import JournalId, SiteId

_HEAD: Final = struct.Struct("<qqqqII")
_ORIGIN: Final = b"vpp-journal-1"


def origin_digest(journal_id: JournalId, site_id: SiteId, stream: str) -> bytes:
    """Digest that stands before entry 1 of a stream, 32 bytes."""
    parts = (_ORIGIN, journal_id.encode(), site_id.encode(), stream.encode())
    return hashlib.sha256(b"\0".join(parts)).digest()


def entry_digest(
    before: bytes, stream: str, numbers: tuple[int, int, int, int], *, kind: str, payload: bytes
) -> bytes:
    """Digest of an entry.

    Parameters
    ----------
    before : bytes
        Digest of the entry before it, 32 bytes.
    stream : str
        Its stream.
    numbers : tuple of int
        Sequence, recording time in microseconds, monotonic time in ns, cycle.
    kind, payload : str, bytes
        Its content.

    Returns
    -------
    bytes
        SHA-256, 32 bytes. Every field's length is covered, so no two entries share bytes.
    """
    named = f"{stream}\0{kind}".encode()
    digest = hashlib.sha256(before)
    digest.update(_HEAD.pack(*numbers, len(named), len(payload)))
    digest.update(named)
    digest.update(payload)
    return digest.digest()


def state_digest(key: str, value: bytes) -> bytes:
    """Digest of a state value, so that a damaged one is not taken for a state."""
    return hashlib.sha256(key.encode() + b"\0" + value).digest()
