"""The contract of everything here that has deadlines but no clock.

A session or requester owns no socket and no clock: its shell asks ``next_deadline_ns`` how long
it may sleep and calls ``on_deadline`` when that moment has come.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

Order_co = TypeVar("Order_co", covariant=True)


class Timed(Protocol[Order_co]):
    """Something that wants to be called at a time of its own."""

    def next_deadline_ns(self) -> int | None:
        """Monotonic time of the next deadline, None if there is none."""

    def on_deadline(self, now_ns: int) -> Sequence[Order_co]:
        """Do what is due at ``now_ns``; calling it early does no harm."""


def wait_ns(timed: Timed[object], now_ns: int, *, most_ns: int) -> int:
    """How long a shell may sleep before it calls ``on_deadline``.

    Parameters
    ----------
    timed : Timed
        What it serves.
    now_ns : int
        Monotonic time.
    most_ns : int
        Sleep that is allowed without any deadline, ns, >= 0.

    Returns
    -------
    int
        0..most_ns.
    """
    deadline_ns = timed.next_deadline_ns()
    if deadline_ns is None:
        return most_ns
    return min(max(deadline_ns - now_ns, 0), most_ns)
