"""``vpp market``: the rules of the markets, and what they say of a bid or a price.

Only reads tables and files; nothing is sent anywhere.
Exit codes: 0, 1 for a bid that breaks a rule or a product that is closed, 2 for bad input.
"""

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Final

import typer

from cloud_coordinator.commands.market_day import add_days
from cloud_coordinator.commands.market_files import read_failures, read_loads
from cloud_coordinator.commands.market_imports import add_imports
from cloud_coordinator.market.areas import load_areas
from cloud_coordinator.market.baselines import (
    DayHistory,
    Event,
    StandardBaseline,
    adjusted,
    guideline_of,
    standard_baseline,
)
from cloud_coordinator.market.gates import (
    ReserveBid,
    bid_window,
    check_reserve_bid,
    load_exchange_rule,
)
from cloud_coordinator.market.imbalance import load_imbalance_rule
from cloud_coordinator.market.product import ProductRule
from cloud_coordinator.market.rules import STEERING_RULE_SET, RuleBook, load_rule_book
from cloud_coordinator.market.standing import suspensions
from cloud_coordinator.process import SystemClock
from cloud_coordinator.services.holidays import calendar_around
from cloud_coordinator.settlement.money import imbalance_yen
from protocols.vocabulary.calendar import SLOTS_A_DAY, Slot, market_day
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.obligation import Service

EXIT_BROKEN: Final = 1
EXIT_BAD_INPUT: Final = 2
_PRODUCTS: Final = tuple(one for one in Service if one is not Service.ENERGY)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
add_imports(app)
add_days(app)
DayOption = Annotated[str, typer.Option(help="Market day, YYYY-MM-DD; today if left out. 受渡日。")]


@app.callback()
def root() -> None:
    """市場のルール。Show the rules of the markets; check a bid or a price."""


@app.command()
def rules(day: DayOption = "") -> None:
    """商品一覧。Print the products by the rules that hold on a day."""
    chosen, book = _day(day), load_rule_book()
    for service in _PRODUCTS:
        for rule in _both(book, service, chosen):
            _say(_line(rule, chosen))
    exchange = load_exchange_rule()
    _say(f"{exchange.rule_set_id}: {exchange.lot_kwh} kWh, {exchange.price_tick_jpy} JPY/kWh")
    for area in load_areas().values():
        _say(
            f"{area.name}: {area.nominal_hz:g} Hz, abnormal from -{area.abnormal_hz:g} Hz, "
            f"dead band {area.dead_band_hz:g} Hz, "
            f"LFC {area.lfc_period_s:g} s, EDC {area.edc_period_s:g} s"
        )


@app.command()
def check(  # noqa: PLR0913  one parameter per command line option
    *,
    product: Annotated[str, typer.Option(help="secondary1, tertiary2, ... 商品。")],
    day: DayOption = "",
    slot: Annotated[int, typer.Option(min=1, max=SLOTS_A_DAY, help="1 to 48. コマ。")],
    kw: Annotated[str, typer.Option(help="Offered, kW. 入札量。")],
    least_kw: Annotated[str, typer.Option(help="Least acceptable, kW. 最小約定希望量。")] = "",
    price: Annotated[str, typer.Option(help="JPY per kW and half hour. 単価。")],
    at: Annotated[str, typer.Option(help="When it is handed in, RFC 3339; now if left out.")] = "",
) -> None:
    """入札の確認。Check a bid to the balancing market against both rule sets."""
    chosen = _day(day)
    services = {one.value: one for one in _PRODUCTS}
    if product not in services:
        raise _bad(f"--product: {product!r} is not one of {', '.join(services)}")
    bid = ReserveBid(
        slot=Slot(day=chosen, number=slot),
        power_kw=_decimal(kw, "--kw"),
        least_kw=_decimal(least_kw or kw, "--least-kw"),
        price_jpy=_decimal(price, "--price"),
    )
    refusals = check_reserve_bid(
        bid, _moment(at), _both(load_rule_book(), services[product], chosen)
    )
    for refusal in refusals:
        _say(f"{refusal.rule_set_id}: {refusal.rule}: {refusal.detail}")
    if refusals:
        raise typer.Exit(EXIT_BROKEN)
    _say("accepted by all rule sets")


@app.command()
def imbalance(
    *,
    reserve: Annotated[str, typer.Option(help="Reserve margin, percent. 広域予備率。")],
    base: Annotated[str, typer.Option(help="Base price, JPY/kWh.")] = "0",
    short_wh: Annotated[int, typer.Option(help="Short of the plan, Wh; negative if long.")] = 0,
    day: DayOption = "",
) -> None:
    """インバランス料金。Print the imbalance price and what a shortage costs."""
    chosen, rule = _day(day), load_imbalance_rule()
    try:
        curve = rule.curve(chosen)
    except ConfigError as error:
        raise _bad(str(error)) from error
    margin, floor = _decimal(reserve, "--reserve"), _decimal(base, "--base")
    price = rule.price_jpy(chosen, margin, base_jpy=floor)
    _say(f"{curve.curve_id}: {price} JPY/kWh, {imbalance_yen(short_wh, price)} JPY")


