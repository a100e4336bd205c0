"""Limits on sums, split into ranges."""

import math

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.control.limits import Limit, Range, Scope, ScopeKind
from edge_agent.control.sums import HeldSum, Surroundings, hold
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.obligation import Authority

IDS = tuple(ResourceId(f"s/{name}") for name in "abcd")
watts = st.floats(-5000.0, 5000.0).map(lambda value: round(value, 1))


@st.composite
def ranges(draw: st.DrawFn) -> dict[ResourceId, Range]:
    """Ranges that hold zero, as stronger limits leave them."""
    found = {}
    for key in IDS[: draw(st.integers(1, 4))]:
        low_w, high_w = min(draw(watts), 0.0), max(draw(watts), 0.0)
        found[key] = Range(low_w=low_w, high_w=high_w, low_by="plate", high_by="plate")
    return found


@st.composite
def sums(draw: st.DrawFn, of: dict[ResourceId, Range]) -> list[HeldSum]:
    """Limits on sums that no power at all keeps, over any members; at most one of them net."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        kind = ScopeKind.GROUP
        if number:
            kind = draw(st.sampled_from([ScopeKind.GENERATION, ScopeKind.CONSUMPTION]))
        members = tuple(draw(st.sets(st.sampled_from(IDS), min_size=1)))
        if kind is not ScopeKind.GROUP and draw(st.booleans()):
            members = ()
        limit = Limit(
            name=f"sum-{number}",
            authority=Authority.GRID_CODE,
            scope=Scope(kind=kind, members=members),
            power_w_min=-math.inf if kind is ScopeKind.GENERATION else -abs(draw(watts)),
            power_w_max=math.inf if kind is ScopeKind.CONSUMPTION else abs(draw(watts)),
        )
        found.append(HeldSum(limit=limit, floor=of))
    return found


def counted_w(limit: Limit, power_w: float) -> float:
    if limit.scope.kind is ScopeKind.GENERATION:
        return max(power_w, 0.0)
    if limit.scope.kind is ScopeKind.CONSUMPTION:
        return min(power_w, 0.0)
    return power_w


@given(data=st.data())
def test_whatever_is_chosen_inside_the_ranges_keeps_every_sum(data: st.DataObject) -> None:
    """If it fails, devices that each obey their own range break the grid's limit together."""
    before = data.draw(ranges())
    held = data.draw(sums(before))
    after, relaxed = hold(dict(before), held, Surroundings())
    assert not relaxed
    for ends in (
        {key: inside.high_w for key, inside in after.items()},
        {key: inside.low_w for key, inside in after.items()},
        {
            key: inside.low_w + data.draw(st.floats(0.0, 1.0)) * (inside.high_w - inside.low_w)
            for key, inside in after.items()
        },
    ):
        for one in held:
            members = one.limit.scope.members
            total_w = math.fsum(
                counted_w(one.limit, power_w)
                for key, power_w in ends.items()
                if not members or key in members
            )
            assert one.limit.power_w_min - 1e-6 <= total_w <= one.limit.power_w_max + 1e-6


@given(data=st.data())
def test_a_range_is_only_narrowed_and_never_empty(data: st.DataObject) -> None:
    """If it fails, a limit on a sum lets a device do more than it may, or nothing at all."""
    before = data.draw(ranges())
    after, _ = hold(dict(before), data.draw(sums(before)), Surroundings())
    for key, inside in after.items():
        assert before[key].low_w - 1e-9 <= inside.low_w <= inside.high_w + 1e-9
        assert inside.high_w <= before[key].high_w + 1e-9


@given(data=st.data(), others=st.floats(0.0, 4000.0))
def test_what_nobody_dispatches_is_taken_off(data: st.DataObject, others: float) -> None:
    """If it fails, a PV that cannot be told anything comes on top of the generation limit."""
    before = data.draw(ranges())
    limit = Limit(
        name="generation",
        authority=Authority.GRID_CODE,
        scope=Scope(kind=ScopeKind.GENERATION),
        power_w_min=-math.inf,
        power_w_max=4000.0,
    )
    elsewhere = Range(low_w=others, high_w=others, low_by="", high_by="")
    beside = Surroundings(others={ResourceId("s/other"): elsewhere}, unseen_w=-3000.0)
    after, _ = hold(dict(before), [HeldSum(limit=limit, floor=before)], beside)
    assert math.fsum(one.high_w for one in after.values()) <= 4000.0 - others + 1e-6
