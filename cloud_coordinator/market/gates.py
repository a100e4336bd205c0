"""Gates and bid rules: what a bid or a plan must keep to be taken at all. Pure.

Each refusal names the rule and the rule set. A gate is a moment: what comes at it is in time,
what comes a second later is not.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from importlib.resources import files

from cloud_coordinator.market.product import ProductRule
from cloud_coordinator.market.rules import decimal_of, time_of
from protocols.templates.table import Table
from protocols.vocabulary.calendar import Slot, jst_moment
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Interval

_SATURDAY = 5
_WEEK = 7
_SLOT_HOURS = Decimal("0.5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why something is not taken.

    Attributes
    ----------
    rule : str
        Name of the rule: ``"number"``, ``"gate"``, ``"minimum"``, ``"step"``, ``"acceptable"``,
        ``"tick"``, ``"cap"``, ``"lot"``.
    rule_set_id : str
        Where the rule stands.
    detail : str
        What was found and what is asked for.
    clause : str
        Where it is written.
    """

    rule: str
    rule_set_id: str
    detail: str
    clause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveBid:
    """A bid to the balancing market.

    Attributes
    ----------
    slot : Slot
        First half hour of the block.
    power_kw, least_kw : Decimal
        Offered, and the least that is acceptable.
    price_jpy : Decimal
        JPY per kW and half hour.
    """

    slot: Slot
    power_kw: Decimal
    least_kw: Decimal
    price_jpy: Decimal


def bid_window(rule: ProductRule, day: date) -> Interval:
    """When bids for a day of delivery are taken; both ends are in time."""
    window, reference = rule.window, day
    if window.weekly:
        reference = day - timedelta(days=(day.weekday() - _SATURDAY) % _WEEK)
    return Interval(
        start=jst_moment(reference - timedelta(days=window.opens_days), window.opens),
        end=jst_moment(reference - timedelta(days=window.closes_days), window.closes),
    )


def gate_closure(slot: Slot, minutes: int) -> datetime:
    """Last moment at which something for a slot is taken, so many minutes before it begins."""
    return slot.interval.start - timedelta(minutes=minutes)


def check_plan(slot: Slot, filed_at: datetime, rule: ProductRule) -> tuple[Refusal, ...]:
    """Check whether a plan for a slot came in time (R18)."""
    gate = gate_closure(slot, rule.plan_gate_minutes)
    if filed_at <= gate:
        return ()
    detail = f"{filed_at.isoformat()} is after {gate.isoformat()}"
    return (Refusal(rule="gate", rule_set_id=rule.rule_set_id, detail=detail, clause=rule.source),)


