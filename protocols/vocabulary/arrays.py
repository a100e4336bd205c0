"""Read-only numpy columns for the nouns."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def column(values: Iterable[float] | npt.NDArray[np.floating]) -> FloatArray:
    """Copy values into a read-only float64 column of shape (n,).

    Parameters
    ----------
    values : iterable of float
        Finite numbers in the unit that the field's name says.

    Returns
    -------
    FloatArray
        Shape (n,), not writeable.
    """
    array = np.array(values if isinstance(values, np.ndarray) else list(values), dtype=np.float64)
    assert array.ndim == 1, "a column has one dimension"
    assert bool(np.isfinite(array).all()), "a column holds finite numbers"
    array.flags.writeable = False
    return array
