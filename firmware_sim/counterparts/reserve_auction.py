"""The auction of one product and block: merit order, paid as bid, across areas. Pure.

Cheapest first; of equal prices the one that needs fewer interconnectors, then the area in the
publisher's order, then who came first. A bid of which less than its least is left gets nothing.
Interconnectors are not limited here.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from firmware_sim.counterparts.jepx_rules import AREAS

LINES: Final = (
    ("hokkaido", "tohoku"), ("tohoku", "tokyo"), ("tokyo", "chubu"), ("chubu", "hokuriku"),
    ("chubu", "kansai"), ("hokuriku", "kansai"), ("kansai", "chugoku"), ("kansai", "shikoku"),
    ("chugoku", "shikoku"), ("chugoku", "kyushu"),
)  # fmt: skip
"""Interconnectors, as in the published table of reserved capacity."""
_FREQUENCY: Final = (
    ("hokkaido",),
    ("tohoku", "tokyo"),
    ("chubu", "hokuriku", "kansai", "chugoku", "shikoku", "kyushu"),
)
"""Zones within which primary reserve is bought."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One bid.

    Attributes
    ----------
    owner : str
        Whose; empty for everybody else.
    area : str
        Where the resource is.
    power_kw, least_kw : int
        Offered, and the least that is acceptable.
    price_sen : int
        JPY per kW and half hour, in hundredths.
    """

    owner: str
    area: str
    power_kw: int
    least_kw: int
    price_sen: int


def zones(product: str) -> tuple[tuple[str, ...], ...]:
    """Return the groups of areas that buy together."""
    if product in {"primary", "primary-offline"}:
        return _FREQUENCY
    if product in {"secondary1", "compound"}:
        return tuple((area,) for area in AREAS)
    return (AREAS,)


def award(
    offers: Sequence[Offer], sought_kw: Mapping[str, int], *, product: str
) -> tuple[Mapping[str, int], ...]:
    """Award kW of each offer, by area for which it is bought; an empty mapping is nothing."""
    found: list[dict[str, int]] = [{} for _ in offers]
    for zone in zones(product):
        left = {area: sought_kw.get(area, 0) for area in zone}
        waiting = [index for index, offer in enumerate(offers) if offer.area in zone]
        while waiting:
            first = min(waiting, key=lambda index: _rank(offers[index], left, index))
            waiting.remove(first)
            found[first] = _take(offers[first], left)
    return tuple(found)


def _rank(offer: Offer, left: Mapping[str, int], index: int) -> tuple[int, int, int, int]:
    hops = min((_hops(offer.area, area) for area, kw in left.items() if kw), default=0)
    return offer.price_sen, hops, AREAS.index(offer.area), index


def _take(offer: Offer, left: dict[str, int]) -> dict[str, int]:
    total = min(offer.power_kw, sum(left.values()))
    if total <= 0 or total < offer.least_kw:
        return {}
    mine: dict[str, int] = {}
    for area in sorted(left, key=lambda one: (_hops(offer.area, one), AREAS.index(one))):
        power = min(left[area], total)
        if power:
            mine[area] = power
            left[area] -= power
            total -= power
    return mine


def _hops(one: str, other: str) -> int:
    """Interconnectors on the shortest way."""
    seen, queue = {one}, deque([(one, 0)])
    while queue:
        area, hops = queue.popleft()
        if area == other:
            return hops
        for line in LINES:
            if area in line:
                end = line[0] if line[1] == area else line[1]
                if end not in seen:
                    seen.add(end)
                    queue.append((end, hops + 1))
    return len(LINES)
