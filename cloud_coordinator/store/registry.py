"""The coordinator's registry: one database, one object per port. Opened by main."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cloud_coordinator.store.alerts import AlertRegistry
from cloud_coordinator.store.audit import AuditRegistry
from cloud_coordinator.store.certificates import CertificateRegistry
from cloud_coordinator.store.characteristics import LearnedRegistry, TotalRegistry
from cloud_coordinator.store.database import Database, open_database
from cloud_coordinator.store.enrolments import EnrolmentRegistry
from cloud_coordinator.store.identities import IdentityRegistry
from cloud_coordinator.store.journals import (
    DispatchRegistry,
    EpochRegistry,
    EventRegistry,
    ProgressRegistry,
)
from cloud_coordinator.store.obligations import (
    CommandRegistry,
    ObligationRegistry,
    OfferRegistry,
)
from cloud_coordinator.store.publications import PublicationRegistry
from cloud_coordinator.store.sites import SiteRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """Everything that is not telemetry, each part behind its port of the services.

    Attributes
    ----------
    database : Database
        For :meth:`close`.
    sites, obligations, commands, offers, dispatches, epochs, events, progress, publications
        The stores of :mod:`cloud_coordinator.services.ports`.
    """

    database: Database
    sites: SiteRegistry
    obligations: ObligationRegistry
    commands: CommandRegistry
    offers: OfferRegistry
    dispatches: DispatchRegistry
    epochs: EpochRegistry
    events: EventRegistry
    progress: ProgressRegistry
    certificates: CertificateRegistry
    publications: PublicationRegistry
    enrolments: EnrolmentRegistry
    learned: LearnedRegistry
    totals: TotalRegistry
    alerts: AlertRegistry
    identities: IdentityRegistry
    audit: AuditRegistry

    @classmethod
    def open(cls, where: str | Path) -> Self:
        """Open, recognise and migrate the database.

        Parameters
        ----------
        where : str or Path
            A SQLite file or a SQLAlchemy address.

        Raises
        ------
        ConfigError
            If the address cannot be understood.
        StoreError
            If the database is damaged, foreign or newer; it is left as it is.
        """
        database = open_database(where)
        return cls(
            database=database,
            sites=SiteRegistry(database),
            obligations=ObligationRegistry(database),
            commands=CommandRegistry(database),
            offers=OfferRegistry(database),
            dispatches=DispatchRegistry(database),
            epochs=EpochRegistry(database),
            events=EventRegistry(database),
            progress=ProgressRegistry(database),
            certificates=CertificateRegistry(database),
            publications=PublicationRegistry(database),
            enrolments=EnrolmentRegistry(database),
            learned=LearnedRegistry(database),
            totals=TotalRegistry(database),
            alerts=AlertRegistry(database),
            identities=IdentityRegistry(database),
            audit=AuditRegistry(database),
        )

    def close(self) -> None:
        """Write what waits and close."""
        self.dispatches.flush()
        self.database.close()
