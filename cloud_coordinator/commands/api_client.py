"""The one way of the verbs to a running coordinator's API: address, proof, trust, one clear line.

The proof is an API key, from a file or the environment and never an argument, which any process
list would show. With a certificate authority the coordinator must prove itself by the name that
only its own certificate has, whatever the address.
"""

import asyncio
import getpass
import json
import os
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote, urlsplit

import aiohttp
import typer

from protocols.identity.names import COORDINATOR_NAME
from protocols.vocabulary.errors import ConfigError

URL: Final = "http://127.0.0.1:8080"
"""Where ``vpp coordinator`` listens unless it is told otherwise."""
URL_VARIABLE: Final = "VPP_URL"
KEY_VARIABLE: Final = "VPP_API_KEY"
CA_VARIABLE: Final = "VPP_CA"
TIMEOUT_S: Final = 30.0
ANSWER_BYTES_MAX: Final = 64_000_000
KEY_LENGTH_MAX: Final = 1_024
_CA_NAMES: Final = ("root.pem", "trust.pem")
"""What an identity folder of a coordinator, or of a site, calls its authority."""
_DONE: Final = range(200, 300)
_UNAUTHORIZED, _FORBIDDEN = 401, 403

UrlOption = Annotated[
    str, typer.Option(envvar=URL_VARIABLE, help="The coordinator. コーディネーターのURL。")
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option("--key-file", help=f"File with the API key; else {KEY_VARIABLE}. APIキー。"),
]
CaOption = Annotated[
    Path | None,
    typer.Option(
        "--ca", envvar=CA_VARIABLE, help="Identity folder or PEM of its authority. 認証局。"
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON. JSONで出力。")]
AsOption = Annotated[
    str, typer.Option("--as", help="Your name, where nobody logs in. 操作者名(認証なしの場合)。")
]
ReasonOption = Annotated[str, typer.Option(help="Why; it is recorded. 理由。")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A coordinator, and how to be believed there.

    Attributes
    ----------
    url : str
        Of the coordinator.
    key_file : Path or None
        File with the API key; None for the environment's.
    ca : Path or None
        Identity folder or PEM; None for the machine's own list.
    """

    url: str
    key_file: Path | None = None
    ca: Path | None = None


def ask(server: Server, path: tuple[str, ...], query: Mapping[str, str]) -> dict[str, Any]:
    """Ask the coordinator and return the object it answers with.

    Parameters
    ----------
    server : Server
        Whom.
    path : tuple of str
        Parts below ``/api/v1``, not yet quoted.
    query : mapping of str to str
        The question's fields.

    Raises
    ------
    ConfigError
        If it cannot be reached, or refuses; in its own words.
    """
    return _call(server, path, query=query, body=None, headers={})


def act(
    server: Server,
    path: str,
    *,
    body: Mapping[str, Any] | None = None,
    by: str = "",
    reason: str = "",
) -> dict[str, Any]:
    """Ask (no body) or act (with one) as a person in charge, and return the answer.

    Parameters
    ----------
    server : Server
        Whom.
    path : str
        Below ``/api/v1``, with its query.
    body : mapping or None
        What to do.
    by : str
        Name where nobody logs in; the account's if empty.
    reason : str
        Goes into the audit trail.

    Raises
    ------
    ConfigError
        If it cannot be reached, or refuses; in its own words.
    """
    headers = {"X-Operator": by or getpass.getuser()}
    if reason:
        headers["X-Reason"] = " ".join(reason.split())
    bare, _, query = path.partition("?")
    fields = dict(one.split("=", 1) for one in query.split("&") if one)
    return _call(server, tuple(bare.split("/")), query=fields, body=body, headers=headers)


def say(found: Mapping[str, Any], lines: list[str], *, as_json: bool) -> None:
    """Print an answer for a program or for a person."""
    text = json.dumps(found, ensure_ascii=False, indent=1) if as_json else "\n".join(lines)
    sys.stdout.write(text + "\n")


def _call(
    server: Server,
    path: tuple[str, ...],
    *,
    query: Mapping[str, str],
    body: Mapping[str, Any] | None,
    headers: Mapping[str, str],
) -> dict[str, Any]:
    url = server.url.rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError(f"--url {server.url}: write http://HOST:PORT or https://HOST:PORT")
    if parts.username is not None:
        raise ConfigError("--url: holds a name or password; use --key-file instead")
    key = _key(server.key_file)
    proof = {**headers, "X-API-Key": key} if key else dict(headers)
    whole = "/".join([url, "api", "v1", *(quote(part, safe="") for part in path)])
    try:
        return asyncio.run(_answer(server, whole, query=query, body=body, headers=proof))
    except aiohttp.ClientConnectorCertificateError as error:
        cause = "its certificate does not lead to" if server.ca else "name its authority with --ca:"
        raise ConfigError(f"{url}: {cause} {server.ca or error.certificate_error}") from error
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise ConfigError(f"{url}: {error or type(error).__name__}") from error


async def _answer(
    server: Server,
    whole: str,
    *,
    query: Mapping[str, str],
    body: Mapping[str, Any] | None,
    headers: Mapping[str, str],
) -> dict[str, Any]:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    trust, name = _trust(server)
    method = "GET" if body is None else "POST"
    async with (
        aiohttp.ClientSession(timeout=timeout, headers=dict(headers)) as session,
        session.request(
            method,
            whole,
            params=dict(query),
            json=body,
            ssl=trust,
            server_hostname=name,
            allow_redirects=False,  # a key goes to nobody else
        ) as answered,
    ):
        if (answered.content_length or 0) > ANSWER_BYTES_MAX:
            raise ConfigError(f"{whole}: {answered.content_length} bytes are too many")
        said = await answered.json(content_type=None)
        if not isinstance(said, dict):
            raise ConfigError(f"{whole}: holds no object")
        if answered.status not in _DONE:
            raise ConfigError(_refusal(answered.status, said, whole))
        return said


def _refusal(status: int, said: Mapping[str, Any], whole: str) -> str:
    """Say in one line why, and what helps."""
    detail = str(said.get("detail", f"{whole}: HTTP {status}"))
    if status == _UNAUTHORIZED:
        return f"not let in ({detail}): set {KEY_VARIABLE} or --key-file 認証が必要です"
    if status == _FORBIDDEN:
        return f"not allowed ({detail}) 権限がありません"
    return detail


def _key(file: Path | None) -> str:
    """Read the key; its text is in no message."""
    if file is None:
        return os.environ.get(KEY_VARIABLE, "").strip()
    try:
        with file.open(encoding="ascii") as opened:
            key = opened.read(KEY_LENGTH_MAX + 1).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--key-file {file}: cannot be read") from error
    if not key or len(key) > KEY_LENGTH_MAX or not key.isprintable():
        raise ConfigError(f"--key-file {file}: holds no API key")
    return key


def _trust(server: Server) -> tuple[ssl.SSLContext | bool, str | None]:
    """Return whom to believe, and by which name."""
    if server.ca is None or urlsplit(server.url).scheme != "https":
        return True, None
    path = server.ca
    if path.is_dir():
        found = [path / name for name in _CA_NAMES if (path / name).is_file()]
        if not found:
            raise ConfigError(f"--ca {path}: holds neither {' nor '.join(_CA_NAMES)}")
        path = found[0]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(path)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"--ca {path}: holds no certificate that can be read") from error
    return context, COORDINATOR_NAME
