"""Imbalance price of an area and slot. Pure, in Decimal, from data with effective dates."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib.resources import files

from cloud_coordinator.market.rules import day_of, decimal_of
from protocols.templates.table import Table
from protocols.vocabulary.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class ScarcityCurve:
    """Scarcity price by reserve margin, for some time.

    Attributes
    ----------
    curve_id : str
        Goes with every price.
    effective_from, effective_to : date, date or None
        Half open, JST.
    full_jpy, low_jpy : Decimal
        JPY/kWh at and below ``full_percent``, and at ``low_percent``.
    """

    curve_id: str
    effective_from: date
    effective_to: date | None
    full_jpy: Decimal
    low_jpy: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ImbalanceRule:
    """All of the rule.

    Attributes
    ----------
    curves : tuple of ScarcityCurve
        By time.
    none_percent, low_percent, full_percent : Decimal
        Margins, percent: from which the price is 0, at which it is ``low_jpy``, at and below
        which it is ``full_jpy``; linear between.
    capped_jpy : Decimal
        Highest scarcity price after a run of high prices.
    high_price_jpy, high_slots : Decimal, int
        So many slots with an area spot price so high within the window put the cap on.
    calm_price_jpy : Decimal
        The cap goes when no slot of the window has this price or more.
    window_days : int
        Length of the window.
    source, unverified
        Where it is written; fields that no source confirms.
    """

    curves: tuple[ScarcityCurve, ...]
    none_percent: Decimal
    low_percent: Decimal
    full_percent: Decimal
    capped_jpy: Decimal
    high_price_jpy: Decimal
    high_slots: int
    calm_price_jpy: Decimal
    window_days: int
    source: str
    unverified: tuple[str, ...]

    def curve(self, day: date) -> ScarcityCurve:
        """Return the curve in force.

        Raises
        ------
        ConfigError
            If there is none on that day.
        """
        for curve in self.curves:
            ended = curve.effective_to is not None and day >= curve.effective_to
            if curve.effective_from <= day and not ended:
                return curve
        raise ConfigError(f"imbalance: no scarcity curve on {day}")

    def scarcity_jpy(self, day: date, reserve_percent: Decimal, *, capped: bool = False) -> Decimal:
        """Scarcity price, JPY/kWh.

        Parameters
        ----------
        day : date
            Market day.
        reserve_percent : Decimal
            広域予備率 of the slot, percent.
        capped : bool
            Whether the cap is on that day, see :meth:`capped_days`.
        """
        curve, margin = self.curve(day), reserve_percent
        if margin >= self.none_percent:
            price = Decimal(0)
        elif margin >= self.low_percent:
            part = (self.none_percent - margin) / (self.none_percent - self.low_percent)
            price = curve.low_jpy * part
        elif margin > self.full_percent:
            part = (self.low_percent - margin) / (self.low_percent - self.full_percent)
            price = curve.low_jpy + (curve.full_jpy - curve.low_jpy) * part
        else:
            price = curve.full_jpy
        return min(price, self.capped_jpy) if capped else price

    def price_jpy(
        self, day: date, reserve_percent: Decimal, *, base_jpy: Decimal, capped: bool = False
    ) -> Decimal:
        """Imbalance price, JPY/kWh: the greater of the base and the scarcity price (R15)."""
        return max(base_jpy, self.scarcity_jpy(day, reserve_percent, capped=capped))

    def capped_days(self, days: Sequence[Sequence[Decimal]]) -> tuple[bool, ...]:
        """Tell for each day whether the cap is on the day after it.

        Parameters
        ----------
        days : sequence of sequence of Decimal
            Area spot prices of consecutive days, JPY/kWh, 48 each.

        Notes
        -----
        japan-market R16.
        """
        found: list[bool] = []
        capped = False
        for index in range(len(days)):
            window = [
                price
                for day in days[max(index + 1 - self.window_days, 0) : index + 1]
                for price in day
            ]
            if capped:
                capped = any(price >= self.calm_price_jpy for price in window)
            else:
                high = sum(price >= self.high_price_jpy for price in window)
                capped = high >= self.high_slots
            found.append(capped)
        return tuple(found)


def load_imbalance_rule() -> ImbalanceRule:
    """Read the rule that comes with the package."""
    text = files("cloud_coordinator.market").joinpath("imbalance.toml").read_text("utf-8")
    return parse_imbalance_rule(text, "imbalance.toml")


def parse_imbalance_rule(text: str, source: str) -> ImbalanceRule:
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
    curves = []
    for row in document.tables("curves"):
        curves.append(
            ScarcityCurve(
                curve_id=row.text("id"),
                effective_from=day_of(row, "effective_from"),
                effective_to=day_of(row, "effective_to") if "effective_to" in row else None,
                full_jpy=decimal_of(row, "full_jpy"),
                low_jpy=decimal_of(row, "low_jpy"),
            )
        )
        row.end()
    rule = ImbalanceRule(
        curves=tuple(curves),
        none_percent=decimal_of(document, "none_percent"),
        low_percent=decimal_of(document, "low_percent"),
        full_percent=decimal_of(document, "full_percent"),
        capped_jpy=decimal_of(document, "capped_jpy"),
        high_price_jpy=decimal_of(document, "high_price_jpy"),
        high_slots=document.integer("high_slots", low=1, high=336),
        calm_price_jpy=decimal_of(document, "calm_price_jpy"),
        window_days=document.integer("window_days", low=1, high=31),
        source=document.text("source"),
        unverified=document.listed("unverified", str, ()),
    )
    document.end()
    if not rule.none_percent > rule.low_percent > rule.full_percent:
        raise document.refuse("low_percent", "margins do not fall from none to low to full")
    return rule
