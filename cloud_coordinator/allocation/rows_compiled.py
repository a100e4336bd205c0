"""The engine in C: the package's own small library, called by ctypes.

Built with the package where there is a compiler (``setup.py``). Pure like the rest: no state
but the arrays given and made here. The library is looked for once, at the first use.
"""

import ctypes
import functools
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from cloud_coordinator.allocation.addresses import reals, wholes
from cloud_coordinator.allocation.groups import Groups
from cloud_coordinator.allocation.rows import (
    PriceColumns,
    PriceProof,
    PriceRows,
    ProductColumns,
    ProductRows,
)
from cloud_coordinator.allocation.rows_compiled_several import CompiledProductRows
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.errors import VppError

VERSION: Final = 1
"""Of the kernel's arguments."""
PRICE_FACTS: Final = 8
DESK_PLACES: Final = {
    "facts": 0, "answers": 8, "sums": 11, "target": 12, "start": 13, "known": 14, "proof": 16
}  # fmt: skip
DESK: Final = 16
"""Where the small arrays of one product's rows stand side by side, in numbers per leaf."""
FLAT: Final = 1e-9
"""Least rise of a row's price, relative to the highest."""
EXACT_CHECKED: Final = 1e-11
EXACT: Final = 4e-15
"""Tolerance of a leaf's sum, relative to its size."""
UNSEEN: Final = 1e-6
"""What may be missing for the last step to be taken unseen; the proof then sees it."""
_STEM: Final = "_kernel"


class KernelMissingError(VppError):
    """The compiled kernel is not there, or not ours."""


class CompiledEngine:
    """Rows in C.

    Parameters
    ----------
    path : Path
        The library.

    Raises
    ------
    KernelMissingError
        If it cannot be loaded or speaks another version.
    """

    def __init__(self, path: Path) -> None:
        try:
            library = ctypes.CDLL(str(path))
            library.vpp_kernel_version.restype = ctypes.c_int64
            version = int(library.vpp_kernel_version())
        except (OSError, AttributeError) as error:
            raise KernelMissingError(str(error)) from error
        if version != VERSION:
            raise KernelMissingError(f"{path.name} has version {version}, wanted is {VERSION}")
        self._library = library
        whole, real, at = ctypes.c_int64, ctypes.c_double, ctypes.c_void_p
        for name, arguments in {
            "vpp_price_guess": [whole, *[at] * 4, real],
            "vpp_memory_floor": [whole, *[at] * 5],
            "vpp_price_survey": [whole, *[at] * 5, real, at],
            "vpp_price_steepen": [whole, *[at] * 4, real, at, at],
            "vpp_price_sums": [whole, *[at] * 9],
            "vpp_price_roots": [whole, *[at] * 10, real, real, at],
            "vpp_price_finish": [whole, *[at] * 11],
            "vpp_nodes_cut": [whole, *[at] * 6],
            "vpp_nodes_fold": [whole, at, at, at, whole, at],
            "vpp_products_pack": [whole, at, whole, whole, *[at] * 4],
            "vpp_products_respond": [whole, at, at, whole, whole, *[at] * 3, real, *[at] * 5],
            "vpp_products_sums": [whole, at, at, whole, whole, *[at] * 6],
            "vpp_products_powers": [whole, at, at, whole, whole, *[at] * 6],
        }.items():
            function = getattr(library, name)
            function.argtypes = arguments
            function.restype = {"vpp_price_survey": whole, "vpp_price_guess": real}.get(name)
        self._scratch, self._packed = _Scratch(), _Scratch()

    @property
    def name(self) -> str:
        """What answered, for people."""
        return "compiled"

    def column_mover(self, four: Sequence[FloatArray], out: FloatArray) -> Callable[[], None]:
        """Prepare reading four columns and writing one: the floor benchmarks compare with."""
        places, rows = [*(reals(column) for column in four), reals(out)], len(out)
        kept = (*four, out)  # the addresses are good as long as the arrays are

        def move() -> None:
            assert len(kept) == len(places), "one array per address"
            self._library.vpp_memory_floor(rows, *places)

        return move

    def price_rows(self, columns: PriceColumns) -> PriceRows | None:
        """Weigh the rows of one product; None if a row is not sound."""
        rows = _CompiledPriceRows(self._library, columns, self._scratch)
        return rows if rows.sound else None

    def cut_up(
        self,
        groups: Groups,
        depth: int,
        *,
        bounds: tuple[FloatArray, FloatArray],
        found: FloatArray,
    ) -> None:
        """Add all nodes below a depth, cut to their caps, to their parents."""
        low, high = bounds
        self._library.vpp_nodes_cut(
            groups.below[depth],
            wholes(groups.upward),
            wholes(groups.parent),
            reals(low),
            reals(high),
            reals(found),
            reals(found) + found.strides[0],
        )

    def fold_up(self, groups: Groups, state: IntArray, *, facts: FloatArray, products: int) -> None:
        """Add the facts of all nodes to their parents', less what held nodes do not move."""
        self._library.vpp_nodes_fold(
            groups.below[0],
            wholes(groups.upward),
            wholes(groups.parent),
            wholes(state),
            products,
            reals(facts),
        )

    def product_rows(self, columns: ProductColumns) -> ProductRows:
        """Lay out the rows of several products, which are sound."""
        return CompiledProductRows(self._library, columns, self._packed)


