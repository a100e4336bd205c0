"""Portfolio: the plants whose day is traded, as columns, and what of them may be sold.

Reliability, gain and delay are what is known of each site (priors of its kind, or learned);
capability is never the nameplate. Called by the day; ``portfolio.toml`` is the example.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib.resources import files
from typing import Final

import numpy as np

from cloud_coordinator.fleet.characteristics import Characteristics, load_priors
from cloud_coordinator.market.bids import Pattern, Source
from cloud_coordinator.market.rules import decimal_of
from protocols.templates.table import Table
from protocols.vocabulary.arrays import FloatArray, column
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.obligation import Service
from protocols.vocabulary.resource import ResourceKind

STORAGE_PRODUCTS: Final = (
    Service.PRIMARY,
    Service.SECONDARY_1,
    Service.SECONDARY_2,
    Service.TERTIARY_1,
    Service.TERTIARY_2,
)
LOAD_PRODUCTS: Final = (Service.TERTIARY_1, Service.TERTIARY_2)
"""Loads answer in minutes, and only as far as these products allow."""
PATTERNS: Final[Mapping[Source, Pattern]] = {
    Source.STORAGE: Pattern(system_code="STORAGE"),
    Source.LOAD: Pattern(system_code="LOAD"),
}
_KWH_MAX: Final = 1e7


@dataclass(frozen=True, slots=True, kw_only=True)
class Plants:
    """Sites of one source.

    Attributes
    ----------
    known : Characteristics
        What is known of each, n rows; ``known.names`` are the sites.
    power_kw, energy_kwh : FloatArray
        Shape (n,), nameplate; energy per day of loads, usable contents of storage.
    answers : FloatArray
        Shape (n,), with which probability a site answers in a simulation, whatever is believed.
    """

    known: Characteristics
    power_kw: FloatArray
    energy_kwh: FloatArray
    answers: FloatArray

    @property
    def sites(self) -> tuple[SiteId, ...]:
        """Who."""
        return tuple(SiteId(name) for name in self.known.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """What is traded.

    Attributes
    ----------
    name : str
        For people, and ``vpp_id`` of the performance table.
    storage, load : Plants
        By source.
    pv_kw : float
        PV, as a part of the area's greatest output.
    start_soc, end_soc : float
        Part of the contents at the first day's start, and the least planned for a day's end.
    outage_minutes : int
        How long a site that fails is away, whole half hours.
    promise_probability : float
        With which a promise of capacity is to be kept.
    load_jpy_per_kwh : float
        Paid to owners of loads and their retailer.
    fee_jpy_per_kw_30min : Decimal
        Fee of the market per awarded kW and half hour.
    """

    name: str
    storage: Plants
    load: Plants
    pv_kw: float
    start_soc: float
    end_soc: float
    outage_minutes: int
    promise_probability: float
    load_jpy_per_kwh: float
    fee_jpy_per_kw_30min: Decimal

    @property
    def contents_kwh(self) -> float:
        """All storage."""
        return float(self.storage.energy_kwh.sum())

    @property
    def planned_kwh(self) -> float:
        """Contents every day is planned to begin and end with, kWh."""
        return self.end_soc * self.contents_kwh

    @property
    def one_way_efficiency(self) -> float:
        """Efficiency of charging, and of discharging: root of both, weighted by energy."""
        if not len(self.storage.energy_kwh):
            return 1.0
        both = np.average(self.storage.known.efficiency, weights=self.storage.energy_kwh)
        return float(np.sqrt(both))

    @property
    def degradation_jpy_per_kwh(self) -> float:
        """Wear per discharged kWh: throughput is counted on both ways."""
        if not len(self.storage.energy_kwh):
            return 0.0
        known = self.storage.known.degradation_jpy_per_kwh
        return 2.0 * float(np.average(known, weights=self.storage.energy_kwh))

    def plants(self, source: Source) -> Plants:
        """Sites of a source."""
        return self.storage if source is Source.STORAGE else self.load


def load_portfolio() -> Portfolio:
    """Read the example that comes with the package."""
    text = files("cloud_coordinator.services.market_day").joinpath("portfolio.toml")
    return parse_portfolio(text.read_text("utf-8"), "portfolio.toml")


def parse_portfolio(text: str, source: str) -> Portfolio:
    """Parse a portfolio from TOML.

    Raises
    ------
    ConfigError
        Naming file, key and cause.
    """
    try:
        document = Table(tomllib.loads(text), source)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: is not TOML: {error}") from None
    pv_kw = sum(_kw(row, last=True) for row in document.tables("pv"))
    found = Portfolio(
        name=document.text("name"),
        storage=_plants(document.tables("storage"), ResourceKind.BATTERY, energy="kwh"),
        load=_plants(document.tables("load"), ResourceKind.LOAD, energy="kwh_per_day"),
        pv_kw=pv_kw,
        start_soc=document.number("start_soc", low=0.0, high=1.0),
        end_soc=document.number("end_soc", low=0.0, high=1.0),
        outage_minutes=document.integer("outage_minutes", low=30, high=1440),
        promise_probability=document.number("promise_probability", low=0.5, high=0.9999),
        load_jpy_per_kwh=document.number("load_jpy_per_kwh", low=0.0, high=1000.0),
        fee_jpy_per_kw_30min=decimal_of(document, "fee_jpy_per_kw_30min"),
    )
    document.end()
    if not (found.storage.sites or found.load.sites or pv_kw):
        raise ConfigError(f"{source}: there is no plant in it")
    names = [*found.storage.sites, *found.load.sites]
    if len(set(names)) < len(names):
        raise ConfigError(f"{source}: a site is there twice")
    return found


def _plants(rows: Iterator[Table], kind: ResourceKind, *, energy: str) -> Plants:
    names: list[str] = []
    power: list[float] = []
    amount: list[float] = []
    learned: list[tuple[float, int]] = []
    answers: list[float] = []
    for row in rows:
        names.append(row.text("site"))
        amount.append(row.number(energy, low=0.0, high=_KWH_MAX))
        power.append(_kw(row))
        learned.append(_learned(row))
        answers.append(row.number("answers", -1.0, low=-1.0, high=1.0))
        row.end()
    known = _seen(load_priors().columns(names, [kind.value] * len(names)), learned)
    told = np.array(answers, dtype=np.float64)
    return Plants(
        known=known,
        power_kw=column(power),
        energy_kwh=column(amount),
        answers=column(np.where(told < 0.0, known.reliability, told)),
    )


def _learned(row: Table) -> tuple[float, int]:
    """Reliability that was seen and in how many events; none where the prior alone counts."""
    if "reliability" not in row:
        return 0.0, 0
    return row.number("reliability", low=0.0, high=1.0), row.integer("events", low=1, high=100_000)


def _seen(prior: Characteristics, learned: Sequence[tuple[float, int]]) -> Characteristics:
    kept = np.array([ratio * events for ratio, events in learned], dtype=np.float64)
    events = np.array([count for _, count in learned], dtype=np.int64)
    return replace(
        prior,
        kept=prior.kept + kept,
        missed=prior.missed + events - kept,
        events=prior.events + events,
    )


def _kw(row: Table, *, last: bool = False) -> float:
    found = row.number("kw", low=1.0, high=_KWH_MAX)
    if last:
        row.text("site")
        row.end()
    return found
