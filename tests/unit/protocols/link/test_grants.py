"""The fleet's backfill budget."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.link.grants import LEAST_GRANT_PER_S, grants
from protocols.vocabulary.identifiers import SiteId

fleets = st.dictionaries(st.text("abc123", min_size=1).map(SiteId), st.integers(0, 10**6))


@settings(deadline=None)
@given(missing=fleets, budget=st.integers(0, 10_000), most=st.integers(20, 2_000))
def test_the_budget_is_never_exceeded(missing: dict[SiteId, int], budget: int, most: int) -> None:
    """If it fails, a mass return of sites floods the coordinator."""
    shares = grants(missing, budget_per_s=budget, most_per_s=most)
    assert set(shares) == set(missing)
    assert sum(shares.values()) <= budget
    assert all(0 <= share <= most for share in shares.values())
    assert all(shares[site] == 0 for site, rows in missing.items() if rows == 0)
    assert all(share == 0 or share >= LEAST_GRANT_PER_S for share in shares.values())
    if budget >= LEAST_GRANT_PER_S and any(missing.values()):
        assert any(shares.values()), "nobody can go on"


@settings(deadline=None)
@given(missing=fleets, budget=st.integers(0, 10_000))
def test_the_order_of_the_sites_does_not_matter(missing: dict[SiteId, int], budget: int) -> None:
    """If it fails, two replicas grant the same sites different rates."""
    turned = dict(reversed(missing.items()))
    given_as = grants(missing, budget_per_s=budget, most_per_s=500)
    assert grants(turned, budget_per_s=budget, most_per_s=500) == given_as


@pytest.mark.parametrize(
    ("missing", "budget", "wanted"),
    [
        ({"a": 1, "b": 1000, "c": 0}, 300, {"a": 20, "b": 200, "c": 0}),
        ({"a": 1000, "b": 1000}, 300, {"a": 150, "b": 150}),
        ({"a": 1000, "b": 30}, 300, {"a": 200, "b": 30}),
        ({"a": 9, "b": 8, "c": 7}, 45, {"a": 0, "b": 20, "c": 20}),
        ({"a": 9}, 19, {"a": 0}),
    ],
)
def test_shares_are_equal_up_to_need(
    missing: dict[SiteId, int], budget: int, wanted: dict[SiteId, int]
) -> None:
    """If it fails, sites wait for budget that nobody uses."""
    assert grants(missing, budget_per_s=budget, most_per_s=200) == wanted
