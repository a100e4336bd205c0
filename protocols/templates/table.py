"""Typed access to a parsed TOML table, with one clear line for what is wrong. Pure."""

import math
from collections.abc import Iterator, Mapping
from typing import TypeVar

from protocols.vocabulary.errors import ConfigError

_Entry = TypeVar("_Entry", str, int)


class Table:
    """A table of a template file that remembers which keys were read.

    Parameters
    ----------
    values : mapping
        As parsed.
    place : str
        File and table, for messages.
    """

    def __init__(self, values: Mapping[str, object], place: str) -> None:
        self._values = values
        self._place = place
        self._read: set[str] = set()

    def refuse(self, key: str, cause: str) -> ConfigError:
        """Error that names file, table, key and cause."""
        return ConfigError(f"{self._place}.{key}: {cause}")

    def __contains__(self, key: str) -> bool:
        """Whether a key is there."""
        return key in self._values

    def text(self, key: str, default: str | None = None) -> str:
        """Text that is not empty, unless its default is."""
        value = self._take(key, default)
        if not isinstance(value, str) or (not value and default != ""):
            raise self.refuse(key, f"{value!r} is not text")
        return value

    def number(
        self, key: str, default: float | None = None, *, low: float = -1e9, high: float = 1e9
    ) -> float:
        """Finite number within bounds; the text ``inf`` only where ``high`` is infinite."""
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            raise self.refuse(key, f"{value!r} is not a number")
        if not low <= value <= high:
            raise self.refuse(key, f"{value:g} is not in {low:g} to {high:g}")
        return float(value)

    def integer(
        self, key: str, default: int | None = None, *, low: int = 0, high: int = 1 << 32
    ) -> int:
        """Whole number within bounds."""
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.refuse(key, f"{value!r} is not a whole number in {low} to {high}")
        return value

    def yes(self, key: str, *, default: bool | None = None) -> bool:
        """Read a yes or no."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise self.refuse(key, f"{value!r} is not true or false")
        return value

    def listed(
        self, key: str, of: type[_Entry], default: tuple[_Entry, ...] | None = None
    ) -> tuple[_Entry, ...]:
        """List of texts or of whole numbers."""
        value = self._take(key, default)
        if not isinstance(value, list | tuple) or not all(type(v) is of for v in value):
            raise self.refuse(key, f"{value!r} is not a list of {of.__name__}")
        return tuple(value)

    def numbers(self) -> dict[str, float]:
        """Every remaining key as a finite number."""
        return {key: self.number(key) for key in self._values if key not in self._read}

    def table(self, key: str) -> "Table":
        """Table below this one; an empty one if it is not there."""
        value = self._take(key, {})
        if not isinstance(value, Mapping):
            raise self.refuse(key, "is not a table")
        return Table(value, f"{self._place}.{key}")

    def tables(self, key: str) -> Iterator["Table"]:
        """Array of tables below this one, perhaps none."""
        value = self._take(key, [])
        if not isinstance(value, list):
            raise self.refuse(key, "is not an array of tables")
        for index, entry in enumerate(value):
            if not isinstance(entry, Mapping):
                raise self.refuse(key, f"[{index}] is not a table")
            yield Table(entry, f"{self._place}.{key}[{index}]")

    def end(self) -> None:
        """Refuse a key that nobody read: it is misspelt, or means what nothing does."""
        unknown = sorted(set(self._values) - self._read)
        if unknown:
            raise self.refuse(unknown[0], "is not known here")

    def _take(self, key: str, default: object) -> object:
        self._read.add(key)
        if key in self._values:
            return self._values[key]
        if default is None:
            raise self.refuse(key, "is missing")
        return default


def choice(table: Table, key: str, choices: tuple[str, ...], *, default: str | None = None) -> str:
    """Text that is one of the choices."""
    value = table.text(key, default)
    if value not in choices:
        raise table.refuse(key, f"{value!r} is not one of {', '.join(choices)}")
    return value
