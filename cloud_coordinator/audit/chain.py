"""Entries that each hold the digest of the one before, and the check of a whole chain; pure.

A changed byte breaks the digest of its entry, a line that is gone or moved breaks the count and
the link to the one before. What is cut off at the end is found by the checkpoints
(:mod:`cloud_coordinator.audit.checkpoint`).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

GENESIS: Final = "0" * 64
"""Digest before the first entry."""
TEXT_LENGTH_MAX: Final = 500
_CUT: Final = "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Who did what, why, from where, and what came of it.

    Attributes
    ----------
    at : datetime
        When, aware UTC.
    who : str
        Subject, or what is known of one that was refused.
    what : str
        Action, and on which thing.
    why : str
        Reason a person or program gave; empty for none.
    where : str
        Address or terminal it came from.
    result : str
        ``intended``, ``done``, ``refused`` or ``failed``, with a cause after a colon.
    refers_to : int
        Number of the entry of the intent that this is the result of; 0 for none.
    """

    at: datetime
    who: str
    what: str
    why: str
    where: str
    result: str
    refers_to: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the trail.

    Attributes
    ----------
    number : int
        Counts from 1 without a gap.
    body : bytes
        Canonical JSON of number, previous digest and act.
    digest : str
        SHA-256 of the body, hexadecimal.
    """

    number: int
    body: bytes
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a check found.

    Attributes
    ----------
    entries : int
        How many were right, from the first.
    digest : str
        Of the last right one.
    fault : str
        The first thing that is wrong; empty if nothing is.
    """

    entries: int
    digest: str
    fault: str = ""


def chained(act: Act, *, number: int, previous: str) -> Entry:
    """Make the entry that follows one with the digest ``previous``."""
    body = json.dumps(
        {
            "number": number,
            "previous": previous,
            "at": act.at.isoformat(),
            "who": _short(act.who),
            "what": _short(act.what),
            "why": _short(act.why),
            "where": _short(act.where),
            "result": _short(act.result),
            "refers_to": act.refers_to,
        },
        ensure_ascii=False,
        sort_keys=True,
        separators=(",", ":"),
    ).encode()
    return Entry(number=number, body=body, digest=hashlib.sha256(body).hexdigest())


def read_body(entry: Entry) -> Mapping[str, str | int] | None:
    """Return the fields of an entry; None if its body is no object of texts and numbers."""
    try:
        found = json.loads(entry.body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    return found if all(isinstance(one, str | int) for one in found.values()) else None


def verify(entries: Iterable[Entry]) -> Verdict:
    """Check a chain from its first entry on; stops at the first thing that is wrong."""
    number, digest = 0, GENESIS
    for entry in entries:
        fault = _fault(entry, number + 1, digest)
        if fault:
            return Verdict(entries=number, digest=digest, fault=fault)
        number, digest = entry.number, entry.digest
    return Verdict(entries=number, digest=digest)


def _fault(entry: Entry, number: int, previous: str) -> str:
    if entry.number != number:
        return f"entry {number}: is missing, {entry.number} stands in its place"
    if hashlib.sha256(entry.body).hexdigest() != entry.digest:
        return f"entry {number}: was changed, its digest is another"
    found = read_body(entry)
    if found is None:
        return f"entry {number}: cannot be read"
    if found.get("number") != number:
        return f"entry {number}: was entry {found.get('number')}; the order was changed"
    if found.get("previous") != previous:
        return f"entry {number}: does not follow entry {number - 1}"
    return ""


def _short(text: str) -> str:
    line = "".join(c if c.isprintable() else " " for c in text)
    return line if len(line) <= TEXT_LENGTH_MAX else line[: TEXT_LENGTH_MAX - 1] + _CUT
