"""How long a shell may sleep."""

import pytest

from protocols.echonet_lite.frame import CONTROLLER
from protocols.echonet_lite.requester import Requester
from protocols.link.edge_session import EdgeSession
from protocols.link.edge_states import Holdings
from protocols.sansio.deadlines import Timed, wait_ns
from protocols.vocabulary.identifiers import JournalId


class Alarm:
    """A deadline at a fixed time."""

    def __init__(self, at_ns: int | None) -> None:
        self.at_ns = at_ns

    def next_deadline_ns(self) -> int | None:
        return self.at_ns

    def on_deadline(self, now_ns: int) -> list[str]:
        return ["ring"]


@pytest.mark.parametrize(
    ("at_ns", "now_ns", "expected"), [(None, 5, 100), (20, 5, 15), (5, 20, 0), (500, 5, 100)]
)
def test_the_wait_is_bounded_and_never_negative(
    at_ns: int | None, now_ns: int, expected: int
) -> None:
    """A shell would oversleep a time-out, or spin."""
    assert wait_ns(Alarm(at_ns), now_ns, most_ns=100) == expected


def test_sessions_keep_the_contract() -> None:
    """A shell could not serve them all in the same way."""
    session = EdgeSession(JournalId("j1"), Holdings(last={}, durable={}, trimmed={}))
    timed: list[Timed[object]] = [session, Requester(CONTROLLER, first_tid=1)]
    assert [wait_ns(one, 0, most_ns=7) for one in timed] == [7, 7]
    assert [list(one.on_deadline(0)) for one in timed] == [[], []]
