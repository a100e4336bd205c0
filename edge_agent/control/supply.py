"""Supply curves: how much power a resource gives at a marginal price, and filling by price.

A curve is monotone and piecewise linear in the price. Costs are convex and separable, so the
cheapest way to reach a total is one price for all (exact water-filling); sums and clipped sums of
curves are curves again, which is how groups nest. The same curves make the second's balance
and the committed offer. Pure arithmetic; called by dispatch and offer.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from edge_agent.control.inputs import Binding, Tariff
from protocols.vocabulary.resource import Capability

SPREAD_JPY_PER_KWH = 1.0
"""Rise of the marginal cost from no power to rated power: equal resources share equally."""

SOC_TILT_JPY_PER_KWH = 1.0
"""Extra value of a kWh in an empty store against a full one: stores stay balanced."""

WANTED_CHARGE_FACTOR = 1.5
"""Without a plan, a store that cannot discharge values a kWh at this times the import price."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Monotone piecewise-linear power over price.

    Attributes
    ----------
    prices : tuple of float
        JPY/kWh, not decreasing, at least one.
    powers_w : tuple of float
        W at each price, not decreasing; constant outside.
    """

    prices: tuple[float, ...]
    powers_w: tuple[float, ...]

    @property
    def low_w(self) -> float:
        """Least power, W."""
        return self.powers_w[0]

    @property
    def high_w(self) -> float:
        """Greatest power, W."""
        return self.powers_w[-1]

    def power_at(self, price: float) -> float:
        """Power in W at a price."""
        return _interpolate(self.prices, self.powers_w, price)

    def price_at(self, power_w: float) -> float:
        """Return the lowest price in JPY/kWh that gives a power; an end outside the curve."""
        upper = bisect_left(self.powers_w, power_w)
        if upper == 0:
            return self.prices[0]
        if upper == len(self.powers_w):
            return self.prices[-1]
        return _between(
            (self.powers_w[upper - 1], self.prices[upper - 1]),
            (self.powers_w[upper], self.prices[upper]),
            power_w,
        )

    def clipped(self, low_w: float, high_w: float) -> "Curve":
        """Return the curve held inside a range of powers, W."""
        if self.low_w >= low_w and self.high_w <= high_w:
            return self
        low_w = min(max(low_w, self.low_w), self.high_w)
        high_w = max(min(high_w, self.high_w), low_w)
        first, last = self.price_at(low_w), self.price_at(high_w)
        inner = [
            (price, power)
            for price, power in zip(self.prices, self.powers_w, strict=True)
            if first < price < last and low_w <= power <= high_w
        ]
        knots = [(first, low_w), *inner, (max(last, first), high_w)]
        return Curve(tuple(k[0] for k in knots), tuple(k[1] for k in knots))


def _interpolate(xs: Sequence[float], ys: Sequence[float], x: float) -> float:
    """Linear between points, constant outside."""
    upper = bisect_right(xs, x)
    if upper == 0:
        return ys[0]
    if upper == len(xs):
        return ys[-1]
    return _between((xs[upper - 1], ys[upper - 1]), (xs[upper], ys[upper]), x)


def _between(low: tuple[float, float], high: tuple[float, float], x: float) -> float:
    """Value at x of the line through two points with different x."""
    part = (x - low[0]) / (high[0] - low[0])
    return min(max(low[1] + (high[1] - low[1]) * part, low[1]), high[1])


def total_of(curves: Sequence[Curve]) -> Curve:
    """Sum of curves over the price: one sweep over their corners."""
    corners: list[tuple[float, float]] = []
    base_w = 0.0
    for curve in curves:
        base_w += curve.powers_w[0]
        prices, powers = curve.prices, curve.powers_w
        for i in range(len(prices) - 1):
            width, rise_w = prices[i + 1] - prices[i], powers[i + 1] - powers[i]
            if rise_w > 0.0 and width > 0.0:
                slope = rise_w / width
                corners.append((prices[i], slope))
                corners.append((prices[i + 1], -slope))
    if not corners:
        return Curve((0.0,), (base_w,))
    corners.sort()
    knots_price, knots_w = [corners[0][0]], [base_w]
    slope = 0.0
    for price, change in corners:
        if price > knots_price[-1]:
            rise_w = max(slope, 0.0) * (price - knots_price[-1])
            knots_w.append(knots_w[-1] + rise_w)
            knots_price.append(price)
        slope += change
    return Curve(tuple(knots_price), tuple(knots_w))


def fill(curves: Sequence[Curve], total_w: float) -> tuple[float, list[float]]:
    """Reach a total at least cost.

    Parameters
    ----------
    curves : sequence of Curve
        One per resource, at least one.
    total_w : float
        Wanted sum, W; the nearest end if out of reach.

    Returns
    -------
    tuple of float and list of float
        The price in JPY/kWh and the power of each curve in W, each inside its curve.
    """
    price = total_of(curves).price_at(total_w)
    powers = [curve.power_at(price) for curve in curves]
    rest_w = total_w - sum(powers)
    for i, curve in enumerate(curves):
        if rest_w == 0.0:
            break
        moved_w = min(max(powers[i] + rest_w, curve.low_w), curve.high_w) - powers[i]
        powers[i] += moved_w
        rest_w -= moved_w
    return price, powers


def is_storage(binding: Binding) -> bool:
    """Whether the resource stores energy and says how full it is."""
    return binding.soc_point is not None and binding.resource.energy_wh_capacity > 0.0


def takes_power(binding: Binding) -> bool:
    """Whether the resource can be told a power or a limit."""
    capabilities = binding.resource.capabilities
    return Capability.TAKES_SETPOINT in capabilities or Capability.TAKES_LIMIT in capabilities


def only_consumes(binding: Binding) -> bool:
    """Whether it is a load that can be told to take less: no storage, and never gives."""
    resource = binding.resource
    loads = resource.power_w_max <= 0.0 and resource.power_w_min < 0.0
    return loads and takes_power(binding) and not is_storage(binding)


def is_sink(binding: Binding) -> bool:
    """Whether its setpoint is a ceiling on consumption, and what it goes without has a price."""
    return binding.comfort_jpy_per_kwh is not None and only_consumes(binding)


def takes_limit_only(binding: Binding) -> bool:
    """Whether a setpoint is an upper bound to the resource, as for PV."""
    capabilities = binding.resource.capabilities
    limited = (
        Capability.TAKES_LIMIT in capabilities and Capability.TAKES_SETPOINT not in capabilities
    )
    return limited and not is_sink(binding)


def is_generator(binding: Binding) -> bool:
    """Whether it gives power without a store, and takes a power or a limit."""
    gives = binding.resource.power_w_max > 0.0
    return gives and takes_power(binding) and not is_storage(binding)


def is_controllable(binding: Binding) -> bool:
    """Whether the balance can use it: a store, a generator or a sink that can be told."""
    gives = is_storage(binding) or binding.resource.power_w_max > 0.0
    return (gives and takes_power(binding)) or is_sink(binding)


def default_stored_value(binding: Binding, tariff: Tariff, soc: float) -> float:
    """Value of stored energy without a plan, JPY/kWh.

    Parameters
    ----------
    binding : Binding
        A store.
    tariff : Tariff
        The site's tariff.
    soc : float
        0..1; an emptier store values energy a little more.

    Returns
    -------
    float
        Midway between what a surplus kWh is worth in the store and what a missing one may
        cost, so that the site uses its own energy first. A store that cannot discharge
        wants to be filled.
    """
    resource, wear = binding.resource, binding.degradation_jpy_per_kwh
    if resource.power_w_max <= 0.0:
        return WANTED_CHARGE_FACTOR * tariff.import_jpy_per_kwh
    worth = (tariff.export_jpy_per_kwh + wear) / resource.efficiency_charge
    saved = (tariff.import_jpy_per_kwh - wear) * resource.efficiency_discharge
    tilt = SOC_TILT_JPY_PER_KWH * (0.5 - soc)
    return max((worth + saved) / 2.0 + tilt, 0.0)


def supply_of(binding: Binding, low_w: float, high_w: float, *, stored_value: float) -> Curve:
    """Curve of one resource inside a range of powers.

    Parameters
    ----------
    binding : Binding
        The resource.
    low_w, high_w : float
        W, ``low_w <= high_w``.
    stored_value : float
        JPY/kWh >= 0 of energy in a store; not used for a generator or a sink.

    Returns
    -------
    Curve
        A store discharges above ``value / efficiency + wear`` and charges below
        ``value * efficiency - wear``; a generator runs fully from its own cost upwards; a
        sink goes without from the price of its comfort upwards.
    """
    resource, wear = binding.resource, binding.degradation_jpy_per_kwh
    if high_w <= low_w:
        return Curve((0.0,), (low_w,))
    rated_w = max(-resource.power_w_min, resource.power_w_max, 1.0)
    slope = SPREAD_JPY_PER_KWH / rated_w
    if is_sink(binding):
        comfort = binding.comfort_jpy_per_kwh or 0.0
        return Curve((comfort, comfort + slope * (high_w - low_w)), (low_w, high_w))
    if not is_storage(binding):
        return Curve((wear - slope * (high_w - low_w), wear), (low_w, high_w))
    charge = stored_value * resource.efficiency_charge - wear
    discharge = max(stored_value / resource.efficiency_discharge + wear, charge)
    prices: list[float] = []
    powers: list[float] = []
    if low_w < 0.0:
        top_w = min(high_w, 0.0)
        prices += [charge + slope * low_w, charge + slope * top_w]
        powers += [low_w, top_w]
    if high_w > 0.0:
        bottom_w = max(low_w, 0.0)
        prices += [discharge + slope * bottom_w, discharge + slope * high_w]
        powers += [bottom_w, high_w]
    return Curve(tuple(prices), tuple(powers))
