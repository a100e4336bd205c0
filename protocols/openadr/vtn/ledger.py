"""What one call changed, as durable records; and identifiers made of drawn bytes.

A record's key is its kind and a digest of its names, so that no name a stranger chose can reach
another record or make a key too long; the names themselves are in the record.
"""

import hashlib
import json
from collections.abc import Mapping

from protocols.openadr.messages.payload import Payload
from protocols.openadr.xml import encode
from protocols.sansio.records import Change

Plain = dict[str, object]
"""A JSON object."""
_IDENTIFIER_DIGITS = 20
_KEY_DIGITS = 40


class Ledger:
    """Collects the changes of one call.

    Parameters
    ----------
    drawn : bytes
        At least 16 random bytes; identifiers come from these.
    """

    def __init__(self, drawn: bytes = b"") -> None:
        self._drawn = drawn
        self._count = 0
        self._changes: dict[str, bytes | None] = {}

    def put(self, key: str, value: Mapping[str, object]) -> None:
        """Write a whole record as a JSON object."""
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        self._changes[key] = text.encode()

    def put_payload(self, key: str, value: Payload) -> None:
        """Write a whole record as a payload of the standard."""
        self._changes[key] = encode(value)

    def drop(self, key: str) -> None:
        """Delete a record."""
        self._changes[key] = None

    def identifier(self) -> str:
        """Make a new identifier: hexadecimal digits that nobody can guess."""
        assert self._drawn, "this call draws nothing"
        self._count += 1
        made = hashlib.sha256(self._drawn + self._count.to_bytes(4, "big"))
        return made.hexdigest()[:_IDENTIFIER_DIGITS]

    def changes(self) -> tuple[Change, ...]:
        """Everything so far, the last word on each record."""
        return tuple(Change(key=key, value=value) for key, value in self._changes.items())


def key_of(kind: str, *names: str) -> str:
    """Key of a record; different names make different keys."""
    text = json.dumps(names)
    return f"{kind}/{hashlib.sha256(text.encode()).hexdigest()[:_KEY_DIGITS]}"


def kind_of(key: str) -> str:
    """Kind of the record of a key."""
    return key.partition("/")[0]


def read_record(value: bytes) -> Plain:
    """Object of a record that :meth:`Ledger.put` wrote."""
    read = json.loads(value)
    assert isinstance(read, dict), "a record of this role is an object"
    return read
