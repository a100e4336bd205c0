"""A day for people: a table, a page with a picture, and the same as JSON."""

import html
from collections.abc import Sequence

import numpy as np

from cloud_coordinator.market.bids import Venue
from cloud_coordinator.services.market_day.records import Compared, DayResult
from cloud_coordinator.settlement.money import whole_yen
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOTS_A_DAY

_WIDTH, _HEIGHT = 960, 180
_LINES = (("#1b6ca8", "forecast"), ("#c0392b", "actual"))


def _bids(result: DayResult) -> list[dict[str, object]]:
    """Every bid and what became of it."""
    return [
        {
            "handed_in": stage.at.isoformat(),
            "venue": one.bid.venue.value,
            "product": one.bid.service.value,
            "source": one.bid.source.value,
            "slot": one.bid.slot.number,
            "slots": one.bid.slots,
            "power_kw": str(one.bid.power_kw),
            "price_jpy": str(one.bid.price_jpy),
            "accepted_kw": str(one.accepted_kw),
            "paid_price_jpy": str(one.price_jpy),
            "reason": one.reason,
        }
        for stage in result.stages
        for one in stage.cleared
    ]


def day_document(result: DayResult) -> dict[str, object]:
    """Everything about a day that JSON can say."""
    return {
        "day": result.day.isoformat(),
        "area": result.area,
        "strategy": result.strategy,
        "rule_versions": list(result.rule_versions),
        "as_if": result.as_if,
        "amount_yen": result.amount_yen,
        "capacity_jpy": str(result.capacity_jpy),
        "penalties_jpy": str(result.penalties_jpy),
        "degradation_jpy": str(result.degradation_jpy),
        "accounts": {
            name: {
                "amount_jpy": str(result.account(name)),
                "amount_yen": whole_yen(result.account(name)),
                "slots_jpy": [str(one) for one in slots],
            }
            for name, slots in result.accounts.items()
        },
        "forecasts": [_compared(one) for one in result.compared],
        "bids": _bids(result),
        "statements": [
            {
                "obligation_id": one.statement.obligation_id,
                "statement_id": one.statement.statement_id,
                "rule_version": one.statement.rule_version,
                "final_at": one.statement.final_at.isoformat(),
                "amount_yen": one.statement.amount_yen,
                "penalty_availability_jpy": str(one.statement.penalty_availability_jpy),
                "penalty_performance_jpy": str(one.statement.penalty_performance_jpy),
                "band_kept": one.statement.band_kept,
                "available": one.statement.available,
                "delivered_kwh": sum(one.delivered_kwh),
            }
            for one in result.awards
        ],
        "storage_kwh": result.ran.contents_kwh.round(3).tolist(),
        "alerts": list(result.alerts),
    }


def day_table(result: DayResult) -> list[str]:
    """Lines for a terminal."""
    rules = ", ".join(result.rule_versions)
    lines = [
        f"{result.day} {result.area}, strategy {result.strategy}, settled by {rules}"
        f"{' (named, as if in force)' if result.as_if else ''}",
        "",
        f"{'forecast':14} {'known at':17} {'unit':13} {'mean':>9} {'actual':>9} {'MAE':>9} source",
    ]
    lines += [_forecast_line(one) for one in result.compared]
    lines += ["", f"{'market':22} {'bids':>5} {'taken':>5} {'kW x slots':>11} {'failed':>6}"]
    lines += _market_lines(result)
    lines += ["", f"{'account':46} {'yen':>12}"]
    grouped: dict[str, int] = {}
    for name in result.accounts:
        known = f"capacity {name}" if "-" in name and name.startswith(result.area) else name
        grouped[known] = grouped.get(known, 0) + whole_yen(result.account(name))
    lines += [f"{name:46} {yen:12,d}" for name, yen in grouped.items()]
    lines += [
        f"{'statement, sum':46} {result.amount_yen:12,d}",
        f"{'  of which penalties':46} {-whole_yen(result.penalties_jpy):12,d}",
        f"{'wear of storage (no statement)':46} {-whole_yen(result.degradation_jpy):12,d}",
    ]
    return [*lines, *(f"alert: {one}" for one in result.alerts)]


