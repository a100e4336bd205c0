"""Questions to bid strategies, small enough to be understood, for tests of several rooms."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np

from cloud_coordinator.fleet.characteristics import SITE_KIND, Characteristics
from cloud_coordinator.market.bids import Bid, Pattern, Source, Venue
from cloud_coordinator.market.gates import load_exchange_rule
from cloud_coordinator.market.ledger import Holdings, Store, load_ledger_rule
from cloud_coordinator.market.rules import STEERING_RULE_SET, load_rule_book
from cloud_coordinator.services.bidding.capability import Sites
from cloud_coordinator.services.bidding.port import BidQuestion, Terms
from cloud_coordinator.services.bidding.risk import RiskCurve
from cloud_coordinator.services.forecasting import QUANTILES, QuantileForecast
from protocols.vocabulary.arrays import FloatArray, column
from protocols.vocabulary.calendar import SLOT_S, SLOTS_A_DAY, Slot, day_slots
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.identifiers import ModelId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Service

DAY = date(2026, 7, 22)
SPOT_AT = datetime(2026, 7, 21, 0, 45, tzinfo=UTC)
RESERVE_AT = datetime(2026, 7, 21, 4, 30, tzinfo=UTC)
PRODUCTS = (Service.SECONDARY_2, Service.TERTIARY_1, Service.TERTIARY_2)
SAFE = RiskCurve(
    part=np.array([0.0, 1.2]),
    short_ratio=np.zeros(2),
    fail_probability=np.zeros(2),
    miss_probability=np.zeros(2),
)
PATTERNS = {
    Source.STORAGE: Pattern(system_code="S"),
    Source.LOAD: Pattern(system_code="L"),
}


def forecast(
    median: Sequence[float] | FloatArray | float, spread: float = 0.2, *, reason: str | None = None
) -> QuantileForecast:
    """Forecast around a median, as wide as a part of it."""
    centre = np.broadcast_to(np.asarray(median, dtype=np.float64), (SLOTS_A_DAY,))
    factors = 1.0 + spread * (np.array(QUANTILES) - 0.5)
    return QuantileForecast(
        slot_start=tuple(slot.interval.start for slot in day_slots(DAY)),
        quantiles=QUANTILES,
        values=np.maximum(centre, 0.0)[:, None] * factors[None, :],
        source="test",
        reason=reason,
    )


def store(size_kwh: float = 8000.0, power_kw: float = 4000.0) -> Store:
    """Store that begins half full."""
    return Store(
        charge_kw=np.full(SLOTS_A_DAY, power_kw),
        start_kwh=0.5 * size_kwh,
        floor_kwh=0.1 * size_kwh,
        ceiling_kwh=0.95 * size_kwh,
        end_kwh=0.5 * size_kwh,
        charge_efficiency=0.95,
        discharge_efficiency=0.95,
        loss_kw=1.0,
    )


def holdings(
    storage_kw: float = 4000.0, load_kw: float = 2000.0, *, size_kwh: float = 8000.0
) -> Holdings:
    """Storage and load that can do every product; secondary 2 a little less of each."""
    part = {Service.SECONDARY_2: 0.8, Service.TERTIARY_1: 0.9}
    power = {
        (source, service): np.full(SLOTS_A_DAY, np.floor(kw * part.get(service, 1.0)))
        for source, kw in ((Source.STORAGE, storage_kw), (Source.LOAD, load_kw))
        for service in (*PRODUCTS, Service.ENERGY)
        if kw > 0.0
    }
    return Holdings(
        capability_kw=power,
        store=store(size_kwh, storage_kw) if storage_kw > 0.0 else None,
        load_energy_kwh=4.0 * load_kw,
    )


def question(
    *,
    spot: QuantileForecast | None = None,
    balancing: Mapping[Service, QuantileForecast] | None = None,
    having: Holdings | None = None,
    venues: Sequence[Venue] = (Venue.SPOT, Venue.CURTAILMENT, Venue.RESERVE),
    committed: Sequence[Bid] = (),
) -> BidQuestion:
    """Question for one day under today's rules."""
    book = load_rule_book()
    at = dict.fromkeys(venues, SPOT_AT)
    if Venue.RESERVE in at:
        at[Venue.RESERVE] = RESERVE_AT
    shape = 12.0 + 8.0 * np.sin(np.arange(SLOTS_A_DAY) / 48.0 * 4.0 * np.pi)
    return BidQuestion(
        area="tokyo",
        day=DAY,
        handed_in=at,
        rules={
            one: (book.rule(STEERING_RULE_SET, one, DAY), book.settling(one, DAY))
            for one in PRODUCTS
        },
        exchange=load_exchange_rule(),
        ledger_rule=load_ledger_rule(),
        spot=forecast(shape) if spot is None else spot,
        balancing=dict.fromkeys(PRODUCTS, forecast(2.0, 1.0)) if balancing is None else balancing,
        holdings=holdings() if having is None else having,
        risk={(source, one): SAFE for source in Source for one in PRODUCTS},
        terms=Terms(
            degradation_jpy_per_kwh=3.0,
            load_jpy_per_kwh=10.0,
            call_jpy_per_kwh=25.0,
            called_share=dict.fromkeys(PRODUCTS, 0.1),
        ),
        patterns=PATTERNS,
        committed=tuple(committed),
    )


