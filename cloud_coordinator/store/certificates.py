"""Certificates of awards, as they were made."""

from collections.abc import Sequence

from sqlalchemy import select

from cloud_coordinator.services.records import CertificateRecord, Way
from cloud_coordinator.store.database import Database
from cloud_coordinator.store.sites import put
from cloud_coordinator.store.tables import certificates
from protocols.vocabulary.identifiers import ObligationId


class CertificateRegistry:
    """The certificates, one per award and direction.

    Parameters
    ----------
    database : Database
        The registry.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def save_certificates(self, records: Sequence[CertificateRecord]) -> None:
        """Insert or replace by award and direction, in one transaction; durable."""
        with self._database.writing() as connection:
            for record in records:
                put(
                    connection,
                    certificates,
                    key={
                        "obligation_id": record.obligation_id,
                        "direction": record.way.value,
                    },
                    values={"made_at": record.made_at, "body": record.body},
                )

    def certificate(self, obligation_id: ObligationId, way: Way) -> CertificateRecord | None:
        """Return one, None if there is none."""
        query = select(certificates).where(
            certificates.c.obligation_id == obligation_id,
            certificates.c.direction == way.value,
        )
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            return None
        return CertificateRecord(
            obligation_id=obligation_id,
            way=way,
            made_at=row["made_at"],
            body=bytes(row["body"]),
        )
