"""Pages of lists: which items, in which order. Pure arithmetic on what the tree collects.

IEEE 2030.5-2018, 4.6 (query strings s, l and a) and its table of list orders.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from protocols.ieee2030_5.server.refusal import BAD_FORMAT, RefusedError
from protocols.ieee2030_5.server.settings import PAGE_MAX

T = TypeVar("T")

_DIGITS_MAX: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What of a list is asked for.

    Attributes
    ----------
    start : int
        Ordinal of the first item, from 0.
    limit : int
        Most items; one where nothing was asked for.
    after : int or None
        Of lists ordered by time, only items later than this, s since 1970.
    """

    start: int = 0
    limit: int = 1
    after: int | None = None

    def of(self, items: Sequence[T]) -> tuple[T, ...]:
        """Items of the page."""
        return tuple(items[self.start : self.start + self.limit])


WHOLE: Final = Page(limit=PAGE_MAX)


def page_of(query: tuple[tuple[str, str], ...]) -> Page:
    """Read a query; unknown names are ignored.

    Raises
    ------
    RefusedError
        If a value is no number, or a name is there twice.
    """
    given: dict[str, int] = {}
    for name, text in query:
        if name not in {"s", "l", "a"}:
            continue
        if name in given:
            raise RefusedError(400, f"query: {name} is there twice", reason=BAD_FORMAT)
        if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX):
            raise RefusedError(400, f"query: {name} is no number", reason=BAD_FORMAT)
        given[name] = int(text)
    return Page(
        start=given.get("s", 0), limit=min(given.get("l", 1), PAGE_MAX), after=given.get("a")
    )


def descending(mrid: str) -> int:
    """Sort key that puts greater mRIDs first."""
    return -int(mrid or "0", 16)
