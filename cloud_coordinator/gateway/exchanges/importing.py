"""From a file as published to the store: read whole, kept whole, or refused whole."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cloud_coordinator.gateway.exchanges.files import PublishedFile
from cloud_coordinator.gateway.exchanges.layouts import read_publication
from cloud_coordinator.services.publications import ImportRecord, PublicationStore

CLOCK_SLACK: Final = timedelta(hours=1)
"""A publisher's clock may be ahead of ours by so much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportContext:
    """Who imports, when, and what he knows of the file.

    Attributes
    ----------
    at : datetime
        Aware UTC.
    by : str
        A person or a connector.
    area : str or None
        Area or station, where it is told and not to be found out.
    """

    at: datetime
    by: str
    area: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did.

    Attributes
    ----------
    record : ImportRecord
        The provenance, of now or of the first time.
    is_new : bool
        False if the same content was there already and nothing was changed.
    """

    record: ImportRecord
    is_new: bool


def import_published(
    file: PublishedFile, store: PublicationStore, context: ImportContext
) -> Imported:
    """Read a published file by its layout and keep it.

    Raises
    ------
    ImportRefusedError
        If the file is not as a known layout promises, or says it is of the future: it would
        stand above every later one. The store is unchanged.
    StoreError
        If the store refuses; it is unchanged.
    """
    publication = read_publication(file, area=context.area)
    published_at = publication.published_at
    if published_at is not None and published_at > context.at + CLOCK_SLACK:
        raise file.refusal(1, f"says it was published at {published_at.isoformat()}, not yet come")
    record, is_new = store.add(publication, file.origin, at=context.at, by=context.by)
    return Imported(record=record, is_new=is_new)
