"""Each half hour that has ended, as rows of the requirement's control history and performance.

Read from the record, never from the live table: what a site owed by its own word, what its meter
says, what the market would pay by now. In short steps, so that whoever runs them (a worker
thread) never keeps the database or the tick waiting. Called by the coordinator's wiring.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Final, Protocol

import numpy as np

from cloud_coordinator.services.market_day.rows import RequirementRows, Row, assessed, cents
from cloud_coordinator.services.market_day.settling_day import RowStore, Statements
from cloud_coordinator.services.ports import HistoryReader, SiteStore
from cloud_coordinator.services.queries import DeliveryView
from cloud_coordinator.services.records import AwardRecord, SiteRecord
from cloud_coordinator.settlement.records import SlotResult
from protocols.sansio.records import Change, RecordBook
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_S, Slot, slot_of
from protocols.vocabulary.identifiers import ObligationId, SiteId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import ObligationState
from protocols.vocabulary.resource import ResourceKind

WAIT: Final = timedelta(seconds=90)
"""After its end, until what was on the way has come."""
BACK: Final = timedelta(hours=12)
"""A coordinator that was away makes up for no more than this."""
SITES_A_STEP: Final = 500
_KEY: Final = "last"
_KW: Final = 1e3
_J_PER_KWH: Final = 3.6e6

Step = Callable[[], None]


class Views(Statements, Protocol):
    """Reads awards and what was delivered for them."""

    def awards(self) -> Sequence[AwardRecord]:
        """All awards by start."""

    def delivery(self, obligation_id: ObligationId) -> DeliveryView:
        """Promised against delivered power, from the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfHourStores:
    """What is read and written."""

    sites: SiteStore
    history: HistoryReader
    rows: RowStore
    records: RecordBook


class HalfHourRows:
    """The use case.

    Parameters
    ----------
    views : Views
        Awards.
    stores : HalfHourStores
        The record.
    """

    def __init__(self, views: Views, stores: HalfHourStores) -> None:
        self._views = views
        self._stores = stores

    def due(self, now: datetime) -> tuple[Slot, ...]:
        """Half hours that have ended and are not kept yet, the oldest first; at first the last.

        Raises
        ------
        StoreError
            If the record cannot be read.
        """
        last = self._stores.records.load().get(_KEY)
        if last is None:
            begin = now - WAIT - timedelta(seconds=SLOT_S)
        else:
            after = datetime.fromisoformat(last.decode()) + timedelta(seconds=SLOT_S)
            begin = max(now - BACK, after)
        found = []
        at = slot_of(begin).interval.start
        while (slot := slot_of(at)).interval.end + WAIT <= now:
            if slot.interval.start >= begin:
                found.append(slot)
            at = slot.interval.end
        return tuple(found)

    def steps(self, slot: Slot) -> Iterator[Step]:
        """Give what keeps a half hour, in short steps; the last marks it kept."""
        sites = tuple(self._stores.sites.sites())
        running = [one for one in self._views.awards() if _bound_in(one, slot.interval)]
        for award in running:
            yield from self._controls(award, sites, slot)
        energy = _Energy()
        for first in range(0, len(sites), SITES_A_STEP):
            part = sites[first : first + SITES_A_STEP]
            yield partial(energy.add, self._stores.history, part, slot.interval)
        yield partial(self._performance, running, energy, sites=sites, slot=slot)
        yield lambda: self._stores.records.put(
            [Change(key=_KEY, value=slot.interval.start.isoformat().encode())]
        )

    def _controls(
        self, award: AwardRecord, sites: Sequence[SiteRecord], slot: Slot
    ) -> Iterator[Step]:
        """Rows of an award, some sites a step; the award is read in the first of them."""
        shown = {one.site_id: _greatest(one) for one in sites}
        found: dict[str, Row] = {}
        yield lambda: found.update(
            _control_rows(self._views.delivery(award.obligation.obligation_id), shown, slot)
        )
        count = len(award.commitments)
        for first in range(0, count, SITES_A_STEP):

            def save(first: int = first) -> None:
                part = list(found.items())[first : first + SITES_A_STEP]
                self._stores.rows.save(RequirementRows(controls=dict(part)))

            yield save

    def _performance(
        self,
        running: Sequence[AwardRecord],
        energy: "_Energy",
        *,
        sites: Sequence[SiteRecord],
        slot: Slot,
    ) -> None:
        """One row per zone would not add up for the requirement: one of the whole plant."""
        results = [
            one
            for award in running
            for one in self._views.statement(award.obligation.obligation_id).slots
            if one.slot == slot
        ]
        self._stores.rows.save(
            RequirementRows(performance=_performance_row(results, energy, sites=sites, slot=slot))
        )


