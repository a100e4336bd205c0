"""A day as rows of the customer's five tables (requirement 2.1); names and units are theirs.

Power there is kW or MW, money yen, ratios percent. Keys are made of what a row speaks of, so the
same day again updates the same rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

import numpy as np

from cloud_coordinator.market.bids import Bid, Source, Venue
from cloud_coordinator.services.market_day.clearing import Cleared
from cloud_coordinator.services.market_day.portfolio import Portfolio
from cloud_coordinator.services.market_day.records import Compared, DayResult
from cloud_coordinator.services.market_day.settling import obligation_id
from cloud_coordinator.settlement.money import exact
from cloud_coordinator.settlement.records import Performance, SlotResult, Statement
from protocols.vocabulary.calendar import SLOTS_A_DAY, day_slots
from protocols.vocabulary.obligation import Service

Row = Mapping[str, object]
_CENT: Final = Decimal("0.01")
_MAE: Final = Decimal("0.0001")
_KW_IN_MW: Final = 1000
_WH_IN_KWH: Final = 1000
_VERSION_LENGTH: Final = 20
_MARKETS: Final = {
    Service.PRIMARY: "PRIMARY_RESERVE",
    Service.PRIMARY_OFFLINE: "PRIMARY_RESERVE",
    Service.SECONDARY_1: "SECONDARY_RESERVE_1",
    Service.SECONDARY_2: "SECONDARY_RESERVE_2",
    Service.TERTIARY_1: "TERTIARY_RESERVE",
    Service.TERTIARY_2: "TERTIARY_RESERVE",
}
_PREDICTIONS: Final = {"demand": "DEMAND", "pv": "SOLAR_GENERATION"}
_KINDS: Final = {Source.STORAGE: "BATTERY", Source.LOAD: "DR_DEVICE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementRows:
    """Rows by table, each by its key."""

    resources: Mapping[str, Row] = field(default_factory=dict)
    predictions: Mapping[str, Row] = field(default_factory=dict)
    transactions: Mapping[str, Row] = field(default_factory=dict)
    controls: Mapping[str, Row] = field(default_factory=dict)
    performance: Mapping[str, Row] = field(default_factory=dict)


def rows_of(result: DayResult, portfolio: Portfolio) -> RequirementRows:
    """Turn a day into rows."""
    return RequirementRows(
        resources=_resources(portfolio),
        predictions=prediction_rows(result.area, result.compared),
        transactions=_transactions(result),
        controls=_controls(result, portfolio),
        performance=_performance(result, portfolio),
    )


def _resources(portfolio: Portfolio) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for source, kind in _KINDS.items():
        plants = portfolio.plants(source)
        for site, kw, kwh in zip(
            plants.sites, plants.power_kw.tolist(), plants.energy_kwh.tolist(), strict=True
        ):
            found[str(site)] = {
                "resource_type": kind,
                "owner_id": portfolio.name,
                "capacity_kw": cents(kw),
                "capacity_kwh": cents(kwh),
                "status": "ACTIVE",
            }
    return found


def prediction_rows(area: str, compared: Sequence[Compared]) -> dict[str, Row]:
    """Rows of forecasts, with what came as far as it is known."""
    found: dict[str, Row] = {}
    for one in compared:
        error = np.abs(one.forecast.median - one.actual)
        mae = float(np.nanmean(error)) if np.isfinite(error).any() else None
        for index, start in enumerate(one.forecast.slot_start):
            key = f"{area}-{one.quantity}-{one.known_at:%Y%m%dT%H%MZ}-{start:%Y%m%dT%H%MZ}"
            found[key] = {
                "prediction_type": _PREDICTIONS.get(one.quantity, "PRICE"),
                "target_timestamp": start,
                "prediction_timestamp": one.known_at,
                "region": area,
                "predicted_value": cents(float(one.forecast.median[index])),
                "confidence_interval_lower": cents(float(one.forecast.at(0.1)[index])),
                "confidence_interval_upper": cents(float(one.forecast.at(0.9)[index])),
                "model_version": one.forecast.source[:_VERSION_LENGTH],
                "actual_value": _actual(one, index),
                "accuracy_mae": None if mae is None else exact(mae).quantize(_MAE),
            }
    return found


def _actual(one: Compared, index: int) -> Decimal | None:
    value = float(one.actual[index])
    return cents(value) if np.isfinite(value) else None


def _transactions(result: DayResult) -> dict[str, Row]:
    """Bids to the balancing market; the requirement's table knows no other market."""
    settled = {one.statement.obligation_id: one for one in result.awards}
    found: dict[str, Row] = {}
    for stage in result.stages:
        for one in stage.cleared:
            if not is_tabled(one.bid):
                continue
            name = obligation_id(one, result.area)
            award = settled.get(name)
            found[str(name)] = transaction_row(one, None if award is None else award.statement)
    return found


def is_tabled(bid: Bid) -> bool:
    """Whether the requirement's table of transactions knows the market of a bid."""
    return bid.venue is Venue.RESERVE and bid.service in _MARKETS


