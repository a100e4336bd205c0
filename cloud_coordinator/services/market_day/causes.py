"""Why a day did not go as bid: refusals by rule, failed slots and fallbacks by cause. Pure."""

from collections import Counter
from collections.abc import Mapping

from cloud_coordinator.market.bids import Source
from cloud_coordinator.services.forecasting import PERSISTENCE
from cloud_coordinator.services.market_day.clearing import traded_kw
from cloud_coordinator.services.market_day.fleet import SLOT_H
from cloud_coordinator.services.market_day.portfolio import Portfolio
from cloud_coordinator.services.market_day.records import DayResult, SettledAward
from cloud_coordinator.settlement.records import SlotResult


def causes_of(result: DayResult, portfolio: Portfolio) -> Mapping[str, int]:
    """Count what went otherwise, by cause.

    Returns
    -------
    mapping of str to int
        ``refused: <set> <rule>``, bids; ``failed: <assessment> <product>/<source>: <cause>``,
        slots; ``fallback: <forecast>: persistence`` and ``widened: <forecast>: <model>``, gates.
    """
    found: Counter[str] = Counter()
    for stage in result.stages:
        for refusal in stage.book.refusals:
            found[f"refused: {refusal.rule_set_id} {refusal.rule}"] += 1
    for compared in result.compared:
        if compared.forecast.reason is not None:
            source = compared.forecast.source
            word = "fallback" if source == PERSISTENCE else "widened"
            found[f"{word}: {compared.quantity}: {source}"] += 1
    for award in result.awards:
        for slot in award.statement.slots:
            which = assessments_failed(slot)
            if which:
                bid = award.cleared.bid
                name = f"{which} {bid.service.value}/{bid.source.value}"
                found[f"failed: {name}: {_cause(result, award, slot, portfolio=portfolio)}"] += 1
    return dict(sorted(found.items()))


def assessments_failed(slot: SlotResult) -> str:
    """Which of the two Assessments a slot failed: ``""``, ``"I"``, ``"II"`` or ``"I+II"``."""
    first = slot.charge.available_kw < slot.charge.award_kw
    second = slot.performance.value == "failed"
    return "+".join(["I"] * first + ["II"] * second)


def _cause(
    result: DayResult, award: SettledAward, slot: SlotResult, *, portfolio: Portfolio
) -> str:
    """Name the first thing that was lacking in a slot."""
    ran, at = result.ran, slot.slot.number - 1
    everybody = len(portfolio.storage.sites) + len(portfolio.load.sites)
    if ran.sites_present[at] < everybody:
        return "sites away"
    if slot.charge.available_kw >= slot.charge.award_kw:
        return "not followed"
    if award.cleared.bid.source is not Source.STORAGE:
        return "loads used up"
    cleared = [one for stage in result.stages for one in stage.cleared]
    traded = float(traded_kw(cleared, Source.STORAGE)[at])
    contents = float(ran.contents_kwh[at])
    room = (portfolio.contents_kwh - contents) / portfolio.one_way_efficiency
    if -traded * SLOT_H > room:
        return "storage full, charging that was to be stopped did not run"
    return "storage too empty"
