"""What is known of how resources answer a call: columns, and what is assumed before any event.

One row per resource or site. Pure. Read by allocation's callers and bidding; the update after
an event is :mod:`cloud_coordinator.fleet.learning`.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.resources import files
from typing import Final, Self

import numpy as np

from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.resource import ResourceKind

SITE_KIND: Final = "site"
"""Kind of the rows of whole sites, seen at their meters."""
_FILE: Final = "characteristics.toml"
_KINDS: Final = (SITE_KIND, *(kind.value for kind in ResourceKind))


@dataclass(frozen=True, slots=True, kw_only=True)
class Characteristics:
    """How n resources answer, shape (n,) each.

    Attributes
    ----------
    names : tuple of str
        Resource or site ids.
    kinds : tuple of str
        ``ResourceKind`` values, or ``"site"``.
    delay_s : FloatArray
        From the call to the power, s, >= 0: dead time and settling in one number.
    gain : FloatArray
        Delivered part of what was called, once it has settled, 0 ... 1.
    kept, missed : FloatArray
        Weight of the promises kept and missed, > 0 (a Beta law), in events.
    efficiency : FloatArray
        Energy out over energy in, both ways together, 0 ... 1; NaN without storage.
    degradation_jpy_per_kwh : FloatArray
        Wear per kWh of throughput; 0 without a battery.
    events : IntArray
        Events learned from.
    discarded_s : IntArray
        Seconds of telemetry that were not believed.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    delay_s: FloatArray
    gain: FloatArray
    kept: FloatArray
    missed: FloatArray
    efficiency: FloatArray
    degradation_jpy_per_kwh: FloatArray
    events: IntArray
    discarded_s: IntArray

    @property
    def reliability(self) -> FloatArray:
        """Probability that a promise is kept, 0 < p < 1."""
        return self.kept / (self.kept + self.missed)

    @property
    def delivery(self) -> FloatArray:
        """Part of a promised W that arrives in the mean: gain times reliability."""
        return self.gain * self.reliability

    @property
    def dependable(self) -> FloatArray:
        """Reliability less one standard deviation of what is not known about it, 0 ... 1."""
        weight = self.kept + self.missed
        deviation = np.sqrt(self.kept * self.missed / (weight**2 * (weight + 1.0)))
        return np.maximum(self.reliability - deviation, 0.0)

    def take(self, rows: Sequence[int]) -> Self:
        """Keep some rows, in that order."""
        at = np.asarray(rows, dtype=np.int64)
        columns = {
            field.name: getattr(self, field.name)[at]
            for field in fields(self)
            if field.name not in {"names", "kinds"}
        }
        return type(self)(
            names=tuple(self.names[row] for row in rows),
            kinds=tuple(self.kinds[row] for row in rows),
            **columns,
        )


