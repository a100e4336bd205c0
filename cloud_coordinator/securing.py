"""Puts signatures, admission and evidence between the coordinator and its broker, or nothing.

Part of main's wiring: with an identity every order is sealed and every receipt checked; without
one everything is as on a test's own machine.
"""

import ssl
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path

from cloud_coordinator.gateway.admission import Admission
from cloud_coordinator.gateway.broker import EmbeddedBroker
from cloud_coordinator.gateway.bus import Bus
from cloud_coordinator.gateway.evidence_log import EvidenceLog
from cloud_coordinator.gateway.refusals import Refusals
from cloud_coordinator.gateway.sealed_bus import SealedBus
from cloud_coordinator.gateway.secured import Security
from cloud_coordinator.opening import OpenedStore
from cloud_coordinator.store.receipt_keys import ReceiptKeys
from protocols.identity.signing import SealRefusal
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.intervals import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Secured:
    """The bus to use, and what runs beside it.

    Attributes
    ----------
    bus : Bus
        Sealed, if there is an identity.
    web : ssl.SSLContext or None
        Of the web listener.
    """

    bus: Bus
    web: ssl.SSLContext | None = None
    security: Security | None = None
    broker: EmbeddedBroker | None = None
    admission: Admission | None = None
    evidence: EvidenceLog | None = None

    def tell(self, refusals: Refusals) -> None:
        """Make events of messages that are not believed."""

        def refused(site_id: SiteId, refusal: SealRefusal) -> None:
            refusals.refused(site_id, "link.seal_refused", refusal.value)

        if isinstance(self.bus, SealedBus):
            self.bus.tell(refused)
        if self.admission is not None:
            self.admission.told = refusals.notice

    def jobs(self) -> list[Coroutine[None, None, None]]:
        """Return what must run."""
        made: list[Coroutine[None, None, None]] = []
        if self.admission is not None:
            made.append(self.admission.run())
        if self.evidence is not None:
            made.append(self.evidence.run())
        if self.security is not None and self.web is not None:
            made.append(self.security.keep_certificate(self.web, self.broker))
        return made

    async def close(self) -> None:
        """Write what waits and disconnect."""
        if self.evidence is not None:
            await self.evidence.flush()
        if self.admission is not None:
            await self.admission.close()


async def secure(  # noqa: PLR0913  wiring: each is one collaborator
    security: Security | None,
    store: OpenedStore,
    *,
    bus: Bus,
    broker: EmbeddedBroker | None,
    epoch: int,
    clock: Clock,
    data_dir: Path,
) -> Secured:
    """Make what stands between coordinator and broker.

    A broker of others must demand certificates and fix topics by itself (``docs/security.md``);
    signatures hold there all the same.
    """
    if security is None:
        return Secured(bus=bus)
    admission = None
    if broker is not None:
        admission = security.admission(clock)
        await admission.open(*broker.native)
    evidence = EvidenceLog(data_dir / "evidence", clock)
    sealed = SealedBus(
        bus,
        security.signer,
        site_key=ReceiptKeys(store.registry.database, clock),
        clock=clock,
        epoch=epoch,
        tap=evidence.tap,
    )
    return Secured(
        bus=sealed,
        web=security.web_context(),
        security=security,
        broker=broker,
        admission=admission,
        evidence=evidence,
    )
