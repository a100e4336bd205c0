"""Whatever the order of polls, restarts and time, responses come once and modes are exclusive."""

from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.ieee2030_5.resources.der import DERControl
from tests.unit.protocols.ieee2030_5.client.controls import (
    BOTH,
    EXPORT,
    IMPORT,
    PROGRAM,
    STRONGER,
    Bench,
    control,
    told,
)

CHAINS = {
    (),
    (1,),
    (1, 2),
    (1, 2, 3),
    (1, 2, 6),
    (1, 2, 7),
    (1, 6),
    (1, 7),
    (1, 10),
    (6,),
    (7,),
    (254,),
}

controls = st.builds(
    lambda number, start, duration, base, created, shifts: control(
        f"{number}", start, duration, base=base, created=created, randomize=shifts
    ),
    st.integers(0, 10**9),
    st.integers(900, 1100),
    st.integers(1, 120),
    st.sampled_from([EXPORT, IMPORT, BOTH]),
    st.integers(800, 810),
    st.tuples(st.integers(-20, 20), st.integers(-20, 20)),
)
moves = st.one_of(
    st.tuples(st.just("advance"), st.integers(0, 40)),
    st.tuples(st.just("poll"), st.sets(st.integers(0, 4))),
    st.tuples(st.just("say"), st.tuples(st.integers(0, 4), st.sampled_from([1, 2, 3, 4]))),
    st.tuples(st.just("post"), st.none()),
    st.tuples(st.just("restart"), st.none()),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(controls, min_size=1, max_size=5, unique_by=lambda one: one.mrid),
    st.lists(moves, max_size=40),
    st.floats(0, 0.999),
)
def test_any_course_of_events(
    orders: list[DERControl], course: list[tuple[str, object]], chance: float
) -> None:
    """If it fails, a device obeys two orders at once, or a utility counts a response twice."""
    bench, now = Bench(chance=chance), 880.0
    server = dict(enumerate(orders))
    for move, detail in [*course, ("advance", 2000), ("post", None)]:
        if move == "advance":
            for _ in range(min(detail, 60)):
                now += 1.0
                bench.advance(now)
                check(bench, now)
            now += max(detail - 60, 0)
            bench.advance(now)
        elif move == "poll":
            strong = [one for number, one in server.items() if number % 2 and number in detail]
            weak = [one for number, one in server.items() if not number % 2 and number in detail]
            bench.see(now, *strong, program=STRONGER)
            bench.see(now, *weak, program=PROGRAM)
        elif move == "say":
            number, status = detail
            if number in server:
                server[number] = told(server[number], status)
        elif move == "post":
            bench.post()
        else:
            bench.restart()
        check(bench, now)
    for order in orders:
        assert tuple(bench.chain(order)) in CHAINS
    assert not bench.running(now)


def check(bench: Bench, now: float) -> None:
    """No response twice; at no moment of the known schedule two orders of one mode."""
    assert max(Counter(bench.posted).values(), default=1) == 1
    spans = sorted((mode, start, end) for _, mode, start, end in bench.spans(now))
    for (mode, _, end), (other, start, _) in pairwise(spans):
        assert mode != other or end <= start
