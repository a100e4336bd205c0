"""Product rules as versioned data with effective dates; the ``*.toml`` beside it hold them.

A rule set that steers (``seed-internal``) and the sets that settle are files of the same form.
Nothing here knows a calendar beyond comparing dates, and no figure is a constant in code.
Called by ``services`` and ``settlement``.
"""

import hashlib
import tomllib
from collections.abc import Iterator, Sequence
from datetime import date, time
from decimal import Decimal, InvalidOperation
from enum import Enum
from importlib.resources import files
from typing import Final, TypeVar

from cloud_coordinator.market.product import (
    BaselineMethod,
    BidWindow,
    Deadline,
    Lag,
    LineKind,
    Penalty,
    ProductRule,
    Shape,
    Tolerance,
)
from protocols.templates.table import Table, choice
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.obligation import Service

STEERING_RULE_SET: Final = "seed-internal"
_RULE_SETS: Final = (STEERING_RULE_SET, "eprx-2025-04-01", "eprx-2026-03-14")
_DIGEST_LENGTH: Final = 12
_LONGEST_S: Final = 86_400
_Word = TypeVar("_Word", bound=Enum)


class RuleBook:
    """All rules, found by rule set, product and day.

    Parameters
    ----------
    rules : sequence of ProductRule
        In any order.

    Raises
    ------
    ConfigError
        If two rules of a set, or two that settle, hold for one product on one day.
    """

    def __init__(self, rules: Sequence[ProductRule]) -> None:
        self.rules = tuple(rules)
        for index, rule in enumerate(self.rules):
            for other in self.rules[index + 1 :]:
                rivals = rule.rule_set_id == other.rule_set_id or (rule.settles and other.settles)
                if rivals and rule.service is other.service and _overlap(rule, other):
                    raise ConfigError(
                        f"rule sets {rule.rule_set_id!r} and {other.rule_set_id!r}: both hold for "
                        f"{rule.service.value} on one day"
                    )

    def rule(self, rule_set_id: str, service: Service, day: date) -> ProductRule:
        """Return the rule of a set that is in force.

        Raises
        ------
        ConfigError
            If the rule set has no rule for the product on that day.
        """
        for rule in self.rules:
            if (rule.rule_set_id, rule.service) == (rule_set_id, service) and rule.in_force(day):
                return rule
        raise ConfigError(f"rule set {rule_set_id!r}: no rule for {service.value} on {day}")

    def settling(self, service: Service, day: date) -> ProductRule:
        """Return the rule by which the market settles a product on a market day.

        Raises
        ------
        ConfigError
            If no rule set that settles has one.
        """
        for rule in self.rules:
            if rule.settles and rule.service is service and rule.in_force(day):
                return rule
        raise ConfigError(f"no rule set settles {service.value} on {day}")

    def as_if(self, rule_set_id: str, service: Service) -> ProductRule:
        """Return the rule of a named set whatever the day, for days that no set covers.

        Raises
        ------
        ConfigError
            If there is no such set, or it has no rule for the product.
        """
        for rule in self.rules:
            if (rule.rule_set_id, rule.service) == (rule_set_id, service):
                return rule
        known = sorted({rule.rule_set_id for rule in self.rules})
        raise ConfigError(
            f"rule set {rule_set_id!r}: no rule for {service.value} (sets: {', '.join(known)})"
        )

    def members_of(self, rule: ProductRule, day: date) -> tuple[ProductRule, ...]:
        """Rules of the same set for the products a compound is made of; none for others."""
        return tuple(self.rule(rule.rule_set_id, member, day) for member in rule.members)


def _overlap(one: ProductRule, other: ProductRule) -> bool:
    latest = max(one.effective_from, other.effective_from)
    return one.in_force(latest) and other.in_force(latest)


def load_rule_book() -> RuleBook:
    """Read the rules that come with the package."""
    folder = files("cloud_coordinator.market")
    rules: list[ProductRule] = []
    for name in _RULE_SETS:
        text = folder.joinpath(f"{name}.toml").read_text("utf-8")
        rules.extend(parse_rule_set(text, f"{name}.toml"))
    return RuleBook(rules)


def parse_rule_set(text: str, source: str) -> tuple[ProductRule, ...]:
    """Parse the file of one rule set.

    Parameters
    ----------
    text : str
        TOML; ``eprx-2026-03-14.toml`` is the example.
    source : str
        File name for errors.

    Raises
    ------
    ConfigError
        ``<file>.<table>.<key>: <cause>`` for the first thing that is wrong; a key that is not
        known is wrong too.
    """
    try:
        document = Table(tomllib.loads(text), source)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: is not TOML: {error}") from None
    head = _Head(document, hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH])
    rules = []
    for row in document.tables("products"):
        rules.append(head.product(row))
        row.end()
    document.end()
    if not rules:
        raise document.refuse("products", "is empty")
    if len({rule.service for rule in rules}) < len(rules):
        raise document.refuse("products", "has a product twice")
    return tuple(rules)