class _Energy:
    """Energy of a half hour, added up over some sites at a time."""

    def __init__(self) -> None:
        self.generated_kwh = 0.0
        self.consumed_kwh = 0.0
        self.heard = 0

    def add(self, history: HistoryReader, sites: Sequence[SiteRecord], when: Interval) -> None:
        """Read some sites."""
        rows = history.site_seconds([one.site_id for one in sites], when)
        power = rows.meter_w[np.isfinite(rows.meter_w)]
        self.generated_kwh += float(power[power > 0.0].sum()) / _J_PER_KWH
        self.consumed_kwh -= float(power[power < 0.0].sum()) / _J_PER_KWH
        self.heard += len(np.unique(rows.site_index))


def _bound_in(award: AwardRecord, when: Interval) -> bool:
    return award.obligation.interval.overlaps(when) and any(
        one.obligation.state is not ObligationState.REFUSED for one in award.commitments
    )


def _greatest(site: SiteRecord) -> str | None:
    """Name the greatest resource of a site: under it stands what the whole site did."""
    found = [
        (max(one.power_w_max, -one.power_w_min), str(one.resource_id))
        for one in site.layout.resources
        if one.kind is not ResourceKind.METER
    ]
    return max(found)[1] if found else None


def _control_rows(
    view: DeliveryView, shown: dict[SiteId, str | None], slot: Slot
) -> dict[str, Row]:
    """One row per site: what it owed in the mean, what it did; kW upward."""
    award, count = view.award, len(view.sites)
    begin = int(slot.interval.start.timestamp())
    inside = (view.rows.second >= begin) & (view.rows.second < begin + SLOT_S)
    index = view.rows.site_index[inside]
    owed = _means(index, view.share_w[inside], count)
    done = _means(index, view.rows.delivered_w[inside], count)
    allowed = award.obligation.tolerance_w / award.award_w if award.award_w else 0.0
    child_w = {
        one.obligation.target: float(one.obligation.power_w.max()) for one in award.commitments
    }
    found: dict[str, Row] = {}
    for place, site in enumerate(view.sites):
        resource = shown.get(site)
        if resource is None or not np.isfinite(owed[place]):
            continue
        known = bool(np.isfinite(done[place]))
        off_w = abs(done[place] - owed[place])
        found[f"{award.obligation.obligation_id}/{slot.number:02d}/{site}"] = {
            "resource_id": resource,
            "control_timestamp": slot.interval.start,
            "command_type": "OUTPUT_ADJUST",
            "target_value": cents(float(owed[place]) / _KW),
            "actual_value": cents(float(done[place]) / _KW) if known else None,
            "market_signal": award.obligation.service.value,
            "success_flag": known and bool(off_w <= allowed * child_w[site]),
            "error_message": None if known else "no measured power in this half hour",
        }
    return found


def _means(index: "np.typing.NDArray[np.int64]", values: FloatArray, count: int) -> FloatArray:
    """Mean of each site's known values; NaN where there is none."""
    known = np.isfinite(values)
    number = np.bincount(index[known], minlength=count)
    total = np.bincount(index[known], weights=values[known], minlength=count)
    found: FloatArray = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    return found


def _performance_row(
    results: Sequence[SlotResult], energy: _Energy, *, sites: Sequence[SiteRecord], slot: Slot
) -> dict[str, Row]:
    """Row of the whole plant; its money is what the market would pay by what is stored now."""
    there, inside = assessed(results)
    revenue = sum((one.fee_jpy - one.charge.total_jpy for one in results), Decimal(0))
    capacity_w = sum(
        max(one.power_w_max, -one.power_w_min)
        for site in sites
        for one in site.layout.resources
        if one.kind is not ResourceKind.METER
    )
    start = slot.interval.start
    return {
        f"vpp-{start:%Y%m%dT%H%MZ}": {
            "vpp_id": "vpp",
            "measurement_timestamp": start,
            "total_capacity_kw": cents(capacity_w / _KW),
            "active_resources_count": energy.heard,
            "total_generation_kwh": cents(energy.generated_kwh),
            "total_consumption_kwh": cents(energy.consumed_kwh),
            "market_revenue_yen": cents(revenue),
            "operating_cost_yen": None,
            "net_profit_yen": None,
            "availability_ratio": there,
            "response_accuracy": inside,
        }
    }
