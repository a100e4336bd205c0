"""The lock-out rule: after some failures a name is locked, longer each time; pure."""

from dataclasses import dataclass, replace
from typing import Final

FAILURES_MAX: Final = 5
WINDOW_S: Final = 900.0
"""Failures further apart are not counted together."""
LOCK_S: Final = 300.0
LOCK_S_MAX: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """What is remembered of failed log-ins.

    Attributes
    ----------
    count : int
        Failures in a row.
    last_s : float
        Unix time of the last one, s.
    locked_until_s : float
        Unix time until which nothing is tried, s.
    locks : int
        How often it was locked since the last success.
    """

    count: int = 0
    last_s: float = 0.0
    locked_until_s: float = 0.0
    locks: int = 0


def locked(failures: Failures, now_s: float) -> bool:
    """Whether a name is locked at a time; the secret is not even looked at then."""
    return now_s < failures.locked_until_s


def failed(failures: Failures, now_s: float) -> Failures:
    """Count a failure; the fifth locks, each further lock twice as long."""
    count = failures.count + 1 if now_s - failures.last_s <= WINDOW_S else 1
    if count < FAILURES_MAX:
        return replace(failures, count=count, last_s=now_s)
    lock_s = min(LOCK_S * 2.0**failures.locks, LOCK_S_MAX)
    return Failures(count=0, last_s=now_s, locked_until_s=now_s + lock_s, locks=failures.locks + 1)
