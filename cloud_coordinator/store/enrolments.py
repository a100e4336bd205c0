"""Enrolments and the certificates that were issued."""

from collections.abc import Callable, Sequence

from sqlalchemy import RowMapping, insert, select

from cloud_coordinator.services.enrolment import Enrolment, EnrolmentState, SiteCertificate
from cloud_coordinator.store.database import Database
from cloud_coordinator.store.enrolment_tables import enrolments, site_certificates
from cloud_coordinator.store.sites import put
from protocols.vocabulary.identifiers import SiteId, ZoneId


class EnrolmentRegistry:
    """Behind the port of :mod:`cloud_coordinator.services.enrolment`.

    Parameters
    ----------
    database : Database
        The registry.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def enrolments(self) -> Sequence[Enrolment]:
        """All, by site."""
        query = select(enrolments).order_by(enrolments.c.site_id)
        with self._database.reading() as connection:
            return [_enrolment(row) for row in connection.execute(query).mappings()]

    def change(
        self, key: SiteId | int, step: Callable[[Enrolment | None], Enrolment | None]
    ) -> None:
        """Read one by site or ticket, and keep what the step makes of it, in one transaction.

        Raises
        ------
        StoreError
            If the database refuses; what the step raises is passed on and nothing is kept.
        """
        column = enrolments.c.ticket if isinstance(key, int) else enrolments.c.site_id
        with self._database.writing() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            query = select(enrolments).where(column == key).with_for_update()
            row = connection.execute(query).mappings().first()
            before = None if row is None else _enrolment(row)
            after = step(before)
            if after is not None and after != before:
                values = {
                    "zone": after.zone,
                    "state": after.state.value,
                    "ticket": after.ticket,
                    "salt": after.salt,
                    "secret_hash": after.secret_hash,
                    "code_expires_at": after.code_expires_at,
                    "attempts_left": after.attempts_left,
                    "key_hash": after.key_hash,
                    "added_at": after.added_at,
                }
                put(connection, enrolments, key={"site_id": after.site_id}, values=values)

    def add_certificate(self, certificate: SiteCertificate) -> None:
        """Keep one; durable on return."""
        with self._database.writing() as connection:
            connection.execute(
                insert(site_certificates).values(
                    serial=certificate.serial,
                    site_id=certificate.site_id,
                    issued_at=certificate.issued_at,
                    expires_at=certificate.expires_at,
                    receipt_key=certificate.receipt_key,
                    certificate=certificate.certificate,
                )
            )

    def certificates(self, site_id: SiteId) -> Sequence[SiteCertificate]:
        """Those of a site, oldest first."""
        query = (
            select(site_certificates)
            .where(site_certificates.c.site_id == site_id)
            .order_by(site_certificates.c.issued_at)
        )
        with self._database.reading() as connection:
            return [
                SiteCertificate(
                    serial=row["serial"],
                    site_id=SiteId(row["site_id"]),
                    issued_at=row["issued_at"],
                    expires_at=row["expires_at"],
                    receipt_key=bytes(row["receipt_key"]),
                    certificate=bytes(row["certificate"]),
                )
                for row in connection.execute(query).mappings()
            ]


def _enrolment(row: RowMapping) -> Enrolment:
    return Enrolment(
        site_id=SiteId(row["site_id"]),
        zone=ZoneId(row["zone"]),
        state=EnrolmentState(row["state"]),
        ticket=row["ticket"],
        salt=bytes(row["salt"]),
        secret_hash=bytes(row["secret_hash"]),
        code_expires_at=row["code_expires_at"],
        attempts_left=row["attempts_left"],
        key_hash=bytes(row["key_hash"]),
        added_at=row["added_at"],
    )
