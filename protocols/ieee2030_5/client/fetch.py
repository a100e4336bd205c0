"""Requests of the client as steps: a generator yields a request and is sent what came back.

Links are followed, paths are never built. A link to another host is not followed. A page that
cannot be had fails the whole list, so that a failed fetch never looks like a short list.
"""

from collections.abc import Generator
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar, cast
from urllib.parse import urljoin, urlsplit

from protocols.ieee2030_5.resources.elements import List, Resource, SubscribableList
from protocols.ieee2030_5.xml import MEDIA_TYPE, Part, decode, encode, table_of
from protocols.sansio.http import HttpReply, HttpRequest
from protocols.vocabulary.errors import RemoteProtocolError

PAGE = 50
"""Items that are asked for at a time."""
PAGES_MAX = 40
"""Most pages of a list."""
_REDIRECTS_MAX = 3
_PERHAPS = {502, 504}
"""Statuses of a go-between that does not know what became of a request."""
_REDIRECTED = {301, 302, 307, 308}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back.

    Attributes
    ----------
    reply : HttpReply or None
        None where none came.
    sent_at_s, received_at_s : float
        Our clock, s since 1970.
    may_have_arrived : bool
        Without a reply: whether the server may have taken the request all the same.
    cause : str
        Without a reply: why, for people.
    """

    reply: HttpReply | None
    sent_at_s: float
    received_at_s: float
    may_have_arrived: bool = True
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A list that was read to its end.

    Attributes
    ----------
    first : Resource
        Its first page, for what it says of the whole list.
    items : tuple of Part
        All items.
    complete : bool
        Whether they are as many as the list said.
    """

    first: Resource
    items: tuple[Part, ...]
    complete: bool


T = TypeVar("T")
P = TypeVar("P", bound=Part)
R = TypeVar("R", bound=Resource)
Steps = Generator[HttpRequest, Answer, T]


class NoAnswerError(RemoteProtocolError):
    """A request that got no answer, or one that the server could not give.

    Attributes
    ----------
    may_have_arrived : bool
        Whether the server may have done what was asked all the same.
    """

    def __init__(self, message: str, *, may_have_arrived: bool) -> None:
        super().__init__(message)
        self.may_have_arrived = may_have_arrived


class RefusedError(RemoteProtocolError):
    """The server will not do what was asked, now or later.

    Attributes
    ----------
    status : int
        HTTP status, 300 to 499.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


def local(origin: str, base: str, href: str) -> str:
    """Path and query of a link.

    Parameters
    ----------
    origin : str
        Scheme and authority of the server.
    base : str
        Path of the document that holds the link.
    href : str
        From a stranger.

    Raises
    ------
    RemoteProtocolError
        If it leads to another host or is none.
    """
    try:
        whole = urlsplit(urljoin(urljoin(origin, base), href))
        authority, own = whole.netloc, urlsplit(origin)
    except ValueError as error:
        raise RemoteProtocolError(f"link {href[:100]!r} is none") from error
    if (whole.scheme, authority.lower()) != (own.scheme, own.netloc.lower()):
        raise RemoteProtocolError(f"link {href[:100]!r} leads to another host")
    path = whole.path or "/"
    return f"{path}?{whole.query}" if whole.query else path


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetcher:
    """Makes the steps of requests to one server.

    Attributes
    ----------
    origin : str
        Scheme and authority of the server, e.g. ``https://utility.example:8443``.
    """

    origin: str

    def get(self, href: str, kind: type[P]) -> Steps[P]:
        """Read one resource.

        Raises
        ------
        RemoteProtocolError
            If it cannot be had or is not what it should be.
        """
        path = local(self.origin, "/", href)
        for _ in range(_REDIRECTS_MAX):
            request = HttpRequest(method="GET", path=path, accept=MEDIA_TYPE)
            reply = _replied((yield request), request)
            if reply.status not in _REDIRECTED:
                _must_be_ok(reply, request)
                return decode(reply.body, kind, tolerant=True)
            path = local(self.origin, path, _location(reply, request))
        raise RemoteProtocolError(f"GET {href}: more than {_REDIRECTS_MAX} redirections")

    def get_list(self, href: str, kind: type[R]) -> Steps[Fetched]:
        """Read all pages of a list.

        Raises
        ------
        RemoteProtocolError
            If one of them cannot be had or is not what it should be.
        """
        mark = "&" if "?" in href else "?"
        items: list[Part] = []
        first: R | None = None
        for _ in range(PAGES_MAX):
            page = yield from self.get(f"{href}{mark}s={len(items)}&l={PAGE}", kind)
            assert isinstance(page, List | SubscribableList)
            first = first or page
            found = _items(page)
            items += found
            if not found or len(items) >= page.all:
                return Fetched(first=first, items=tuple(items), complete=len(items) >= page.all)
        raise RemoteProtocolError(f"GET {href}: more than {PAGES_MAX} pages")

    def put(self, href: str, resource: Part, *, csipaus: bool) -> Steps[None]:
        """Write a resource.

        Raises
        ------
        RemoteProtocolError
            If the server did not take it.
        """
        yield from self._send("PUT", href, encode(resource, csipaus=csipaus))

    def post(self, href: str, resource: Part, *, csipaus: bool) -> Steps[str]:
        """Create a resource; returns its address, "" where the server says none.

        Raises
        ------
        RemoteProtocolError
            If the server did not take it.
        """
        reply = yield from self._send("POST", href, encode(resource, csipaus=csipaus))
        return next((v for k, v in reply.headers if k.lower() == "location"), "")

    def _send(self, method: str, href: str, body: bytes) -> Steps[HttpReply]:
        request = HttpRequest(
            method=method,
            path=local(self.origin, "/", href),
            content_type=MEDIA_TYPE,
            accept=MEDIA_TYPE,
            body=body,
        )
        reply = _replied((yield request), request)
        _must_be_ok(reply, request)
        return reply


def _items(page: Resource) -> tuple[Part, ...]:
    """Items of a page, whatever they are."""
    slot = next(slot for slot in table_of(type(page)).slots if slot.many)
    return cast("tuple[Part, ...]", getattr(page, slot.field))


def _replied(answer: Answer, request: HttpRequest) -> HttpReply:
    if answer.reply is None:
        message = f"{request.method} {request.path}: {answer.cause}"
        raise NoAnswerError(message, may_have_arrived=answer.may_have_arrived)
    return answer.reply


def _must_be_ok(reply: HttpReply, request: HttpRequest) -> None:
    """Raise unless the server did it; 408, 425, 429 and 5xx say that it did not do it now."""
    message = f"{request.method} {request.path}: HTTP {reply.status}"
    not_now = {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
    if HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
        return
    if reply.status in not_now or reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise NoAnswerError(message, may_have_arrived=reply.status in _PERHAPS)
    raise RefusedError(message, status=reply.status)


def _location(reply: HttpReply, request: HttpRequest) -> str:
    found = next((v for k, v in reply.headers if k.lower() == "location"), "")
    if not found:
        raise RemoteProtocolError(f"{request.method} {request.path}: redirected to nowhere")
    return found
