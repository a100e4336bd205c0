"""The permission table: action x role. Everything that is served names one of these actions."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


class Role(enum.StrEnum):
    """What a person or program is here."""

    ADMINISTRATOR = "administrator"
    OPERATOR = "operator"
    TRADER = "trader"
    INSTALLER = "installer"
    TECHNICIAN = "technician"
    AUDITOR = "auditor"
    OWNER = "owner"


class Reach(enum.Enum):
    """How an action meets the scope of its subject."""

    PUBLIC = "public"
    """Needs no subject."""
    SITE = "site"
    """Shows and touches the sites of the scope only."""
    AREA = "area"
    """Needs the area of the award in the scope; sites alone are not enough."""
    WHOLE = "whole"
    """Speaks of the fleet as one; needs a scope without limits."""
    SELF = "self"
    """Concerns the subject alone."""


class Action(enum.StrEnum):
    """Everything that can be asked of the coordinator."""

    VIEW_PUBLIC = "view public"
    VIEW_PAGES = "view pages"
    LOG_IN = "log in"
    VIEW_SELF = "view self"
    LOG_OUT = "log out"
    CHANGE_PASSWORD = "change password"  # noqa: S105  the name of an action, no secret
    VIEW_SITES = "view sites"
    VIEW_MEMORY = "view memory"
    VIEW_EVENTS = "view events"
    VIEW_AWARDS = "view awards"
    VIEW_SETTLEMENT = "view settlement"
    VIEW_EVIDENCE = "view evidence"
    VIEW_LIVE = "view live"
    PLACE_AWARD = "place award"
    COMMAND_AWARD = "command award"
    PLAN_CONTROL = "plan control"
    VIEW_ALERTS = "view alerts"
    ANSWER_ALERT = "answer alert"
    STOP_FLEET = "stop fleet"
    OVERRIDE_SITE = "override site"
    RESUME_FLEET = "resume fleet"
    ENROL_SITE = "enrol site"
    REVOKE_SITE = "revoke site"
    VIEW_USERS = "view users"
    CHANGE_USERS = "change users"
    VIEW_AUDIT = "view audit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the table.

    Attributes
    ----------
    roles : frozenset of Role
        Who may.
    reach : Reach
        How the scope counts.
    changes : bool
        Whether it changes anything: then intent and result are in the audit trail.
    """

    roles: frozenset[Role]
    reach: Reach
    changes: bool = False


_ALL: Final = frozenset(Role)
_ADMIN, _OPERATOR, _TRADER = Role.ADMINISTRATOR, Role.OPERATOR, Role.TRADER
_INSTALLER, _TECHNICIAN = Role.INSTALLER, Role.TECHNICIAN
_AUDITOR, _OWNER = Role.AUDITOR, Role.OWNER


def _may(reach: Reach, *roles: Role) -> Rule:
    return Rule(roles=frozenset(roles), reach=reach)


def _does(reach: Reach, *roles: Role) -> Rule:
    return Rule(roles=frozenset(roles), reach=reach, changes=True)


PERMISSIONS: Final[Mapping[Action, Rule]] = {
    Action.VIEW_PUBLIC: _may(Reach.PUBLIC, *_ALL),
    Action.LOG_IN: _may(Reach.PUBLIC, *_ALL),
    Action.VIEW_PAGES: _may(Reach.SELF, *_ALL),
    Action.VIEW_SELF: _may(Reach.SELF, *_ALL),
    Action.LOG_OUT: _does(Reach.SELF, *_ALL),
    Action.CHANGE_PASSWORD: _does(Reach.SELF, *_ALL),
    Action.VIEW_SITES: _may(Reach.SITE, *_ALL),
    Action.VIEW_EVENTS: _may(
        Reach.SITE, _ADMIN, _OPERATOR, _INSTALLER, _TECHNICIAN, _AUDITOR, _OWNER
    ),
    Action.VIEW_MEMORY: _may(Reach.SITE, _ADMIN, _OPERATOR, _TRADER, _TECHNICIAN, _AUDITOR),
    Action.VIEW_EVIDENCE: _may(Reach.SITE, _ADMIN, _OPERATOR, _TRADER, _AUDITOR, _OWNER),
    Action.VIEW_AWARDS: _may(Reach.AREA, _ADMIN, _OPERATOR, _TRADER, _AUDITOR),
    Action.VIEW_SETTLEMENT: _may(Reach.AREA, _ADMIN, _TRADER, _AUDITOR),
    Action.VIEW_LIVE: _may(Reach.WHOLE, _ADMIN, _OPERATOR, _TRADER, _AUDITOR),
    Action.PLACE_AWARD: _does(Reach.AREA, _OPERATOR, _TRADER),
    Action.COMMAND_AWARD: _does(Reach.AREA, _OPERATOR),
    Action.PLAN_CONTROL: _does(Reach.WHOLE, _OPERATOR, _TRADER),
    Action.VIEW_ALERTS: _may(Reach.WHOLE, _ADMIN, _OPERATOR, _AUDITOR),
    Action.ANSWER_ALERT: _does(Reach.WHOLE, _ADMIN, _OPERATOR),
    Action.STOP_FLEET: _does(Reach.WHOLE, _ADMIN, _OPERATOR),
    Action.RESUME_FLEET: _does(Reach.WHOLE, _ADMIN, _OPERATOR),
    Action.OVERRIDE_SITE: _does(Reach.SITE, _OPERATOR, _TECHNICIAN),
    Action.ENROL_SITE: _does(Reach.SITE, _ADMIN, _INSTALLER),
    Action.REVOKE_SITE: _does(Reach.SITE, _ADMIN),
    Action.VIEW_USERS: _may(Reach.WHOLE, _ADMIN, _AUDITOR),
    Action.CHANGE_USERS: _does(Reach.WHOLE, _ADMIN),
    Action.VIEW_AUDIT: _may(Reach.WHOLE, _ADMIN, _AUDITOR),
}
"""Who may do what. Least privilege: an administrator administers and does not trade."""
