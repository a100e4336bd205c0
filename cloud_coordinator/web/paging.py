"""Pages of lists that grow: ``limit`` and an opaque ``cursor``."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from cloud_coordinator.web.problems import FieldError, Kind, ProblemError

LIMIT_DEFAULT: Final = 200
LIMIT_MAX: Final = 1000
CURSOR_LENGTH_MAX: Final = 600

Limit = Annotated[int, Field(ge=1, le=LIMIT_MAX, description="How many at most.")]
CursorText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=CURSOR_LENGTH_MAX,
        description="`next_cursor` of the page before; absent for the first page.",
    ),
]

T = TypeVar("T")
ItemT = TypeVar("ItemT", bound=BaseModel)


class PageQuery(BaseModel):
    """Which page."""

    model_config = ConfigDict(extra="forbid")

    limit: Limit = LIMIT_DEFAULT
    cursor: CursorText | None = None


class Page(BaseModel, Generic[ItemT]):
    """One page of a list."""

    model_config = ConfigDict(extra="forbid")

    items: list[ItemT]
    next_cursor: str | None = Field(description="Ask for the next page with it; null at the end.")


def cut(
    rows: Sequence[T], query: PageQuery, *, key: Callable[[T], tuple[str, ...]]
) -> tuple[Sequence[T], str | None]:
    """Cut one page out of rows that are sorted by their key, ascending.

    Parameters
    ----------
    rows : sequence
        Everything.
    query : PageQuery
        Which page.
    key : callable
        Unique key of a row.

    Returns
    -------
    tuple of rows, cursor
        The page, and the cursor of the next or None.
    """
    start = 0
    if query.cursor is not None:
        after = tuple(decode_cursor(query.cursor))
        start = next((i for i, row in enumerate(rows) if key(row) > after), len(rows))
    page = rows[start : start + query.limit]
    more = start + query.limit < len(rows)
    return page, encode_cursor(*key(page[-1])) if more else None


def encode_cursor(*parts: str) -> str:
    """Make a cursor of a row's key."""
    return base64.urlsafe_b64encode("\n".join(parts).encode()).decode("ascii").rstrip("=")


def decode_cursor(cursor: str) -> list[str]:
    """Read a cursor back.

    Raises
    ------
    ProblemError
        If we did not make it.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return raw.decode().split("\n")
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        cause = "is none that this service gave"
        raise ProblemError(
            Kind.REJECTED, f"cursor: {cause}", [FieldError(field="cursor", cause=cause)]
        ) from error
