"""Durable records of a VEN and what was drawn for it; no disk, no random source.

A record's key is its kind and a digest of its name, so that no name a VTN chose can reach another
record. Changes are collected until the shell fetches them and makes them durable.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping

from protocols.sansio.records import Change

_KEY_DIGITS = 40
_IDENTIFIER_DIGITS = 20
_FRACTION_BYTES = 6

Plain = dict[str, object]
"""A JSON object."""


class Memory:
    """Records of a VEN, and their changes since the shell last asked.

    Parameters
    ----------
    records : Mapping
        As the shell's record book loaded them.
    """

    def __init__(self, records: Mapping[str, bytes]) -> None:
        self._loaded = records
        self._changes: dict[str, bytes | None] = {}

    def of_kind(self, kind: str) -> Iterator[Plain]:
        """Iterate over loaded records of a kind, in the order of their keys."""
        for key in sorted(self._loaded):
            if key.partition("/")[0] == kind:
                read = json.loads(self._loaded[key])
                assert isinstance(read, dict), "a record of this role is an object"
                yield read

    def put(self, kind: str, name: str, value: Plain) -> None:
        """Write a whole record."""
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        self._changes[_key(kind, name)] = text.encode()

    def drop(self, kind: str, name: str) -> None:
        """Delete a record."""
        self._changes[_key(kind, name)] = None

    def take_changes(self) -> tuple[Change, ...]:
        """Return the changes since the last call, the last word on each record."""
        changes = tuple(Change(key=key, value=value) for key, value in self._changes.items())
        self._changes.clear()
        return changes


def _key(kind: str, name: str) -> str:
    return f"{kind}/{hashlib.sha256(name.encode()).hexdigest()[:_KEY_DIGITS]}"


def string(record: Plain, name: str) -> str:
    """Text of a record."""
    value = record[name]
    assert isinstance(value, str), f"{name} of a record is text"
    return value


class Drawn:
    """Random bytes of one call, made into identifiers and fractions.

    Parameters
    ----------
    seed : bytes
        At least 16 bytes, drawn by the shell anew for each call.
    """

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._count = 0

    def identifier(self) -> str:
        """Make a new identifier: hexadecimal digits that nobody can guess."""
        return self._next().hex()[:_IDENTIFIER_DIGITS]

    def fraction(self) -> float:
        """Make a number of 0..1, evenly spread."""
        whole = int.from_bytes(self._next()[:_FRACTION_BYTES], "big")
        return whole / (int("1" + "00" * _FRACTION_BYTES, 16) - 1)

    def _next(self) -> bytes:
        self._count += 1
        return hashlib.sha256(self._seed + self._count.to_bytes(4, "big")).digest()
