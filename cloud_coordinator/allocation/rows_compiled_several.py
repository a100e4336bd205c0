"""Several products' rows in C; see :mod:`rows_compiled`. Pure."""

import ctypes
from typing import Final, Protocol

import numpy as np

from cloud_coordinator.allocation.addresses import reals, wholes
from cloud_coordinator.allocation.rows import (
    ProductColumns,
    ProductPowers,
    ProductSurvey,
    Question,
)
from protocols.vocabulary.arrays import FloatArray, IntArray

PACK: Final = 4
PACKED: Final = 6
"""Rows in a packed block, and columns of a product in it."""


class Scratch(Protocol):
    """An array that is used again."""

    def take(self, columns: int, rows: int) -> FloatArray:
        """Return an array of shape (columns, rows); the last one returned is void then."""
        ...


class CompiledProductRows:
    """Packed rows of several products.

    They hold until rows are laid out again in the same thread.

    Parameters
    ----------
    library : CDLL
        The kernel, its arguments declared.
    columns : ProductColumns
        The rows.
    scratch : Scratch
        Where they are laid out.
    """

    def __init__(self, library: ctypes.CDLL, columns: ProductColumns, scratch: Scratch) -> None:
        self._library = library
        self._products = len(columns.c)
        self._energy = int(columns.energy is not None)
        self._rows = columns.starts
        blocks = -(-np.diff(columns.starts) // PACK)
        self._starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(blocks)])
        self._hours = columns.hours
        self._stride = 3 + 2 * self._products + self._products * (self._products + 1) // 2
        laid = [
            column
            for five in zip(
                columns.c, columns.q, columns.low, columns.high, columns.delivery, strict=True
            )
            for column in five
        ]
        laid += [columns.head] + ([] if columns.energy is None else [columns.energy])
        places = np.array([reals(column) for column in laid], dtype=np.int64)
        width = PACKED * self._products + 1 + self._energy
        self._packed = scratch.take(1, int(self._starts[-1]) * PACK * width)
        leaves, totals = np.empty((len(blocks), 3 + self._products)), np.empty(3 + self._products)
        library.vpp_products_pack(
            len(blocks),
            wholes(columns.starts),
            self._products,
            self._energy,
            wholes(places),
            reals(self._packed),
            reals(leaves),
            reals(totals),
        )
        self.survey = ProductSurvey(
            leaves=leaves[:, :3],
            capacity=leaves[:, 3:],
            cost_max=float(totals[0]),
            delivery_max=float(totals[1]),
            rise_min=float(totals[2]),
            bend=totals[3:],
        )
        self._shape = (self._products, self._energy, reals(self._packed))

    def totals(self, asked: Question, nu: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Sum of the powers of some leaves at nu, and how fast it falls."""
        out = np.empty((2, len(nu)))
        self._library.vpp_products_sums(
            len(nu),
            wholes(asked.which),
            wholes(self._starts),
            *self._shape,
            reals(asked.price),
            reals(self._hours),
            reals(nu),
            reals(out),
            reals(out) + 8 * len(nu),
        )
        return out[0], out[1]

    def respond(
        self, asked: Question, incoming: FloatArray, *, caps: FloatArray, nu: FloatArray
    ) -> tuple[FloatArray, IntArray, FloatArray]:
        """Answer of leaves at an incoming nu, or where their own caps hold them."""
        own = nu.copy()
        state = np.empty(len(nu), dtype=np.int64)
        out = np.empty((len(nu), self._stride))
        self._library.vpp_products_respond(
            len(nu),
            wholes(asked.which),
            wholes(self._starts),
            *self._shape,
            reals(asked.price),
            reals(self._hours),
            asked.reach,
            reals(incoming),
            reals(caps),
            reals(own),
            wholes(state),
            reals(out),
        )
        return own, state, out

    def powers(self, price: FloatArray, nu: FloatArray) -> ProductPowers:
        """Powers of all rows and what they come to."""
        power = np.empty((self._products, int(self._rows[-1])))
        facts = np.empty((len(nu), 2 + self._products))
        places = np.array([reals(row) for row in power], dtype=np.int64)
        self._library.vpp_products_powers(
            len(nu),
            wholes(self._starts),
            wholes(self._rows),
            *self._shape,
            reals(price),
            reals(self._hours),
            reals(nu),
            wholes(places),
            reals(facts),
        )
        return ProductPowers(
            power=power,
            sums=facts[:, 0].copy(),
            cost=float(facts[:, 1].sum()),
            delivered=facts[:, 2:].sum(axis=0),
        )
