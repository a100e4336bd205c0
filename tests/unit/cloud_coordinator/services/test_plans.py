"""Answers of the use case of optimising, as text."""

import tracemalloc
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from cloud_coordinator.services.grid_limits import NodeLimit, fullness_by_row
from cloud_coordinator.services.plans import SPOT_KIND, Commands, KnownPrices
from cloud_coordinator.services.publications import Series
from protocols.vocabulary.identifiers import SiteId, ZoneId
from protocols.vocabulary.intervals import Interval

NOON = datetime(2026, 7, 22, 3, 0, tzinfo=UTC)


def test_pieces_need_the_memory_of_one() -> None:
    """If it fails, each long answer would take the memory of all of its text at once."""
    rows = 100_000
    commands = Commands(
        quoted_id=tuple(f'"big/{row:06d}"' for row in range(rows)),
        command=("set_power",) * rows,
        rows=np.arange(rows),
        power_w=np.linspace(-5e3, 5e3, rows),
    )
    total = 0
    tracemalloc.start()
    for text in commands.texts(at="2026-07-22T00:00:00Z", size=2_000):
        total += len(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total > 80 * rows
    assert peak < total / 5


class Published:
    """One published half hour, known from a moment on."""

    def __init__(self, known_from: datetime) -> None:
        self.known_from = known_from
        self.reads = 0

    def series(
        self, kind: str, area: str, *, step_s: int, interval: Interval, known_at: datetime
    ) -> Series:
        self.reads += 1
        known = kind == SPOT_KIND and area == "tokyo" and interval.start == NOON
        known = known and known_at >= self.known_from
        start_s = np.array([int(NOON.timestamp())] if known else [], dtype=np.int64)
        return Series(
            kind=kind,
            area=area,
            step_s=step_s,
            start_s=start_s,
            value=np.full(len(start_s), 9.87),
            quality=np.zeros(len(start_s), dtype=np.int8),
        )


def test_the_published_price_of_the_half_hour_is_used_once_it_is_known() -> None:
    """If it fails, plans are valued at last year's mean though the price was imported."""
    published = Published(NOON - timedelta(hours=1))
    prices = KnownPrices(13.66, published)
    at = NOON + timedelta(minutes=29)
    tokyo = ZoneId("tokyo")
    early = prices.energy(tokyo, at, known_at=NOON - timedelta(hours=2))
    assert (early.jpy_per_kwh, early.source) == (13.66, "reference")
    now = prices.energy(tokyo, at, known_at=NOON)
    assert (now.jpy_per_kwh, now.source) == (9.87, "spot tokyo")
    reads = published.reads
    prices.energy(tokyo, at, known_at=NOON + timedelta(seconds=1))
    assert published.reads == reads, "the store is asked once a minute, not in every request"
    later = prices.energy(tokyo, NOON + timedelta(minutes=30), known_at=NOON)
    assert later.source == "reference"
    assert prices.energy(ZoneId("kansai"), at, known_at=NOON).source == "reference"


def test_a_node_is_as_full_as_the_fullest_above() -> None:
    """If it fails, the search for a plan sees every feeder as empty."""
    limits = [
        NodeLimit(node_id="vpp", site_ids=(), up_w=30e3, down_w=np.inf),
        NodeLimit(node_id="feeder", site_ids=(SiteId("a"),), up_w=2e3, down_w=1e3),
    ]
    nodes = [frozenset({0, 1}), frozenset({0})]
    rows, flow_w = np.array([0, 1, 1]), np.array([6e3, 4e3])
    up = fullness_by_row(limits, nodes, rows, flow_w=flow_w, is_up=True)
    assert up == pytest.approx([0.75, 0.25, 0.25])
    down = fullness_by_row(limits, nodes, rows, flow_w=-flow_w, is_up=False)
    assert down.tolist() == [0.0, 0.0, 0.0]
    unknown = fullness_by_row(limits, nodes, rows, flow_w=np.full(2, np.nan), is_up=True)
    assert unknown.tolist() == [0.0, 0.0, 0.0]
