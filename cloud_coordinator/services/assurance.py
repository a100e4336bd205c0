"""Assurance: how sure an award has to be, and what is known of how its sites fail.

Reliability comes from what was learned of each site; common causes from what the registry
knows (zone, agent version) and from a file of the operator (feeder, vendor, mobile network).
Called by awarding.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import numpy as np

from cloud_coordinator.allocation.dependable_capacity import Assurance
from cloud_coordinator.allocation.promise import SharedOutage
from cloud_coordinator.fleet.characteristics import SITE_KIND, load_priors
from cloud_coordinator.services.records import SiteRecord
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.identifiers import SiteId

AWARD_PROBABILITY: Final = 0.999
"""With which at least the award is delivered, unless the operator wants another."""
ZONE_OUTAGE: Final = 4e-5
"""A customer in Japan is without power about twenty minutes a year; here the zone as one."""
VERSION_OUTAGE: Final = 1e-4
"""Assumed of a fault that all agents of one version share: under an hour a year."""


class Reliabilities(Protocol):
    """What was learned of the sites."""

    def reliability(self, sites: Sequence[SiteId]) -> FloatArray:
        """Probability that each site delivers what it promised, shape (n,), 0 ... 1."""

    @property
    def spread(self) -> float:
        """How much wider than expected whole awards came, >= 1."""


class PriorReliability:
    """What is assumed of a site before anything was learned."""

    spread: Final = 1.0

    def __init__(self) -> None:
        self._priors = load_priors()

    def reliability(self, sites: Sequence[SiteId]) -> FloatArray:
        """Return the prior of a site for each."""
        return self._priors.columns(sites, [SITE_KIND] * len(sites)).reliability


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonCause:
    """What takes several sites down at once, as the operator says: feeder, vendor, network.

    Attributes
    ----------
    name : str
        For people.
    outage_probability : float
        0 <= p < 1.
    sites : frozenset of SiteId
        Which; those that have no part in an award do not matter.
    """

    name: str
    outage_probability: float
    sites: frozenset[SiteId]


class Answers(Protocol):
    """How sites were found to answer their calls."""

    def answers(self, sites: Sequence[SiteId]) -> tuple[FloatArray, FloatArray]:
        """Gain, 0 < g <= 1, and delay, s, of each, shape (n,); 1 and 0 where none was seen."""


class NominalAnswers:
    """What is taken for sites that were never seen to answer: all of it, at once."""

    def answers(self, sites: Sequence[SiteId]) -> tuple[FloatArray, FloatArray]:
        """Return 1 and 0 s for each."""
        return np.ones(len(sites)), np.zeros(len(sites))


@dataclass(frozen=True, slots=True, kw_only=True)
class AssurancePolicy:
    """How sure awards are to be.

    Attributes
    ----------
    probability : float
        Of delivering at least the award, 0 < p < 1.
    causes : tuple of CommonCause
        Of the operator's file.
    reliabilities : Reliabilities
        Of single sites.
    answers : Answers
        How much of a call comes, and how late.
    """

    probability: float = AWARD_PROBABILITY
    causes: tuple[CommonCause, ...] = ()
    reliabilities: Reliabilities = field(default_factory=PriorReliability)
    answers: Answers = field(default_factory=NominalAnswers)

    def of(self, sites: Sequence[SiteId], records: Mapping[SiteId, SiteRecord]) -> Assurance:
        """Say how sure an award of these sites has to be, and how they fail.

        Parameters
        ----------
        sites : sequence of SiteId
            Sorted; the rows of the answer.
        records : mapping of SiteId to SiteRecord
            What the registry knows of them.
        """
        return Assurance(
            probability=self.probability,
            reliability=self.reliabilities.reliability(sites),
            spread=self.reliabilities.spread,
            causes=self.shared(sites, records),
        )

    def shared(
        self, sites: Sequence[SiteId], records: Mapping[SiteId, SiteRecord]
    ) -> tuple[SharedOutage, ...]:
        """Say what takes several of some sites down at once; the arguments are those of ``of``."""
        groups: dict[tuple[str, float], list[int]] = {}
        for row, site_id in enumerate(sites):
            record = records.get(site_id)
            if record is not None:
                groups.setdefault((f"zone {record.zone}", ZONE_OUTAGE), []).append(row)
                version = f"agent version {record.agent_version}"
                groups.setdefault((version, VERSION_OUTAGE), []).append(row)
        row_of = {site_id: row for row, site_id in enumerate(sites)}
        for cause in self.causes:
            rows = sorted(row_of[site_id] for site_id in cause.sites if site_id in row_of)
            groups[cause.name, cause.outage_probability] = rows
        return tuple(
            SharedOutage(
                name=name,
                outage_probability=chance,
                members=np.array(rows, dtype=np.int64),
            )
            for (name, chance), rows in sorted(groups.items())
            if len(rows) > 1 and chance > 0.0
        )


Registered = tuple[int, Mapping[SiteId, SiteRecord]]
"""How often a site was registered, and what the registry knows."""


class SharedCauses:
    """What sites of the fleet share, for a plan; laid out again when a site registers anew.

    Parameters
    ----------
    policy : AssurancePolicy
        The operator's causes.
    registered : callable
        The registry now.
    """

    def __init__(self, policy: AssurancePolicy, registered: Callable[[], Registered]) -> None:
        self._policy = policy
        self._registered = registered
        self._key = (-1, -1)
        self._causes: tuple[SharedOutage, ...] = ()

    def of(self, sites: Sequence[SiteId]) -> tuple[SharedOutage, ...]:
        """Return the causes of the fleet's sites, in the fleet's order, which only grows."""
        count, records = self._registered()
        if self._key != (count, len(sites)):
            self._causes = self._policy.shared(sites, records)
            self._key = (count, len(sites))
        return self._causes


def by_row(
    causes: Sequence[SharedOutage], site_index: IntArray, *, sites: int
) -> tuple[tuple[SharedOutage, ...], float]:
    """Turn causes by site into causes by row, those that hit every row apart.

    Parameters
    ----------
    causes : sequence of SharedOutage
        Members are sites.
    site_index : IntArray
        Shape (n,), site of each row.
    sites : int
        How many there are.

    Returns
    -------
    tuple of SharedOutage, float
        What hits some of the rows, and the probability that nothing hits all of them.
    """
    partial, spared = [], 1.0
    for cause in causes:
        hit = np.zeros(sites, dtype=np.bool_)
        hit[cause.members] = True
        row_hit = hit[site_index]
        if row_hit.all():
            spared *= 1.0 - cause.outage_probability
        elif row_hit.any():
            partial.append(replace(cause, members=np.flatnonzero(row_hit)))
    return tuple(partial), spared
