"""What named objectives mean and what kinds of resources cost, read from ``aims.toml``."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from cloud_coordinator.services.strategies.port import Aim, Objective
from protocols.vocabulary.errors import ConfigError

_FILE: Final = "aims.toml"
PRICE_JPY_MAX: Final = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KindCost:
    """Marginal cost of a kind in one direction, JPY/kWh.

    Attributes
    ----------
    energy_factor : float
        Times the energy price, ...
    adder_jpy_per_kwh : float
        ... plus this, at 0 W, ...
    rise_jpy_per_kwh : float
        ... and so much more at the whole headroom, >= 0.
    """

    energy_factor: float
    adder_jpy_per_kwh: float
    rise_jpy_per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Aims:
    """The file.

    Attributes
    ----------
    aims : mapping of Objective to Aim
        All of them.
    up, down : mapping of str to KindCost
        By kind; a kind that is absent is never asked.
    energy_jpy_per_kwh : float
        Where nobody published another price.
    shortage_times, shortage_jpy_per_kwh_min : float
        Price of a missing kWh by the energy price, and at least.
    """

    aims: Mapping[Objective, Aim]
    up: Mapping[str, KindCost]
    down: Mapping[str, KindCost]
    energy_jpy_per_kwh: float
    shortage_times: float
    shortage_jpy_per_kwh_min: float

    def shortage_jpy_per_kwh(self, energy_jpy_per_kwh: float) -> float:
        """Price of a missing kWh."""
        return max(self.shortage_times * energy_jpy_per_kwh, self.shortage_jpy_per_kwh_min)


@cache
def load_aims() -> Aims:
    """Read the file that comes with the package."""
    folder = files("cloud_coordinator.services.strategies")
    return parse_aims(folder.joinpath(_FILE).read_text("utf-8"), _FILE)


def parse_aims(text: str, source: str) -> Aims:
    """Parse the file.

    Raises
    ------
    ConfigError
        Naming file, place and cause.
    """
    try:
        plain = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: {error}") from error
    aims = _table(plain, "aim", source)
    reference, where = _table(plain, "reference", source), f"{source}: reference."
    most = PRICE_JPY_MAX
    return Aims(
        aims={one: _aim(aims, one, source) for one in Objective},
        up=_costs(plain, "up", source),
        down=_costs(plain, "down", source),
        energy_jpy_per_kwh=_number(reference, "energy_jpy_per_kwh", where, high=most),
        shortage_times=_number(reference, "shortage_times", where, high=100.0),
        shortage_jpy_per_kwh_min=_number(reference, "shortage_jpy_per_kwh_min", where, high=most),
    )


def _aim(aims: Mapping[str, object], objective: Objective, source: str) -> Aim:
    plain, where = _table(aims, objective.value, source), f"{source}: aim.{objective.value}."
    sells = plain.get("sells_surplus")
    if not isinstance(sells, bool):
        raise ConfigError(f"{where}sells_surplus: true or false")
    return Aim(
        objective=objective,
        sells_surplus=sells,
        probability=_number(plain, "probability", where, low=0.5, high=0.999999),
        grid_jpy_per_kwh=_number(plain, "grid_jpy_per_kwh", where, high=PRICE_JPY_MAX),
    )


def _costs(plain: Mapping[str, object], side: str, source: str) -> dict[str, KindCost]:
    found = {}
    for kind in _table(plain, side, source):
        one = _table(_table(plain, side, source), kind, source)
        where, most = f"{source}: {side}.{kind}.", PRICE_JPY_MAX
        found[kind] = KindCost(
            energy_factor=_number(one, "energy_factor", where, low=-2.0, high=2.0),
            adder_jpy_per_kwh=_number(one, "adder_jpy_per_kwh", where, low=-most, high=most),
            rise_jpy_per_kwh=_number(one, "rise_jpy_per_kwh", where, high=most),
        )
    return found


def _table(plain: Mapping[str, object], name: str, source: str) -> Mapping[str, object]:
    found = plain.get(name)
    if not isinstance(found, dict):
        raise ConfigError(f"{source}: no table [{name}]")
    return found


def _number(
    plain: Mapping[str, object], name: str, where: str, *, high: float, low: float = 0.0
) -> float:
    value = plain.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ConfigError(f"{where}{name}: not a number between {low:g} and {high:g}")
    return float(value)
