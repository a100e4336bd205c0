"""Route and Call: one typed row of the API, and what its handler is given.

A row names the models of its query and body and of every answer. Requests are read by those
models here and nowhere else, and the document (``openapi``) is written from the same rows.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from cloud_coordinator.access.permissions import Action
from cloud_coordinator.access.scope import Allowed
from cloud_coordinator.web.ports import Services, VitalsProbe
from cloud_coordinator.web.problems import ERRORS_TOLD, FieldError, Kind, ProblemError, one_line

JSON: Final = "application/json"
BODY_BYTES_MAX: Final = 262_144
QUERY_FIELDS_MAX: Final = 32
HEAVY_AT_ONCE: Final = 2
"""Requests that read the history at the same time; more wait."""
HEAVY_WAITING_MAX: Final = 16
STREAMS_MAX: Final = 4
"""Long documents that are sent at the same time."""
CAUSE_LENGTH_MAX: Final = 200
_STREAMED: Final = frozenset({"text/event-stream", "text/csv"})

_T = TypeVar("_T")


class NoFields(BaseModel):
    """A request without query or body."""

    model_config = ConfigDict(extra="forbid")


Q = TypeVar("Q", bound=BaseModel)
B = TypeVar("B", bound=BaseModel)


class Heavy:
    """Runs store readers in worker threads, few at a time."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(HEAVY_AT_ONCE)
        self._waiting = 0

    async def run(self, work: Callable[[], _T]) -> _T:
        """Return what the work returns.

        Raises
        ------
        ProblemError
            BUSY, if too many wait already.
        """
        if self._waiting >= HEAVY_WAITING_MAX:
            raise ProblemError(Kind.BUSY, "the history is being read by too many; try again")
        self._waiting += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What every handler may use."""

    services: Services
    vitals: VitalsProbe
    heavy: Heavy
    streams: asyncio.Semaphore


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[Q, B]):
    """A request that has been read.

    Attributes
    ----------
    request : web.Request
        For headers and streams.
    context : Context
        The use cases, narrowed to the scope of ``allowed``.
    allowed : Allowed
        Who asks, what was allowed, and where.
    query, body : BaseModel
        As the route's models read them.
    """

    request: web.Request
    context: Context
    allowed: Allowed
    query: Q
    body: B

    def path(self, name: str) -> str:
        """Return a variable part of the path, decoded."""
        return self.request.match_info[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One status a route may answer with.

    Attributes
    ----------
    description : str
        For people.
    media : mapping of str to model, or None for text that is no JSON
        What the body may be.
    """

    description: str
    media: Mapping[str, type[BaseModel] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Generic[Q, B]):
    """One row of the API.

    Attributes
    ----------
    action : Action
        Row of the permission table; there is no route without one.
    method, path : str
        With variable parts as ``{name}``.
    name : str
        Operation id.
    summary, summary_ja : str
        One line for people.
    handler : callable
        Gets the call that was read.
    query, body : type
        Models; ``NoFields`` for none.
    answers : mapping of int to Answer
        By status.
    problems : sequence of Kind
        What it may refuse with.
    events : type or None
        Model of each event's data, for a stream of events.
    """

    action: Action
    method: str
    path: str
    name: str
    summary: str
    summary_ja: str
    handler: Callable[[Call[Q, B]], Awaitable[web.StreamResponse]]
    query: type[Q]
    body: type[B]
    answers: Mapping[int, Answer]
    problems: Sequence[Kind] = ()
    events: type[BaseModel] | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        """What the server offers: GET comes with HEAD, unless the answer may be a stream."""
        streams = any(media in _STREAMED for one in self.answers.values() for media in one.media)
        return (self.method, "HEAD") if self.method == "GET" and not streams else (self.method,)


AnyRoute = Route[Any, Any]
CONTEXT: Final = web.AppKey("context", Context)


def read_query(request: web.Request, model: type[Q]) -> Q:
    """Read the query string by its model.

    Raises
    ------
    ProblemError
        If a field is unknown, repeated or wrong.
    """
    found: dict[str, str] = {}
    for name, value in request.query.items():
        if name in found:
            raise _repeated(name)
        found[name] = value
        if len(found) > QUERY_FIELDS_MAX:
            raise ProblemError(Kind.REJECTED, "query: too many fields")
    try:
        return model.model_validate_strings(found)
    except ValidationError as error:
        raise _wrong(error) from error


async def read_body(request: web.Request, model: type[B]) -> B:
    """Read the body by its model.

    Raises
    ------
    ProblemError
        If it is not JSON, or a field is unknown, missing or wrong.
    HTTPRequestEntityTooLarge
        If it is longer than ``BODY_BYTES_MAX``.
    """
    if model is NoFields:
        return model()
    if request.content_type != JSON:
        raise ProblemError(Kind.MEDIA, f"Content-Type {request.content_type!r}: send {JSON}")
    try:
        text = await request.read()
    except web.RequestPayloadError as error:
        raise ProblemError(Kind.MALFORMED, "body: is cut short or cannot be unpacked") from error
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise _wrong(error) from error


def answer(model: BaseModel, *, status: int = 200, location: str | None = None) -> web.Response:
    """Answer with a model as JSON."""
    headers = {"Cache-Control": "no-store"}
    if location is not None:
        headers["Location"] = location
    return web.Response(
        status=status, text=model.model_dump_json(), content_type=JSON, headers=headers
    )


def _repeated(name: str) -> ProblemError:
    """Refuse a query field that is given twice, with as much of its name as is told."""
    error = FieldError(field=one_line(name)[:CAUSE_LENGTH_MAX], cause="is given more than once")
    return ProblemError(Kind.REJECTED, f"{error.field}: {error.cause}", [error])


def _wrong(error: ValidationError) -> ProblemError:
    """Say in one line what is wrong, and list every field."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        return ProblemError(Kind.MALFORMED, f"body: {found[0]['msg'][:CAUSE_LENGTH_MAX]}")
    errors = [_field_error(one) for one in found[:ERRORS_TOLD]]
    detail = "; ".join(f"{one.field or 'body'}: {one.cause}" for one in errors)
    return ProblemError(Kind.REJECTED, detail, errors)


def _field_error(found: ErrorDetails) -> FieldError:
    field = ".".join(str(part) for part in found["loc"])
    cause = {"extra_forbidden": "is not a field here", "missing": "is missing"}.get(
        found["type"], found["msg"]
    )
    return FieldError(
        field=one_line(field)[:CAUSE_LENGTH_MAX], cause=one_line(cause)[:CAUSE_LENGTH_MAX]
    )
