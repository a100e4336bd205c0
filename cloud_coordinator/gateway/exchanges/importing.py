"""From a file as published to the store: read whole, kept whole, or refused whole."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cloud_coordinator.gateway.exchanges.fetch import Fetcher, Version
from cloud_coordinator.gateway.exchanges.files import PublishedFile, decode_published
from cloud_coordinator.gateway.exchanges.layouts import read_publication
from cloud_coordinator.services.publications import ImportRecord, PublicationStore
from protocols.sansio.records import Change, RecordBook

VERSIONS_BOOK: Final = "fetched-versions"
"""Book of the versions by which publishers know what was imported from an address."""
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


class FetchedImports:
    """Imports what publishers have changed since it was last imported from their addresses.

    Parameters
    ----------
    fetcher : Fetcher
        Gets the bytes.
    store : PublicationStore
        Keeps what they say.
    versions : RecordBook
        Of :data:`VERSIONS_BOOK`.

    Raises
    ------
    StoreError
        If the versions cannot be read.
    """

    def __init__(self, fetcher: Fetcher, store: PublicationStore, versions: RecordBook) -> None:
        self._fetcher = fetcher
        self._store = store
        self._versions = versions
        self._known = dict(versions.load())

    def knows(self, address: str) -> bool:
        """Whether something was imported from an address."""
        return _key(address) in self._known

    async def import_from(self, address: str, context: ImportContext) -> Imported | None:
        """Fetch and import; None if it has not changed.

        Raises
        ------
        FetchFailedError
            If the file cannot be had.
        ImportRefusedError
            If it is not as a known layout promises; it is asked for again next time.
        StoreError
            If the store refuses.
        """
        key = _key(address)
        fetched = await self._fetcher.fetch(address, _version(self._known.get(key)))
        if fetched.data is None:
            return None
        file = decode_published(fetched.data, source=address)
        done = import_published(file, self._store, context)
        text = json.dumps([fetched.version.etag, fetched.version.last_modified]).encode()
        self._versions.put([Change(key=key, value=text)])
        self._known[key] = text
        return done


def _key(address: str) -> str:
    return hashlib.sha256(address.encode()).hexdigest()


def _version(data: bytes | None) -> Version:
    if data is None:
        return Version()
    etag, last_modified = json.loads(data)
    return Version(etag=etag, last_modified=last_modified)
