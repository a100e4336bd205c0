"""Many sites' rows written at once, against writing them one by one."""

import random

import numpy as np
import pytest

from cloud_coordinator.fleet.fleet import Fleet, update_rows
from cloud_coordinator.fleet.moment import Moment
from protocols.link.messages import Layout, Telemetry
from protocols.link.telemetry import decode_rows
from protocols.link.wire import VERSION, encode
from protocols.vocabulary.identifiers import JournalId, ResourceId, SiteId, ZoneId
from protocols.vocabulary.resource import Resource, ResourceKind

T0 = 1_800_000_000
SITES = [SiteId(f"site-{number}") for number in range(6)]


def layout(site: SiteId, version: int, resources: int) -> Layout:
    return Layout(
        version=version,
        resources=tuple(
            Resource(
                resource_id=ResourceId(f"{site}/{place}"),
                site_id=site,
                kind=ResourceKind.BATTERY,
                power_w_min=-1.0,
                power_w_max=1.0,
                ramp_w_per_s=1.0,
            )
            for place in range(resources)
        ),
    )


def fleet() -> Fleet:
    made = Fleet(capacity=2)
    for number, site in enumerate(SITES):
        made.upsert_site(site, ZoneId("tokyo"))
        made.upsert_layout(site, layout(site, 1, number % 3))
    return made


@pytest.mark.parametrize("seed", range(20))
def test_a_block_changes_what_its_rows_would_change_one_by_one(seed: int) -> None:
    """If it fails, what dispatch and the page see depends on how many sites spoke at once."""
    dice, numbers = random.Random(seed), np.random.default_rng(seed)
    one, many = fleet(), fleet()
    for step in range(40):
        now = Moment(wall_s=T0 + step, monotonic_ns=step * 1_000_000_000)
        some = dice.sample(SITES, dice.randint(1, len(SITES)))
        messages = [
            Telemetry(
                journal_id=JournalId(dice.choice(["a", "a", "a", "b"])),
                first_sequence=max(1, step + dice.choice([0, 0, -3])),
                layout_version=dice.choice([1, 1, 1, 2]),
                times_s=np.array([T0 + step + dice.choice([0, 0, -2, 9])]),
                signal_ids=np.array([step]),
                values=numbers.normal(size=(1, 6 + 4 * (SITES.index(site) % 3))).astype(np.float32),
            )
            for site in some
        ]
        for site, message in zip(some, messages, strict=True):
            one.update(site, message, now)
        blocks, rest = decode_rows([encode(message) for message in messages], VERSION)
        assert not rest
        for block in blocks:
            places = np.array([SITES.index(some[place]) for place in block.positions])
            update_rows(many, places, block, received=now)
        left, right = one.snapshot(now), many.snapshot(now)
        for name in ("meter_w", "share_w", "quality", "age_s", "condition", "second", "signal_id"):
            np.testing.assert_array_equal(getattr(left, name), getattr(right, name), name)
        for site in SITES:
            np.testing.assert_equal(one.resources_of(site), many.resources_of(site))
        for second in range(T0 + step - 5, T0 + step + 2):
            np.testing.assert_array_equal(one.rows_of(second).meter_w, many.rows_of(second).meter_w)
