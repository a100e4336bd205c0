"""Public keys of gateways' receipts, by site, as their newest certificates say."""

from typing import Final

from sqlalchemy import select

from cloud_coordinator.store.database import Database
from cloud_coordinator.store.enrolment_tables import site_certificates
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.intervals import Clock

AGE_NS_MAX: Final = 2_000_000_000


class ReceiptKeys:
    """Key of a site's newest certificate; read again when it is two seconds old.

    Parameters
    ----------
    database : Database
        The registry.
    clock : Clock
        For the age.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._keys: dict[SiteId, bytes] = {}
        self._read_ns: int | None = None

    def __call__(self, site_id: SiteId) -> bytes | None:
        """32 bytes; None for a site without a certificate."""
        now_ns = self._clock.monotonic_ns()
        if self._read_ns is None or now_ns - self._read_ns > AGE_NS_MAX:
            self._read_ns = now_ns
            columns = (site_certificates.c.site_id, site_certificates.c.receipt_key)
            query = select(*columns).order_by(site_certificates.c.issued_at)
            with self._database.reading() as connection:
                rows = connection.execute(query).all()
            self._keys = {SiteId(row[0]): bytes(row[1]) for row in rows}
        return self._keys.get(site_id)
