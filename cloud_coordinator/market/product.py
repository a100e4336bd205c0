"""What a product of the balancing market demands: one row of a rule set, as data.

The rows are read by :mod:`cloud_coordinator.market.rules`; nothing here is a number.
"""

import enum
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal

from protocols.vocabulary.obligation import Service


class Shape(enum.Enum):
    """How Assessment II judges a slot.

    RAMP: every telemetry period, the band opens while the output may ramp (secondary 1).
    WINDOW: one-minute points, the band spans both levels while responding (secondary 2,
    tertiary 1). MEAN: the mean of the slot (tertiary 2). DROOP: slope against the frequency in
    ordinary time and, online, a lower bound after a fall (primary). MEMBERS: as each of the
    products it is made of (compound).
    """

    RAMP = "ramp"
    WINDOW = "window"
    MEAN = "mean"
    DROOP = "droop"
    MEMBERS = "members"


class LineKind(enum.Enum):
    """How commands come and telemetry goes."""

    DEDICATED = "dedicated"
    SIMPLE = "simple"
    OFFLINE = "offline"


class BaselineMethod(enum.Enum):
    """How the power without the market is found.

    FORECAST (事前予測型) is filed ahead; PRE_BLOCK (直前計測型) is the mean of the five minutes
    before the block; ROLLING (逐次計測型) the mean of the five minutes before each five-minute
    step.
    """

    FORECAST = "forecast"
    PRE_BLOCK = "pre-block"
    ROLLING = "rolling"


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
    shape : Shape
        How points and band are made.
    """

    basis: str
    pct: Decimal
    floor_pct_of_award: Decimal
    pass_ratio: Decimal
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Penalty:
    """Factors on price x power, and when a product is closed to a pattern.

    Attributes
    ----------
    availability, constrained : Decimal
        Penalty I; the second where a grid constraint that nobody could foresee caused it.
    unable : Decimal
        Capacity declared unable in time (代替不可申請).
    performance : Decimal
        Penalty II.
    strikes : int
        Failed award periods in a calendar month that suspend.
    abnormal_strikes : int
        The same for failures in abnormal time; 0 where there is no such assessment.
    """

    availability: Decimal
    constrained: Decimal
    unable: Decimal
    performance: Decimal
    strikes: int
    abnormal_strikes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BidWindow:
    """When bids are taken; days count back from the day of delivery.

    Attributes
    ----------
    weekly : bool
        Days count back from the Saturday on which the week of delivery begins.
    opens_days, closes_days : int
        Days before.
    opens, closes : time
        JST.
    """

    weekly: bool
    opens_days: int
    opens: time
    closes_days: int
    closes: time


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """When telemetry is due, by the line it comes on.

    Attributes
    ----------
    dedicated_s : int
        Seconds after a sample.
    simple_slots : int
        Slots after the one that holds the sample, at the end of which it is due.
    offline_day : int
        Day of the next month on which the log is due.
    """

    dedicated_s: int
    simple_slots: int
    offline_day: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """Permitted delay of the first movement.

    Attributes
    ----------
    usual_s : int
        Of plants that applied for their connection before ``since``.
    newer_s : int
        Of those that applied from ``since`` on; also used where that day is not known, for it
        judges more strictly.
    since : date
        JST.
    """

    usual_s: int
    newer_s: int
    since: date

    def of(self, applied_on: date | None) -> int:
        """Lag of a plant in s, by the day of its application for connection."""
        return self.usual_s if applied_on is not None and applied_on < self.since else self.newer_s


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductRule:
    """One product of one rule set.

    Attributes
    ----------
    rule_set_id, service, name_ja
        Identity.
    version : str
        Rule set id and digest of its text; goes with every result.
    settles : bool
        Whether the market settles by this set (else it only steers).
    effective_from, effective_to : date, date or None
        Half open; None is open-ended. Dates are the market's (JST).
    direction : str
        ``"up"``.
    response_s, duration_s, block_minutes, telemetry_period_s : int
        Times; a telemetry period is the spacing of the points that are judged.
    lag : Lag
        Permitted delay.
    deadline : Deadline
        Of telemetry.
    plan_gate_minutes : int
        Plans are taken until so long before their time.
    min_bid_kw, step_kw : Decimal
        Sizes of a bid, kW.
    policy_min_bid_kw : Decimal or None
        A higher floor of our own, used only where the operator switches it on.
    price_tick_jpy : Decimal
        Prices are whole multiples of it.
    price_cap_jpy_per_kw_30min : Decimal or None
        None is uncapped.
    lines : tuple of LineKind
        Ways of command that are permitted.
    baselines : tuple of BaselineMethod
        Baselines that are permitted.
    members : tuple of Service
        Products a compound is made of; empty otherwise.
    tolerance, penalty, window
        Assessment II, money, bids.
    unverified : tuple of str
        Fields whose value no source confirms.
    source : str
        Where it is written.
    """

    rule_set_id: str
    version: str
    settles: bool
    service: Service
    name_ja: str
    effective_from: date
    effective_to: date | None
    direction: str
    response_s: int
    duration_s: int
    block_minutes: int
    telemetry_period_s: int
    lag: Lag
    deadline: Deadline
    plan_gate_minutes: int
    min_bid_kw: Decimal
    step_kw: Decimal
    policy_min_bid_kw: Decimal | None
    price_tick_jpy: Decimal
    price_cap_jpy_per_kw_30min: Decimal | None
    lines: tuple[LineKind, ...]
    baselines: tuple[BaselineMethod, ...]
    members: tuple[Service, ...]
    tolerance: Tolerance
    penalty: Penalty
    window: BidWindow
    unverified: tuple[str, ...]
    source: str

    def in_force(self, day: date) -> bool:
        """Whether the rule applies on a market day."""
        return self.effective_from <= day and (self.effective_to is None or day < self.effective_to)
