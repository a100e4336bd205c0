"""Strikes: which pattern may still be awarded a product. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cloud_coordinator.market.product import ProductRule
from protocols.vocabulary.calendar import market_day
from protocols.vocabulary.identifiers import ObligationId


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An award period that failed Assessment II.

    Attributes
    ----------
    obligation_id : ObligationId
        The award; several failed slots of one award are one failure.
    at : datetime
        When it failed, aware UTC; its market month counts.
    abnormal : bool
        Whether it failed in abnormal time (primary reserve).
    """

    obligation_id: ObligationId
    at: datetime
    abnormal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """Closed to a product from a time on, until a test was passed; None: still."""

    since: datetime
    until: datetime | None

    def holds(self, at: datetime) -> bool:
        """Whether it is in force."""
        return self.since <= at and (self.until is None or at < self.until)


def suspensions(
    failures: Sequence[Failure], tests: Sequence[datetime], rule: ProductRule
) -> tuple[Suspension, ...]:
    """Find when a pattern is closed to a product.

    Parameters
    ----------
    failures : sequence of Failure
        Of one pattern and product, in any order; repeated ones count once.
    tests : sequence of datetime
        When a test was passed, aware UTC.
    rule : ProductRule
        The product.

    Returns
    -------
    tuple of Suspension
        By time. What failed before a test that lifted one counts no more.

    Notes
    -----
    EPRX trading rules Art.41 (japan-market R19).
    """
    found: list[Suspension] = []
    seen: dict[tuple[int, int, bool], set[ObligationId]] = {}
    for failure in sorted(failures, key=lambda one: (one.at, one.obligation_id)):
        last = found[-1] if found else None
        if last is not None and last.holds(failure.at):
            continue
        day = market_day(failure.at)
        struck = seen.setdefault((day.year, day.month, failure.abnormal), set())
        struck.add(failure.obligation_id)
        penalty = rule.penalty
        limit = penalty.abnormal_strikes if failure.abnormal else penalty.strikes
        if limit and len(struck) >= limit:
            until = min((test for test in tests if test > failure.at), default=None)
            found.append(Suspension(since=failure.at, until=until))
            seen = {}
    return tuple(found)
