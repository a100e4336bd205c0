"""The horizon problem as numbers: who can do what in which half-hour, and what it costs.

A quadratic program in units of the site's own size: stores with state of charge and two
efficiencies, generators, import and export with their tariff, soft obligations, soft contract
limits, a soft departure charge, wear, and a small rise of cost so that equal resources share. Only
vectors change while the :class:`Structure` stays. Plain numpy; :mod:`edge_agent.control.solver`
solves it.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from edge_agent.control.supply import SPREAD_JPY_PER_KWH
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.identifiers import ResourceId

W_PER_KW = 1000.0
UNITS_PER_RATING = 8.0
"""The largest resource has this many units of power: the solver sees every site alike."""
SECONDS_PER_HOUR = 3600.0
FREE = 1e4
"""A bound nobody reaches; a finite number keeps the solver's scaling steady."""
OVER_JPY_PER_KWH = 400.0
"""Price of breaking contract power, export limit or departure charge: above any obligation."""
REGULARISATION = 1e-3
"""Small curvature on the site's variables, JPY/kWh per unit, so that the answer is one point."""
TARIFF_GAP_JPY_PER_KWH = 0.01
"""Export never pays as much as import costs, else buying to sell would be free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStore:
    """A store over the horizon of n steps, generator frame.

    Attributes
    ----------
    resource_id : ResourceId
        Which one.
    power_w_min, power_w_max : FloatArray
        Shape (n,), W; zeros while an EV is away.
    energy_wh_capacity : float
        Wh, > 0.
    efficiency_charge, efficiency_discharge : float
        One way, 0..1.
    soc, soc_min, soc_max : float
        0..1; a ``soc`` outside its bounds is taken as the bound.
    wear_jpy_per_kwh : float
        Per kWh through it.
    end_value_jpy_per_kwh : float
        Of energy left at the end.
    soc_needed : float
        0..1 wanted at the end of step ``needed_step``; 0 without a wish.
    needed_step : int
        0-based.
    """

    resource_id: ResourceId
    power_w_min: FloatArray
    power_w_max: FloatArray
    energy_wh_capacity: float
    efficiency_charge: float
    efficiency_discharge: float
    soc: float
    soc_min: float
    soc_max: float
    wear_jpy_per_kwh: float
    end_value_jpy_per_kwh: float
    soc_needed: float = 0.0
    needed_step: int = 0

    @property
    def soc_start(self) -> float:
        """State of charge inside its bounds."""
        return min(max(self.soc, self.soc_min), self.soc_max)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedGenerator:
    """A generator over the horizon: ``available_w`` of shape (n,), W, at a cost per kWh."""

    resource_id: ResourceId
    available_w: FloatArray
    cost_jpy_per_kwh: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanInputs:
    """Everything a plan depends on.

    Attributes
    ----------
    plan_id : str
        Of the plan to make.
    start : datetime
        Aware UTC.
    step_s : float
        Length of a step.
    stores, generators : tuple
        What is planned.
    residual_w : FloatArray
        Shape (n,), W that nobody here controls.
    import_jpy_per_kwh, export_jpy_per_kwh : FloatArray
        Shape (n,).
    meter_w_min, meter_w_max : FloatArray
        Shape (n,), W; ``meter_w_min <= 0``.
    target_meter_w : FloatArray
        Shape (n,), W; only read where ``shortage_jpy_per_kwh > 0``.
    shortage_jpy_per_kwh : FloatArray
        Shape (n,), price of missing the target; 0 where nothing is owed.
    """

    plan_id: str
    start: datetime
    step_s: float
    stores: tuple[PlannedStore, ...]
    generators: tuple[PlannedGenerator, ...]
    residual_w: FloatArray
    import_jpy_per_kwh: FloatArray
    export_jpy_per_kwh: FloatArray
    meter_w_min: FloatArray
    meter_w_max: FloatArray
    target_meter_w: FloatArray
    shortage_jpy_per_kwh: FloatArray

    def __post_init__(self) -> None:
        """Check shapes."""
        n = len(self.residual_w)
        columns = [self.import_jpy_per_kwh, self.export_jpy_per_kwh, self.meter_w_min]
        columns += [self.meter_w_max, self.target_meter_w, self.shortage_jpy_per_kwh]
        columns += [s.power_w_min for s in self.stores] + [s.power_w_max for s in self.stores]
        columns += [g.available_w for g in self.generators]
        assert all(len(c) == n for c in columns), "columns of a plan differ in length"

    @property
    def steps(self) -> int:
        """Number of steps, n."""
        return len(self.residual_w)

    @property
    def hours(self) -> float:
        """Length of a step in h."""
        return self.step_s / SECONDS_PER_HOUR


@dataclass(frozen=True, slots=True)
class Structure:
    """What fixes the matrices; as long as it stays, only vectors change.

    Attributes
    ----------
    steps : int
        n.
    step_s : float
        Length of a step, s.
    stores : tuple of (efficiency_charge, efficiency_discharge, rated kW)
        One per store.
    generators : tuple of float
        Rated kW.
    """

    steps: int
    step_s: float
    stores: tuple[tuple[float, float, float], ...]
    generators: tuple[float, ...]

    @property
    def hours(self) -> float:
        """Length of a step in h."""
        return self.step_s / SECONDS_PER_HOUR

    @property
    def unit_w(self) -> float:
        """Unit of power, W; energies are in this unit times h."""
        rated = [rated for _, _, rated in self.stores] + list(self.generators)
        return max(rated, default=UNITS_PER_RATING) * W_PER_KW / UNITS_PER_RATING

    @property
    def variables(self) -> int:
        """Three columns per store, one per generator, six for the site, one slack per store."""
        return self.steps * (3 * len(self.stores) + len(self.generators) + 6) + len(self.stores)

    @property
    def rows(self) -> int:
        """Rows of coupling: two blocks per store, two for the site."""
        return self.steps * (2 * len(self.stores) + 2)

    def store_column(self, store: int, part: int) -> int:
        """First column of a store's charge (0), discharge (1) or energy (2)."""
        return self.steps * (3 * store + part)

    def generator_column(self, generator: int) -> int:
        """First column of a generator's power."""
        return self.steps * (3 * len(self.stores) + generator)

    def site_column(self, part: int) -> int:
        """First column of import, export, excess import, excess export, above, below (0..5)."""
        return self.steps * (3 * len(self.stores) + len(self.generators) + part)

    def store_row(self, store: int, part: int) -> int:
        """First row of a store's balance of energy (0) or wish (1)."""
        return self.steps * (2 * store + part)

    def site_row(self, part: int) -> int:
        """First row of the balance of power (0) or the obligation (1)."""
        return self.steps * (2 * len(self.stores) + part)