def energy_bid(slot: int, kw: int, *, source: Source = Source.STORAGE, slots: int = 1) -> Bid:
    """Order on the spot market, or curtailment of load."""
    return Bid(
        venue=Venue.SPOT if source is Source.STORAGE else Venue.CURTAILMENT,
        service=Service.ENERGY,
        source=source,
        slot=Slot(day=DAY, number=slot),
        slots=slots,
        power_kw=Decimal(kw),
        least_kw=Decimal(kw),
        price_jpy=Decimal(10),
    )


def reserve_bid(
    slot: int,
    kw: int,
    *,
    service: Service = Service.TERTIARY_1,
    source: Source = Source.STORAGE,
    pattern: Pattern | None = None,
) -> Bid:
    """Bid to the balancing market."""
    return Bid(
        venue=Venue.RESERVE,
        service=service,
        source=source,
        slot=Slot(day=DAY, number=slot),
        power_kw=Decimal(kw),
        least_kw=Decimal(kw),
        price_jpy=Decimal("1.50"),
        pattern=PATTERNS[source] if pattern is None else pattern,
    )


def sites_of(
    power_kw: Sequence[float], *, kept: float = 99.0, missed: float = 1.0, hours: float = 4.0
) -> Sites:
    """Sites that kept their word so often, with energy for so many hours."""
    begin = day_slots(DAY)[0].interval.start
    day = Interval(start=begin, end=begin + timedelta(days=1))
    names = tuple(f"site-{at}" for at in range(len(power_kw)))
    one, zero = np.ones(len(power_kw)), column(np.zeros(SLOTS_A_DAY))
    return Sites(
        envelopes=tuple(
            Envelope(
                target=name,
                interval=day,
                step_s=SLOT_S,
                power_w_min=column(np.full(SLOTS_A_DAY, -kw * 1e3)),
                power_w_max=column(np.full(SLOTS_A_DAY, kw * 1e3)),
                energy_wh_min=column(np.zeros(SLOTS_A_DAY + 1)),
                energy_wh_max=column(np.full(SLOTS_A_DAY + 1, kw * hours * 1e3)),
                ramp_w_per_s=kw * 1e3,
                limited_by="",
            )
            for name, kw in zip(names, power_kw, strict=True)
        ),
        baselines=tuple(
            Baseline(
                target=name,
                interval=day,
                step_s=SLOT_S,
                power_w=zero,
                method="forecast",
                computed_at=begin,
                data_until=begin,
                model_id=ModelId("plan"),
            )
            for name in names
        ),
        characteristics=Characteristics(
            names=names,
            kinds=(SITE_KIND,) * len(names),
            delay_s=0.0 * one,
            gain=0.98 * one,
            kept=kept * one,
            missed=missed * one,
            efficiency=np.nan * one,
            degradation_jpy_per_kwh=0.0 * one,
            events=np.full(len(names), 100),
            discarded_s=np.zeros(len(names), dtype=np.int64),
        ),
    )
