"""Numbers that look random and are functions: a seed and counters in, a number out.

Nothing is drawn and nothing is remembered, so a simulated day is the same day on every run,
in every order of calls. Called by the profiles of this room and by the scenario generator.
"""

import hashlib
import math
import struct

_SCALE = 2.0**-64


def uniform(seed: int, *counters: int) -> float:
    """Hash a seed and counters to a number that is uniform over its arguments.

    Parameters
    ----------
    seed : int
        Which stream, 64 bits are used.
    *counters : int
        Where in the stream, 64 bits of each are used.

    Returns
    -------
    float
        0 <= value < 1.
    """
    words = (seed, *counters)
    data = struct.pack(f">{len(words)}q", *(_signed(word) for word in words))
    digest = hashlib.blake2b(data, digest_size=8).digest()
    return min(int.from_bytes(digest, "big") * _SCALE, 1.0 - 2.0**-53)


def between(low: float, high: float, *, seed: int, counters: tuple[int, ...]) -> float:
    """Place :func:`uniform` in ``[low, high)``, in the unit of the bounds."""
    return low + (high - low) * uniform(seed, *counters)


def smooth(seed: int, position: float) -> float:
    """Noise that is continuous in its position and independent after one unit of it.

    Parameters
    ----------
    seed : int
        Which curve.
    position : float
        Dimensionless, for example a time divided by a correlation time.

    Returns
    -------
    float
        0 <= value <= 1.
    """
    lower = math.floor(position)
    share = position - lower
    weight = share * share * (3.0 - 2.0 * share)
    return uniform(seed, lower) * (1.0 - weight) + uniform(seed, lower + 1) * weight


def _signed(word: int) -> int:
    """Fold an integer into the 64 signed bits that are hashed."""
    return ((word + 2**63) % 2**64) - 2**63