class _Head:
    """What all products of a file have in common."""

    def __init__(self, document: Table, digest: str) -> None:
        self._id = document.text("id")
        self._version = f"{self._id}@{digest}"
        self._settles = document.yes("settles")
        self._source = document.text("source")
        self._from = day_of(document, "effective_from")
        self._to = day_of(document, "effective_to") if "effective_to" in document else None
        self._plan_gate = document.integer("plan_gate_minutes", low=1, high=1440)
        self._tick = _above_zero(document, "price_tick_jpy")
        self._deadline = _deadline(document.table("deadline"))

    def product(self, row: Table) -> ProductRule:
        """Read one product; the row may add to the source."""
        return ProductRule(
            rule_set_id=self._id,
            version=self._version,
            settles=self._settles,
            service=Service(choice(row, "id", tuple(one.value for one in Service))),
            name_ja=row.text("name_ja"),
            effective_from=self._from,
            effective_to=self._to,
            direction=choice(row, "direction", ("up",)),
            response_s=row.integer("response_s", low=1, high=_LONGEST_S),
            duration_s=row.integer("duration_s", high=_LONGEST_S),
            block_minutes=row.integer("block_minutes", low=30, high=1440),
            telemetry_period_s=row.integer("telemetry_period_s", low=1, high=1800),
            lag=_lag(row.table("lag")),
            deadline=self._deadline,
            plan_gate_minutes=self._plan_gate,
            min_bid_kw=decimal_of(row, "min_bid_kw"),
            step_kw=_above_zero(row, "step_kw"),
            policy_min_bid_kw=_perhaps(row, "policy_min_bid_kw"),
            price_tick_jpy=self._tick,
            price_cap_jpy_per_kw_30min=_perhaps(row, "price_cap_jpy_per_kw_30min"),
            lines=tuple(_words(row, "lines", LineKind)),
            baselines=tuple(_words(row, "baselines", BaselineMethod)),
            members=tuple(_words(row, "members", Service)) if "members" in row else (),
            tolerance=_tolerance(row.table("tolerance")),
            penalty=_penalty(row.table("penalty")),
            window=_window(row.table("window")),
            unverified=row.listed("unverified", str, ()),
            source=f"{self._source}; {row.text('source')}",
        )


def decimal_of(table: Table, key: str) -> Decimal:
    """Read a number, not negative, that is written as text, so that it is exact."""
    text = table.text(key)
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise table.refuse(key, f"{text!r} is not a number") from None
    if not value.is_finite() or value < 0:
        raise table.refuse(key, f"{text!r} is not a number, not negative")
    return value


def day_of(table: Table, key: str) -> date:
    """Read a day, ``YYYY-MM-DD`` as text."""
    text = table.text(key)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise table.refuse(key, f"{text!r} is not a day") from None


def time_of(table: Table, key: str) -> time:
    """Read a wall-clock time, ``HH:MM`` as text."""
    text = table.text(key)
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise table.refuse(key, f"{text!r} is not a time") from None


def _above_zero(table: Table, key: str) -> Decimal:
    value = decimal_of(table, key)
    if not value:
        raise table.refuse(key, "is not above 0")
    return value


def _perhaps(table: Table, key: str) -> Decimal | None:
    return decimal_of(table, key) if key in table else None


def _words(table: Table, key: str, of: type[_Word]) -> Iterator[_Word]:
    known = {str(one.value): one for one in of}
    for word in table.listed(key, str):
        if word not in known:
            raise table.refuse(key, f"{word!r} is not one of {', '.join(known)}")
        yield known[word]


def _deadline(table: Table) -> Deadline:
    found = Deadline(
        dedicated_s=table.integer("dedicated_s", low=1, high=60),
        simple_slots=table.integer("simple_slots", high=48),
        offline_day=table.integer("offline_day", low=1, high=28),
    )
    table.end()
    return found


def _lag(table: Table) -> Lag:
    usual_s = table.integer("usual_s", 0, high=_LONGEST_S)
    newer_s = table.integer("newer_s", usual_s, high=_LONGEST_S)
    since = day_of(table, "since") if "since" in table else date.min
    table.end()
    return Lag(usual_s=usual_s, newer_s=newer_s, since=since)


def _tolerance(table: Table) -> Tolerance:
    found = Tolerance(
        basis=choice(table, "basis", ("award", "command")),
        pct=decimal_of(table, "pct"),
        floor_pct_of_award=decimal_of(table, "floor_pct_of_award"),
        pass_ratio=decimal_of(table, "pass_ratio"),
        shape=Shape(choice(table, "shape", tuple(one.value for one in Shape))),
    )
    if found.pass_ratio > 1:
        raise table.refuse("pass_ratio", f"{found.pass_ratio} is above 1")
    table.end()
    return found


def _penalty(table: Table) -> Penalty:
    found = Penalty(
        availability=decimal_of(table, "availability"),
        constrained=decimal_of(table, "constrained"),
        unable=decimal_of(table, "unable"),
        performance=decimal_of(table, "performance"),
        strikes=table.integer("strikes", low=1, high=1000),
        abnormal_strikes=table.integer("abnormal_strikes", 0, high=1000),
    )
    table.end()
    return found


def _window(table: Table) -> BidWindow:
    found = BidWindow(
        weekly=table.yes("weekly", default=False),
        opens_days=table.integer("opens_days", high=30),
        opens=time_of(table, "opens"),
        closes_days=table.integer("closes_days", high=30),
        closes=time_of(table, "closes"),
    )
    table.end()
    return found