@app.command()
def baseline(
    *,
    loads: Annotated[Path, typer.Option(help="CSV: day,slot,kw of the last 30 days. 需要実績。")],
    day: Annotated[str, typer.Option(help="Day of the event, YYYY-MM-DD. 発動日。")],
    first: Annotated[int, typer.Option(min=1, max=SLOTS_A_DAY, help="First slot. 開始コマ。")],
    last: Annotated[int, typer.Option(min=1, max=SLOTS_A_DAY, help="Last slot. 終了コマ。")],
    without: Annotated[str, typer.Option(help="Earlier event days, a,b,c. 除外日。")] = "",
) -> None:
    """ベースライン。Print High 4 of 5 (2 of 3 on days of rest), plain and adjusted, kW."""
    event = Event(day=_day(day), slots=tuple(range(first, last + 1)))
    if not event.slots:
        raise _bad("--last: is before --first")
    try:
        history = DayHistory(
            load_w=read_loads(loads),
            event_days=frozenset(_day(one) for one in without.split(",") if one),
        )
        guideline = guideline_of(event.day)
    except ConfigError as error:
        raise _bad(str(error)) from error
    plain = standard_baseline(
        event, history, calendar=calendar_around(event.day), guideline=guideline
    )
    _say(f"{plain.guideline_id}: days {', '.join(str(one) for one in plain.chosen) or 'none'}")
    _say_baseline("plain", plain)
    _say_baseline("adjusted", adjusted(plain, event, history, guideline=guideline))


@app.command()
def standing(
    *,
    statements: Annotated[list[Path], typer.Argument(help="Statements as JSON. 精算書。")],
    tested: Annotated[list[str] | None, typer.Option(help="Test passed, RFC 3339.")] = None,
) -> None:
    """停止。Print when failures of statements of one pattern close a product to it."""
    try:
        service, failures = read_failures(statements)
    except ConfigError as error:
        raise _bad(str(error)) from error
    if not failures:
        _say(f"{service.value}: no failure")
        return
    latest = max(failure.at for failure in failures)
    rule = _both(load_rule_book(), service, market_day(latest))[-1]
    found = suspensions(failures, [_moment(one) for one in tested or ()], rule)
    _say(f"{service.value}, {rule.version}: {len(failures)} failed award periods")
    for one in found:
        until = "a test is passed" if one.until is None else one.until.isoformat()
        _say(f"closed from {one.since.isoformat()} until {until}")
    if found and found[-1].until is None:
        raise typer.Exit(EXIT_BROKEN)


def main() -> None:
    """Run the verb."""
    app(prog_name="vpp market")


def _say_baseline(name: str, found: StandardBaseline) -> None:
    if found.fault is not None:
        _say(f"{name}: none: {found.fault.value}")
        return
    values = " ".join(f"{power_w / 1e3:.3f}" for power_w in found.power_w.tolist())
    _say(f"{name}: {values} (adjustment {found.adjustment_w / 1e3:+.3f})")


def _both(book: RuleBook, service: Service, day: date) -> list[ProductRule]:
    """Rules that steer and that settle a product on a day."""
    try:
        return [book.rule(STEERING_RULE_SET, service, day), book.settling(service, day)]
    except ConfigError as error:
        raise _bad(str(error)) from error


def _line(rule: ProductRule, day: date) -> str:
    tolerance, window = rule.tolerance, bid_window(rule, day)
    cap = rule.price_cap_jpy_per_kw_30min
    words = [
        f"{rule.service.value:15} {rule.version:28} {rule.response_s:4d} s",
        f"block {rule.block_minutes} min",
        f"from {rule.min_bid_kw} kW",
        f"±{tolerance.pct} % of {tolerance.basis} at {tolerance.pass_ratio:.0%}",
        "no cap" if cap is None else f"cap {cap} JPY",
        f"bids until {window.end:%m-%d %H:%M} UTC",
    ]
    if rule.unverified:
        words.append(f"unverified: {', '.join(rule.unverified)}")
    return "; ".join(words)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text) if text else market_day(SystemClock().now())
    except ValueError:
        raise _bad(f"--day: {text!r} is not a day") from None


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text) if text else SystemClock().now()
    except ValueError:
        raise _bad(f"--at: {text!r} is not a time") from None
    if found.utcoffset() is None:
        raise _bad(f"--at: {text!r} has no offset")
    return found.astimezone(UTC)


def _decimal(text: str, option: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise _bad(f"{option}: {text!r} is not a number") from None
    if not value.is_finite():
        raise _bad(f"{option}: {text!r} is not a number")
    return value


def _bad(cause: str) -> typer.Exit:
    typer.echo(cause, err=True)
    return typer.Exit(EXIT_BAD_INPUT)


def _say(line: str) -> None:
    typer.echo(line)
