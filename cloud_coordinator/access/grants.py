"""What the claims of a provider's token are worth here: the first grant that fits counts; pure.

Grants are not added up: roles of one and the scope of another would together allow what neither
does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cloud_coordinator.access.permissions import Role
from cloud_coordinator.access.scope import Authority, SiteScope
from cloud_coordinator.access.tokens import Claims, Plain
from protocols.vocabulary.errors import AccessDeniedError

SUBJECT_LENGTH_MAX = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Roles and scope for those whose claim has a value.

    Attributes
    ----------
    claim : str
        Name of the claim; a dot leads into an object (``realm_access.roles``).
    value : str
        The claim is this, or a list that holds it.
    roles, scope
        What it is worth.
    """

    claim: str
    value: str
    roles: frozenset[Role]
    scope: SiteScope


def authority_of(claims: Claims, grants: Sequence[Grant], *, person_claim: str) -> Authority:
    """Return whom verified claims name, with roles and scope.

    Parameters
    ----------
    claims : mapping
        Of a token that was verified.
    grants : sequence of Grant
        In order.
    person_claim : str
        Claim with the log-in name of a person, which a program's token does not have; empty:
        no token counts as a person where two persons must decide.

    Raises
    ------
    AccessDeniedError
        If it names nobody, or no grant fits.
    """
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject or len(subject) > SUBJECT_LENGTH_MAX:
        raise AccessDeniedError("token: names no subject")
    for grant in grants:
        found = _found(claims, grant.claim)
        if grant.value == found or (isinstance(found, list) and grant.value in found):
            name = _found(claims, person_claim) if person_claim else None
            return Authority(
                subject=f"oidc:{subject}",
                roles=grant.roles,
                scope=grant.scope,
                person=f"user:{name}" if isinstance(name, str) and name else "",
            )
    raise AccessDeniedError("token: nothing is granted here to its subject")


def _found(claims: Claims, path: str) -> Plain:
    """Return a claim by its name as it stands, or by its dotted path."""
    if path in claims:
        return claims[path]
    found: Plain = dict(claims)
    for name in path.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(name)
    return found
