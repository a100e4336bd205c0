"""Totals: of each award, what was expected of all rows of a kind together, and what came.

What was expected uses only what was known before the award: by the priors, and by what the
awards before had taught. So the totals of stored awards are a backtest: learned on the first
k, held against number k + 1. Pure but for its own sums. Called by
:mod:`cloud_coordinator.services.learning`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from cloud_coordinator.allocation.experience import learned_spread
from cloud_coordinator.fleet.characteristics import SITE_KIND, Characteristics, Priors
from cloud_coordinator.fleet.event_fit import shifted
from cloud_coordinator.services.evidence import LEAD_S, Group
from cloud_coordinator.services.learning_ports import LearnedTotal
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.identifiers import ObligationId


@dataclass(slots=True, kw_only=True)
class _Sums:
    """Sums of one kind over rows, shape (t,) each."""

    called_w: FloatArray
    delivered_w: FloatArray
    prior_w: FloatArray
    learned_w: FloatArray
    variance_w2: FloatArray
    rows: int = 0
    discarded_s: int = 0


@dataclass(slots=True, kw_only=True)
class Totals:
    """Sums of one award over its sites and resources.

    Attributes
    ----------
    obligation_id : ObligationId
        The award.
    start_at : datetime
        Its start, aware UTC.
    priors : Priors
        What was assumed before any event.
    """

    obligation_id: ObligationId
    start_at: datetime
    priors: Priors
    _sums: dict[str, _Sums] = field(default_factory=dict)

    def add(self, group: Group) -> None:
        """Add rows by kind."""
        before = group.before
        prior = self.priors.columns(before.names, before.kinds)
        seconds = group.screened.seconds
        called_w = np.nan_to_num(seconds.called_w)
        parts = {
            "called_w": called_w,
            "delivered_w": np.where(
                group.screened.usable & np.isfinite(seconds.called_w),
                np.nan_to_num(seconds.delivered_w),
                0.0,
            ),
            "prior_w": _expected_w(prior, called_w),
            "learned_w": _expected_w(before, called_w),
            "variance_w2": _variance_w2(before, called_w),
        }
        kinds = np.array(before.kinds)
        for kind in sorted(set(before.kinds)):
            of_kind = kinds == kind
            summed = {name: part[of_kind, LEAD_S:].sum(axis=0) for name, part in parts.items()}
            sums = self._sums.get(kind)
            if sums is None:
                sums = self._sums[kind] = _Sums(**{n: np.zeros_like(s) for n, s in summed.items()})
            for name, part in summed.items():
                setattr(sums, name, getattr(sums, name) + part)
            sums.rows += int(of_kind.sum())
            sums.discarded_s += int(group.screened.discarded_s[of_kind].sum())

    def records(self) -> list[LearnedTotal]:
        """Return one record for each kind of which anything was called."""
        return [
            self._record(kind, sums)
            for kind, sums in sorted(self._sums.items())
            if float(np.abs(sums.called_w).sum()) > 0.0
        ]

    def _record(self, kind: str, sums: _Sums) -> LearnedTotal:
        way = np.sign(sums.called_w)
        return LearnedTotal(
            obligation_id=self.obligation_id,
            kind=kind,
            start_at=self.start_at,
            rows=sums.rows,
            called_w=float(np.abs(sums.called_w).mean()),
            delivered_w=float((way * sums.delivered_w).mean()),
            expected_w=float((way * sums.learned_w).mean()),
            deviation_w=float(np.sqrt(sums.variance_w2).mean()),
            error_prior_w=float(np.abs(sums.prior_w - sums.delivered_w).mean()),
            error_learned_w=float(np.abs(sums.learned_w - sums.delivered_w).mean()),
            discarded_s=sums.discarded_s,
        )


def spread_of(totals: Sequence[LearnedTotal]) -> float:
    """How much wider than expected whole awards came, 1 ... 4."""
    whole = [one for one in totals if one.kind == SITE_KIND]
    return learned_spread(
        np.array([one.expected_w for one in whole]),
        np.array([one.deviation_w for one in whole]),
        np.array([one.delivered_w for one in whole]),
    )


def _expected_w(known: Characteristics, called_w: FloatArray) -> FloatArray:
    return known.delivery[:, None] * shifted(called_w, known.delay_s)


def _variance_w2(known: Characteristics, called_w: FloatArray) -> FloatArray:
    odds = known.reliability * (1.0 - known.reliability)
    return odds[:, None] * (known.gain[:, None] * shifted(called_w, known.delay_s)) ** 2
