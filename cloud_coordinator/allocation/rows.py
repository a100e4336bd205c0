"""What an engine does with many rows at once: the port between the search and its loops.

Two engines stand behind it: :mod:`rows_numpy` (the reference, and what runs without a
compiler) and :mod:`rows_compiled`. The search itself is shared, so they can only differ in
rounding. Leaves and their rows are as :class:`~cloud_coordinator.allocation.groups.Groups`
sorts them. Prices here are per W and h, in thousands of the caller's unit's denominator: the
search never looks at units.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cloud_coordinator.allocation.groups import Groups
from protocols.vocabulary.arrays import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceColumns:
    """One product: cost ``c x + q x**2 / 2``, ``low <= x <= high``, sorted by leaf.

    Attributes
    ----------
    c, q, low, high : FloatArray
        Shape (n,), contiguous.
    starts : IntArray
        Shape (m + 1,), first row of each leaf.
    required, hint : float
        What all rows should sum to, and a price to begin with; NaN: find one.
    """

    c: FloatArray
    q: FloatArray
    low: FloatArray
    high: FloatArray
    starts: IntArray
    required: float
    hint: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceProof:
    """Powers and what they cost.

    Attributes
    ----------
    power : FloatArray
        Shape (n,).
    sums : FloatArray
        Shape (m,), of each leaf.
    cost, gap : float
        Cost of all rows, and how far it is above the least at the leaves' prices.
    slope : float
        How fast the sum of all rows rises with a price that is the same for all.
    """

    power: FloatArray
    sums: FloatArray
    cost: float
    gap: float
    slope: float


class PriceRows(Protocol):
    """Rows that answer one price per leaf."""

    @property
    def facts(self) -> FloatArray:
        """What is known of each leaf, shape (m, 8).

        Sum of low, of high, of magnitudes; lowest and highest price at which a row moves;
        least rise of a row's price; sum and slope at the hint.
        """
        ...

    @property
    def columns(self) -> PriceColumns:
        """The rows."""
        ...

    @property
    def hint(self) -> float:
        """A price to begin with."""
        ...

    def totals(self, which: IntArray, price: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Sum of the powers of some leaves at a price each, and its slope."""
        ...

    def roots(
        self,
        which: IntArray,
        target: FloatArray,
        *,
        start: FloatArray,
        known: FloatArray,
        is_checked: bool = False,
    ) -> FloatArray:
        """Price at which leaves sum to a target: (low, high, part of the way), shape (k, 3).

        ``known`` holds sum and slope at the start, shape (k, 2). ``is_checked``: the caller
        looks at the sum of the powers, so the last step need not be looked at here.
        """
        ...

    def proof(self, answers: FloatArray) -> PriceProof:
        """Powers at the answers of all leaves."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductColumns:
    """P products of one direction, sorted by leaf, all of them turned upward.

    Attributes
    ----------
    c, q, low, high, delivery : sequence of FloatArray
        One column of shape (n,) per product; q >= 0, and where it is 0 or hardly more the
        survey says so: such rows are laid out only to be looked over.
    head : FloatArray
        Shape (n,), what the products of a row may sum to.
    energy : FloatArray or None
        Shape (n,), what ``sum hours * x`` may be.
    hours : FloatArray
        Shape (P,).
    starts : IntArray
        Shape (m + 1,).
    """

    c: Sequence[FloatArray]
    q: Sequence[FloatArray]
    low: Sequence[FloatArray]
    high: Sequence[FloatArray]
    delivery: Sequence[FloatArray]
    head: FloatArray
    energy: FloatArray | None
    hours: FloatArray
    starts: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductSurvey:
    """What is known of rows before any price.

    Attributes
    ----------
    leaves : FloatArray
        Shape (m, 3): sums of the least, of the most, and of the magnitudes of the powers.
    capacity : FloatArray
        Shape (m, P), what each leaf could deliver of each product alone.
    cost_max, delivery_max : float
        No marginal cost is further from zero, and no factor larger.
    rise_min : float
        Least rise of a row's price from low to high.
    bend : FloatArray
        Shape (P,), the most that delivery can follow a price.
    """

    leaves: FloatArray
    capacity: FloatArray
    cost_max: float
    delivery_max: float
    rise_min: float
    bend: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductPowers:
    """Powers of several products and what they come to.

    Attributes
    ----------
    power : FloatArray
        Shape (P, n).
    sums : FloatArray
        Shape (m,), of each leaf over all products.
    cost : float
        Of all rows, as their columns say.
    delivered : FloatArray
        Shape (P,).
    """

    power: FloatArray
    sums: FloatArray
    cost: float
    delivered: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a search asks some leaves at once.

    Attributes
    ----------
    which : IntArray
        Shape (k,).
    price : FloatArray
        Shape (P,), of the products.
    reach : float
        No leaf's own price is further from zero.
    """

    which: IntArray
    price: FloatArray
    reach: float


class ProductRows(Protocol):
    """Rows that answer P prices of products and one price of their leaf."""

    @property
    def survey(self) -> ProductSurvey:
        """What is known before any price."""
        ...

    def totals(self, asked: Question, nu: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Sum of the powers of some leaves at nu, and how fast it falls."""
        ...

    def respond(
        self, asked: Question, incoming: FloatArray, *, caps: FloatArray, nu: FloatArray
    ) -> tuple[FloatArray, IntArray, FloatArray]:
        """Answer of leaves at an incoming nu, or where their own caps hold them.

        Parameters
        ----------
        asked : Question
            k leaves.
        incoming, nu : FloatArray
            Shape (k,), the price from above, and where to begin the search.
        caps : FloatArray
            Shape (k, 3), lowest and highest sum, tolerance.

        Returns
        -------
        tuple
            nu (k,); state (k,): 1 held at the highest sum, -1 at the lowest, else 0; and
            (k, 3 + 2 P + P (P + 1) / 2): sum, slope, value, delivered power of each product
            and its slope against nu, slopes of delivered power against prices (upper part).
        """
        ...

    def powers(self, price: FloatArray, nu: FloatArray) -> ProductPowers:
        """Powers of all rows at the products' prices and every leaf's."""
        ...


class Engine(Protocol):
    """Makes rows."""

    @property
    def name(self) -> str:
        """What answered, for people."""
        ...

    def price_rows(self, columns: PriceColumns) -> PriceRows | None:
        """Weigh the rows of one product; None if a row is not sound."""
        ...

    def cut_up(
        self,
        groups: Groups,
        depth: int,
        *,
        bounds: tuple[FloatArray, FloatArray],
        found: FloatArray,
    ) -> None:
        """Add all nodes below a depth, cut to their caps, to their parents.

        ``found`` holds sums and slopes by node, shape (2, nodes), and is changed; ``bounds``
        are the lowest and highest sums. What is cut does not move.
        """
        ...

    def fold_up(self, groups: Groups, state: IntArray, *, facts: FloatArray, products: int) -> None:
        """Add the facts of all nodes to their parents', less what held nodes do not move.

        ``facts`` is by node, shape (nodes, ...) as :meth:`ProductRows.respond` tells them of
        leaves, and is changed; a node's own stay what they were before it was held.
        """
        ...

    def product_rows(self, columns: ProductColumns) -> ProductRows:
        """Lay out the rows of several products, which are sound."""
        ...
