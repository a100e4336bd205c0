"""One act at a running coordinator's API, for the verbs of people in charge."""

import asyncio
import getpass
import json
import os
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import quote

import aiohttp
import typer

from protocols.vocabulary.errors import ConfigError

URL: Final = "http://127.0.0.1:8080"
TIMEOUT_S: Final = 10.0
KEY_VARIABLE: Final = "VPP_API_KEY"
"""Environment variable with the API key, so that no process list shows it."""
_OK: Final = 200

UrlOption = Annotated[str, typer.Option(help="The coordinator. コーディネーターのURL。")]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON. JSONで出力。")]
AsOption = Annotated[
    str, typer.Option("--as", help="Your name, where nobody logs in. 操作者名(認証なしの場合)。")
]
ReasonOption = Annotated[str, typer.Option(help="Why; it is recorded. 理由。")]


def act(
    url: str, path: str, *, body: Mapping[str, Any] | None = None, by: str = ""
) -> dict[str, Any]:
    """Ask (no body) or act (with one) and return the object that is answered.

    Raises
    ------
    ConfigError
        If it cannot be reached, or refuses; in its own words.
    """
    headers = {"X-Operator": by or getpass.getuser()}
    if key := os.environ.get(KEY_VARIABLE):
        headers["X-API-Key"] = key
    whole = f"{url.rstrip('/')}/api/v1/{quote(path, safe='/?=&')}"
    try:
        return asyncio.run(_act(whole, body, headers))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise ConfigError(f"{url}: {error or type(error).__name__}") from error


async def _act(
    whole: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
) -> dict[str, Any]:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    method = "GET" if body is None else "POST"
    async with (
        aiohttp.ClientSession(timeout=timeout, headers=dict(headers)) as session,
        session.request(method, whole, json=body) as answered,
    ):
        said = await answered.json(content_type=None)
        if not isinstance(said, dict):
            raise ConfigError(f"{whole}: holds no object")
        if answered.status != _OK:
            raise ConfigError(str(said.get("detail", f"{whole}: HTTP {answered.status}")))
        return said


def say(found: Mapping[str, Any], lines: list[str], *, as_json: bool) -> None:
    """Print an answer for a program or for a person."""
    text = json.dumps(found, ensure_ascii=False, indent=1) if as_json else "\n".join(lines)
    sys.stdout.write(text + "\n")
