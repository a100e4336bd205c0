"""Scope by area and site, and the proof that an action was allowed; pure.

``Allowed`` is made by :func:`authorise` only. Use cases are reached through it: the web hands a
handler the use cases narrowed to the scope of its ``Allowed`` and no others.
"""

from dataclasses import dataclass
from typing import Final

from cloud_coordinator.access.permissions import PERMISSIONS, Action, Reach, Role
from protocols.vocabulary.errors import AccessDeniedError, ConfigError
from protocols.vocabulary.identifiers import SiteId, ZoneId

_EVERYWHERE: Final = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteScope:
    """Where a subject may act.

    Attributes
    ----------
    whole : bool
        Everywhere; areas and sites are empty then.
    areas : frozenset of str
        Every site of these.
    sites : frozenset of str
        And these.
    """

    whole: bool = False
    areas: frozenset[str] = frozenset()
    sites: frozenset[str] = frozenset()

    def admits_site(self, site_id: SiteId, zone: ZoneId) -> bool:
        """Whether a site of a zone is within."""
        return self.whole or zone in self.areas or site_id in self.sites

    def admits_area(self, zone: ZoneId) -> bool:
        """Whether the whole of a zone is within."""
        return self.whole or zone in self.areas

    def narrowed(self, other: "SiteScope") -> "SiteScope":
        """Return what is named by both; a site of a shared area must be named to be kept."""
        if self.whole or other.whole:
            return other if self.whole else self
        return SiteScope(areas=self.areas & other.areas, sites=self.sites & other.sites)

    def text(self) -> str:
        """Write it as :func:`parse_scope` reads it."""
        if self.whole:
            return _EVERYWHERE
        parts = [f"area:{one}" for one in sorted(self.areas)]
        return ",".join([*parts, *(f"site:{one}" for one in sorted(self.sites))])


EVERYWHERE: Final = SiteScope(whole=True)


def parse_scope(text: str) -> SiteScope:
    """Read ``*`` or a list such as ``area:tokyo,site:site-001``.

    Raises
    ------
    ConfigError
        If a part is something else.
    """
    if text.strip() == _EVERYWHERE:
        return EVERYWHERE
    found: dict[str, set[str]] = {"area": set(), "site": set()}
    for part in filter(None, (one.strip() for one in text.split(","))):
        kind, _, name = part.partition(":")
        if kind not in found or not name:
            raise ConfigError(f"scope {part!r}: write *, area:NAME or site:NAME")
        found[kind].add(name)
    return SiteScope(areas=frozenset(found["area"]), sites=frozenset(found["site"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A subject that was authenticated, with its roles and scope.

    Attributes
    ----------
    subject : str
        Such as ``user:hana`` or ``key:k1``.
    roles : frozenset of Role
        Its roles.
    scope : SiteScope
        Where they hold.
    only : frozenset of Action or None
        Narrows what the roles allow; None does not.
    person : str
        The person behind the subject, such as ``user:hana`` for a session and for a key of
        hers; empty for a program. Two subjects of one person are one person.
    """

    subject: str
    roles: frozenset[Role]
    scope: SiteScope
    only: frozenset[Action] | None = None
    person: str = ""


_MINT: Final = object()


class Allowed:
    """Proof that a subject may do an action within a scope; made by :func:`authorise` alone."""

    __slots__ = ("action", "person", "scope", "subject")

    def __init__(self, mint: object, authority: Authority, action: Action) -> None:
        assert mint is _MINT, "an Allowed is made by authorise()"
        self.subject = authority.subject
        self.person = authority.person
        self.scope = authority.scope
        self.action = action

    def for_area(self, zone: ZoneId) -> None:
        """Demand that the whole of a zone is within the scope.

        Raises
        ------
        AccessDeniedError
            If it is not.
        """
        if not self.scope.admits_area(zone):
            raise AccessDeniedError(f"{self.action}: area {zone} is not within your scope")


NOBODY: Final = Authority(subject="nobody", roles=frozenset(), scope=SiteScope())
"""Who has not said who it is."""
OPEN: Final = Authority(subject="open", roles=frozenset(Role), scope=EVERYWHERE)
"""Everybody, where no identity is asked for."""
BOOTSTRAP: Final = Authority(
    subject="bootstrap",
    roles=frozenset({Role.ADMINISTRATOR}),
    scope=EVERYWHERE,
    only=frozenset({Action.CHANGE_USERS}),
)
"""This machine, until there is an administrator: it may make one, and nothing else."""


def authorise(authority: Authority, action: Action) -> Allowed:
    """Judge by the permission table.

    Raises
    ------
    AccessDeniedError
        If none of the roles may, or the scope is too narrow for the action.
    """
    rule = PERMISSIONS[action]
    if rule.reach is Reach.PUBLIC:
        return Allowed(_MINT, authority, action)
    if authority.only is not None and action not in authority.only:
        raise AccessDeniedError(f"{action}: there is no administrator yet; add one first")
    if not authority.roles & rule.roles:
        held = ", ".join(sorted(authority.roles)) or "none"
        raise AccessDeniedError(f"{action}: your roles ({held}) do not allow it")
    if rule.reach is Reach.WHOLE and not authority.scope.whole:
        raise AccessDeniedError(f"{action}: speaks of the whole fleet, your scope is narrower")
    if rule.reach is Reach.AREA and not (authority.scope.whole or authority.scope.areas):
        raise AccessDeniedError(f"{action}: speaks of an area, your scope has sites only")
    return Allowed(_MINT, authority, action)
