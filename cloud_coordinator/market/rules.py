"""Product rules as versioned data with effective dates; ``products.json`` holds them.

A rule set that steers (``seed-internal``) and the sets that settle are rows of the same
table. Nothing here knows a calendar beyond comparing dates, and nothing is a constant in
code. Called by ``allocation`` callers in ``services`` and by ``settlement``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from importlib.resources import files
from typing import Any, Final

from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.obligation import Service

STEERING_RULE_SET: Final = "seed-internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far delivery may be from the command.

    Attributes
    ----------
    basis : str
        ``"award"`` or ``"command"``: what ``pct`` is a part of.
    pct : Decimal
        Percent of the basis, half width.
    floor_pct_of_award : Decimal
        The half width is never less than this percent of the award.
    pass_ratio : Decimal
        Part of the points that must be inside, 0..1.
    shape : str
        ``"ramp"``: the band of secondary 1, which opens while the output may ramp.
    """

    basis: str
    pct: Decimal
    floor_pct_of_award: Decimal
    pass_ratio: Decimal
    shape: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductRule:
    """One product of one rule set.

    Attributes
    ----------
    rule_set_id, service, name_ja
        Identity.
    effective_from, effective_to : date, date or None
        Half open; None is open-ended. Dates are the market's (JST).
    direction : str
        ``"up"``.
    response_s, lag_s, duration_s, block_minutes, telemetry_period_s : int
        Times.
    min_bid_kw, step_kw : Decimal
        Sizes of a bid, kW.
    tolerance : Tolerance
        The band.
    price_cap_jpy_per_kw_30min : Decimal or None
        None is uncapped.
    source : str
        Where it is written.
    """

    rule_set_id: str
    service: Service
    name_ja: str
    effective_from: date
    effective_to: date | None
    direction: str
    response_s: int
    lag_s: int
    duration_s: int
    block_minutes: int
    telemetry_period_s: int
    min_bid_kw: Decimal
    step_kw: Decimal
    tolerance: Tolerance
    price_cap_jpy_per_kw_30min: Decimal | None
    source: str

    def in_force(self, day: date) -> bool:
        """Whether the rule applies on a day."""
        return self.effective_from <= day and (self.effective_to is None or day < self.effective_to)


class RuleBook:
    """All rules, found by rule set, product and day.

    Parameters
    ----------
    rules : tuple of ProductRule
        In any order.
    """

    def __init__(self, rules: tuple[ProductRule, ...]) -> None:
        self.rules = rules

    def rule(self, rule_set_id: str, service: Service, day: date) -> ProductRule:
        """Return the rule in force.

        Raises
        ------
        ConfigError
            If the rule set has no rule for the product on that day.
        """
        for rule in self.rules:
            if (rule.rule_set_id, rule.service) == (rule_set_id, service) and rule.in_force(day):
                return rule
        raise ConfigError(f"rule set {rule_set_id!r}: no rule for {service.value} on {day}")


def load_rule_book() -> RuleBook:
    """Read the rules that come with the package."""
    text = files("cloud_coordinator.market").joinpath("products.json").read_text("utf-8")
    return parse_rule_book(text, "products.json")


def parse_rule_book(text: str, source: str) -> RuleBook:
    """Parse rules from JSON.

    Parameters
    ----------
    text : str
        As in ``products.json``.
    source : str
        File name for errors.

    Raises
    ------
    ConfigError
        Naming the file, the rule set and what is wrong.
    """
    where = source
    try:
        rules: list[ProductRule] = []
        for rule_set in json.loads(text)["rule_sets"]:
            where = f"{source}: {rule_set['id']}"
            rules.extend(_product(rule_set, row) for row in rule_set["products"])
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise ConfigError(f"{where}: {type(error).__name__}: {error}") from error
    return RuleBook(tuple(rules))


def _product(rule_set: Mapping[str, Any], row: Mapping[str, Any]) -> ProductRule:
    until, cap, band = (
        rule_set["effective_to"],
        row["price_cap_jpy_per_kw_30min"],
        row["tolerance"],
    )
    return ProductRule(
        rule_set_id=rule_set["id"],
        service=Service(row["id"]),
        name_ja=row["name_ja"],
        effective_from=date.fromisoformat(rule_set["effective_from"]),
        effective_to=None if until is None else date.fromisoformat(until),
        direction=row["direction"],
        response_s=int(row["response_s"]),
        lag_s=int(row["lag_s"]),
        duration_s=int(row["duration_s"]),
        block_minutes=int(row["block_minutes"]),
        telemetry_period_s=int(row["telemetry_period_s"]),
        min_bid_kw=Decimal(row["min_bid_kw"]),
        step_kw=Decimal(row["step_kw"]),
        tolerance=Tolerance(
            basis=_one_of(band["basis"], "award", "command"),
            pct=Decimal(band["pct"]),
            floor_pct_of_award=Decimal(band["floor_pct_of_award"]),
            pass_ratio=Decimal(band["pass_ratio"]),
            shape=_one_of(band["shape"], "ramp"),
        ),
        price_cap_jpy_per_kw_30min=None if cap is None else Decimal(cap),
        source=rule_set["source"],
    )


def _one_of(value: str, *known: str) -> str:
    if value not in known:
        raise ValueError(f"{value!r} is none of {', '.join(known)}")
    return value