def transaction_row(one: Cleared, statement: Statement | None) -> Row:
    """Row of a bid: what was taken, and once it is settled, what it came to."""
    taken = bool(one.accepted_kw)
    row: dict[str, object] = {
        "market_type": _MARKETS[one.bid.service],
        "transaction_time": one.bid.slot.interval.start,
        "bid_capacity_mw": cents(one.bid.power_kw / _KW_IN_MW),
        "cleared_capacity_mw": cents(one.accepted_kw / _KW_IN_MW),
        "bid_price_yen_mw": cents(one.bid.price_jpy * _KW_IN_MW),
        "cleared_price_yen_mw": cents(one.price_jpy * _KW_IN_MW) if taken else None,
        "settlement_amount": None,
        "actual_response_mw": None,
        "performance_ratio": None,
        "penalty_amount": Decimal(0),
    }
    if statement is not None:
        delivered_kwh = sum(share.energy_wh for share in statement.sites) / _WH_IN_KWH
        hours = one.bid.slots / 2
        penalties = statement.penalty_availability_jpy + statement.penalty_performance_jpy
        row |= {
            "settlement_amount": Decimal(statement.amount_yen),
            "actual_response_mw": cents(delivered_kwh / hours / _KW_IN_MW),
            "performance_ratio": cents(100.0 * statement.within_band_ratio),
            "penalty_amount": cents(penalties),
        }
    return row


def _controls(result: DayResult, portfolio: Portfolio) -> dict[str, Row]:
    """One row per award, slot and site: what was called in the mean, and what came."""
    found: dict[str, Row] = {}
    for award in result.awards:
        source = award.cleared.bid.source
        plants = portfolio.plants(source)
        shares = {share.site_id: share.energy_wh for share in award.statement.sites}
        total = sum(shares.values())
        weight = plants.power_kw / plants.power_kw.sum()
        for index, slot in enumerate(award.statement.slots):
            mean_kw = award.delivered_kwh[index] * 2.0
            for place, site in enumerate(plants.sites):
                part = shares[site] / total if total else 0.0
                key = f"{award.statement.obligation_id}/{slot.slot.number:02d}/{site}"
                found[key] = {
                    "resource_id": str(site),
                    "control_timestamp": slot.slot.interval.start,
                    "command_type": "DISCHARGE" if source is Source.STORAGE else "OUTPUT_ADJUST",
                    "target_value": cents(award.asked_kw[index] * float(weight[place])),
                    "actual_value": cents(mean_kw * part),
                    "response_time_ms": round(float(plants.known.delay_s[place]) * 1000),
                    "market_signal": award.statement.service.value,
                    "success_flag": slot.performance is not Performance.FAILED,
                }
    return found


def _performance(result: DayResult, portfolio: Portfolio) -> dict[str, Row]:
    found: dict[str, Row] = {}
    capacity = portfolio.storage.power_kw.sum() + portfolio.load.power_kw.sum() + portfolio.pv_kw
    by_slot: dict[int, list[SlotResult]] = {}
    for award in result.awards:
        for slot in award.statement.slots:
            by_slot.setdefault(slot.slot.number, []).append(slot)
    ran = result.ran
    discharged = float(ran.discharged_kwh.sum())
    for index, slot_of_day in enumerate(day_slots(result.day)):
        revenue = sum((slots[index] for slots in result.accounts.values()), Decimal(0))
        part = float(ran.discharged_kwh[index]) / discharged if discharged else 0.0
        wear = result.degradation_jpy * exact(round(part, 9))
        there, inside = assessed(by_slot.get(slot_of_day.number, ()))
        generation = ran.discharged_kwh[index] + result.pv_actual_kwh[index] + ran.load_kwh[index]
        start = slot_of_day.interval.start
        found[f"{portfolio.name}-{result.area}-{start:%Y%m%dT%H%MZ}"] = {
            "vpp_id": portfolio.name,
            "measurement_timestamp": start,
            "total_capacity_kw": cents(float(capacity)),
            "active_resources_count": round(float(ran.sites_present[index])),
            "total_generation_kwh": cents(float(generation)),
            "total_consumption_kwh": cents(float(ran.charged_kwh[index])),
            "market_revenue_yen": cents(revenue),
            "operating_cost_yen": cents(wear),
            "net_profit_yen": cents(revenue) - cents(wear),
            "availability_ratio": there,
            "response_accuracy": inside,
        }
    assert len(found) == SLOTS_A_DAY, "one row per slot"
    return found


def assessed(slots: Sequence[SlotResult]) -> tuple[Decimal | None, Decimal | None]:
    """Percent of the awards that was there, and of the points that were inside; None if none."""
    award = sum((one.charge.award_kw for one in slots), Decimal(0))
    points = sum(one.points for one in slots)
    if not award or not points:
        return None, None
    there = sum((one.charge.available_kw for one in slots), Decimal(0))
    return cents(100 * there / award), cents(100.0 * sum(o.points_inside for o in slots) / points)


def cents(value: float | Decimal) -> Decimal:
    """Two digits after the point, as the requirement's columns have them."""
    amount = value if isinstance(value, Decimal) else exact(float(value))
    return amount.quantize(_CENT, rounding=ROUND_HALF_UP)
