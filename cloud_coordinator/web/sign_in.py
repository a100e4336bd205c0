"""Handlers of log-in, persons and the audit trail, with their models."""

from datetime import datetime
from functools import partial
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from cloud_coordinator.access.permissions import Role
from cloud_coordinator.access.scope import parse_scope
from cloud_coordinator.access.secrets_kept import PASSWORD_LENGTH_MAX, User
from cloud_coordinator.audit.chain import Entry, read_body
from cloud_coordinator.services.auditing import Deed, Refused
from cloud_coordinator.services.identity import LockedError
from cloud_coordinator.web.access import SESSION_COOKIE, Access, give_session, take_session
from cloud_coordinator.web.door import DOOR
from cloud_coordinator.web.models import Record
from cloud_coordinator.web.paging import Page, PageQuery, cut
from cloud_coordinator.web.problems import Kind, ProblemError, one_line
from cloud_coordinator.web.routing import Call, NoFields, answer
from protocols.vocabulary.errors import AccessDeniedError, ConfigError, StoreError

_Name = Annotated[str, Field(min_length=1, max_length=64)]
_Password = Annotated[SecretStr, Field(max_length=PASSWORD_LENGTH_MAX)]


class LoginBody(BaseModel):
    """Who wants in."""

    model_config = ConfigDict(extra="forbid")

    name: _Name
    password: _Password


class PasswordBody(BaseModel):
    """A new password."""

    model_config = ConfigDict(extra="forbid")

    password: _Password


class UserBody(BaseModel):
    """A person to add."""

    model_config = ConfigDict(extra="forbid")

    name: _Name
    password: _Password
    roles: list[Role] = Field(min_length=1, max_length=len(Role))
    scope: str = Field(default="*", max_length=4_096, description="* or area:NAME,site:NAME.")


class SelfState(Record):
    """Who you are here."""

    subject: str
    scope: str


class UserItem(Record):
    """A person."""

    name: str
    roles: list[str]
    scope: str
    active: bool


class AuditQuery(BaseModel):
    """Which entries."""

    model_config = ConfigDict(extra="forbid")

    after: int = Field(default=0, ge=0, le=2**53, description="Entries after this number.")
    limit: int = Field(default=100, ge=1, le=1_000)


class AuditItem(Record):
    """An entry of the trail."""

    number: int
    at: datetime
    who: str
    what: str
    why: str
    where: str
    result: str
    refers_to: int
    previous: str
    digest: str


class AuditPage(Record):
    """Entries, oldest first."""

    items: list[AuditItem]


async def log_in(call: Call[NoFields, LoginBody]) -> web.StreamResponse:
    """Open a session; a refusal says neither whether the name nor the password is wrong."""
    access = _access(call.request)
    name = one_line(call.body.name)
    deed = Deed(who=f"user:{name}", what="log in", where=call.request.remote or "")
    work = partial(access.identity.log_in, call.body.name, call.body.password.get_secret_value())
    try:
        opened = await call.context.heavy.run(work)
    except AccessDeniedError as error:
        kind = Refused.LOCKED if isinstance(error, LockedError) else Refused.LOG_IN
        access.trail.refuse(deed, str(error), kind)
        raise ProblemError(Kind.UNAUTHENTICATED, str(error)) from error
    access.trail.note(deed, "done")
    authority = opened.authority
    response = answer(SelfState(subject=authority.subject, scope=authority.scope.text()))
    give_session(response, opened, is_secure=call.request.secure)
    return response


async def show_self(call: Call[NoFields, NoFields]) -> web.StreamResponse:
    """Say who asks."""
    allowed = call.allowed
    return answer(SelfState(subject=allowed.subject, scope=allowed.scope.text()))


async def log_out(call: Call[NoFields, NoFields]) -> web.StreamResponse:
    """End the session of the cookie."""
    access = _access(call.request)
    access.identity.log_out(call.request.cookies.get(SESSION_COOKIE, ""))
    response = answer(SelfState(subject="nobody", scope=""))
    take_session(response)
    return response


async def change_password(call: Call[NoFields, PasswordBody]) -> web.StreamResponse:
    """Set one's own password; all sessions end."""
    access = _access(call.request)
    kind, _, name = call.allowed.subject.partition(":")
    if kind != "user":
        raise ProblemError(Kind.CONFLICT, f"{call.allowed.subject}: has no password here")
    password = call.body.password.get_secret_value()
    try:
        await call.context.heavy.run(partial(access.accounts.change_password, name, password))
    except ConfigError as error:
        raise ProblemError(Kind.REJECTED, str(error)) from error
    response = answer(SelfState(subject="nobody", scope=""))
    take_session(response)
    return response


async def list_users(call: Call[PageQuery, NoFields]) -> web.StreamResponse:
    """List persons, by name."""
    access = call.request.app[DOOR].access
    if access is None:  # nobody is known
        return answer(Page[UserItem](items=[], next_cursor=None))
    found = await call.context.heavy.run(access.accounts.users)
    page, following = cut(found, call.query, key=lambda one: (one.name,))
    return answer(Page[UserItem](items=[_item(one) for one in page], next_cursor=following))


async def add_user(call: Call[NoFields, UserBody]) -> web.StreamResponse:
    """Add a person; the first one must be an administrator."""
    access, body = _access(call.request), call.body
    roles = frozenset(body.roles)
    if Role.ADMINISTRATOR not in roles and not access.identity.has_administrator():
        raise ProblemError(Kind.CONFLICT, "roles: the first person must be an administrator")
    try:
        work = partial(
            access.accounts.add_user,
            body.name,
            body.password.get_secret_value(),
            roles=roles,
            scope=parse_scope(body.scope),
        )
        user = await call.context.heavy.run(work)
    except ConfigError as error:
        raise ProblemError(Kind.REJECTED, str(error)) from error
    return answer(_item(user), status=201)


async def list_audit(call: Call[AuditQuery, NoFields]) -> web.StreamResponse:
    """List entries of the trail, oldest first."""
    access = call.request.app[DOOR].access
    if access is None:  # nothing is written down
        return answer(AuditPage(items=[]))
    work = partial(access.trail.entries, after=call.query.after, limit=call.query.limit)
    found = await call.context.heavy.run(work)
    return answer(AuditPage(items=[_audit_item(one) for one in found]))


def _access(request: web.Request) -> Access:
    access = request.app[DOOR].access
    if access is None:
        raise ProblemError(Kind.CONFLICT, "this coordinator asks nobody who they are")
    return access


def _item(user: User) -> UserItem:
    return UserItem(
        name=user.name, roles=sorted(user.roles), scope=user.scope.text(), active=user.active
    )


def _audit_item(entry: Entry) -> AuditItem:
    body = read_body(entry)
    if body is None:
        raise StoreError(f"audit entry {entry.number} cannot be read")
    return AuditItem.model_validate({**body, "number": entry.number, "digest": entry.digest})
