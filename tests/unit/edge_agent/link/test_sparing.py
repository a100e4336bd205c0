"""Lines that strangers cause are few."""

from edge_agent.link.sparing import AT_ONCE, EVERY_NS, Sparing


def test_a_flood_is_a_few_lines_a_minute() -> None:
    """Whoever reaches the broker would fill the gateway's disk."""
    sparing = Sparing()
    flood = [sparing.due(number) for number in range(1000)]
    assert flood == [True] * AT_ONCE + [False] * (1000 - AT_ONCE)
    assert not sparing.due(EVERY_NS - 1)


def test_what_goes_on_is_told_again() -> None:
    """A gateway under fire for days would have said so once, long ago."""
    sparing = Sparing()
    for number in range(1000):
        sparing.due(number)
    assert [sparing.due(EVERY_NS + number) for number in range(AT_ONCE + 1)] == [
        *[True] * AT_ONCE,
        False,
    ]
