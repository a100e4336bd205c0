"""One decision cycle over the live arrays, step by step under a stopwatch.

Snapshot of the columns, bounds, allocation of all resources as one product (F1) and as three
with caps (F3), a price for a zone or setpoints for each site as bytes, handed to the bus. What
is sent goes to zones that nobody is in: this measures, it does not control. Prices and caps are
drawn from a seed, since a fleet's telemetry does not tell them. Used by
:mod:`cloud_coordinator.gateway.cycle_log` and :mod:`cloud_coordinator.commands.cycle`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

import msgpack
import numpy as np
import numpy.typing as npt

from cloud_coordinator.allocation.allocate import Grid, allocate
from cloud_coordinator.allocation.groups import prepare_groups
from cloud_coordinator.allocation.outcome import Allocation
from cloud_coordinator.allocation.problem import FleetColumns, GroupCaps, Product
from cloud_coordinator.fleet.fleet import Fleet, copy_resources, resource_sites
from cloud_coordinator.fleet.moment import moment_of
from cloud_coordinator.fleet.snapshot import LinkCondition
from cloud_coordinator.gateway.bus import Bus
from protocols.link.messages import SignalMessage
from protocols.link.topics import signal_topic
from protocols.link.wire import VERSION, encode
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.identifiers import SignalId, ZoneId
from protocols.vocabulary.intervals import Clock, Interval
from protocols.vocabulary.obligation import Service
from protocols.vocabulary.offer import DispatchSignal

SEED: Final = 7
LOAD: Final = 0.3
"""Required part of what the resources could give."""
SITES_PER_FEEDER: Final = 3
FEEDERS_PER_SUBSTATION: Final = 40
TIGHT: Final = 0.3
"""Part of the feeders and substations whose cap binds."""
SHORTAGE_JPY_PER_KWH: Final = 100.0
SHARES: Final = (1.2, 1.0, 0.8)
NOBODY: Final = ZoneId("cycle-of-nobody")
HORIZON_H: Final = 0.5


class Stopwatch(Protocol):
    """Two clocks."""

    def cpu_ns(self) -> int:
        """Processor time of this thread."""

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back."""