def check_reserve_bid(
    bid: ReserveBid, at: datetime, rules: Sequence[ProductRule], *, with_policy: bool = False
) -> tuple[Refusal, ...]:
    """Check a bid against every rule set that is given; it passes only if all accept it.

    Parameters
    ----------
    bid : ReserveBid
        The bid.
    at : datetime
        When it is handed in, aware UTC.
    rules : sequence of ProductRule
        Of the product: the set that steers and the one that settles.
    with_policy : bool
        Whether our own higher minimum counts (off by default).
    """
    found: list[Refusal] = []
    if not all(one.is_finite() for one in (bid.power_kw, bid.least_kw, bid.price_jpy)):
        detail = f"{bid.power_kw}, {bid.least_kw} kW, {bid.price_jpy} JPY are not all numbers"
        return tuple(
            Refusal(rule="number", rule_set_id=one.rule_set_id, detail=detail, clause=one.source)
            for one in rules
        )
    for rule in rules:
        window = bid_window(rule, bid.slot.day)
        least = rule.min_bid_kw
        if with_policy and rule.policy_min_bid_kw is not None:
            least = max(least, rule.policy_min_bid_kw)
        cap = rule.price_cap_jpy_per_kw_30min
        broken = {
            "gate": (
                not window.start <= at <= window.end,
                f"{at.isoformat()} is not in {window.start.isoformat()}..{window.end.isoformat()}",
            ),
            "minimum": (bid.power_kw < least, f"{bid.power_kw} kW is below {least} kW"),
            "step": (
                any(power % rule.step_kw for power in (bid.power_kw, bid.least_kw)),
                f"{bid.power_kw} or {bid.least_kw} kW is no multiple of {rule.step_kw} kW",
            ),
            "acceptable": (
                not 0 <= bid.least_kw <= bid.power_kw,
                f"least {bid.least_kw} kW is not in 0..{bid.power_kw} kW",
            ),
            "tick": (
                bid.price_jpy < 0 or bool(bid.price_jpy % rule.price_tick_jpy),
                f"{bid.price_jpy} JPY is no multiple of {rule.price_tick_jpy} JPY",
            ),
            "cap": (cap is not None and bid.price_jpy > cap, f"{bid.price_jpy} is above {cap} JPY"),
        }
        found.extend(
            Refusal(rule=name, rule_set_id=rule.rule_set_id, detail=detail, clause=rule.source)
            for name, (is_broken, detail) in broken.items()
            if is_broken
        )
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeRule:
    """Rules of the power exchange.

    Attributes
    ----------
    rule_set_id, source
        Identity.
    price_tick_jpy, lot_kwh : Decimal
        Prices are whole multiples of the tick, energies of the lot per slot.
    spot_opens_days, spot_closes_days, spot_closes
        Day-ahead bids: from midnight so many days before, until that time of that day before.
    intraday_opens_days, intraday_opens, intraday_gate_minutes
        Intraday: from that time of that day before, until so long before the slot.
    """

    rule_set_id: str
    source: str
    price_tick_jpy: Decimal
    lot_kwh: Decimal
    spot_opens_days: int
    spot_closes_days: int
    spot_closes: time
    intraday_opens_days: int
    intraday_opens: time
    intraday_gate_minutes: int

    def spot_window(self, slot: Slot) -> Interval:
        """When day-ahead bids for a slot are taken."""
        return Interval(
            start=jst_moment(slot.day - timedelta(days=self.spot_opens_days), time()),
            end=jst_moment(slot.day - timedelta(days=self.spot_closes_days), self.spot_closes),
        )

    def intraday_window(self, slot: Slot) -> Interval:
        """When intraday orders for a slot are taken."""
        return Interval(
            start=jst_moment(
                slot.day - timedelta(days=self.intraday_opens_days), self.intraday_opens
            ),
            end=gate_closure(slot, self.intraday_gate_minutes),
        )

    def lots(self, power_kw: Decimal) -> Decimal:
        """Lots of a power held for one slot; not whole where it cannot be traded (R18)."""
        return power_kw * _SLOT_HOURS / self.lot_kwh

    def check(
        self, energy_kwh: Decimal, price_jpy: Decimal, *, at: datetime, window: Interval
    ) -> tuple[Refusal, ...]:
        """Check an order for one slot.

        Parameters
        ----------
        energy_kwh : Decimal
            Of the slot, > 0.
        price_jpy : Decimal
            JPY/kWh.
        at : datetime
            When it is handed in, aware UTC.
        window : Interval
            :meth:`spot_window` or :meth:`intraday_window` of the slot.
        """
        if not (energy_kwh.is_finite() and price_jpy.is_finite()):
            detail = f"{energy_kwh} kWh, {price_jpy} JPY are not both numbers"
            return (
                Refusal(
                    rule="number",
                    rule_set_id=self.rule_set_id,
                    detail=detail,
                    clause=self.source,
                ),
            )
        broken = {
            "gate": (not window.start <= at <= window.end, f"{at.isoformat()} is out of time"),
            "lot": (
                energy_kwh <= 0 or bool(energy_kwh % self.lot_kwh),
                f"{energy_kwh} kWh is no multiple of {self.lot_kwh} kWh",
            ),
            "tick": (
                bool(price_jpy % self.price_tick_jpy),
                f"{price_jpy} JPY is no multiple of {self.price_tick_jpy} JPY",
            ),
        }
        return tuple(
            Refusal(rule=name, rule_set_id=self.rule_set_id, detail=detail, clause=self.source)
            for name, (is_broken, detail) in broken.items()
            if is_broken
        )


def load_exchange_rule() -> ExchangeRule:
    """Read the rule that comes with the package."""
    text = files("cloud_coordinator.market").joinpath("exchange.toml").read_text("utf-8")
    return parse_exchange_rule(text, "exchange.toml")


def parse_exchange_rule(text: str, source: str) -> ExchangeRule:
    """Parse the rule from TOML.

    Raises
    ------
    ConfigError
        Naming file, key and cause.
    """
    try:
        document = Table(tomllib.loads(text), source)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: is not TOML: {error}") from None
    rule = ExchangeRule(
        rule_set_id=document.text("id"),
        source=document.text("source"),
        price_tick_jpy=decimal_of(document, "price_tick_jpy"),
        lot_kwh=decimal_of(document, "lot_kwh"),
        spot_opens_days=document.integer("spot_opens_days", low=1, high=60),
        spot_closes_days=document.integer("spot_closes_days", high=60),
        spot_closes=time_of(document, "spot_closes"),
        intraday_opens_days=document.integer("intraday_opens_days", high=60),
        intraday_opens=time_of(document, "intraday_opens"),
        intraday_gate_minutes=document.integer("intraday_gate_minutes", low=1, high=1440),
    )
    document.end()
    if not rule.price_tick_jpy or not rule.lot_kwh:
        raise document.refuse("lot_kwh", "tick and lot must be above 0")
    return rule
