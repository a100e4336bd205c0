"""A measured course of a power, as a continuous function of time."""

from bisect import bisect_right
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Points joined by straight lines; constant before the first and after the last.

    Attributes
    ----------
    times_s : tuple of float
        Strictly rising, s.
    power_w : tuple of float
        As many, W; the sign is the user's.
    """

    times_s: tuple[float, ...]
    power_w: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check the shape."""
        assert len(self.times_s) == len(self.power_w) >= 1, "profile columns differ"
        assert all(
            early < late for early, late in zip(self.times_s, self.times_s[1:], strict=False)
        ), "profile times must rise"

    def at(self, time_s: float) -> float:
        """Power at a time, W."""
        upper = bisect_right(self.times_s, time_s)
        if upper == 0:
            return self.power_w[0]
        if upper == len(self.times_s):
            return self.power_w[-1]
        early_s, late_s = self.times_s[upper - 1], self.times_s[upper]
        early_w, late_w = self.power_w[upper - 1], self.power_w[upper]
        return early_w + (late_w - early_w) * (time_s - early_s) / (late_s - early_s)
