"""What sites share, as causes by site and by row."""

from datetime import UTC, datetime

import numpy as np
import pytest

from cloud_coordinator.services.assurance import (
    VERSION_OUTAGE,
    ZONE_OUTAGE,
    AssurancePolicy,
    CommonCause,
    Registered,
    SharedCauses,
    by_row,
)
from cloud_coordinator.services.records import SiteRecord
from protocols.link.messages import Layout
from protocols.vocabulary.identifiers import JournalId, SiteId, ZoneId

SITES = [SiteId(f"s{number}") for number in range(4)]
FEEDER = CommonCause(name="feeder", outage_probability=0.01, sites=frozenset(SITES[1:3]))


def record(site_id: SiteId, version: str) -> SiteRecord:
    return SiteRecord(
        site_id=site_id,
        zone=ZoneId("tokyo"),
        journal_id=JournalId("j"),
        agent_version=version,
        layout=Layout(version=1, resources=()),
        seen_at=datetime(2026, 7, 1, tzinfo=UTC),
    )


def test_causes_follow_the_registry() -> None:
    """If it fails, a plan's confidence rests on versions that sites no longer run."""
    known = {site_id: record(site_id, "1") for site_id in SITES}
    count = 1

    def registered() -> Registered:
        return count, known

    causes = SharedCauses(AssurancePolicy(causes=(FEEDER,)), registered)
    assert [one.name for one in causes.of(SITES)] == ["agent version 1", "feeder", "zone tokyo"]
    known[SITES[0]] = record(SITES[0], "2")
    known[SITES[1]] = record(SITES[1], "2")
    count = 2
    found = {one.name: one.members.tolist() for one in causes.of(SITES)}
    assert found == {
        "agent version 1": [2, 3],
        "agent version 2": [0, 1],
        "feeder": [1, 2],
        "zone tokyo": [0, 1, 2, 3],
    }


def test_what_hits_every_row_is_set_apart() -> None:
    """If it fails, 100,000 rows are added up for a cause that needs one multiplication."""
    known = {site_id: record(site_id, "1") for site_id in SITES}
    causes = AssurancePolicy(causes=(FEEDER,)).shared(SITES, known)
    rows = np.array([0, 0, 1, 2, 2])
    partial, spared = by_row(causes, rows, sites=len(SITES))
    assert spared == pytest.approx((1.0 - ZONE_OUTAGE) * (1.0 - VERSION_OUTAGE))
    assert [(one.name, one.members.tolist()) for one in partial] == [("feeder", [2, 3, 4])]
    partial, spared = by_row(causes, np.array([1, 2]), sites=len(SITES))
    assert partial == ()
    assert spared == pytest.approx(0.99 * (1.0 - ZONE_OUTAGE) * (1.0 - VERSION_OUTAGE))