def structure_of(inputs: PlanInputs) -> Structure:
    """Read the structure of a plan's inputs."""
    return Structure(
        inputs.steps,
        inputs.step_s,
        tuple(
            (
                s.efficiency_charge,
                s.efficiency_discharge,
                _rated_kw(np.maximum(-s.power_w_min, s.power_w_max)),
            )
            for s in inputs.stores
        ),
        tuple(_rated_kw(g.available_w) for g in inputs.generators),
    )


def _rated_kw(power_w: FloatArray) -> float:
    """Rating for the rise of cost, kW: a power of two, so that it seldom changes."""
    largest = float(np.max(np.abs(power_w), initial=0.0)) / W_PER_KW
    return float(2.0 ** np.ceil(np.log2(max(largest, 0.5))))


Triplets = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], FloatArray]


def coupling(structure: Structure) -> Triplets:
    """Rows, columns and values of the coupling matrix, shape (rows, variables)."""
    n, h = structure.steps, structure.hours
    every, later = np.arange(n), np.arange(1, n)
    parts: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], float]] = []
    power, owed = structure.site_row(0), structure.site_row(1)
    slack = structure.site_column(6)
    for i, (charging, discharging, _) in enumerate(structure.stores):
        charge, discharge, energy = (structure.store_column(i, part) for part in range(3))
        row, wish = structure.store_row(i, 0), structure.store_row(i, 1)
        parts += [
            (row + every, energy + every, 1.0),
            (row + later, energy + later - 1, -1.0),
            (row + every, charge + every, -charging * h),
            (row + every, discharge + every, h / discharging),
            (wish + every, energy + every, 1.0),
            (wish + every, np.full(n, slack + i), 1.0),
            (power + every, charge + every, -1.0),
            (power + every, discharge + every, 1.0),
        ]
    parts += [
        (power + every, structure.generator_column(i) + every, 1.0)
        for i in range(len(structure.generators))
    ]
    for part, sign in ((0, 1.0), (1, -1.0), (2, 1.0), (3, -1.0)):
        parts.append((power + every, structure.site_column(part) + every, sign))
        parts.append((owed + every, structure.site_column(part) + every, -sign))
    parts.append((owed + every, structure.site_column(4) + every, -1.0))
    parts.append((owed + every, structure.site_column(5) + every, 1.0))
    return (
        np.concatenate([rows for rows, _, _ in parts]),
        np.concatenate([columns for _, columns, _ in parts]),
        np.concatenate([np.full(len(rows), value) for rows, _, value in parts]),
    )


