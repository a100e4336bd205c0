"""The capacity ledger: what one day has sold of each kilowatt and kilowatt hour. Pure.

All products, the exchange and curtailment are booked in the same 48 slots, so that nothing is
sold twice, and the state of charge is followed twice: if no reserve is called (it must not get
too full) and if all of it is called for its whole duration (it must not get too empty). Called
by bid strategies, before bids are sent, and by ``vpp bids check``.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from typing import Final

import numpy as np

from cloud_coordinator.market.bids import Bid, Source, Venue
from cloud_coordinator.market.gates import Refusal
from cloud_coordinator.market.product import ProductRule
from protocols.templates.table import Table
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_MINUTES, SLOTS_A_DAY
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.obligation import Service

TOLERANCE: Final = 1e-6
"""kW or kWh by which a sum of floats may be off."""
SLOT_H: Final = SLOT_MINUTES / 60.0
_PATTERNS_MAX: Final = 20
_HOUR_S: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """All storage of the portfolio as one.

    Attributes
    ----------
    charge_kw : FloatArray
        Shape (48,), power it takes in, >= 0.
    start_kwh, floor_kwh, ceiling_kwh : float
        Content at the start of the day, and the owners' limits.
    end_kwh : float
        Least content planned for the end of the day.
    charge_efficiency, discharge_efficiency : float
        0 < e <= 1.
    loss_kw : float
        Lost while standing, >= 0.
    """

    charge_kw: FloatArray
    start_kwh: float
    floor_kwh: float
    ceiling_kwh: float
    end_kwh: float
    charge_efficiency: float
    discharge_efficiency: float
    loss_kw: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What there is to sell on a day.

    Attributes
    ----------
    capability_kw : mapping
        By source and product, shape (48,): power that can be promised, kW. ENERGY is what can be
        delivered as energy. A product that is missing cannot be offered.
    store : Store or None
        None without storage.
    load_energy_kwh : float
        Reduction of load over the day that owners allow.
    """

    capability_kw: Mapping[tuple[Source, Service], FloatArray]
    store: Store | None
    load_energy_kwh: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRule:
    """Rules of the ledger: id of the set, clause by rule, and the wait before refilling.

    Attributes
    ----------
    rule_set_id : str
        Goes with every refusal.
    clauses : mapping
        Clause by name of rule.
    """

    rule_set_id: str
    clauses: Mapping[str, str]

    def refuse(self, rule: str, detail: str) -> Refusal:
        """Refusal by one of the rules."""
        return Refusal(
            rule=rule, rule_set_id=self.rule_set_id, detail=detail, clause=self.clauses[rule]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What is booked, before it is judged.

    Attributes
    ----------
    bids : tuple of Bid
        All bids and awards of a day.
    refill_kw : FloatArray
        Shape (48,), charging power kept free to buy back what reserve used.
    durations_s : mapping
        By product, how long an award may be called in one slot, s.
    refill_wait : int
        Slots from the one that used energy to the first that may refill.
    """

    bids: tuple[Bid, ...]
    refill_kw: FloatArray
    durations_s: Mapping[Service, int]
    refill_wait: int

    def sold_kw(self, source: Source, service: Service) -> FloatArray:
        """Sum of what is sold or held ready per slot, shape (48,), kW; purchases left out."""
        found = np.zeros(SLOTS_A_DAY)
        for bid in self.bids:
            if (bid.source, bid.service) == (source, service) and bid.power_kw > 0:
                found[bid.slot_range] += float(bid.power_kw)
        return found

    def bought_kw(self) -> FloatArray:
        """Power that storage takes in by plan, shape (48,), kW >= 0."""
        found = np.zeros(SLOTS_A_DAY)
        for bid in self.bids:
            if bid.source is Source.STORAGE and bid.power_kw < 0:
                found[bid.slot_range] -= float(bid.power_kw)
        return found

    def called_kwh(self, source: Source) -> FloatArray:
        """Energy of all reserve of a source if it is called to the full, shape (48,), kWh."""
        found = np.zeros(SLOTS_A_DAY)
        for service, duration_s in self.durations_s.items():
            hours = min(duration_s / _HOUR_S, SLOT_H)
            found += self.sold_kw(source, service) * hours
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Energy in storage over the day, shape (49,), kWh.

    Attributes
    ----------
    planned_kwh : FloatArray
        If no reserve is called.
    highest_kwh : FloatArray
        The same without standing loss.
    lowest_kwh : FloatArray
        If all is called to the full and refilled as planned.
    needed_kwh : FloatArray
        Shape (48,), what a slot may take out before anything comes in.
    """

    planned_kwh: FloatArray
    highest_kwh: FloatArray
    lowest_kwh: FloatArray
    needed_kwh: FloatArray


def durations_of(rules: Mapping[Service, Sequence[ProductRule]]) -> dict[Service, int]:
    """How long an award may be called in one slot, the longest of all rule sets, s.

    Offline primary states no duration; the ledger counts it like a whole slot.
    """
    return {
        service: max((rule.duration_s or SLOT_MINUTES * 60 for rule in sets), default=0)
        for service, sets in rules.items()
    }


def contents_of(ledger: Ledger, store: Store) -> Contents:
    """Follow the energy in storage through the day."""
    bought = ledger.bought_kw() * SLOT_H * store.charge_efficiency
    refilled = ledger.refill_kw * SLOT_H * store.charge_efficiency
    sold = ledger.sold_kw(Source.STORAGE, Service.ENERGY) * SLOT_H / store.discharge_efficiency
    called = ledger.called_kwh(Source.STORAGE) / store.discharge_efficiency
    lost = np.full(SLOTS_A_DAY, store.loss_kw * SLOT_H)

    def path(change: FloatArray) -> FloatArray:
        return store.start_kwh + np.concatenate([[0.0], np.cumsum(change)])

    return Contents(
        planned_kwh=path(bought - sold - lost),
        highest_kwh=path(bought - sold),
        lowest_kwh=path(bought + refilled - sold - called - lost),
        needed_kwh=sold + called + lost,
    )


def judge(ledger: Ledger, holdings: Holdings, rule: LedgerRule) -> tuple[Refusal, ...]:
    """Judge all that is booked.

    Returns
    -------
    tuple of Refusal
        Empty if every rule holds; else one for each rule and source at its first slot.
    """
    found = list(_judge_form(ledger, rule))
    found.extend(_judge_lists(ledger, rule))
    for source in Source:
        found.extend(_judge_power(ledger, holdings, source, rule=rule))
    found.extend(_judge_storage(ledger, holdings.store, rule))
    reduced = ledger.sold_kw(Source.LOAD, Service.ENERGY).sum() * SLOT_H
    reduced += ledger.called_kwh(Source.LOAD).sum()
    if reduced > holdings.load_energy_kwh + TOLERANCE:
        found.append(
            rule.refuse(
                "load-energy", f"{reduced:.1f} kWh of {holdings.load_energy_kwh:.1f} kWh allowed"
            )
        )
    return tuple(found)


def _judge_form(ledger: Ledger, rule: LedgerRule) -> list[Refusal]:
    found = []
    days = {bid.slot.day for bid in ledger.bids}
    if len(days) > 1:
        found.append(rule.refuse("block", f"the book mixes the days {sorted(days)}"))
    for bid in ledger.bids:
        if bid.slots < 1 or bid.slot.number - 1 + bid.slots > SLOTS_A_DAY:
            found.append(rule.refuse("block", f"{bid.name}: {bid.slots} slots leave the day"))
        if (bid.venue is Venue.RESERVE) == (bid.service is Service.ENERGY):
            found.append(rule.refuse("kind", f"{bid.name}: this product has another market"))
        if bid.power_kw < 0 and (bid.source is Source.LOAD or bid.service is not Service.ENERGY):
            found.append(rule.refuse("kind", f"{bid.name}: only storage buys, and only energy"))
        if bid.venue is Venue.CURTAILMENT and bid.source is not Source.LOAD:
            found.append(rule.refuse("kind", f"{bid.name}: only load is curtailed"))
        is_compound = bid.service is Service.COMPOUND
        greatest = max((power for _, power in bid.parts), default=Decimal(0))
        if bid.parts and (
            not is_compound
            or greatest != bid.power_kw
            or any(service is Service.TERTIARY_2 for service, _ in bid.parts)
        ):
            found.append(rule.refuse("compound", f"{bid.name}: {greatest} kW is its greatest part"))
    return found


def _judge_lists(ledger: Ledger, rule: LedgerRule) -> list[Refusal]:
    """Judge patterns, and that a list is in one of the two reserve markets only."""
    found: dict[str, Refusal] = {}
    seen: dict[tuple[str, int], Bid] = {}
    kinds: dict[str, Source] = {}
    for bid in ledger.bids:
        if bid.venue is not Venue.RESERVE:
            continue
        pattern = bid.pattern
        if pattern is None or not 1 <= pattern.number <= _PATTERNS_MAX:
            found.setdefault(
                "none", rule.refuse("pattern", f"{bid.name}: no pattern of 1..{_PATTERNS_MAX}")
            )
            continue
        if kinds.setdefault(pattern.system_code, bid.source) is not bid.source:
            detail = f"{bid.name}: list {pattern.system_code} is of another kind"
            found.setdefault("kind", rule.refuse("pattern", detail))
        for at in bid.slot_range:
            first = seen.setdefault((pattern.system_code, at), bid)
            if first.pattern != pattern:
                detail = f"{bid.name}: list {pattern.system_code} has two patterns in slot {at + 1}"
                found.setdefault("two", rule.refuse("pattern", detail))
            if (first.service is Service.TERTIARY_2) != (bid.service is Service.TERTIARY_2):
                detail = f"{bid.name}: list {pattern.system_code} is offered to both markets"
                found.setdefault("both", rule.refuse("exclusive", f"{detail} in slot {at + 1}"))
    return list(found.values())


def _judge_power(
    ledger: Ledger, holdings: Holdings, source: Source, *, rule: LedgerRule
) -> list[Refusal]:
    """Judge that no kilowatt is sold twice.

    What can do the harder product can do the easier one too, so it is enough that, for each
    product, all that is at most as easy fits in its capability; planned charging can be stopped
    and so adds to what storage can give.
    """
    nothing = np.zeros(SLOTS_A_DAY)
    able = {service: holdings.capability_kw.get((source, service), nothing) for service in Service}
    sold = {service: ledger.sold_kw(source, service) for service in Service}
    spare = ledger.bought_kw() if source is Source.STORAGE else nothing
    found = []
    for service, capability in able.items():
        if not sold[service].any():
            continue
        within = sum((sold[one] * (able[one] <= capability) for one in Service), nothing)
        over = within - capability - (spare if capability.any() else nothing)
        over = np.where(sold[service] > 0.0, over, 0.0)
        at = _first(over > TOLERANCE)
        if at is not None:
            found.append(
                rule.refuse(
                    "sold-twice",
                    f"{source.value}, slot {at + 1}: {within[at]:.1f} kW are sold up to "
                    f"{service.value}, {capability[at] + spare[at]:.1f} kW are there",
                )
            )
    return found


def _judge_storage(ledger: Ledger, store: Store | None, rule: LedgerRule) -> list[Refusal]:
    if store is None:
        held = ledger.refill_kw.any() or any(b.source is Source.STORAGE for b in ledger.bids)
        return [rule.refuse("kind", "there is no storage")] if held else []
    contents = contents_of(ledger, store)
    used = np.cumsum(ledger.called_kwh(Source.STORAGE) / store.discharge_efficiency)
    refilled = np.cumsum(ledger.refill_kw) * SLOT_H * store.charge_efficiency
    wait = min(ledger.refill_wait, SLOTS_A_DAY)
    may_refill = np.concatenate([np.zeros(wait), used[: SLOTS_A_DAY - wait]])
    charging = ledger.bought_kw() + ledger.refill_kw
    short = store.floor_kwh - (contents.lowest_kwh[:-1] - contents.needed_kwh)
    checks = (
        ("charging", charging - store.charge_kw, charging, "kW of charging"),
        ("energy", short, store.floor_kwh - short, "kWh are left in the worst case"),
        ("full", contents.highest_kwh[1:] - store.ceiling_kwh, contents.highest_kwh[1:], "kWh"),
        ("refilling", refilled - may_refill, refilled, "kWh are refilled"),
    )
    found = []
    for name, over, value, unit in checks:
        at = _first(over > TOLERANCE)
        if at is not None:
            found.append(
                rule.refuse(name, f"slot {at + 1}: {value[at]:.1f} {unit}, {over[at]:.3f} too far")
            )
    if ledger.refill_kw.min() < -TOLERANCE:
        found.append(rule.refuse("refilling", "a power kept for refilling is negative"))
    if contents.planned_kwh[-1] < store.end_kwh - TOLERANCE:
        detail = f"{contents.planned_kwh[-1]:.1f} of {store.end_kwh:.1f} kWh at the end of the day"
        found.append(rule.refuse("end", detail))
    return found


def _first(broken: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> int | None:
    at = int(np.argmax(broken))
    return at if broken[at] else None


def load_ledger_rule() -> LedgerRule:
    """Read the rules that come with the package."""
    text = files("cloud_coordinator.market").joinpath("ledger.toml").read_text("utf-8")
    return parse_ledger_rule(text, "ledger.toml")


def parse_ledger_rule(text: str, source: str) -> LedgerRule:
    """Parse the rules from TOML.

    Raises
    ------
    ConfigError
        Naming file, key and cause.
    """
    try:
        document = Table(tomllib.loads(text), source)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: is not TOML: {error}") from None
    clauses = document.table("clauses")
    found = LedgerRule(
        rule_set_id=document.text("id"),
        clauses={name: clauses.text(name) for name in _RULES},
    )
    clauses.end()
    document.end()
    return found


_RULES: Final = (
    "sold-twice",
    "exclusive",
    "pattern",
    "compound",
    "block",
    "kind",
    "charging",
    "energy",
    "full",
    "refilling",
    "end",
    "load-energy",
)
