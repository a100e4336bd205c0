"""What the use case of optimising is asked, what it answers, and what it knows of prices."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import numpy as np

from cloud_coordinator.services.grid_limits import NodeLimit
from cloud_coordinator.services.publications import Series
from cloud_coordinator.services.strategies.port import Objective
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.calendar import SLOT_S
from protocols.vocabulary.identifiers import ZoneId
from protocols.vocabulary.intervals import Interval, utc_from_seconds

COMMAND_W_MIN: Final = 1.0
"""A change below it is no command."""
SPOT_KIND: Final = "spot_price_jpy_per_kwh"
FRESH_S: Final = 60.0
"""So long a price that was read is not read again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What is asked.

    Attributes
    ----------
    vpp_id : ZoneId
        The zone whose sites are the VPP.
    target_at : datetime
        When, aware UTC.
    objective : Objective
        What is wanted.
    reserve_w : float
        W that must be left to be called, >= 0.
    limits : tuple of NodeLimit
        Of the grid.
    """

    vpp_id: ZoneId
    target_at: datetime
    objective: Objective
    reserve_w: float
    limits: tuple[NodeLimit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyPrice:
    """A price, and where it is from."""

    jpy_per_kwh: float
    source: str


class PriceSource(Protocol):
    """What a kWh is worth."""

    def energy(self, zone: ZoneId, at: datetime, *, known_at: datetime) -> EnergyPrice:
        """Price of the half hour in which a moment lies, as known then; there is always one."""
        ...


class PublishedSeries(Protocol):
    """Port: published values as they were known at a moment."""

    def series(
        self, kind: str, area: str, *, step_s: int, interval: Interval, known_at: datetime
    ) -> Series:
        """Values that begin in an interval; empty if nothing is known."""
        ...


class KnownPrices:
    """The day-ahead price of the area where it was imported, and a reference where not.

    An award's price is none of energy: it pays for being ready, and the answer counts it beside.

    Parameters
    ----------
    reference_jpy_per_kwh : float
        Where nothing was published.
    published : PublishedSeries or None
        What was imported.
    """

    def __init__(
        self, reference_jpy_per_kwh: float, published: PublishedSeries | None = None
    ) -> None:
        self._reference = EnergyPrice(jpy_per_kwh=reference_jpy_per_kwh, source="reference")
        self._published = published
        self._last: tuple[tuple[ZoneId, int], float, EnergyPrice] | None = None

    def energy(self, zone: ZoneId, at: datetime, *, known_at: datetime) -> EnergyPrice:
        """Price of the half hour in which a moment lies; there is always one."""
        if self._published is None:
            return self._reference
        slot_s, now_s = int(at.timestamp()) // SLOT_S * SLOT_S, known_at.timestamp()
        key = (zone, slot_s)
        if self._last is not None and self._last[0] == key and self._last[1] > now_s - FRESH_S:
            return self._last[2]
        found = self._published.series(
            SPOT_KIND,
            str(zone),
            step_s=SLOT_S,
            interval=Interval(
                start=utc_from_seconds(slot_s), end=utc_from_seconds(slot_s + SLOT_S)
            ),
            known_at=known_at,
        )
        known = found.value[np.isfinite(found.value)]
        price = self._reference
        if len(known):
            price = EnergyPrice(jpy_per_kwh=float(known[-1]), source=f"spot {zone}")
        self._last = key, now_s, price
        return price


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """Who is to do what, shape (m,).

    Attributes
    ----------
    quoted_id, command : sequence of str
        Of every row of the fleet: id as JSON text, and command type.
    rows : IntArray
        Rows that are commanded.
    power_w : FloatArray
        Power each is to have, W.
    """

    quoted_id: Sequence[str]
    command: Sequence[str]
    rows: IntArray
    power_w: FloatArray

    def texts(self, *, at: str, size: int) -> Iterator[str]:
        """Write the commands as JSON objects, so many at a time, joined by commas."""
        end = f',"execution_time":"{at}"}}'
        for begin in range(0, len(self.rows), size):
            part = slice(begin, begin + size)
            rows, powers = self.rows[part].tolist(), np.round(self.power_w[part], 1).tolist()
            yield ",".join(
                f'{{"resource_id":{self.quoted_id[row]},"command_type":"{self.command[row]}",'
                f'"target_value":{power!r}{end}'
                for row, power in zip(rows, powers, strict=True)
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanAnswer:
    """What was decided.

    Attributes
    ----------
    commands : Commands
        Who is to do what.
    execute_at : datetime
        When.
    owed_w : float
        Owed in all, W relative to the baselines.
    response_w : float
        What arrives in the mean, of it, W.
    revenue_jpy : float
        In the half hour: capacity price of awards by the probability of keeping them, and
        energy, less running cost, wear and expected shortage.
    probability : float
        Of delivering at least what is owed.
    price : EnergyPrice
        What a kWh was taken to be worth.
    relaxed : tuple of str
        Limits that had to give way.
    resources, silent : int
        Resources that could be commanded, and sites that were left out.
    """

    commands: Commands
    execute_at: datetime
    owed_w: float
    response_w: float
    revenue_jpy: float
    probability: float
    price: EnergyPrice
    relaxed: tuple[str, ...]
    resources: int
    silent: int
