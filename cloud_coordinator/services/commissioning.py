"""Use case: a gateway hands over the record of its installation; it is kept as it was signed."""

from datetime import datetime
from typing import Protocol

from cryptography import x509

from protocols.identity.names import receipt_key_of
from protocols.identity.records import read_record
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.identifiers import SiteId


class CommissioningRecords(Protocol):
    """Where records are durable."""

    def keep(self, site_id: SiteId, began_at: datetime, document: bytes) -> None:
        """Keep one; the same again changes nothing."""
        ...


def take_record(
    records: CommissioningRecords,
    site_id: SiteId,
    document: bytes,
    *,
    certificate: x509.Certificate,
) -> None:
    """Keep a record, if the gateway of the certificate signed it for its own site.

    Raises
    ------
    RemoteProtocolError
        If it is not one, or not its own.
    """
    record = read_record(document, receipt_key_of(certificate))
    if record.get("site_id") != site_id:
        raise RemoteProtocolError(f"record: is not of {site_id}")
    try:
        began_at = datetime.fromisoformat(str(record.get("started_at")))
    except ValueError:
        raise RemoteProtocolError("record: started_at is no time") from None
    if began_at.tzinfo is None:
        raise RemoteProtocolError("record: started_at has no zone")
    records.keep(site_id, began_at, document)
