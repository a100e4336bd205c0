"""Growable struct-of-arrays: named numpy columns of one length that double when full."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt


class Columns:
    """Named columns with ``size`` rows in use.

    Parameters
    ----------
    fields : mapping of str to (dtype, fill, width)
        ``width`` 0 makes a column of shape (rows,), else (rows, width). New rows hold
        ``fill``.
    capacity : int
        Rows to begin with, >= 1.
    """

    __slots__ = ("_arrays", "_fields", "size")

    def __init__(self, fields: Mapping[str, tuple[str, float, int]], capacity: int = 16) -> None:
        self._fields = dict(fields)
        self.size = 0
        self._arrays = {name: self._new(name, max(1, capacity)) for name in self._fields}

    def _new(self, name: str, rows: int) -> npt.NDArray[Any]:
        dtype, fill, width = self._fields[name]
        return np.full((rows, width) if width else rows, fill, dtype=np.dtype(dtype))

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """Return the rows in use of a column, as a writeable view."""
        return self._arrays[name][: self.size]

    def extend(self, rows: int) -> int:
        """Add rows holding the fill values and return the index of the first."""
        first, self.size = self.size, self.size + rows
        capacity = len(next(iter(self._arrays.values())))
        if self.size > capacity:
            while capacity < self.size:
                capacity *= 2
            for name, old in self._arrays.items():
                grown = self._new(name, capacity)
                grown[:first] = old[:first]
                self._arrays[name] = grown
        return first

    def reset(self, rows: slice) -> None:
        """Put the fill values back into some rows."""
        for name, (_, fill, _width) in self._fields.items():
            self._arrays[name][rows] = fill

    def take(self, rows: npt.NDArray[np.int64]) -> "Columns":
        """Copy the given rows, in that order, into new columns."""
        taken = Columns(self._fields, capacity=max(1, len(rows)))
        taken.extend(len(rows))
        for name, array in self._arrays.items():
            taken._arrays[name][: len(rows)] = array[rows]
        return taken
