"""The links between agents and broker: one relay per site, cut and healed, with a record."""

from collections.abc import Callable, Mapping, Sequence

from firmware_sim.demo.ports import HOST
from firmware_sim.demo.records import Cut
from firmware_sim.relay import CutKind, Relay


class Links:
    """All relays of a run.

    Parameters
    ----------
    site_ids : sequence of str
        One relay each.
    broker : tuple of str and int
        Where they lead to.
    now_s : callable
        Unix time, s, for the record.
    """

    def __init__(
        self, site_ids: Sequence[str], broker: tuple[str, int], *, now_s: Callable[[], float]
    ) -> None:
        self._relays = {site_id: Relay((HOST, 0), broker) for site_id in site_ids}
        self._now_s = now_s
        self._open: dict[str, tuple[CutKind, float]] = {}
        self._done: list[Cut] = []

    async def start(self) -> Mapping[str, int]:
        """Listen; return the port of each site."""
        for relay in self._relays.values():
            await relay.start()
        return {site_id: relay.port for site_id, relay in self._relays.items()}

    def cut(self, site_id: str, kind: CutKind) -> None:
        """Cut a link."""
        self._relays[site_id].cut(kind)
        self._open[site_id] = (kind, self._now_s())

    def heal(self, site_id: str) -> None:
        """Let a link flow again; nothing happens to one that is not cut."""
        if site_id not in self._open:
            return
        kind, begin_s = self._open.pop(site_id)
        self._relays[site_id].heal()
        self._done.append(
            Cut(site_id=site_id, kind=kind.value, begin_s=begin_s, end_s=self._now_s())
        )

    def is_cut(self, site_id: str) -> bool:
        """Whether a link is cut now."""
        return site_id in self._open

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """Cuts that were healed, by site and time."""
        return tuple(sorted(self._done, key=lambda cut: (cut.site_id, cut.begin_s)))

    async def close(self) -> None:
        """Stop listening."""
        for relay in self._relays.values():
            await relay.close()