def joined(parts: Sequence[Characteristics]) -> Characteristics:
    """Put rows of several one after the other; at least one part."""
    columns = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Characteristics)
        if field.name not in {"names", "kinds"}
    }
    return Characteristics(
        names=tuple(name for part in parts for name in part.names),
        kinds=tuple(kind for part in parts for kind in part.kinds),
        **columns,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryWear:
    """What cycles cost a kind of battery.

    Attributes
    ----------
    life_lost : float
        Part of its life that one full cycle of depth 1 takes.
    exponent : float
        Of the depth, >= 1.
    replacement_jpy_per_kwh : float
        Price of a kWh of capacity.
    usual_depth : float
        Of a half cycle, for the time before one was seen.
    """

    life_lost: float
    exponent: float
    replacement_jpy_per_kwh: float
    usual_depth: float

    def jpy_per_kwh(self, depth: float) -> float:
        """Wear per kWh that passes in cycles of a depth, counted on both ways."""
        life: float = self.life_lost * depth ** (self.exponent - 1.0)
        return 0.5 * life * self.replacement_jpy_per_kwh


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """What is assumed of a kind: units as in :class:`Characteristics`."""

    delay_s: float
    gain: float
    reliability: float
    efficiency: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Priors:
    """What is assumed before any event.

    Attributes
    ----------
    kinds : mapping of str to Prior
        One for each kind.
    batteries : mapping of str to BatteryWear
        Kinds with a battery of their own.
    strength : float
        Events that the prior reliability weighs, > 0.
    """

    kinds: Mapping[str, Prior]
    batteries: Mapping[str, BatteryWear]
    strength: float

    def columns(self, names: Sequence[str], kinds: Sequence[str]) -> Characteristics:
        """Rows that nothing is known of yet.

        Parameters
        ----------
        names, kinds : sequence of str
            Ids, and the kind of each; of an unknown kind a load is assumed.
        """
        known = [self.kinds.get(kind, self.kinds[ResourceKind.LOAD.value]) for kind in kinds]
        reliability = np.array([prior.reliability for prior in known])
        wear = [
            self.batteries[kind].jpy_per_kwh(self.batteries[kind].usual_depth)
            if kind in self.batteries
            else 0.0
            for kind in kinds
        ]
        return Characteristics(
            names=tuple(names),
            kinds=tuple(kinds),
            delay_s=np.array([prior.delay_s for prior in known]),
            gain=np.array([prior.gain for prior in known]),
            kept=self.strength * reliability,
            missed=self.strength * (1.0 - reliability),
            efficiency=np.array([prior.efficiency for prior in known]),
            degradation_jpy_per_kwh=np.array(wear),
            events=np.zeros(len(known), dtype=np.int64),
            discarded_s=np.zeros(len(known), dtype=np.int64),
        )


def load_priors() -> Priors:
    """Read the assumptions that come with the package."""
    text = files("cloud_coordinator.fleet").joinpath(_FILE).read_text("utf-8")
    return parse_priors(text, _FILE)


def parse_priors(text: str, source: str) -> Priors:
    """Parse assumptions from TOML.

    Raises
    ------
    ConfigError
        Naming file, place and cause.
    """
    try:
        plain = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: {error}") from error
    kinds: Mapping[str, object] = _table(plain, "kind", source)
    missing = [kind for kind in _KINDS if kind not in kinds]
    if missing:
        raise ConfigError(f"{source}: no [kind.{missing[0]}]")
    batteries = _table(plain, "battery", source)
    return Priors(
        kinds={kind: _prior(kinds, kind, source) for kind in kinds},
        batteries={kind: _wear(batteries, kind, source) for kind in batteries},
        strength=_number(plain, "strength", f"{source}: ", low=1.0, high=1000.0),
    )


def _table(plain: Mapping[str, object], name: str, where: str) -> Mapping[str, object]:
    found = plain.get(name)
    if not isinstance(found, dict):
        raise ConfigError(f"{where}: no table [{name}]")
    return found


def _number(
    plain: Mapping[str, object], name: str, where: str, *, low: float, high: float
) -> float:
    value = plain.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ConfigError(f"{where}{name}: not a number between {low:g} and {high:g}")
    return float(value)


def _prior(kinds: Mapping[str, object], kind: str, source: str) -> Prior:
    plain, where = _table(kinds, kind, source), f"{source}: kind.{kind}."
    has_storage = "efficiency" in plain
    return Prior(
        delay_s=_number(plain, "delay_s", where, low=0.0, high=600.0),
        gain=_number(plain, "gain", where, low=0.05, high=1.0),
        reliability=_number(plain, "reliability", where, low=0.01, high=0.999),
        efficiency=_number(plain, "efficiency", where, low=0.1, high=1.0)
        if has_storage
        else float("nan"),
    )


def _wear(batteries: Mapping[str, object], kind: str, source: str) -> BatteryWear:
    plain, where = _table(batteries, kind, source), f"{source}: battery.{kind}."
    return BatteryWear(
        life_lost=_number(plain, "life_lost", where, low=0.0, high=0.1),
        exponent=_number(plain, "exponent", where, low=1.0, high=5.0),
        replacement_jpy_per_kwh=_number(plain, "replacement_jpy_per_kwh", where, low=0.0, high=1e7),
        usual_depth=_number(plain, "usual_depth", where, low=0.01, high=1.0),
    )
