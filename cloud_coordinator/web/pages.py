"""Handlers of the pages: live page, its files, the document and its description for people."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from cloud_coordinator.web.docs import docs_page
from cloud_coordinator.web.problems import Kind, ProblemError
from cloud_coordinator.web.routing import JSON, Call, NoFields

Language = Literal["ja", "en"]

LANGUAGES_READ_MAX: Final = 16
SECURITY: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
MEDIA_OF: Final[Mapping[str, str]] = {
    "app.js": "text/javascript",
    "chart.js": "text/javascript",
    "words.js": "text/javascript",
    "style.css": "text/css",
    "icon.svg": "image/svg+xml",
    "login.js": "text/javascript",
}
PAGE: Final = "index.html"
LOGIN_PAGE: Final = "login.html"
OPEN_NOTICE: Final = (
    '<p class="banner" id="open">認証なしで動作しています（このPCのみ）。'
    "Open mode: nobody is asked who they are; this machine only.</p>"
)
DOCUMENT: Final = web.AppKey("document", dict[str, Any])
ASSETS: Final = web.AppKey("assets", dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Openness:
    """Says whether nobody is asked who they are."""

    is_open: Callable[[], bool]


OPENNESS: Final = web.AppKey("openness", Openness)

_RANGE: Final = re.compile(
    r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]{1,32})?\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*\Z"
)


class LanguageQuery(BaseModel):
    """In which language."""

    model_config = ConfigDict(extra="forbid")

    lang: Language | None = Field(default=None, description="Instead of Accept-Language.")


def load_assets() -> dict[str, str]:
    """Read the pages' files that come with the package."""
    folder = files("cloud_coordinator.web.assets")
    names = (PAGE, LOGIN_PAGE, *MEDIA_OF)
    return {name: folder.joinpath(name).read_text("utf-8") for name in names}


def language_of(header: str) -> Language:
    """Choose a language by an Accept-Language header; English if it names neither.

    Parameters
    ----------
    header : str
        As sent; what cannot be read is passed over.

    Notes
    -----
    RFC 9110, 12.5.4.
    """
    best: tuple[float, Language] = (0.0, "en")
    for part in header.split(",")[:LANGUAGES_READ_MAX]:
        found = _RANGE.match(part)
        if found is None:
            continue
        weight = float(found[2] or 1.0)
        if found[1].lower() in {"ja", "en"} and weight > best[0]:
            best = (weight, "ja" if found[1].lower() == "ja" else "en")
    return best[1]


async def show_page(call: Call[LanguageQuery, NoFields]) -> web.StreamResponse:
    """Answer the live page in the reader's language; it says if nobody is asked who they are."""
    language = _language(call)
    text = call.request.app[ASSETS][PAGE].replace(
        '<html lang="en">', f'<html lang="{language}">', 1
    )
    if call.request.app[OPENNESS].is_open():
        text = text.replace("<noscript>", f"{OPEN_NOTICE}\n<noscript>", 1)
    return _html(text, language)


async def show_login(call: Call[LanguageQuery, NoFields]) -> web.StreamResponse:
    """Answer the log-in page."""
    return login_page(call.request, call.query.lang)


def login_page(
    request: web.Request, language: Language | None = None, *, status: int = 200
) -> web.Response:
    """Make the log-in page in the reader's language; 401 in place of another page."""
    chosen = language or language_of(request.headers.get("Accept-Language", ""))
    text = request.app[ASSETS][LOGIN_PAGE].replace('<html lang="en">', f'<html lang="{chosen}">', 1)
    response = _html(text, chosen)
    response.set_status(status)
    return response


async def show_docs(call: Call[LanguageQuery, NoFields]) -> web.StreamResponse:
    """Answer the document for people."""
    language = _language(call)
    document = call.request.app[DOCUMENT]
    return _html(docs_page(document, language), language)


async def show_document(call: Call[NoFields, NoFields]) -> web.StreamResponse:
    """Answer the document."""
    text = json.dumps(call.request.app[DOCUMENT], ensure_ascii=False)
    return web.Response(text=text, content_type=JSON)


async def show_asset(call: Call[NoFields, NoFields]) -> web.StreamResponse:
    """Answer one of the known files; no path of the request reaches a file system."""
    name = call.path("name")
    if name not in MEDIA_OF:
        raise ProblemError(Kind.UNKNOWN, f"asset {name!r}: there is none")
    return web.Response(
        text=call.request.app[ASSETS][name],
        content_type=MEDIA_OF[name],
        headers={**SECURITY, "Cache-Control": "no-cache"},
    )


def _language(call: Call[LanguageQuery, NoFields]) -> Language:
    return call.query.lang or language_of(call.request.headers.get("Accept-Language", ""))


def _html(text: str, language: Language) -> web.Response:
    headers = {
        **SECURITY,
        "Cache-Control": "no-cache",
        "Content-Language": language,
        "Vary": "Accept-Language",
    }
    return web.Response(text=text, content_type="text/html", headers=headers)