@dataclass(slots=True)
class Laps:
    """Processor and wall time by step, ms."""

    cpu_ms: dict[str, float] = field(default_factory=dict)
    wall_ms: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def lap(self, step: str, watch: Stopwatch) -> Iterator[None]:
        """Time a step; a step that comes again adds up."""
        cpu_ns, wall_ns = watch.cpu_ns(), watch.monotonic_ns()
        yield
        self.cpu_ms[step] = self.cpu_ms.get(step, 0.0) + (watch.cpu_ns() - cpu_ns) / 1e6
        self.wall_ms[step] = self.wall_ms.get(step, 0.0) + (watch.monotonic_ns() - wall_ns) / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What does not change from second to second: made when the fleet has grown."""

    columns: dict[str, FloatArray]
    work: dict[str, FloatArray]
    site_index: IntArray
    first: IntArray
    topics: tuple[str, ...]
    price: FloatArray
    prices: FloatArray
    delivery: FloatArray
    feeder: IntArray
    above: IntArray
    tight: FloatArray
    grid: Grid

    def bounded(self, live: npt.NDArray[np.bool_]) -> FloatArray:
        """Take what each resource can give: its rating, as far as its energy lasts, if it is heard.

        In arrays that are there: fresh ones of this size cost more than what is calculated. The
        steepness of the prices is brought up to date with it.
        """
        columns, work = self.columns, self.work
        rated_w, up_w, lasting_w = columns["power_w_max"], work["up_w"], work["lasting_w"]
        np.multiply(columns["soc"], columns["energy_wh_capacity"], out=lasting_w)
        np.divide(lasting_w, HORIZON_H, out=lasting_w)
        np.fmax(lasting_w, 0.0, out=lasting_w)  # not known: nothing
        np.minimum(rated_w, lasting_w, out=up_w)
        np.copyto(up_w, 0.0, where=~live[self.site_index])
        np.maximum(rated_w, 1.0, out=work["steepness"])
        np.divide(10.0, work["steepness"], out=work["steepness"])
        return up_w


class DecisionCycle:
    """The steps of a cycle.

    Parameters
    ----------
    fleet : Fleet
        The live table.
    bus : Bus
        Where the messages go.
    clock : Clock
        For the snapshot and the signal's interval.
    watch : Stopwatch
        Times the steps.
    """

    def __init__(self, fleet: Fleet, bus: Bus, *, clock: Clock, watch: Stopwatch) -> None:
        self._fleet = fleet
        self._bus = bus
        self._clock = clock
        self._watch = watch
        self._ground: _Ground | None = None
        self._one: Allocation | None = None
        self._three: Allocation | None = None
        self._number = 0

    @property
    def resources(self) -> int:
        """Resources of the last cycle."""
        return 0 if self._ground is None else len(self._ground.site_index)

    def once(self) -> Laps:
        """Do one cycle and return what each step took; nothing if there is no resource."""
        laps, fleet, watch = Laps(), self._fleet, self._watch
        ground = self._prepared()
        if ground is None:
            return laps
        with laps.lap("snapshot", watch):
            copy_resources(fleet, ground.columns)
            sites = fleet.snapshot(moment_of(self._clock))
        with laps.lap("bounds", watch):
            up_w = ground.bounded(sites.condition == LinkCondition.LIVE)
        with laps.lap("allocate_f1", watch):
            self._one = allocate(*self._question_one(ground, up_w), start=self._one)
        with laps.lap("encode_signal", watch):
            signal = encode(self._signal(float(self._one.multiplier_jpy_per_kwh[0])))
        with laps.lap("hand_over_signal", watch):
            self._bus.publish(signal_topic(NOBODY), signal)
        with laps.lap("caps", watch):
            grid = self._grid(ground, up_w)
        with laps.lap("allocate_f3", watch):
            self._three = allocate(
                *self._question_three(ground, up_w), grid=grid, start=self._three
            )
        with laps.lap("encode_sites", watch):
            payloads = self._setpoints(ground, self._three)
        with laps.lap("hand_over_sites", watch):
            self._bus.publish_many(payloads)
        return laps

    def _prepared(self) -> _Ground | None:
        index = resource_sites(self._fleet)
        known = self._ground
        if len(index) == 0 or (known is not None and len(known.site_index) == len(index)):
            return known
        self._one = self._three = None
        dice, rows = np.random.default_rng(SEED), len(index)
        feeder = index // SITES_PER_FEEDER
        above = np.arange(int(feeder.max()) + 1) // FEEDERS_PER_SUBSTATION
        substations = int(above.max()) + 1
        groups = prepare_groups(
            np.concatenate([np.full(substations, -1), above]), feeder + substations
        )
        count = substations + len(above)
        tight = np.where(dice.random(count) < TIGHT, dice.uniform(0.1, 0.4, count), 2.0)
        names = ("power_w", "soc", "power_w_min", "power_w_max", "energy_wh_capacity")
        nothing = np.full(count, -np.inf)
        self._ground = _Ground(
            columns={name: np.zeros(rows) for name in names},
            work={name: np.zeros(rows) for name in ("up_w", "lasting_w", "steepness", "nothing_w")},
            site_index=index,
            first=np.flatnonzero(np.diff(index, prepend=-1)),
            topics=tuple(signal_topic(ZoneId(f"{NOBODY}-{site}")) for site in np.unique(index)),
            price=dice.uniform(5.0, 40.0, rows),
            prices=dice.uniform(2.0, 30.0, (len(SHARES), rows)),
            delivery=dice.uniform(0.85, 1.0, (len(SHARES), rows)),
            feeder=feeder,
            above=above,
            tight=tight,
            grid=Grid(
                groups=groups, caps=GroupCaps(power_w_min=nothing, power_w_max=np.full(count, 1.0))
            ),
        )
        return self._ground

    def _question_one(
        self, ground: _Ground, up_w: FloatArray
    ) -> tuple[FleetColumns, tuple[Product, ...]]:
        fleet = FleetColumns(
            price_jpy_per_kwh=ground.price,
            steepness_jpy_per_kwh_w=ground.work["steepness"],
            power_w_min=ground.work["nothing_w"],
            power_w_max=up_w,
        )
        required_w = LOAD * float(up_w.sum())
        energy = Product(
            name="energy",
            required_w=required_w,
            shortage_jpy_per_kwh=10.0 * SHORTAGE_JPY_PER_KWH,
        )
        return fleet, (energy,)

    def _question_three(
        self, ground: _Ground, up_w: FloatArray
    ) -> tuple[FleetColumns, tuple[Product, ...]]:
        shape = ground.prices.shape
        fleet = FleetColumns(
            price_jpy_per_kwh=ground.prices,
            steepness_jpy_per_kwh_w=np.broadcast_to(ground.work["steepness"], shape),
            power_w_min=np.broadcast_to(ground.work["nothing_w"], shape),
            power_w_max=np.broadcast_to(up_w, shape),
            delivery=ground.delivery,
            headroom_w_up=up_w,
        )
        products = tuple(
            Product(
                name=f"product-{place}",
                required_w=LOAD / len(SHARES) * share * float(up_w.sum()),
                shortage_jpy_per_kwh=SHORTAGE_JPY_PER_KWH * (1.0 + 0.1 * place),
            )
            for place, share in enumerate(SHARES)
        )
        return fleet, products

    def _grid(self, ground: _Ground, up_w: FloatArray) -> Grid:
        feeders = np.bincount(ground.feeder, up_w, minlength=len(ground.above))
        substations = np.bincount(ground.above, feeders)
        caps = np.concatenate([substations, feeders]) * ground.tight
        lows = ground.grid.caps.power_w_min
        return Grid(groups=ground.grid.groups, caps=GroupCaps(power_w_min=lows, power_w_max=caps))

    def _signal(self, multiplier: float) -> SignalMessage:
        now = self._clock.now()
        self._number += 1
        return SignalMessage(
            signal=DispatchSignal(
                zone=NOBODY,
                signal_id=SignalId(self._number),
                epoch=1,
                interval=Interval(start=now, end=now + timedelta(seconds=5)),
                multipliers={Service.SECONDARY_1: multiplier},
            )
        )

    def _setpoints(self, ground: _Ground, allocation: Allocation) -> list[tuple[str, bytes]]:
        """One message a site: version, number, and the sum of its products by resource, W."""
        self._number += 1
        block = np.ascontiguousarray(allocation.power_w.sum(axis=0), dtype="<f4").tobytes()
        starts = (4 * ground.first).tolist()
        ends = [*starts[1:], len(block)]
        heads = {  # what comes before the powers, by how many bytes of them there are
            size: bytes(msgpack.packb([VERSION, self._number, bytes(size)])[:-size])
            for size in {end - first for first, end in zip(starts, ends, strict=True)}
        }
        return [
            (topic, heads[end - first] + block[first:end])
            for topic, first, end in zip(ground.topics, starts, ends, strict=True)
        ]
