"""Cumulants of sums, and the quantiles that they say. Pure.

Notes
-----
Fisher and Cornish (1960), The percentile points of distributions having known cumulants.
"""

from typing import Final

import numpy as np

from protocols.vocabulary.arrays import FloatArray

Z_MAX: Final = 12.0
"""Deviations from the mean beyond which nothing is told apart."""
_HALVINGS: Final = 60


def cumulants(power: FloatArray, up: FloatArray) -> FloatArray:
    """First four cumulants of each site's delivery alone, shape (4, n)."""
    spread = up * (1.0 - up)
    return np.stack(
        [
            up * power,
            spread * power**2,
            spread * (1.0 - 2.0 * up) * power**3,
            spread * (1.0 - 6.0 * spread) * power**4,
        ]
    )


def unskewed(z: FloatArray, skewness: FloatArray, excess: FloatArray) -> FloatArray:
    """Find the normal quantile that Cornish and Fisher's expansion turns into z."""
    at_0, at_2 = -skewness / 6.0, skewness / 6.0
    at_1 = 1.0 - excess / 8.0 + skewness**2 * 5.0 / 36.0
    at_3 = excess / 24.0 - skewness**2 / 18.0
    low, high = np.full_like(z, -Z_MAX), np.full_like(z, Z_MAX)
    for _ in range(_HALVINGS):
        w = 0.5 * (low + high)
        below = at_0 + w * (at_1 + w * (at_2 + w * at_3)) < z
        low, high = np.where(below, w, low), np.where(below, high, w)
    return 0.5 * (low + high)
