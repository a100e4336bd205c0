"""Who is asked who they are, and where what they do is written down. Part of main's wiring."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from cloud_coordinator.access.scope import NOBODY, OPEN
from cloud_coordinator.gateway.openid import FILE, OpenIdProvider, read_provider_file
from cloud_coordinator.gateway.secured import Security
from cloud_coordinator.opening import OpenedStore
from cloud_coordinator.services.accounts import Accounts
from cloud_coordinator.services.auditing import Alarm, Deed, Refused, Trail
from cloud_coordinator.services.identity import Identity
from cloud_coordinator.services.ports import EventStore
from cloud_coordinator.services.recorded_events import SERVICE
from cloud_coordinator.services.records import EventRecord
from cloud_coordinator.web.access import Access, asking_of
from protocols.vocabulary.errors import StoreError
from protocols.vocabulary.intervals import Clock

CHECKPOINT_S: Final = 300.0
"""Between two signatures of the trail, s; one more is made at the stop."""
_MARK_BYTES: Final = 6
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """Who is let in, and what runs beside.

    Attributes
    ----------
    access : Access
        For the web.
    provider : OpenIdProvider or None
        Whose tokens are taken.
    """

    access: Access
    provider: OpenIdProvider | None = None

    def jobs(self) -> list[Coroutine[None, None, None]]:
        """Return what must run."""
        made = [_keep_signing(self.access.trail)]
        return made if self.provider is None else [*made, self.provider.run()]

    def close(self) -> None:
        """Write down the stop, and sign the trail to its end."""
        trail = self.access.trail
        try:
            trail.note(Deed(who=SERVICE, what="coordinator.stopped", where="coordinator"), "done")
        except StoreError as error:
            _log.warning("audit.unsigned", cause=str(error))
        _sign(trail)


def admit(  # noqa: PLR0913  wiring: each is one collaborator
    store: OpenedStore,
    clock: Clock,
    *,
    wishes: tuple[str, bool],
    data_dir: Path,
    security: Security | None,
    draw: Callable[[int], bytes],
) -> Admitted:
    """Make what decides who is let in.

    Parameters
    ----------
    store : OpenedStore
        Who is known, and the trail.
    clock : Clock
        Time.
    wishes : tuple of str and bool
        Address of the API, and whether a person wants nobody to be asked.
    data_dir : Path
        May hold the file of an identity provider.
    security : Security or None
        Signs the trail; without an identity nothing does.
    draw : callable
        Returns that many random bytes.

    Raises
    ------
    ConfigError
        If it is to be open toward others, or the provider's file is wrong.
    """
    host, is_open = wishes
    if security is not None:
        store.trail.sign_with(security.trail_key)
        what = f"coordinator.identified: signing key {security.signer.key_id}"
        store.trail.note(Deed(who=SERVICE, what=what, where="coordinator"), "done")
    store.trail.warn(_alarm(store.events, clock, mark=draw(_MARK_BYTES).hex()))
    file = read_provider_file(data_dir / FILE)
    provider = None if file is None else OpenIdProvider(file, clock)
    identities = store.registry.identities
    access = Access(
        identity=Identity(identities, clock, draw=draw, tokens=provider),
        accounts=Accounts(identities, clock, draw=draw),
        trail=store.trail,
        asking=asking_of(host, is_open=is_open),
    )
    return Admitted(access=access, provider=provider)


def _alarm(events: EventStore, clock: Clock, *, mark: str) -> Alarm:
    """Make events of refusals, which the watch for intruders looks at."""
    numbers = itertools.count(1)

    def tell(kind: Refused, deed: Deed, also: int) -> None:
        at = clock.now()
        is_known = deed.who not in {NOBODY.subject, OPEN.subject}
        events.save_event(
            EventRecord(
                event_key=f"access/{mark}/{next(numbers)}",
                site_id=None,
                recorded_at=at,
                received_at=at,
                kind=kind.value,
                payload={
                    "subject": deed.who if is_known else "",
                    "remote": deed.where,
                    "detail": deed.what,
                    "also": also,
                },
            )
        )

    return tell


async def _keep_signing(trail: Trail) -> None:
    """Sign the trail again and again; never returns."""
    while True:
        await asyncio.sleep(CHECKPOINT_S)
        _sign(trail)


def _sign(trail: Trail) -> None:
    """Sign the trail; the digest is also in the log, which is often kept elsewhere."""
    try:
        made = trail.checkpoint()
    except StoreError as error:
        _log.warning("audit.unsigned", cause=str(error))
        return
    if made is not None:
        _log.info("audit.signed", entries=made.entries, digest=made.digest)
