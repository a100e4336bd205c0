"""Commissioning records as files: one folder for each site, as the gateways signed them."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from protocols.vocabulary.errors import StoreError
from protocols.vocabulary.identifiers import SiteId

RECORDS_MAX: Final = 200
"""Of one site; a gateway that sends more is out of its mind."""


class CommissioningFolder:
    """Behind the port of :mod:`cloud_coordinator.services.commissioning`.

    Parameters
    ----------
    data_dir : Path
        The coordinator's data.
    """

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "commissioning"

    def keep(self, site_id: SiteId, began_at: datetime, document: bytes) -> None:
        """Keep a record, durable on return; the same again changes nothing.

        Raises
        ------
        StoreError
            If it cannot be written, there are too many, or another has its place.
        """
        folder = self._folder / site_id
        path = folder / f"{began_at.astimezone(UTC):%Y%m%dT%H%M%S%fZ}.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if path.exists():
                if path.read_bytes() != document:
                    raise StoreError(f"{path}: another record has this time")
                return
            if sum(1 for _ in folder.glob("*.json")) >= RECORDS_MAX:
                raise StoreError(f"{folder}: holds {RECORDS_MAX} records already")
            aside = path.with_suffix(f".{os.getpid()}.new")
            with aside.open("wb") as file:
                file.write(document)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror or error}") from None

    def of(self, site_id: SiteId) -> Sequence[tuple[Path, dict[str, object]]]:
        """Return a site's records, the oldest first: file and document.

        Raises
        ------
        StoreError
            If one cannot be read.
        """
        found = []
        for path in sorted((self._folder / site_id).glob("*.json")):
            try:
                document = json.loads(path.read_bytes())
            except (OSError, ValueError, RecursionError):
                raise StoreError(f"{path}: cannot be read") from None
            if not isinstance(document, dict):
                raise StoreError(f"{path}: is not a record")
            found.append((path, document))
        return found
