"""What a published file says, as columns: series of values per kind, area and slot.

The readers of :mod:`cloud_coordinator.gateway.exchanges` make these, the store keeps them. A
value that is not there is NaN together with the reason, never 0. Published decimals are held
as float64; ``repr`` of one gives the published digits back (at most 15 of them).
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
import numpy.typing as npt

from protocols.vocabulary.arrays import FloatArray, IntArray


class Quality(enum.IntEnum):
    """Why a value is as it is. Those from ``BLANK`` on have no value."""

    GOOD = 0
    NO_PHENOMENON = 1
    """0 because nothing fell, shone or lay there (JMA ``--``)."""
    QUASI_GOOD = 2
    """Made of nearly all readings (JMA ``)``)."""
    INSUFFICIENT = 3
    """Made of too few readings; use with care (JMA ``]``)."""
    DOUBTFUL = 4
    """The publisher doubts it (JMA ``#``), or we do (a system price that may be shifted)."""
    BOUNDED = 5
    """A little more or less than said (JMA cloud ``0+``, ``10-``)."""
    BLANK = 10
    """The field is empty."""
    NOT_OBSERVED = 11
    """Marked as not there (``×``, ``///``, ``*``)."""
    NOT_YET = 12
    """The slot was not over when the file was published."""
    NO_DIRECTION = 13
    """Calm: the wind has no direction."""


class Stage(enum.IntEnum):
    """How final a publication is; a later stage stands above an earlier one."""

    PRELIMINARY = 0
    """速報値."""
    FINAL = 1
    """確報値."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Values of one kind in one area.

    Attributes
    ----------
    kind : str
        What and unit, for example ``demand_w``, ``spot_price_jpy_per_kwh``; at most 64 signs.
    area : str
        Area of a grid company (``tokyo``), ``system``, or a weather station.
    step_s : int
        Length of each slot, s, > 0.
    start_s : IntArray, shape (n,)
        Start of each slot, seconds since 1970-01-01 UTC, rising, each once.
    value : FloatArray, shape (n,)
        In the unit of the kind; NaN exactly where the quality is ``BLANK`` or above.
    quality : ndarray of int8, shape (n,)
        Of :class:`Quality`.
    """

    kind: str
    area: str
    step_s: int
    start_s: IntArray
    value: FloatArray
    quality: npt.NDArray[np.int8]

    def __post_init__(self) -> None:
        """Check what every reader promises."""
        shape = self.start_s.shape
        assert self.value.shape == shape == self.quality.shape, "columns of different lengths"
        assert self.step_s > 0, "a slot has a length"
        assert bool(np.all(np.diff(self.start_s) > 0)), "slots rise, each once"
        missing = self.quality >= Quality.BLANK
        assert bool(np.array_equal(np.isnan(self.value), missing)), "a missing value has a reason"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """One published file, read.

    Attributes
    ----------
    layout : str
        Name of the layout by which it was read.
    publisher : str
        Who published it, for example ``TEPCO Power Grid``.
    stage : Stage
        Preliminary or final.
    published_at : datetime or None
        Aware UTC, as the file says; None if it does not.
    series : tuple of Series
        At least one, none empty; a (kind, area, step_s) each once.
    """

    layout: str
    publisher: str
    stage: Stage
    published_at: datetime | None
    series: tuple[Series, ...]

    def __post_init__(self) -> None:
        """Check that no slot can be there twice."""
        names = [(one.kind, one.area, one.step_s) for one in self.series]
        assert names, "a publication says something"
        assert all(one.start_s.size for one in self.series), "and each of its series does"
        assert len(set(names)) == len(names), "a series is there once"

    @property
    def rows(self) -> int:
        """Number of slots of all series."""
        return sum(one.start_s.size for one in self.series)

    @property
    def missing(self) -> int:
        """Number of slots without a value."""
        return sum(int(np.isnan(one.value).sum()) for one in self.series)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the bytes of a publication came from.

    Attributes
    ----------
    source : str
        File or address.
    sha256 : str
        Of the content, unpacked, hexadecimal.
    size_bytes : int
        Of the content, unpacked.
    encoding : str
        ``utf-8``, ``utf-8-sig`` or ``cp932``.
    """

    source: str
    sha256: str
    size_bytes: int
    encoding: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRecord:
    """Provenance of an import, as kept.

    Attributes
    ----------
    number : int
        1, 2, ... in order of import.
    origin : Origin
        Where it came from.
    layout, publisher, stage, published_at
        As in :class:`Publication`.
    area : str
        Areas in it, separated by commas.
    start_at, end_at : datetime
        Half-open period of all its slots, aware UTC.
    rows, missing : int
        Slots, and those without a value.
    imported_at : datetime
        Aware UTC.
    imported_by : str
        Who did it.
    current_rows : int
        Slots for which this import is what is read now; the rest is superseded.
    """

    number: int
    origin: Origin
    layout: str
    publisher: str
    stage: Stage
    published_at: datetime | None
    area: str
    start_at: datetime
    end_at: datetime
    rows: int
    missing: int
    imported_at: datetime
    imported_by: str
    current_rows: int


class PublicationStore(Protocol):
    """Port: keeps publications and their provenance."""

    def add(
        self, publication: Publication, origin: Origin, *, at: datetime, by: str
    ) -> tuple[ImportRecord, bool]:
        """Keep one whole, or find that the same content is there already (False); durable."""

    def imports(self) -> Sequence[ImportRecord]:
        """All imports by number."""
