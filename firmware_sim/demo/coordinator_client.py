"""Speaks to the coordinator's REST interface as its operator and the system operator would."""

import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp

from protocols.vocabulary.errors import LinkError, VppError

TIMEOUT_S: Final = 2.0
READ_TIMEOUT_S: Final = 30.0
_ERROR_BYTES_MAX: Final = 2000
_CLIENT_ERROR, _SERVER_ERROR = 400, 500


class RefusedError(VppError):
    """The coordinator understood the request and will not do it."""


class CoordinatorClient:
    """One coordinator.

    Parameters
    ----------
    base_url : str
        ``http://127.0.0.1:8080``.
    session : aiohttp.ClientSession
        Closed by whoever made it.
    trust : Path or None
        The root that its certificate must lead to, read at the first question; None over HTTP.
    """

    def __init__(
        self, base_url: str, session: aiohttp.ClientSession, *, trust: Path | None = None
    ) -> None:
        self.base_url = base_url
        self._session = session
        self._trust = trust
        self._tls: ssl.SSLContext | None = None

    async def get(self, path: str, *, timeout_s: float = TIMEOUT_S) -> Any:  # noqa: ANN401  JSON
        """Get JSON.

        Raises
        ------
        LinkError
            If there is no answer, or the coordinator is not able to answer now.
        RefusedError
            If the request is wrong.
        """
        return await self._ask("GET", path, None, timeout_s=timeout_s)

    async def post(
        self, path: str, body: Mapping[str, Any], *, timeout_s: float = TIMEOUT_S
    ) -> Any:  # noqa: ANN401  JSON
        """Post JSON; raises like :meth:`get`."""
        return await self._ask("POST", path, body, timeout_s=timeout_s)

    async def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None, *, timeout_s: float
    ) -> Any:  # noqa: ANN401  JSON
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        url = f"{self.base_url}{path}"
        try:
            async with self._session.request(
                method, url, json=body, timeout=timeout, ssl=self._context() or True
            ) as answer:
                if answer.status >= _CLIENT_ERROR:
                    text = (await answer.text())[:_ERROR_BYTES_MAX]
                    problem = f"{method} {path}: {answer.status}: {_detail(text)}"
                    if answer.status >= _SERVER_ERROR:
                        raise LinkError(problem)
                    raise RefusedError(problem)
                return await answer.json()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            cause = str(error) or type(error).__name__
            raise LinkError(f"{method} {path}: {cause}") from None

    def _context(self) -> ssl.SSLContext | None:
        """Trust in one authority only, TLS 1.3."""
        if self._trust is not None and self._tls is None:
            self._tls = ssl.create_default_context(cafile=self._trust)
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_3
        return self._tls


def _detail(text: str) -> str:
    """Return the ``detail`` of a problem document, or the text itself, on one line."""
    try:
        said = json.loads(text)
    except ValueError:
        said = {}
    detail = said.get("detail", text) if isinstance(said, dict) else text
    return " ".join(str(detail).split())
