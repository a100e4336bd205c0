"""What layouts say, as columns: made off the request, only where something changed."""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from cloud_coordinator.fleet.characteristics import Characteristics, load_priors
from cloud_coordinator.services.errors import StaleError
from cloud_coordinator.services.plan_columns import ROWS_AT_ONCE, PlanColumns
from protocols.vocabulary.identifiers import ResourceId, SiteId
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

MANY = ROWS_AT_ONCE + 1
WAITS_MAX = 1_000


class Known:
    """Priors, and what a test lets be learned of the first resource."""

    def __init__(self) -> None:
        self.version = 0
        self.efficiency = np.nan
        self.gate = threading.Event()
        self.gate.set()
        self.asked = 0

    def of_resources(self, resources: Sequence[Resource]) -> Characteristics:
        self.gate.wait()
        self.asked += len(resources)
        names, kinds = zip(*((str(r.resource_id), r.kind.value) for r in resources), strict=True)
        known = load_priors().columns(names, kinds)
        first = np.array([name == "site/00000" for name in names])
        return replace(
            known,
            efficiency=np.where(first, self.efficiency, known.efficiency),
            events=np.where(first & np.isfinite(self.efficiency), 3, known.events),
        )


def resources(count: int) -> list[Resource | None]:
    return [
        Resource(
            resource_id=ResourceId(f"site/{at:05d}"),
            site_id=SiteId("site"),
            kind=ResourceKind.BATTERY if at % 2 == 0 else ResourceKind.PV,
            power_w_min=-5e3,
            power_w_max=5e3,
            ramp_w_per_s=1e3,
            energy_wh_capacity=1e4 if at % 2 == 0 else 0.0,
            efficiency_charge=0.95,
            efficiency_discharge=0.95,
            capabilities=frozenset({Capability.TAKES_SETPOINT}),
        )
        for at in range(count)
    ]


def wait(columns: PlanColumns, changes: int, rows: list[Resource | None]) -> None:
    for _ in range(WAITS_MAX):
        if columns.prepare(changes, tuple(rows)):
            return
        time.sleep(0.01)
    raise AssertionError("never laid out")


def test_a_fleet_that_has_just_joined_is_laid_out_off_the_request() -> None:
    """If it fails, the first request after a change waits for 100,000 layouts and is too late."""
    known, rows = Known(), resources(MANY)
    known.gate.clear()
    columns = PlanColumns(known)
    assert not columns.prepare(1, tuple(rows))
    with pytest.raises(StaleError, match="being laid out"):
        columns.of(1, tuple(rows))
    known.gate.set()
    wait(columns, 1, rows)
    static = columns.of(1, tuple(rows))
    assert static.quoted_id[1] == '"site/00001"'
    assert static.is_pv.tolist()[:3] == [False, True, False]
    assert static.is_store.sum() == (MANY + 1) // 2
    assert np.isnan(static.columns["out_wh"][1])


def test_one_site_more_is_laid_out_in_the_request() -> None:
    """If it fails, every new site makes the fleet unplannable for a second."""
    known, rows = Known(), resources(MANY)
    columns = PlanColumns(known)
    wait(columns, 1, rows)
    asked = known.asked
    changed = [*rows[:5], None, *rows[6:], *resources(3)]
    static = columns.of(2, tuple(changed))
    assert known.asked == asked + 3, "only what is new is laid out"
    assert len(static.quoted_id) == MANY + 3
    assert static.quoted_id[5] == ""
    assert not static.is_commanded[5]
    assert static.quoted_id[MANY] == '"site/00000"'


def test_learned_efficiency_bounds_the_energy() -> None:
    """If it fails, a storage that lost a third of its energy is planned by its nameplate."""
    known, rows = Known(), resources(4)
    columns = PlanColumns(known)
    plate = columns.of(1, tuple(rows))
    wait(columns, 1, rows)
    known.efficiency, known.version = 0.6, 1
    wait(columns, 1, rows)
    learned = columns.of(1, tuple(rows))
    assert learned.columns["out_wh"][0] / learned.columns["room_wh"][0] == pytest.approx(0.6)
    assert learned.columns["out_wh"][0] < plate.columns["out_wh"][0]
    assert learned.columns["out_wh"][2] == pytest.approx(plate.columns["out_wh"][2])
    assert (learned.wear_jpy_per_kwh[[0, 2]] > 0.0).all()
