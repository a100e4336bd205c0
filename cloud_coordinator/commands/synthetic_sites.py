"""A fleet without gateways, written into the live table of a coordinator: for measurements."""

from typing import Final

import numpy as np

from cloud_coordinator.fleet.fleet import Fleet, update_rows
from cloud_coordinator.fleet.moment import Moment
from protocols.link.messages import RESOURCE_COLUMNS, SITE_COLUMNS, Layout
from protocols.link.telemetry import RowBlock
from protocols.vocabulary.identifiers import JournalId, ResourceId, SiteId, ZoneId
from protocols.vocabulary.offer import NO_CURVE
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

ZONE: Final = ZoneId("tokyo")
PER_SITE: Final = 20
RATING_W: Final = 5_000.0
ENERGY_WH: Final = 10_000.0
SHARE_W: Final = -8_000.0
"""Of each site, in place though nothing asks for it any more: so much is owed back."""
KINDS: Final = (
    ResourceKind.BATTERY,
    ResourceKind.EV_V2H,
    ResourceKind.LOAD,
    ResourceKind.HEAT_PUMP,
)
STORES: Final = frozenset({ResourceKind.BATTERY, ResourceKind.EV_V2H})


class SyntheticSites:
    """Sites of twenty resources of four kinds.

    Parameters
    ----------
    fleet : Fleet
        In which they are.
    resources : int
        How many, rounded up to whole sites.
    """

    def __init__(self, fleet: Fleet, resources: int) -> None:
        self._fleet = fleet
        count = -(-resources // PER_SITE)
        self.sites = tuple(SiteId(f"site-{number:06d}") for number in range(count))
        self.resources = count * PER_SITE
        for site in self.sites:
            fleet.upsert_site(site, ZONE)
            fleet.upsert_layout(site, _layout(site))
        self._journals = [JournalId(f"{number:032x}") for number in range(count)]
        self._sequence = 0
        self._values = self._drawn(count)

    def hear(self, now: Moment) -> None:
        """Write a row of every site for the present second."""
        count = len(self.sites)
        self._sequence += 1
        block = RowBlock(
            positions=list(range(count)),
            journal_ids=self._journals,
            sequences=np.full(count, self._sequence, dtype=np.int64),
            layout_versions=np.ones(count, dtype=np.int64),
            times_s=np.full(count, int(now.wall_s), dtype=np.int64),
            signal_ids=np.zeros(count, dtype=np.int64),
            values=self._values,
            curve_versions=np.full(count, NO_CURVE, dtype=np.int64),
        )
        update_rows(self._fleet, np.arange(count), block, received=now)

    @staticmethod
    def _drawn(count: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        dice = np.random.default_rng(5)
        site = {"meter_w": -5e3, "baseline_w": -5e3, "share_w": SHARE_W, "flexible_w": 5e4}
        values = np.zeros(
            (count, len(SITE_COLUMNS) + PER_SITE * len(RESOURCE_COLUMNS)), dtype=np.float32
        )
        values[:, : len(SITE_COLUMNS)] = [site.get(name, 0.0) for name in SITE_COLUMNS]
        below = values[:, len(SITE_COLUMNS) :].reshape(count, PER_SITE, len(RESOURCE_COLUMNS))
        place = {name: at for at, name in enumerate(RESOURCE_COLUMNS)}
        below[:, :, place["power_w"]] = dice.uniform(-3_000.0, -500.0, (count, PER_SITE))
        below[:, :, place["soc"]] = 0.5
        return values


def _layout(site: SiteId) -> Layout:
    kinds = [KINDS[at % len(KINDS)] for at in range(PER_SITE)]
    return Layout(
        version=1,
        resources=tuple(
            Resource(
                resource_id=ResourceId(f"{site}/{at:02d}"),
                site_id=site,
                kind=kind,
                power_w_min=-RATING_W,
                power_w_max=RATING_W if kind in STORES else 0.0,
                ramp_w_per_s=RATING_W,
                energy_wh_capacity=ENERGY_WH if kind in STORES else 0.0,
                capabilities=frozenset({Capability.TAKES_SETPOINT}),
            )
            for at, kind in enumerate(kinds)
        ),
    )
