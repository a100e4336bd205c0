"""One question to a running coordinator's API, for the verbs that only read."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from protocols.vocabulary.errors import ConfigError

URL: Final = "http://127.0.0.1:8080"
"""Where ``vpp coordinator`` listens unless it is told otherwise."""
TIMEOUT_S: Final = 30.0
ANSWER_BYTES_MAX: Final = 64_000_000
_OK: Final = 200


def ask(url: str, path: tuple[str, ...], query: Mapping[str, str]) -> dict[str, Any]:
    """Ask the coordinator and return the object it answers with.

    Parameters
    ----------
    url : str
        Of the coordinator.
    path : tuple of str
        Parts below ``/api/v1``, not yet quoted.
    query : mapping of str to str
        The question's fields.

    Raises
    ------
    ConfigError
        If it cannot be reached, or refuses; in its own words.
    """
    whole = "/".join([url.rstrip("/"), "api", "v1", *(quote(part, safe="") for part in path)])
    try:
        return asyncio.run(_ask(whole, query))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise ConfigError(f"{url}: {error or type(error).__name__}") from error


async def _ask(whole: str, query: Mapping[str, str]) -> dict[str, Any]:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(whole, params=dict(query)) as answered,
    ):
        if (answered.content_length or 0) > ANSWER_BYTES_MAX:
            raise ConfigError(f"{whole}: {answered.content_length} bytes are too many")
        said = await answered.json(content_type=None)
        if not isinstance(said, dict):
            raise ConfigError(f"{whole}: holds no object")
        if answered.status != _OK:
            raise ConfigError(str(said.get("detail", f"{whole}: HTTP {answered.status}")))
        return said
