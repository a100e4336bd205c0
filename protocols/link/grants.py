"""Shares of the fleet's backfill budget. Pure; called by the coordinator's gateway each second."""

from collections.abc import Mapping
from typing import Final

from protocols.vocabulary.identifiers import SiteId

LEAST_GRANT_PER_S: Final = 20
"""A hole of one row is refilled at this rate too: rows are added while it closes."""


def grants(
    missing: Mapping[SiteId, int], *, budget_per_s: int, most_per_s: int
) -> dict[SiteId, int]:
    """Share a budget of backfilled rows among the sites that miss some.

    Parameters
    ----------
    missing : mapping of SiteId to int
        Rows each site still has to send, >= 0.
    budget_per_s : int
        Rows per second for the fleet, >= 0.
    most_per_s : int
        Rows per second for one site, at least ``LEAST_GRANT_PER_S``.

    Returns
    -------
    dict of SiteId to int
        Rows per second; 0 for a site that misses nothing. The sum never exceeds the budget.
        Equal shares, except that nobody gets more than it can use; if the budget does not
        reach for ``LEAST_GRANT_PER_S`` each, those with the fewest missing rows come first
        (they are done soonest, so everybody's turn comes).
    """
    assert most_per_s >= LEAST_GRANT_PER_S, "one site could never refill a hole"
    result = dict.fromkeys(missing, 0)
    waiting = sorted((rows, site_id) for site_id, rows in missing.items() if rows > 0)
    waiting = waiting[: max(0, budget_per_s) // LEAST_GRANT_PER_S]
    left = budget_per_s
    for position, (rows, site_id) in enumerate(waiting):
        useful = min(max(rows, LEAST_GRANT_PER_S), most_per_s)
        result[site_id] = min(useful, left // (len(waiting) - position))
        left -= result[site_id]
    return result
