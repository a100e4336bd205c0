"""What was learned, over HTTP."""

from collections.abc import Sequence
from typing import Any

from cloud_coordinator.fleet.characteristics import SITE_KIND, load_priors
from cloud_coordinator.services.learning import Memory
from cloud_coordinator.services.learning_ports import (
    LearnedTotal,
    LearningPorts,
    SentSignals,
    SiteCharacteristics,
    SiteRows,
)
from protocols.vocabulary.identifiers import ObligationId, SiteId
from protocols.vocabulary.intervals import Interval

PATH = "/api/v1/fleet/characteristics"


class Learned:
    """A store that knows three sites with a battery each, and nothing else."""

    def all_rows(self) -> SiteCharacteristics:
        return self.rows_of([SiteId(f"site-{at}") for at in range(1, 4)])

    def rows_of(self, sites: Sequence[SiteId]) -> SiteCharacteristics:
        names = [name for site in sites for name in (str(site), f"{site}/battery")]
        return SiteCharacteristics(
            sites=tuple(site for site in sites for _ in range(2)),
            rows=load_priors().columns(names, [SITE_KIND, "battery"] * len(sites)),
        )

    def save_rows(
        self, obligation_id: ObligationId, learned: SiteCharacteristics, *, sites: Sequence[SiteId]
    ) -> None:
        raise AssertionError("nothing is learned here")

    def learned_sites(self, obligation_id: ObligationId) -> frozenset[SiteId]:
        return frozenset()


class Nothing:
    """No totals and no events."""

    def rows(self, sites: Sequence[SiteId], interval: Interval) -> Sequence[SiteRows]:
        return []

    def signals(self, obligation_id: ObligationId) -> SentSignals:
        raise AssertionError("no award is learned here")

    def save_totals(self, totals: Sequence[LearnedTotal]) -> None:
        raise AssertionError("nothing is learned here")

    def totals(self) -> Sequence[LearnedTotal]:
        return []

    def close_award(self, obligation_id: ObligationId) -> None:
        raise AssertionError("nothing is learned here")

    def closed(self) -> frozenset[ObligationId]:
        return frozenset()


def test_what_was_learned_comes_in_pages(api: Any, plant: Any) -> None:
    """If it fails, a fleet's characteristics cannot be read by another program."""
    assert api.get(PATH).json == {"items": [], "next_cursor": None}
    none = Nothing()
    plant.coordinator.memory = Memory(LearningPorts(history=none, learned=Learned(), totals=none))
    first = api.get(f"{PATH}?limit=4").json
    rest = api.get(f"{PATH}?limit=4&cursor={first['next_cursor']}").json
    names = [one["name"] for one in first["items"] + rest["items"]]
    assert names == [f"site-{at}{what}" for at in range(1, 4) for what in ("", "/battery")]
    assert rest["next_cursor"] is None
    assert first["items"][0]["efficiency"] is None
    assert first["items"][1]["efficiency"] == 0.88
    assert [one["kind"] for one in api.get(f"{PATH}?site_id=site-2").json["items"]] == [
        "site",
        "battery",
    ]
