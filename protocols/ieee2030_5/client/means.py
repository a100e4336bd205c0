"""Mean powers between two readings; a second without a measurement counts for nothing."""

from dataclasses import dataclass, field

from protocols.ieee2030_5.client.clock import ServerClock
from protocols.ieee2030_5.resources.elements import DateTimeInterval


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A mean power.

    Attributes
    ----------
    power_w : float
        W, + toward the grid.
    since_s, until_s : float
        First and last measurement in it, our clock.
    total_w, count : float, int
        What it is the mean of.
    """

    power_w: float
    since_s: float
    until_s: float
    total_w: float
    count: int

    def period(self, clock: ServerClock) -> DateTimeInterval:
        """Period in the server's time, at least one second."""
        start = int(clock.server_s(self.since_s))
        return DateTimeInterval(
            start=start, duration=max(int(clock.server_s(self.until_s)) - start, 1)
        )


@dataclass(slots=True)
class Means:
    """Running means by role."""

    _sums: dict[int, Mean] = field(default_factory=dict)

    def add(self, role: int, power_w: float | None, at_s: float) -> None:
        """Take a measurement."""
        if power_w is None:
            return
        known = self._sums.get(role)
        total_w = power_w + (0.0 if known is None else known.total_w)
        count = 1 + (0 if known is None else known.count)
        self._sums[role] = Mean(
            power_w=total_w / count,
            since_s=at_s if known is None else known.since_s,
            until_s=at_s,
            total_w=total_w,
            count=count,
        )

    def mean(self, role: int) -> Mean | None:
        """Mean of what was measured, None if nothing was."""
        return self._sums.get(role)

    def restart(self, role: int, sent: Mean) -> None:
        """Begin anew after a mean was sent; what was measured meanwhile is kept."""
        known = self._sums.pop(role)
        count = known.count - sent.count
        if count > 0:
            total_w = known.total_w - sent.total_w
            self._sums[role] = Mean(
                power_w=total_w / count,
                since_s=sent.until_s,
                until_s=known.until_s,
                total_w=total_w,
                count=count,
            )
