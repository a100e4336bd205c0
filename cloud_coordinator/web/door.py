"""The one door of the API: who asks, may they, write it down, then call the handler.

Handlers are reached through here only, and are given the use cases narrowed to the scope.
"""

import functools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from aiohttp import web

from cloud_coordinator.access.permissions import PERMISSIONS, Reach
from cloud_coordinator.access.scope import NOBODY, OPEN, Allowed, Authority, authorise
from cloud_coordinator.services.auditing import Deed, Refused
from cloud_coordinator.web.access import (
    KEY_HEADER,
    OPERATOR_HEADER,
    SAFE_METHODS,
    Access,
    Caller,
    caller_of,
    give_session,
    names_this_machine,
)
from cloud_coordinator.web.pages import login_page
from cloud_coordinator.web.problems import Kind, ProblemError
from cloud_coordinator.web.routing import (
    CONTEXT,
    AnyRoute,
    Call,
    read_body,
    read_query,
)
from cloud_coordinator.web.scoped import scoped
from protocols.vocabulary.errors import AccessDeniedError, VppError

_WHY: Final = "X-Reason"
"""Header in which a person or program may say why."""


class Door:
    """Authenticates, authorises and audits.

    Parameters
    ----------
    access : Access or None
        None lets everybody in and writes nothing down.
    """

    def __init__(self, access: Access | None) -> None:
        self.access = access

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked who they are."""
        return self.access is None or self.access.is_open

    async def serve(self, request: web.Request, route: AnyRoute) -> web.StreamResponse:
        """Answer a request, or refuse it.

        Raises
        ------
        VppError
            Whatever the handler refuses; a refusal of access is in the trail.
        """
        caller = self._caller(request, route)
        try:
            allowed = authorise(caller.authority, route.action)
            response = await self._called(request, route, allowed)
        except AccessDeniedError as error:
            self._refuse(request, route, caller.authority, cause=str(error))
            if caller.authority is NOBODY:
                raise ProblemError(Kind.UNAUTHENTICATED, "log in, or send X-API-Key") from error
            raise
        if caller.renewed is not None and not response.prepared:
            give_session(response, caller.renewed, is_secure=request.secure)
        return response

    def _caller(self, request: web.Request, route: AnyRoute) -> Caller:
        is_public = PERMISSIONS[route.action].reach is Reach.PUBLIC
        if self.access is None:
            return Caller(authority=OPEN)
        if self.access.is_open:
            if not is_public and not names_this_machine(request):
                cause = "Host: while nobody is asked who they are, use 127.0.0.1 or localhost"
                self._refuse(request, route, NOBODY, cause=cause)
                raise ProblemError(Kind.FORBIDDEN, cause)
            return Caller(authority=OPEN)
        if is_public:
            return Caller(authority=NOBODY)
        try:
            return caller_of(request, self.access.identity)
        except ProblemError as error:
            self._refuse(request, route, NOBODY, cause=error.detail, kind=_proof_of(request))
            raise

    async def _called(
        self, request: web.Request, route: AnyRoute, allowed: Allowed
    ) -> web.StreamResponse:
        context = request.app[CONTEXT]
        call = Call(
            request=request,
            context=replace(context, services=scoped(context.services, allowed)),
            allowed=allowed,
            query=read_query(request, route.query),
            body=await read_body(request, route.body),
        )
        if self.access is None or not PERMISSIONS[route.action].changes:
            return await route.handler(call)
        trail = self.access.trail
        deed = _deed(request, route, allowed.subject, said=getattr(call.body, "reason", ""))
        intent = trail.intend(deed)
        try:
            response = await route.handler(call)
        except VppError as error:
            trail.conclude(deed, intent, f"failed: {type(error).__name__}")
            raise
        trail.conclude(deed, intent, f"done: {response.status}")
        return response

    def _refuse(
        self,
        request: web.Request,
        route: AnyRoute,
        authority: Authority,
        *,
        cause: str,
        kind: Refused = Refused.ACTION,
    ) -> None:
        if self.access is not None:
            self.access.trail.refuse(_deed(request, route, authority.subject), cause, kind)


DOOR: Final = web.AppKey("door", Door)


def handler_of(route: AnyRoute) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Make the server's handler of a row."""

    @functools.wraps(route.handler)
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await request.app[DOOR].serve(request, route)
        except ProblemError as error:
            if error.kind is Kind.UNAUTHENTICATED and HTTPStatus.UNAUTHORIZED in route.answers:
                return login_page(request, status=HTTPStatus.UNAUTHORIZED)
            raise

    return handle


def _proof_of(request: web.Request) -> Refused:
    """Say what kind of proof was refused."""
    if KEY_HEADER in request.headers or "Authorization" in request.headers:
        return Refused.KEY
    return Refused.ENDED if request.method in SAFE_METHODS else Refused.ACTION


def _deed(request: web.Request, route: AnyRoute, subject: str, *, said: str = "") -> Deed:
    """Describe a request by its path; queries and bodies are left out, they may hold secrets.

    The reason is the header's, or else the field of the body that is called so. Where nobody
    is asked who they are, the name they give themselves is kept as such.
    """
    name = request.headers.get(OPERATOR_HEADER, "") if subject == OPEN.subject else ""
    return Deed(
        who=f"{subject}:{name}" if name else subject,
        what=f"{route.action.value}: {request.method} {request.path}",
        where=request.remote or "",
        why=request.headers.get(_WHY, "") or said,
    )
