"""Enrolments and certificates as they change, also in the audit trail.

Whoever changes them, a verb or the enrolment server, does it through these two ports; so each
change is on record wherever it comes from. Codes and keys are never told.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from cloud_coordinator.services.auditing import Deed, Trail
from cloud_coordinator.services.enrolment import (
    Enrolment,
    Enrolments,
    Revoking,
    SiteCertificate,
)
from protocols.vocabulary.identifiers import SiteId


class RecordedEnrolments:
    """A store of enrolments in front of another.

    Parameters
    ----------
    store : Enrolments
        What is durable.
    trail : Trail
        Where it is written down.
    deed : Deed
        Who acts and where; ``what`` is said here.
    """

    def __init__(self, store: Enrolments, trail: Trail, deed: Deed) -> None:
        self._store = store
        self._trail = trail
        self._deed = deed

    def enrolments(self) -> Sequence[Enrolment]:
        """All, by site."""
        return self._store.enrolments()

    def change(
        self, key: SiteId | int, step: Callable[[Enrolment | None], Enrolment | None]
    ) -> None:
        """Read one, and keep what the step makes of it; then write down what it was."""
        seen: list[tuple[Enrolment | None, Enrolment | None]] = []

        def watched(known: Enrolment | None) -> Enrolment | None:
            after = step(known)
            seen[:] = [(known, after)]
            return after

        self._store.change(key, watched)
        for before, after in seen:
            self._tell(before, after)

    def add_certificate(self, certificate: SiteCertificate) -> None:
        """Keep one; on record before it is handed out."""
        what = f"certify site: {certificate.site_id} serial {certificate.serial}"
        self._store.add_certificate(certificate)
        self._trail.note(replace(self._deed, what=what), "done")

    def certificates(self, site_id: SiteId) -> Sequence[SiteCertificate]:
        """Those of a site, oldest first."""
        return self._store.certificates(site_id)

    def _tell(self, before: Enrolment | None, after: Enrolment | None) -> None:
        if after is None:
            self._trail.refuse(replace(self._deed, what="enrol site"), "the code is not known")
            return
        deed = replace(self._deed, what=f"enrol site: {after.site_id}")
        if before is None or before.state is not after.state:
            self._trail.note(deed, f"done: {after.state.value}")
        elif after.attempts_left < before.attempts_left:
            self._trail.refuse(deed, f"wrong code, {after.attempts_left} tries left")
        else:
            change = "no change" if before == after else "done"
            self._trail.note(deed, f"{change}: {after.state.value}")


class RecordedRevoking:
    """A list of what is refused in front of another.

    Parameters
    ----------
    revoked : Revoking
        The list.
    trail : Trail
        Where it is written down.
    deed : Deed
        Who acts and where; ``what`` and ``why`` are said here.
    """

    def __init__(self, revoked: Revoking, trail: Trail, deed: Deed) -> None:
        self._revoked = revoked
        self._trail = trail
        self._deed = deed

    def is_revoked(self, serial: str) -> bool:
        """Whether it is on the list."""
        return self._revoked.is_revoked(serial)

    def revoke(self, serials: Sequence[str], *, at: datetime, reason: str) -> None:
        """Put it there; the intent is on record before."""
        what = f"revoke certificates: {' '.join(serials)}"
        with self._trail.act(replace(self._deed, what=what, why=reason)):
            self._revoked.revoke(serials, at=at, reason=reason)
