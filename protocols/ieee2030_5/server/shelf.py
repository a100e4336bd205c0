"""Records in memory and as bytes: shelves with indexes whose changes the shell makes durable.

A record is a frozen dataclass of plain values and resources; the resources are kept as XML, so
what was stored can be read by eye and by another version. Knows nothing of the server's rules.
"""

import json
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import fields
from functools import cache
from typing import Final, Generic, TypeVar, cast, get_args, get_type_hints

from protocols.ieee2030_5.xml import Part, decode, encode
from protocols.sansio.records import Change
from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError

R = TypeVar("R")

Groups = Mapping[str, Callable[[R], Iterable[object]]]
"""Indexes: what a record is found by, or several things."""

_SEPARATOR: Final = ":"


def freeze(record: object) -> bytes:
    """Bytes of a record."""
    plain = {
        field.name: _plain(getattr(record, field.name))
        for field in fields(record)  # type: ignore[arg-type]  # a dataclass by contract
    }
    return json.dumps(plain, separators=(",", ":")).encode()


def thaw(kind: type[R], data: bytes) -> R:
    """Record of bytes. Fields that are not there take their defaults, unknown ones are dropped.

    Raises
    ------
    LocalProtocolError
        If the bytes are no such record.
    """
    try:
        stored = json.loads(data)
        values = {
            name: _value(part, stored[name])
            for name, part in _parts(cast("Hashable", kind)).items()
            if name in stored
        }
        return kind(**values)
    except (ValueError, TypeError, AttributeError, RemoteProtocolError) as error:
        message = f"a record is no {kind.__name__}: {error}"
        raise LocalProtocolError(message) from error


class Shelf(Generic[R]):
    """Records of one kind.

    Parameters
    ----------
    prefix : str
        What their keys begin with.
    kind : type
        Their class.
    changes : list of Change
        Where each change is noted.
    groups : Mapping
        Named indexes: what a record is found by, or several things.
    """

    def __init__(
        self,
        prefix: str,
        kind: type[R],
        *,
        changes: list[Change],
        groups: Groups[R] | None = None,
    ) -> None:
        self._prefix = prefix + _SEPARATOR
        self._kind = kind
        self._changes = changes
        self._records: dict[str, R] = {}
        self._by = dict(groups or {})
        self._index: dict[str, dict[object, dict[str, R]]] = {name: {} for name in self._by}

    def load(self, records: Mapping[str, bytes]) -> None:
        """Take those of the stored records that belong here.

        Raises
        ------
        LocalProtocolError
            If one cannot be read.
        """
        for key, data in records.items():
            if key.startswith(self._prefix):
                self._place(key.removeprefix(self._prefix), thaw(self._kind, data))

    def put(self, key: object, record: R) -> R:
        """Write a record; the same one again is no change."""
        name = str(key)
        if self._records.get(name) != record:
            self._remove(name)
            self._place(name, record)
            self._changes.append(Change(key=self._prefix + name, value=freeze(record)))
        return record

    def drop(self, key: object) -> None:
        """Delete a record, if it is there."""
        name = str(key)
        if self._remove(name):
            self._changes.append(Change(key=self._prefix + name, value=None))

    def get(self, key: object) -> R | None:
        """One record."""
        return self._records.get(str(key))

    def all(self) -> tuple[R, ...]:
        """All records, in the order they were made."""
        return tuple(self._records.values())

    def where(self, group: str, value: object) -> tuple[R, ...]:
        """Those an index finds."""
        found = self._index[group].get(value)
        return () if found is None else tuple(found.values())

    def count(self, group: str, value: object) -> int:
        """How many an index finds."""
        found = self._index[group].get(value)
        return 0 if found is None else len(found)

    def _place(self, name: str, record: R) -> None:
        self._records[name] = record
        for group, by in self._by.items():
            for value in by(record):
                self._index[group].setdefault(value, {})[name] = record

    def _remove(self, name: str) -> bool:
        record = self._records.pop(name, None)
        if record is None:
            return False
        for group, by in self._by.items():
            for value in by(record):
                found = self._index[group].get(value, {})
                found.pop(name, None)
                if not found:
                    self._index[group].pop(value, None)
        return True


def _plain(value: object) -> object:
    if isinstance(value, Part):
        return encode(value).decode()
    return list(value) if isinstance(value, tuple) else value


def _value(part: type[Part] | None, value: object) -> object:
    if part is not None and isinstance(value, str):
        return decode(value.encode(), part)
    return tuple(value) if isinstance(value, list) else value


@cache
def _parts(kind: Hashable) -> Mapping[str, type[Part] | None]:
    """Fields of a class, and of which resource each is, if of one."""
    found: dict[str, type[Part] | None] = {}
    for name, hint in get_type_hints(cast("type[object]", kind)).items():
        arms = [arm for arm in (hint, *get_args(hint)) if isinstance(arm, type)]
        found[name] = next((arm for arm in arms if issubclass(arm, Part)), None)
    return found