def curvature(structure: Structure) -> FloatArray:
    """Diagonal of the quadratic cost per unit, shape (variables,); 0 for energy."""
    n, h = structure.steps, structure.hours
    unit_kw = structure.unit_w / W_PER_KW
    diagonal = np.full(structure.variables, REGULARISATION * h)
    for i, (_, _, rated) in enumerate(structure.stores):
        first = structure.store_column(i, 0)
        diagonal[first : first + 2 * n] = SPREAD_JPY_PER_KWH * h * unit_kw / rated
        diagonal[first + 2 * n : first + 3 * n] = 0.0
    for i, rated in enumerate(structure.generators):
        first = structure.generator_column(i)
        diagonal[first : first + n] = SPREAD_JPY_PER_KWH * h * unit_kw / rated
    return diagonal


@dataclass(frozen=True, slots=True)
class Vectors:
    """Cost and bounds: ``low <= [coupling; identity] x <= high``."""

    cost: FloatArray
    low: FloatArray
    high: FloatArray


def vectors(inputs: PlanInputs, structure: Structure) -> Vectors:
    """Fill the vectors of a plan's inputs."""
    rows, n = structure.rows, structure.steps
    cost = np.zeros(structure.variables)
    low, high = np.zeros(rows + structure.variables), np.zeros(rows + structure.variables)
    high[rows:] = FREE
    for i, store in enumerate(inputs.stores):
        _store_vectors(inputs, structure, (i, store), into=Vectors(cost, low, high))
    for i, generator in enumerate(inputs.generators):
        first = structure.generator_column(i)
        cost[first : first + n] = generator.cost_jpy_per_kwh * inputs.hours
        top = np.maximum(generator.available_w, 0.0) / structure.unit_w
        high[rows + first : rows + first + n] = top
    _site_vectors(inputs, structure, into=Vectors(cost, low, high))
    return Vectors(cost, low, high)


def _store_vectors(
    inputs: PlanInputs, structure: Structure, numbered: tuple[int, PlannedStore], *, into: Vectors
) -> None:
    """Fill the vectors of one store."""
    i, store = numbered
    n, rows, hours = structure.steps, structure.rows, inputs.hours
    capacity = store.energy_wh_capacity / structure.unit_w
    charge, discharge, energy = (structure.store_column(i, part) for part in range(3))
    into.cost[charge : charge + 2 * n] = store.wear_jpy_per_kwh * hours
    into.cost[energy + n - 1] = -store.end_value_jpy_per_kwh
    into.cost[structure.site_column(6) + i] = OVER_JPY_PER_KWH
    into.high[rows + charge : rows + charge + n] = (
        np.maximum(-store.power_w_min, 0.0) / structure.unit_w
    )
    into.high[rows + discharge : rows + discharge + n] = (
        np.maximum(store.power_w_max, 0.0) / structure.unit_w
    )
    into.low[rows + energy : rows + energy + n] = store.soc_min * capacity
    into.high[rows + energy : rows + energy + n] = store.soc_max * capacity
    row, wish = structure.store_row(i, 0), structure.store_row(i, 1)
    into.low[row] = into.high[row] = store.soc_start * capacity
    into.low[wish : wish + n] = 0.0
    into.low[wish + store.needed_step] = store.soc_needed * capacity
    into.high[wish : wish + n] = FREE


def _site_vectors(inputs: PlanInputs, structure: Structure, *, into: Vectors) -> None:
    """Fill the vectors of the site."""
    n, rows, hours = structure.steps, structure.rows, inputs.hours
    selling = np.minimum(
        inputs.export_jpy_per_kwh, inputs.import_jpy_per_kwh - TARIFF_GAP_JPY_PER_KWH
    )
    over = np.full(n, OVER_JPY_PER_KWH)
    shortage = inputs.shortage_jpy_per_kwh
    prices = (inputs.import_jpy_per_kwh, -selling, over, over, shortage, shortage)
    for part, price in enumerate(prices):
        first = structure.site_column(part)
        into.cost[first : first + n] = price * hours
    bought, sold = structure.site_column(0), structure.site_column(1)
    into.high[rows + bought : rows + bought + n] = (
        np.maximum(-inputs.meter_w_min, 0.0) / structure.unit_w
    )
    into.high[rows + sold : rows + sold + n] = (
        np.maximum(inputs.meter_w_max, 0.0) / structure.unit_w
    )
    np.minimum(into.high, FREE, out=into.high)
    power, owed = structure.site_row(0), structure.site_row(1)
    into.low[power : power + n] = into.high[power : power + n] = (
        -inputs.residual_w / structure.unit_w
    )
    is_owed = shortage > 0.0
    target = inputs.target_meter_w / structure.unit_w
    into.low[owed : owed + n] = np.where(is_owed, target, -FREE)
    into.high[owed : owed + n] = np.where(is_owed, target, FREE)
