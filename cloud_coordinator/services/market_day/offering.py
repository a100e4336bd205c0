"""What a portfolio may offer: capability of each product, the ledger's holdings, and the risk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from cloud_coordinator.market.bids import Source
from cloud_coordinator.market.ledger import Holdings, Store
from cloud_coordinator.market.product import ProductRule
from cloud_coordinator.services.bidding.capability import (
    Dependability,
    Sites,
    allowances,
    capability,
)
from cloud_coordinator.services.bidding.risk import RiskCurve
from cloud_coordinator.services.market_day.portfolio import (
    LOAD_PRODUCTS,
    STORAGE_PRODUCTS,
    Plants,
    Portfolio,
)
from protocols.vocabulary.arrays import FloatArray, column
from protocols.vocabulary.calendar import SLOT_S, SLOTS_A_DAY
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.identifiers import ModelId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Service

_KW: Final = 1e3
_RAMP_S: Final = 1.0
"""Plants reach any power within this time once their delay is over."""
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offering:
    """What may be offered, the same on every day.

    Attributes
    ----------
    capability_kw : mapping
        By source and product, shape (48,), whole kW.
    risk : mapping
        By source and product.
    charge_kw : FloatArray
        Shape (48,).
    """

    capability_kw: Mapping[tuple[Source, Service], FloatArray]
    risk: Mapping[tuple[Source, Service], RiskCurve]
    charge_kw: FloatArray

    def holdings(self, portfolio: Portfolio, start_kwh: float) -> Holdings:
        """Tell what there is on a day that begins with these contents."""
        one_way = portfolio.one_way_efficiency
        store = Store(
            charge_kw=self.charge_kw,
            start_kwh=start_kwh,
            floor_kwh=0.0,
            ceiling_kwh=portfolio.contents_kwh,
            end_kwh=min(portfolio.planned_kwh, start_kwh),
            charge_efficiency=one_way,
            discharge_efficiency=one_way,
        )
        return Holdings(
            capability_kw=self.capability_kw,
            store=store if portfolio.storage.sites else None,
            load_energy_kwh=float(portfolio.load.energy_kwh.sum()),
        )


def offering_of(
    portfolio: Portfolio, rules: Mapping[Service, Sequence[ProductRule]], *, at: datetime
) -> Offering:
    """Find what may be offered of the products that have rules.

    Parameters
    ----------
    portfolio : Portfolio
        The plants.
    rules : mapping
        By product, all sets that must accept a bid.
    at : datetime
        Beginning of any day.
    """
    capable: dict[tuple[Source, Service], FloatArray] = {}
    risk: dict[tuple[Source, Service], RiskCurve] = {}
    charge_kw = np.zeros(SLOTS_A_DAY)
    both = {source: portfolio.plants(source) for source in (Source.STORAGE, Source.LOAD)}
    parts = {source: _sites(plants, at) for source, plants in both.items() if plants.sites}
    allowed = allowances(parts, portfolio.promise_probability)
    for source, sites in parts.items():
        probability = allowed[source]
        for service in STORAGE_PRODUCTS if source is Source.STORAGE else LOAD_PRODUCTS:
            if service in rules:
                found = capability(sites, rules[service], probability=probability)
                capable[source, service] = np.floor(found.power_kw)
                risk[source, service] = found.risk
        if source is Source.STORAGE:
            energy: Dependability = capability(sites, (), probability=probability)
            capable[source, Service.ENERGY] = charge_kw = np.floor(energy.power_kw)
    return Offering(capability_kw=capable, risk=risk, charge_kw=charge_kw)


def _sites(plants: Plants, at: datetime) -> Sites:
    """Envelopes of a day on which nothing else is planned; the ledger follows the contents."""
    day = Interval(start=at, end=at + _DAY)
    envelopes, baselines = [], []
    zero = column(np.zeros(SLOTS_A_DAY))
    for site, kw, kwh in zip(
        plants.sites, plants.power_kw.tolist(), plants.energy_kwh.tolist(), strict=True
    ):
        power = column(np.full(SLOTS_A_DAY, kw * _KW))
        envelopes.append(
            Envelope(
                target=site,
                interval=day,
                step_s=SLOT_S,
                power_w_min=column(-np.asarray(power)),
                power_w_max=power,
                energy_wh_min=column(np.zeros(SLOTS_A_DAY + 1)),
                energy_wh_max=column(np.full(SLOTS_A_DAY + 1, kwh * _KW)),
                ramp_w_per_s=kw * _KW / _RAMP_S,
                limited_by="",
            )
        )
        baselines.append(
            Baseline(
                target=site,
                interval=day,
                step_s=SLOT_S,
                power_w=zero,
                method="forecast",
                computed_at=at,
                data_until=at,
                model_id=ModelId("plan"),
            )
        )
    return Sites(
        envelopes=tuple(envelopes), baselines=tuple(baselines), characteristics=plants.known
    )
