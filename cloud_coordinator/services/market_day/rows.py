"""A day as rows of the customer's five tables (requirement 2.1); names and units are theirs.

Power there is kW or MW, money yen, ratios percent. Keys are made of what a row speaks of, so the
same day again updates the same rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

import numpy as np

from cloud_coordinator.market.bids import Source, Venue
from cloud_coordinator.services.market_day.clearing import Cleared
from cloud_coordinator.services.market_day.portfolio import Portfolio
from cloud_coordinator.services.market_day.records import Compared, DayResult, SettledAward
from cloud_coordinator.services.market_day.settling import obligation_id
from cloud_coordinator.settlement.money import exact
from cloud_coordinator.settlement.records import Performance, SlotResult
from protocols.vocabulary.calendar import SLOTS_A_DAY, day_slots
from protocols.vocabulary.obligation import Service

Row = Mapping[str, object]
_CENT: Final = Decimal("0.01")
_MAE: Final = Decimal("0.0001")
_KW_IN_MW: Final = 1000
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

    resources: Mapping[str, Row]
    predictions: Mapping[str, Row]
    transactions: Mapping[str, Row]
    controls: Mapping[str, Row]
    performance: Mapping[str, Row]


def rows_of(result: DayResult, portfolio: Portfolio) -> RequirementRows:
    """Turn a day into rows."""
    return RequirementRows(
        resources=_resources(portfolio),
        predictions=_predictions(result),
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
                "capacity_kw": _cents(kw),
                "capacity_kwh": _cents(kwh),
                "status": "ACTIVE",
            }
    return found


def _predictions(result: DayResult) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for one in result.compared:
        error = np.abs(one.forecast.median - one.actual)
        mae = float(np.nanmean(error)) if np.isfinite(error).any() else None
        for index, start in enumerate(one.forecast.slot_start):
            key = f"{result.area}-{one.quantity}-{one.known_at:%Y%m%dT%H%MZ}-{start:%Y%m%dT%H%MZ}"
            found[key] = {
                "prediction_type": _PREDICTIONS.get(one.quantity, "PRICE"),
                "target_timestamp": start,
                "prediction_timestamp": one.known_at,
                "region": result.area,
                "predicted_value": _cents(float(one.forecast.median[index])),
                "confidence_interval_lower": _cents(float(one.forecast.at(0.1)[index])),
                "confidence_interval_upper": _cents(float(one.forecast.at(0.9)[index])),
                "model_version": one.forecast.source[:_VERSION_LENGTH],
                "actual_value": _actual(one, index),
                "accuracy_mae": None if mae is None else exact(mae).quantize(_MAE),
            }
    return found


def _actual(one: Compared, index: int) -> Decimal | None:
    value = float(one.actual[index])
    return _cents(value) if np.isfinite(value) else None


def _transactions(result: DayResult) -> dict[str, Row]:
    """Bids to the balancing market; the requirement's table knows no other market."""
    settled = {one.statement.obligation_id: one for one in result.awards}
    found: dict[str, Row] = {}
    for stage in result.stages:
        for one in stage.cleared:
            if one.bid.venue is not Venue.RESERVE or one.bid.service not in _MARKETS:
                continue
            name = obligation_id(one, result.area)
            found[str(name)] = _transaction(one, settled.get(name)) | {
                "transaction_time": one.bid.slot.interval.start
            }
    return found


def _transaction(one: Cleared, award: SettledAward | None) -> dict[str, object]:
    taken = bool(one.accepted_kw)
    row: dict[str, object] = {
        "market_type": _MARKETS[one.bid.service],
        "bid_capacity_mw": _cents(one.bid.power_kw / _KW_IN_MW),
        "cleared_capacity_mw": _cents(one.accepted_kw / _KW_IN_MW),
        "bid_price_yen_mw": _cents(one.bid.price_jpy * _KW_IN_MW),
        "cleared_price_yen_mw": _cents(one.price_jpy * _KW_IN_MW) if taken else None,
        "settlement_amount": None,
        "actual_response_mw": None,
        "performance_ratio": None,
        "penalty_amount": Decimal(0),
    }
    if award is not None:
        statement = award.statement
        hours = one.bid.slots / 2
        penalties = statement.penalty_availability_jpy + statement.penalty_performance_jpy
        row |= {
            "settlement_amount": Decimal(statement.amount_yen),
            "actual_response_mw": _cents(sum(award.delivered_kwh) / hours / _KW_IN_MW),
            "performance_ratio": _cents(100.0 * statement.within_band_ratio),
            "penalty_amount": _cents(penalties),
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
                    "target_value": _cents(award.asked_kw[index] * float(weight[place])),
                    "actual_value": _cents(mean_kw * part),
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
        there, inside = _assessed(by_slot.get(slot_of_day.number, ()))
        generation = ran.discharged_kwh[index] + result.pv_actual_kwh[index] + ran.load_kwh[index]
        start = slot_of_day.interval.start
        found[f"{portfolio.name}-{result.area}-{start:%Y%m%dT%H%MZ}"] = {
            "vpp_id": portfolio.name,
            "measurement_timestamp": start,
            "total_capacity_kw": _cents(float(capacity)),
            "active_resources_count": round(float(ran.sites_present[index])),
            "total_generation_kwh": _cents(float(generation)),
            "total_consumption_kwh": _cents(float(ran.charged_kwh[index])),
            "market_revenue_yen": _cents(revenue),
            "operating_cost_yen": _cents(wear),
            "net_profit_yen": _cents(revenue) - _cents(wear),
            "availability_ratio": there,
            "response_accuracy": inside,
        }
    assert len(found) == SLOTS_A_DAY, "one row per slot"
    return found


def _assessed(slots: Sequence[SlotResult]) -> tuple[Decimal | None, Decimal | None]:
    """Percent of the awards that was there, and of the points that were inside; None if none."""
    award = sum((one.charge.award_kw for one in slots), Decimal(0))
    points = sum(one.points for one in slots)
    if not award or not points:
        return None, None
    there = sum((one.charge.available_kw for one in slots), Decimal(0))
    return _cents(100 * there / award), _cents(100.0 * sum(o.points_inside for o in slots) / points)


def _cents(value: float | Decimal) -> Decimal:
    amount = value if isinstance(value, Decimal) else exact(float(value))
    return amount.quantize(_CENT, rounding=ROUND_HALF_UP)
