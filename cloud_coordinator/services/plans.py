"""What the use case of optimising is asked, what it answers, and what it knows of prices."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import numpy as np

from cloud_coordinator.services.grid_limits import NodeLimit
from cloud_coordinator.services.market_history import MarketHistory, MarketSeries
from cloud_coordinator.services.strategies.port import Objective
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.calendar import SLOT_S
from protocols.vocabulary.identifiers import ZoneId

COMMAND_W_MIN: Final = 1.0
"""A change below it is no command."""


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

    def energy(self, zone: ZoneId, at: datetime) -> EnergyPrice:
        """Price of the half hour in which a moment lies; there is always one."""
        ...


class KnownPrices:
    """The day-ahead price where it is known, and a reference where not.

    Parameters
    ----------
    reference_jpy_per_kwh : float
        Where nothing was published.
    history : MarketHistory or None
        What was published.
    """

    def __init__(self, reference_jpy_per_kwh: float, history: MarketHistory | None = None) -> None:
        self._reference = EnergyPrice(jpy_per_kwh=reference_jpy_per_kwh, source="reference")
        self._history = history

    def energy(self, zone: ZoneId, at: datetime) -> EnergyPrice:
        """Price of the half hour in which a moment lies; there is always one."""
        if self._history is None:
            return self._reference
        slot_s = int(at.timestamp()) // SLOT_S * SLOT_S
        found = self._history.column(MarketSeries.SPOT, str(zone)).between(slot_s, 1)
        if not np.isfinite(found[0]):
            return self._reference
        return EnergyPrice(jpy_per_kwh=float(found[0]), source=f"spot {zone}")


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