def day_page(result: DayResult) -> str:
    """Page that needs nothing else: the table and pictures of the day."""
    pictures = [
        _picture(one.quantity, one.unit, (one.forecast.median, one.actual))
        for one in result.compared
    ]
    contents = result.ran.contents_kwh[:-1]
    pictures.append(_picture("storage", "kWh at the slot's start", (contents,)))
    called = result.ran.called_kwh + result.ran.load_kwh
    pictures.append(_picture("delivered for awards", "kWh", (called,)))
    table = html.escape("\n".join(day_table(result)))
    title = html.escape(f"Market day {result.day} {result.area}")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        "<style>body{font:14px sans-serif;max-width:1000px;margin:1em auto}"
        "pre{overflow:auto}svg{width:100%}</style>"
        f"<h1>{title}</h1>{''.join(pictures)}<pre>{table}</pre></html>\n"
    )


def _compared(one: Compared) -> dict[str, object]:
    return {
        "quantity": one.quantity,
        "unit": one.unit,
        "known_at": one.known_at.isoformat(),
        "source": one.forecast.source,
        "reason": one.forecast.reason,
        "median": one.forecast.median.round(4).tolist(),
        "low": one.forecast.at(0.1).round(4).tolist(),
        "high": one.forecast.at(0.9).round(4).tolist(),
        "actual": [None if np.isnan(value) else float(value) for value in one.actual],
        "mae": _mae(one),
    }


def _mae(one: Compared) -> float | None:
    error = np.abs(one.forecast.median - one.actual)
    return float(np.nanmean(error)) if np.isfinite(error).any() else None


def _forecast_line(one: Compared) -> str:
    mae, known = _mae(one), np.isfinite(one.actual).any()
    actual = f"{np.nanmean(one.actual):9.2f}" if known else f"{'-':>9}"
    error = f"{'-':>9}" if mae is None else f"{mae:9.2f}"
    return (
        f"{one.quantity:14} {one.known_at:%Y-%m-%d %H:%M}Z {one.unit:13} "
        f"{one.forecast.median.mean():9.2f} {actual} {error} {one.forecast.source}"
    )


def _market_lines(result: DayResult) -> list[str]:
    failed: dict[str, int] = {}
    for award in result.awards:
        name = award.statement.service.value
        failed[name] = failed.get(name, 0) + sum(
            slot.performance.value == "failed" for slot in award.statement.slots
        )
    rows: dict[str, list[float]] = {}
    for stage in result.stages:
        for one in stage.cleared:
            reserve = one.bid.venue is Venue.RESERVE
            name = one.bid.service.value if reserve else one.bid.venue.value
            row = rows.setdefault(name, [0.0, 0.0, 0.0])
            row[0] += 1
            row[1] += bool(one.accepted_kw)
            row[2] += abs(float(one.accepted_kw)) * one.bid.slots
    return [
        f"{name:22} {bids:5.0f} {taken:5.0f} {size:11,.0f} {failed.get(name, 0):6d}"
        for name, (bids, taken, size) in rows.items()
    ]


def _picture(name: str, unit: str, columns: Sequence[FloatArray]) -> str:
    """One picture: up to two lines over the day."""
    known = np.concatenate([column[np.isfinite(column)] for column in columns])
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    high = high if high > low else low + 1.0
    paths = []
    for (colour, _), column in zip(_LINES, columns, strict=False):
        points = [
            f"{(slot + 0.5) / SLOTS_A_DAY * _WIDTH:.1f},"
            f"{_HEIGHT - (value - low) / (high - low) * _HEIGHT:.1f}"
            for slot, value in enumerate(column.tolist())
            if np.isfinite(value)
        ]
        paths.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="2" '
            f'points="{" ".join(points)}"/>'
        )
    words = ", ".join(f"{word} {colour}" for colour, word in _LINES[: len(columns)])
    label = html.escape(f"{name}, {unit}: {low:.2f} to {high:.2f} ({words})")
    return (
        f"<h3>{label}</h3>"
        f'<svg viewBox="0 -5 {_WIDTH} {_HEIGHT + 10}" role="img" aria-label="{label}">'
        f"{''.join(paths)}</svg>"
    )
