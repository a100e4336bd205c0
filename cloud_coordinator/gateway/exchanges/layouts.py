"""The one registry of layouts of published files: which is it, and what does it say. Pure."""

from typing import Final

from cloud_coordinator.gateway.exchanges import (
    chugoku,
    eprx_files,
    eprx_tables,
    hokkaido,
    jepx_curves,
    jepx_files,
    jma,
    kansai,
    kyushu,
    tepco,
)
from cloud_coordinator.gateway.exchanges.files import Layout, PublishedFile, shown
from cloud_coordinator.services.publications import Publication

LAYOUTS: Final[tuple[Layout, ...]] = (
    *tepco.LAYOUTS,
    *kansai.LAYOUTS,
    *kyushu.LAYOUTS,
    *hokkaido.LAYOUTS,
    *chugoku.LAYOUTS,
    *jma.LAYOUTS,
    *jepx_files.LAYOUTS,
    *jepx_curves.LAYOUTS,
    *eprx_files.LAYOUTS,
    *eprx_tables.LAYOUTS,
)
"""A header fits one of them at most; a test compares all with all samples."""


def read_publication(file: PublishedFile, *, area: str | None = None) -> Publication:
    """Find the layout by the header and read the file.

    Parameters
    ----------
    file : PublishedFile
        As it came through the file door.
    area : str or None
        Area or station where a person or connector has told it.

    Raises
    ------
    ImportRefusedError
        If no layout has this header, or the file is not as its layout promises.
    """
    for layout in LAYOUTS:
        if layout.recognises(file):
            return layout.read(file, area)
    raise file.refusal(1, f"no known layout begins with {shown(file.lines[0])}")
