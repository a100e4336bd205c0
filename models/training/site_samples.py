"""Samples of sites: features as on the gateway, at any half hour, with any length of past."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from models.day_ahead.frame import DayFeatures
from models.site.load import load_features
from models.site.past import LEAST_DAYS, PAST_SLOTS, SitePast, known_days
from models.site.pv import pv_features
from models.site.run import LOAD_MODEL, PV_MODEL
from models.training.samples import Samples
from models.training.sites import Site, load_sites, pv_sites, roles
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_S, SLOTS_A_DAY

TEST_PART: Final = 0.2
TEST_FROM: Final = date(2020, 1, 1)
"""Every site's days are counted so that its last fifth begins here; they come from many years."""
SEED: Final = 11
SHORT_PART: Final = 0.3
"""Part of the samples whose past is cut short: a new site must be forecast too."""
LEAST_TRUTH: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteTarget:
    """A quantity that one model forecasts for any site.

    Attributes
    ----------
    name : str
        File name of its model.
    read : callable
        Reads the sites of a catalogue.
    build : callable
        Makes the inputs.
    is_pv : bool
        Which column of the past it is.
    a_day : mapping of str to int
        Samples drawn a day and site, by origin; 2 if left out.
    """

    name: str
    read: Callable[[Path], list[Site]]
    build: Callable[[SitePast], DayFeatures]
    is_pv: bool
    a_day: Mapping[str, int]


SITE_TARGETS: Final = (
    SiteTarget(
        name=LOAD_MODEL,
        read=load_sites,
        build=load_features,
        is_pv=False,
        a_day={"simbench": 3},
    ),
    SiteTarget(
        name=PV_MODEL,
        read=pv_sites,
        build=pv_features,
        is_pv=True,
        a_day={"nrel": 8, "rooftop27": 8, "rooftop7": 8},
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSamples:
    """Samples of all sites.

    Attributes
    ----------
    sites : sequence of Site
        ``samples.place`` counts them.
    samples : Samples
        Rows; ``ordinal`` counts days to the test's beginning at TEST_FROM.
    clock : numpy int array
        Shape (n,), half hour of the local day at which each sample begins.
    """

    sites: Sequence[Site]
    samples: Samples
    clock: np.ndarray[tuple[int, ...], np.dtype[np.int64]]

    def by_role(self) -> Mapping[str, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
        """Rows of known, held and new sites."""
        return {name: np.isin(self.samples.place, of) for name, of in roles(self.sites).items()}


def site_samples(target: SiteTarget, data: Path, *, tick: Callable[[float], None]) -> SiteSamples:
    """Make the samples of a target.

    Parameters
    ----------
    target : SiteTarget
        Quantity.
    data : Path
        Catalogue.
    tick : callable
        Called with the part that is done.
    """
    sites = target.read(data)
    random = np.random.default_rng(SEED)
    found: dict[str, list[object]] = {one.name: [] for one in fields(Samples)}
    clocks = []
    for number, site in enumerate(sites):
        days = len(site.values_w) // SLOTS_A_DAY
        test_day = round((1.0 - TEST_PART) * days)
        for day in range(int(LEAST_DAYS), days - 1):
            for slot in random.integers(0, SLOTS_A_DAY, target.a_day.get(site.origin, 2)):
                end = day * SLOTS_A_DAY + int(slot)
                if _crosses(end, test_day) or not _add(
                    found, target, site, end=end, kept=_kept(random)
                ):
                    continue
                found["place"].append(number)
                found["ordinal"].append(TEST_FROM.toordinal() + day - test_day)
                clocks.append(int(slot))
        tick((number + 1) / len(sites))
    samples = Samples(**{name: np.array(values) for name, values in found.items()})
    return SiteSamples(sites=sites, samples=samples, clock=np.array(clocks))


def _crosses(end: int, test_day: int) -> bool:
    """Tell whether a sample before the test has its truth in the test."""
    return end < test_day * SLOTS_A_DAY < end + SLOTS_A_DAY


def _kept(random: np.random.Generator) -> int:
    """Half hours of the past that are kept."""
    if random.random() >= SHORT_PART:
        return PAST_SLOTS
    return int(random.integers(SLOTS_A_DAY, PAST_SLOTS))


def site_past(site: Site, end: int, *, is_pv: bool, kept: int = PAST_SLOTS) -> SitePast:
    """Past of a site at one of its half hours; nothing from ``end`` on is in it."""
    values = np.full(PAST_SLOTS, np.nan)
    tail = site.values_w[max(end - kept, 0) : end]
    if len(tail):
        values[-len(tail) :] = tail
    nothing = np.full(PAST_SLOTS, np.nan)
    return SitePast(
        until=site.start + timedelta(seconds=SLOT_S * end),
        consumption_w=nothing if is_pv else values,
        pv_w=values if is_pv else nothing,
        place=site.place,
    )


def _add(
    found: dict[str, list[object]], target: SiteTarget, site: Site, *, end: int, kept: int
) -> bool:
    """Add one sample if enough is known of past and truth."""
    truth: FloatArray = site.values_w[end : end + SLOTS_A_DAY]
    past = site_past(site, end, is_pv=target.is_pv, kept=kept)
    known = known_days(past.pv_w if target.is_pv else past.consumption_w)
    if known < LEAST_DAYS * 0.9 or np.isfinite(truth).mean() < LEAST_TRUTH:
        return False
    features = target.build(past)
    for name, values in features.tensors().items():
        found[name].append(values[0])
    found["truth"].append(truth.astype(np.float32))
    found["level"].append(np.float32(features.level))
    return True