class _Scratch(threading.local):
    """Arrays that are made once per size and used again: fresh ones cost page faults.

    Each thread has its own, for the kernel runs without the interpreter's lock.
    """

    def __init__(self) -> None:
        self._rows = np.empty((0, 0))

    def take(self, columns: int, rows: int) -> FloatArray:
        """Return an array of shape (columns, rows); the last one returned is void then."""
        if self._rows.shape != (columns, rows):
            self._rows = np.empty((columns, rows))
        return self._rows


class _CompiledPriceRows:
    """Surveyed rows; the columns are kept, for the pointers look into them."""

    def __init__(self, library: ctypes.CDLL, columns: PriceColumns, scratch: _Scratch) -> None:
        self._library = library
        self.columns = columns
        count = self._leaves = len(columns.starts) - 1
        # Everything small that the kernel reads and writes lies in one array: an address costs
        # more than a microsecond to find.
        self._desk = np.zeros(DESK * count + 4)
        first = reals(self._desk)
        self._at = {name: first + 8 * count * place for name, place in DESK_PLACES.items()}
        self.facts = self._desk[: PRICE_FACTS * count].reshape(count, PRICE_FACTS)
        self._raw = [reals(column) for column in (columns.c, columns.q, columns.low, columns.high)]
        self._steep = self._raw
        self._starts = wholes(columns.starts)
        self.hint = columns.hint
        if not np.isfinite(self.hint):
            self.hint = float(library.vpp_price_guess(len(columns.c), *self._raw, columns.required))
        self.sound = not library.vpp_price_survey(
            self._leaves, self._starts, *self._raw, self.hint, self._at["facts"]
        )
        if self.sound and self._leaves:
            self._steepen(scratch)

    def _steepen(self, scratch: _Scratch) -> None:
        """Give rows whose price hardly rises a small rise, so that every price has an answer."""
        low, high = self.facts[:, 3], self.facts[:, 4]
        lows, highs = float(low.min()), float(high.max())
        least = FLAT * (max(-lows, lows, -highs, highs) or 1.0)
        if float(self.facts[:, 5].min()) >= least:
            return
        columns = self.columns
        work = scratch.take(2, len(columns.c))
        steep = [reals(work), reals(work) + work.strides[0]]
        self._library.vpp_price_steepen(len(columns.c), *self._raw, least, *steep)
        self._steep = [*steep, *self._raw[2:]]
        low -= least
        high += least
        every = np.arange(self._leaves)
        self.facts[:, 6], self.facts[:, 7] = self.totals(every, np.full(self._leaves, self.hint))

    def totals(self, which: IntArray, price: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Sum of the powers of some leaves at a price each, and its slope."""
        out = np.empty((2, len(which)))
        self._library.vpp_price_sums(
            len(which),
            wholes(which),
            self._starts,
            *self._steep,
            reals(price),
            reals(out),
            reals(out) + 8 * len(which),
        )
        return out[0], out[1]

    def roots(
        self,
        which: IntArray,
        target: FloatArray,
        *,
        start: FloatArray,
        known: FloatArray,
        is_checked: bool = False,
    ) -> FloatArray:
        """Price at which leaves sum to a target."""
        count = len(which)
        self._put("target", target)
        self._put("start", start)
        self._put("known", known)
        self._library.vpp_price_roots(
            count,
            None if self._leaves == 1 else wholes(which),
            self._starts,
            *self._steep,
            self._at["facts"],
            self._at["target"],
            self._at["start"],
            self._at["known"],
            EXACT_CHECKED if is_checked else EXACT,
            UNSEEN if is_checked else 0.0,
            self._at["answers"],
        )
        place = DESK_PLACES["answers"] * self._leaves
        return self._desk[place : place + 3 * count].reshape(count, 3).copy()

    def _put(self, name: str, values: FloatArray) -> None:
        place = DESK_PLACES[name] * self._leaves
        self._desk[place : place + values.size] = values.reshape(-1)

    def proof(self, answers: FloatArray) -> PriceProof:
        """Powers at the answers of all leaves."""
        power = np.empty_like(self.columns.c)
        self._put("answers", answers)
        self._library.vpp_price_finish(
            self._leaves,
            self._starts,
            *self._raw,
            *self._steep[:2],
            self._at["answers"],
            reals(power),
            self._at["sums"],
            self._at["proof"],
        )
        place = DESK_PLACES["sums"] * self._leaves
        cost, gap, _, slope = self._desk[-4:].tolist()
        sums = self._desk[place : place + self._leaves].copy()
        return PriceProof(power=power, sums=sums, cost=cost, gap=gap, slope=slope)


@functools.cache
def compiled_engine() -> CompiledEngine:
    """Load the kernel that was built with the package.

    Raises
    ------
    KernelMissingError
        If there is none; the cause says why.
    """
    found = sorted(Path(__file__).parent.glob(f"{_STEM}*.so")) + sorted(
        Path(__file__).parent.glob(f"{_STEM}*.pyd")
    )
    if not found:
        raise KernelMissingError("no compiled kernel: the package was installed without a compiler")
    return CompiledEngine(found[0])
