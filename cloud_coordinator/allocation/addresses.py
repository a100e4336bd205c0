"""Addresses of arrays for the kernel, which trusts them: so they are checked here. Pure."""

import numpy as np

from protocols.vocabulary.arrays import FloatArray, IntArray


def reals(array: FloatArray) -> int:
    """Address of float64 numbers side by side."""
    assert array.dtype == np.float64, "the kernel reads float64"
    assert array.flags.c_contiguous, "the kernel reads numbers side by side"
    return array.ctypes.data


def wholes(array: IntArray) -> int:
    """Address of int64 numbers side by side."""
    assert array.dtype == np.int64, "the kernel reads int64"
    assert array.flags.c_contiguous, "the kernel reads numbers side by side"
    return array.ctypes.data
