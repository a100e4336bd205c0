"""Errors as problem+json (RFC 9457): one clear line that names the field and the cause.

The kinds are a table; the document and ``/docs`` are made from it. The middleware is the one
border where refusals of the use cases become answers.
"""

import enum
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from cloud_coordinator.services.errors import ConflictError, RejectedError, UnknownError
from protocols.vocabulary.errors import AccessDeniedError, StoreError, VppError

MEDIA: Final = "application/problem+json"
ERRORS_TOLD: Final = 20
RETRY_AFTER_S: Final = 2

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = structlog.get_logger(__name__)


class Kind(enum.Enum):
    """What can be wrong: slug, status, title."""

    MALFORMED = ("malformed", HTTPStatus.BAD_REQUEST, "The request cannot be read")
    UNAUTHENTICATED = ("unauthenticated", HTTPStatus.UNAUTHORIZED, "Say who you are")
    FORBIDDEN = ("forbidden", HTTPStatus.FORBIDDEN, "You may not do that")
    UNKNOWN = ("unknown", HTTPStatus.NOT_FOUND, "There is no such thing")
    METHOD = ("method", HTTPStatus.METHOD_NOT_ALLOWED, "The method is not offered here")
    CONFLICT = ("conflict", HTTPStatus.CONFLICT, "It contradicts what is recorded")
    TOO_LARGE = ("too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large")
    MEDIA = ("media", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body must be application/json")
    REJECTED = ("rejected", HTTPStatus.UNPROCESSABLE_ENTITY, "A field is wrong")
    BUSY = ("busy", HTTPStatus.SERVICE_UNAVAILABLE, "Too many at once; try again")
    STALE = (
        "stale",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "What is known of the fleet is too old to decide on",
    )
    LATE = ("late", HTTPStatus.GATEWAY_TIMEOUT, "No decision within the time that was allowed")
    STORE = ("store", HTTPStatus.SERVICE_UNAVAILABLE, "The store does not answer")

    def __init__(self, slug: str, status: HTTPStatus, title: str) -> None:
        self.slug = slug
        self.status = status
        self.title = title


class FieldError(BaseModel):
    """One field that is wrong."""

    model_config = ConfigDict(extra="forbid")

    field: str = Field(description="Name of the field; empty for the body as a whole.")
    cause: str = Field(description="What is wrong with it.")


class ProblemDetails(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="Where the kind of problem is described.")
    title: str
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="One line that names the field and the cause.")
    errors: list[FieldError] = Field(description="Every field that is wrong; may be empty.")


class ProblemError(VppError):
    """A request is refused at the border.

    Parameters
    ----------
    kind : Kind
        What is wrong.
    detail : str
        One line.
    errors : sequence of FieldError
        The fields, if some are known.
    """

    def __init__(self, kind: Kind, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.errors = tuple(errors)


_KINDS: Final[Mapping[type[VppError], Kind]] = {
    RejectedError: Kind.REJECTED,
    ConflictError: Kind.CONFLICT,
    UnknownError: Kind.UNKNOWN,
    AccessDeniedError: Kind.FORBIDDEN,
}


def problem(
    kind: Kind,
    detail: str,
    *,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Make the answer of a problem."""
    body = ProblemDetails(
        type=f"/docs#problem-{kind.slug}",
        title=kind.title,
        status=kind.status,
        detail=detail,
        errors=list(errors[:ERRORS_TOLD]),
    )
    sent = dict(headers or {})
    if kind is Kind.UNAUTHENTICATED:
        sent["WWW-Authenticate"] = 'Bearer realm="vpp"'
    if kind.status is HTTPStatus.SERVICE_UNAVAILABLE:
        sent["Retry-After"] = str(RETRY_AFTER_S)
    return web.Response(
        status=kind.status, text=body.model_dump_json(), content_type=MEDIA, headers=sent
    )


def one_line(text: str) -> str:
    """Put what a peer wrote on one line of printable characters."""
    return "".join(c if c.isprintable() else " " for c in text)


@web.middleware
async def problem_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn refusals into problem+json answers."""
    try:
        return await handler(request)
    except ProblemError as error:
        return problem(error.kind, one_line(error.detail), errors=error.errors)
    except (RejectedError, ConflictError, UnknownError, AccessDeniedError) as error:
        text = one_line(str(error))
        return problem(_KINDS[type(error)], text, errors=_named(text))
    except StoreError as error:
        _log.warning("request.failed", path=request.path, cause=str(error))
        return problem(Kind.STORE, "the store does not answer")
    except web.HTTPException as error:
        return _refused_by_server(request, error)


def _named(message: str) -> Sequence[FieldError]:
    """Read the field out of a use case's ``field: cause`` line."""
    field, colon, cause = message.partition(": ")
    if not colon or not field.replace("_", "").replace(".", "").isalnum():
        return ()
    return (FieldError(field=field, cause=one_line(cause)),)


def _refused_by_server(request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    """Answer what the HTTP server itself refuses in our form."""
    if isinstance(error, web.HTTPNotFound):
        return problem(Kind.UNKNOWN, one_line(f"path {request.path!r}: there is nothing here"))
    if isinstance(error, web.HTTPMethodNotAllowed):
        offered = ", ".join(sorted(error.allowed_methods))
        detail = one_line(f"method {request.method!r}: this path offers {offered}")
        return problem(Kind.METHOD, detail, headers={"Allow": offered})
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return problem(Kind.TOO_LARGE, f"body: {error.text}", headers={"Connection": "close"})
    if error.status >= HTTPStatus.BAD_REQUEST:
        return problem(Kind.MALFORMED, one_line(error.text or error.reason))
    raise error
