"""Learning: after an award, what its sites showed becomes what is known of them.

An award is learned once: its totals are kept first, then the sites in batches, each with the
mark that it learned, in one transaction; after a stop in the middle only the rest is learned.
The steps run in a worker thread, one small batch each, so the one-second dispatch never waits
(:mod:`cloud_coordinator.store.upkeep`). ``Memory`` is what the next allocation asks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final

import numpy as np

from cloud_coordinator.fleet.characteristics import (
    SITE_KIND,
    Characteristics,
    Priors,
    joined,
    load_priors,
)
from cloud_coordinator.services.assurance import AssurancePolicy
from cloud_coordinator.services.attributing import beside
from cloud_coordinator.services.book import AwardBook
from cloud_coordinator.services.evidence import (
    LEAD_S,
    Group,
    Question,
    answering,
    judged_sites,
    resource_group,
    site_group,
    span_of,
)
from cloud_coordinator.services.learned_totals import Totals, spread_of
from cloud_coordinator.services.learning_ports import (
    LearningPorts,
    SiteCharacteristics,
)
from cloud_coordinator.services.products import follows_frequency
from cloud_coordinator.services.records import AwardRecord
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.identifiers import ObligationId, SiteId
from protocols.vocabulary.intervals import Clock, Interval
from protocols.vocabulary.obligation import ObligationState
from protocols.vocabulary.resource import Resource

BATCH_SITES: Final = 32
"""Sites of a step."""
WAIT_S: Final = 300.0
"""How long after its end an award waits for what sites that were cut off still send."""
_UNBOUND: Final = frozenset(
    {ObligationState.PROPOSED, ObligationState.REFUSED, ObligationState.CANCELLED}
)


class Memory:
    """What is known of sites, for allocation and bidding; priors where nothing was learned.

    Parameters
    ----------
    ports : LearningPorts or None
        Where learning keeps it; None: nothing is ever learned.
    """

    def __init__(self, ports: LearningPorts | None = None) -> None:
        self.priors: Priors = load_priors()
        self._store = None if ports is None else ports.learned
        self._known: tuple[dict[SiteId, int], Characteristics] = {}, self.priors.columns((), ())
        self._spread = 1.0
        self._version = 0
        if ports is not None:
            self.take(ports.learned.all_rows())
            self._spread = spread_of(ports.totals.totals())

    @property
    def spread(self) -> float:
        """How much wider than expected whole awards came, 1 ... 4."""
        return self._spread

    def of(self, sites: Sequence[SiteId]) -> Characteristics:
        """Return the sites' characteristics, one row each, in the order asked."""
        places, known = self._known
        unknown = [site for site in sites if site not in places]
        rows = joined([known, self.priors.columns(unknown, [SITE_KIND] * len(unknown))])
        first = len(known.names)
        fresh = {site: first + at for at, site in enumerate(unknown)}
        return rows.take([places[site] if site in places else fresh[site] for site in sites])

    def of_resources(self, resources: Sequence[Resource]) -> Characteristics:
        """Return the resources' characteristics, one row each; reads the store."""
        _, known = self._known
        sites = list(dict.fromkeys(one.site_id for one in resources)) if known.names else []
        stored = SiteCharacteristics(sites=(), rows=self.priors.columns((), ()))
        if self._store is not None and sites:
            stored = self._store.rows_of(sites)
        return _Known(stored=stored, priors=self.priors).of_resources(resources)

    @property
    def version(self) -> int:
        """How many awards were learned in this run: what was read before is older."""
        return self._version

    def reliability(self, sites: Sequence[SiteId]) -> FloatArray:
        """Probability that each site delivers what it promised, shape (n,), 0 ... 1."""
        return self.of(sites).reliability

    def answers(self, sites: Sequence[SiteId]) -> tuple[FloatArray, FloatArray]:
        """Gain, 0 < g <= 1, and delay, s, of each, shape (n,); 1 and 0 where none was seen."""
        known = self.of(sites)
        seen = known.events > 0
        return np.where(seen, known.gain, 1.0), np.where(seen, known.delay_s, 0.0)

    def learned(self, site_id: SiteId | None = None) -> SiteCharacteristics:
        """Return all that was learned, or of one site with its resources; from the store."""
        if self._store is None:
            return SiteCharacteristics(sites=(), rows=self.priors.columns((), ()))
        return self._store.all_rows() if site_id is None else self._store.rows_of([site_id])

    def take(self, learned: SiteCharacteristics) -> None:
        """Know newer rows of sites; those of resources are left in the store."""
        own = [at for at, kind in enumerate(learned.rows.kinds) if kind == SITE_KIND]
        newer = learned.rows.take(own)
        fresh = {SiteId(name) for name in newer.names}
        _, known = self._known
        kept = [at for at, name in enumerate(known.names) if SiteId(name) not in fresh]
        rows = joined([known.take(kept), newer])
        self._known = {SiteId(name): at for at, name in enumerate(rows.names)}, rows

    def widen(self, spread: float) -> None:
        """Know a newer spread of whole awards: one more was learned."""
        self._spread = spread
        self._version += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """What a batch of sites learned."""

    sites: tuple[SiteId, ...]
    learned: SiteCharacteristics


