"""JSON from strangers: one object, read without harm; written so that like gives like bytes."""

import json
from collections.abc import Mapping
from typing import Final, NoReturn

from protocols.vocabulary.errors import RemoteProtocolError

SIZE_BYTES_MAX: Final = 4_000_000


def read_json_object(data: bytes, *, size_bytes: int = SIZE_BYTES_MAX) -> Mapping[str, object]:
    """Read one JSON object.

    Parameters
    ----------
    data : bytes
        UTF-8.
    size_bytes : int
        Longest document.

    Raises
    ------
    RemoteProtocolError
        If it is no such object, too long or too deep, has a key twice or a number that is none.
    """
    if len(data) > size_bytes:
        raise RemoteProtocolError(f"JSON of {len(data)} bytes, at most {size_bytes}")
    try:
        found = json.loads(data.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError(f"is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise RemoteProtocolError("is no JSON object")
    return found


def write_json_object(values: Mapping[str, object]) -> bytes:
    """Write an object; the same values are the same bytes."""
    text = json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8")


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key comes twice")
    return found
