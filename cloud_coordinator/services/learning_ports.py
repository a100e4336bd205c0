"""What learning needs of the store, and the records it keeps there.

The store implements the ports; tests write fakes. All calls are made from a worker thread and
may take time; stores raise ``StoreError``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
import numpy.typing as npt

from cloud_coordinator.fleet.characteristics import Characteristics
from protocols.link.messages import Layout
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.identifiers import ObligationId, SiteId
from protocols.vocabulary.intervals import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRows:
    """Stored telemetry of one site, one row per second, rising.

    Attributes
    ----------
    site_id : SiteId
        Whose.
    layout : Layout
        The resources that the resource columns speak of.
    second : IntArray
        Shape (t,), Unix time.
    meter_w : FloatArray
        Shape (t,), W; NaN where there was no number.
    quality : ndarray of int8
        Shape (t,).
    power_w, setpoint_w, soc : FloatArray
        Shape (t, m), by resource; NaN where there was no number.
    resource_quality : ndarray of int8
        Shape (t, m).
    """

    site_id: SiteId
    layout: Layout
    second: IntArray
    meter_w: FloatArray
    quality: npt.NDArray[np.int8]
    power_w: FloatArray
    setpoint_w: FloatArray
    soc: FloatArray
    resource_quality: npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True, kw_only=True)
class SentSignals:
    """The signals of an award, rising by time: Unix seconds and JPY/kWh, shape (k,)."""

    sent_s: FloatArray
    multiplier: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedTotal:
    """One award, all its rows of a kind: what was expected and what came. Powers are means, W.

    Attributes
    ----------
    obligation_id : ObligationId
        The award.
    kind : str
        ``"site"`` for the whole award at the meters, else the kind of resource.
    start_at : datetime
        Of the award, aware UTC.
    rows : int
        Sites or resources.
    called_w, delivered_w : float
        Mean magnitude of the summed calls, and mean of what came in their direction.
    expected_w, deviation_w : float
        Mean that was expected by what was known before, and its deviation.
    error_prior_w, error_learned_w : float
        Mean distance of the sum from what came: by the priors, and by what was known before.
    discarded_s : int
        Seconds that were not believed.
    """

    obligation_id: ObligationId
    kind: str
    start_at: datetime
    rows: int
    called_w: float
    delivered_w: float
    expected_w: float
    deviation_w: float
    error_prior_w: float
    error_learned_w: float
    discarded_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCharacteristics:
    """Rows with the site of each; shape (n,)."""

    sites: tuple[SiteId, ...]
    rows: Characteristics


class EventHistory(Protocol):
    """Reads what an event left in the store."""

    def rows(self, sites: Sequence[SiteId], interval: Interval) -> Sequence[SiteRows]:
        """Rows with ``start <= second < end``; a site without rows or layout is left out."""

    def signals(self, obligation_id: ObligationId) -> SentSignals:
        """All signals that were sent for an award."""


class LearnedStore(Protocol):
    """Keeps what was learned."""

    def all_rows(self) -> SiteCharacteristics:
        """Everything that is known, by site, then name."""

    def rows_of(self, sites: Sequence[SiteId]) -> SiteCharacteristics:
        """Return what is known of some sites and their resources."""

    def save_rows(
        self, obligation_id: ObligationId, learned: SiteCharacteristics, *, sites: Sequence[SiteId]
    ) -> None:
        """Keep rows and that these sites learned from the award, in one transaction; durable."""

    def learned_sites(self, obligation_id: ObligationId) -> frozenset[SiteId]:
        """Sites that learned from an award."""


class TotalStore(Protocol):
    """Keeps what was expected and what came, award by award."""

    def save_totals(self, totals: Sequence[LearnedTotal]) -> None:
        """Keep the totals of an award, in one transaction; durable. Known ones stay."""

    def totals(self) -> Sequence[LearnedTotal]:
        """All totals by start, award and kind."""

    def close_award(self, obligation_id: ObligationId) -> None:
        """Remember that all of an award is learned; durable."""

    def closed(self) -> frozenset[ObligationId]:
        """Awards of which all is learned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningPorts:
    """The stores of learning."""

    history: EventHistory
    learned: LearnedStore
    totals: TotalStore