class Learning:
    """The use case of learning from awards that have ended.

    Parameters
    ----------
    book : AwardBook
        The awards.
    ports : LearningPorts
        The record, and where it is kept what it taught.
    memory : Memory
        Told of what was learned.
    clock : Clock
        Says which awards are due.
    """

    def __init__(
        self, book: AwardBook, ports: LearningPorts, *, memory: Memory, clock: Clock
    ) -> None:
        self._book = book
        self._clock = clock
        self._ports = ports
        self._memory = memory
        self._closed = set(ports.totals.closed())

    def due(self) -> Sequence[AwardRecord]:
        """Awards that have ended and are not learned, by start; not for worker threads."""
        before = self._clock.now() - timedelta(seconds=WAIT_S)
        return [
            award
            for award in self._book.all()
            if award.obligation.state is ObligationState.DONE
            and award.obligation.interval.end <= before
            and award.obligation.obligation_id not in self._closed
            and self._is_alone(award)
        ]

    def _is_alone(self, award: AwardRecord) -> bool:
        """Whether the meters showed the answers to this award's calls and nothing else."""
        calls = not follows_frequency(award.obligation.service)
        return calls and not beside(award, self._book.all())

    def steps(self, award: AwardRecord) -> Iterator[Callable[[], None]]:
        """Give the steps in which an award is learned, each to be done before the next.

        Parameters
        ----------
        award : AwardRecord
            Of :meth:`due`.

        Yields
        ------
        callable
            Reads or writes the store, for a worker thread; raises ``StoreError``.
        """
        obligation_id = award.obligation.obligation_id
        bound = sorted(
            (c for c in award.commitments if c.obligation.state not in _UNBOUND),
            key=lambda c: c.obligation.target,
        )
        totals = Totals(
            obligation_id=obligation_id,
            start_at=award.obligation.interval.start,
            priors=self._memory.priors,
        )
        batches: list[_Batch] = []
        for first in range(0, len(bound), BATCH_SITES):
            some = bound[first : first + BATCH_SITES]
            yield partial(self._study, award, some, totals=totals, batches=batches)
        yield lambda: self._ports.totals.save_totals(totals.records())
        for batch in batches:
            yield partial(self._keep, obligation_id, batch)
        yield partial(self._close, obligation_id)

    def _study(
        self,
        award: AwardRecord,
        commitments: Sequence[Commitment],
        *,
        totals: Totals,
        batches: list[_Batch],
    ) -> None:
        """Read a batch of sites and find what they show; nothing is written."""
        interval = award.obligation.interval
        sites = [SiteId(c.obligation.target) for c in commitments]
        question = Question(
            commitments=commitments,
            rows=self._ports.history.rows(
                sites,
                Interval(start=interval.start - timedelta(seconds=LEAD_S), end=interval.end),
            ),
            signals=self._ports.history.signals(award.obligation.obligation_id),
            span=span_of(interval),
        )
        known = _Known(stored=self._ports.learned.rows_of(sites), priors=self._memory.priors)
        group, blocks = site_group(question, known.of_sites(sites))
        totals.add(group)
        judged = [one for one in judged_sites(question, group, blocks) if answering(one.rows)]
        resources = [one.rows.layout.resources[at] for one in judged for at in answering(one.rows)]
        below = resource_group(
            judged,
            question.span,
            before=known.of_resources(resources),
            priors=self._memory.priors,
        )
        groups = [group] if below is None else [group, below]
        if below is not None:
            totals.add(below)
        batches.append(_Batch(sites=tuple(sites), learned=_after(groups)))

    def _keep(self, obligation_id: ObligationId, batch: _Batch) -> None:
        """Keep what a batch learned, but of sites that learned it before a restart."""
        done = self._ports.learned.learned_sites(obligation_id)
        sites = [site for site in batch.sites if site not in done]
        chosen = [at for at, site in enumerate(batch.learned.sites) if site not in done]
        learned = SiteCharacteristics(
            sites=tuple(batch.learned.sites[at] for at in chosen),
            rows=batch.learned.rows.take(chosen),
        )
        self._ports.learned.save_rows(obligation_id, learned, sites=sites)
        self._memory.take(learned)

    def _close(self, obligation_id: ObligationId) -> None:
        self._ports.totals.close_award(obligation_id)
        self._closed.add(obligation_id)
        self._memory.widen(spread_of(self._ports.totals.totals()))


def _after(groups: Sequence[Group]) -> SiteCharacteristics:
    return SiteCharacteristics(
        sites=tuple(site for group in groups for site in group.sites),
        rows=joined([group.after for group in groups]),
    )


def learning_of(
    book: AwardBook, ports: LearningPorts | None, *, memory: Memory, clock: Clock
) -> Learning | None:
    """Make the use case where there are stores for it."""
    return None if ports is None else Learning(book, ports, memory=memory, clock=clock)


def informed(
    policy: AssurancePolicy, memory: Memory, ports: LearningPorts | None
) -> AssurancePolicy:
    """Let awards rest on what was learned, where anything can be."""
    return policy if ports is None else replace(policy, reliabilities=memory, answers=memory)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What is stored of a batch, and priors where nothing is."""

    stored: SiteCharacteristics
    priors: Priors

    def of_sites(self, sites: Sequence[SiteId]) -> Characteristics:
        """Rows of whole sites."""
        return self._of([(site, str(site), SITE_KIND) for site in sites])

    def of_resources(self, resources: Sequence[Resource]) -> Characteristics:
        """Rows of resources."""
        return self._of([(one.site_id, str(one.resource_id), one.kind.value) for one in resources])

    def _of(self, keys: Sequence[tuple[SiteId, str, str]]) -> Characteristics:
        held = self.stored
        stored = zip(held.sites, held.rows.names, held.rows.kinds, strict=True)
        place = {key: at for at, key in enumerate(stored)}
        prior = self.priors.columns([name for _, name, _ in keys], [kind for _, _, kind in keys])
        rows, first = joined([held.rows, prior]), len(held.rows.names)
        return rows.take([place.get(key, first + at) for at, key in enumerate(keys)])
