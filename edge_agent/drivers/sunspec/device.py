"""A SunSpec device as its worker sees it: meeting it, and what it says of itself."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

import structlog

from edge_agent.drivers.port import FoundDevice, Reading
from edge_agent.drivers.sunspec.models import Held, Models
from edge_agent.drivers.sunspec.quantities import (
    CHARGE_RATINGS,
    OUTPUT_RATINGS,
    STORAGE_RATINGS,
    Source,
    sources_of,
)
from edge_agent.drivers.sunspec.resource import described, measured
from edge_agent.drivers.sunspec.unit import Unit
from edge_agent.points import table
from protocols.templates.sunspec import SunspecWire
from protocols.vocabulary.errors import DeviceUnsupportedError
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

_STORAGES: Final = frozenset({ResourceKind.BATTERY, ResourceKind.EV_V2H, ResourceKind.EV_CHARGER})
_SETPOINTS: Final = frozenset({"704", "124"})
_BANK_RATING: Final = (802, "WDisChaRteMax")

log = structlog.get_logger(__name__)


class SunspecReadings:
    """What a SunSpec device says of itself.

    Parameters
    ----------
    unit, models : Unit, Models
        Who it is, and its registers.
    """

    def __init__(self, unit: Unit, models: Models) -> None:
        wire = unit.template.wire
        assert isinstance(wire, SunspecWire), "a SunSpec template"
        self._unit = unit
        self._models = models
        self._wire = wire
        factor = 1.0 if wire.positive == "export" else -1.0
        sources = sources_of(unit.config.kind, meter_factor=factor)
        self._groups: dict[str, list[Source]] = {}
        for source in sources:
            self._groups.setdefault(source.quantity, []).append(source)
        self._wanted = frozenset(model for source in sources for model in source.models)
        self._new: list[Reading] = []

    async def poll_fast(self) -> None:
        """Ask for what changes, and for what is set."""
        fresh = await self._models.read_fast(self._wanted)
        self._measure(fresh)
        self._measure_setting()

    async def poll_slow(self) -> bool:
        """Ask who it is, and for ratings and counters."""
        if not self._unit.is_me(*await self._models.who()):
            return False
        await self.learn()
        return True

    async def learn(self) -> None:
        """Read ratings and counters."""
        fresh = await self._models.read_slow()
        self._measure(fresh)
        now = self._unit.clock.now()
        for quantity, bound_w in zip(
            (table.POWER_W_MIN, table.POWER_W_MAX), self._bounds(), strict=True
        ):
            if bound_w is not None:
                self._tell(quantity, bound_w, "", at=now)

    def take(self) -> list[Reading]:
        """Take the measurements that arrived since the last call."""
        taken, self._new = self._new, []
        return taken

    def resource(self) -> Resource:
        """Describe the resource as far as known; the configuration wins."""
        least_w, most_w = self._bounds()
        return described(
            self._unit,
            power_w_min=least_w,
            power_w_max=most_w,
            energy_wh_capacity=self._number(table.ENERGY_WH_CAPACITY),
            capabilities=self._capabilities(),
        )

    def measures_power(self) -> bool:
        """Whether the chain has a model that measures power."""
        models = {m for source in self._groups[table.POWER_W] for m in source.models}
        return any(place.model_id in models for place in self._models.chain.places)

    # --- measuring ------------------------------------------------------------------------

    def _measure(self, fresh: frozenset[int]) -> None:
        """Measure the quantities whose best source has just arrived."""
        held = self._models.held
        for quantity, group in self._groups.items():
            missing: tuple[str, datetime] | None = None
            for source, model_id in _there(group, held):
                entry = held[model_id]
                value, reason = source.value(entry.block)
                if value is not None:
                    missing = None
                    if model_id in fresh:
                        self._tell(quantity, value, "", at=entry.received_at)
                    break
                if missing is None and model_id in fresh:
                    missing = reason, entry.received_at
            if missing is not None:
                self._tell(quantity, None, missing[0], at=missing[1])

    def _measure_setting(self) -> None:
        way, setting = self._models.way, self._models.setting
        if setting is None or way is None:
            return
        value = way.set_w(setting.block, self._models.ratings())
        reason = "" if value is not None else "nothing is set: the device decides itself"
        quantity = table.SETPOINT_W if self._wire.command in _SETPOINTS else table.LIMIT_W
        self._tell(quantity, value, reason, at=setting.received_at)

    def _tell(self, quantity: str, value: float | None, reason: str, *, at: datetime) -> None:
        self._new.extend(measured(self._unit, quantity, value, reason=reason, at=at))

    # --- what it is -----------------------------------------------------------------------

    def _number(self, quantity: str) -> float | None:
        """Last value of a quantity, from whichever point gives one."""
        held = self._models.held
        for source, model_id in _there(self._groups.get(quantity, []), held):
            value, _ = source.value(held[model_id].block)
            if value is not None:
                return value
        return None

    def _bounds(self) -> tuple[float | None, float | None]:
        """Bounds the device states, W, generator frame; None where it states none."""
        first = self._models.first
        if self._unit.config.kind not in _STORAGES:
            return None, first(OUTPUT_RATINGS)
        charge_w = first(CHARGE_RATINGS)
        discharge_w = first((*STORAGE_RATINGS, *OUTPUT_RATINGS, _BANK_RATING))
        return None if charge_w is None else -charge_w, discharge_w

    def _capabilities(self) -> frozenset[Capability]:
        found: set[Capability] = set()
        if self._number(table.POWER_W) is not None:
            found.add(Capability.READS_POWER)
            if self._unit.config.kind is ResourceKind.METER:
                found.add(Capability.MEASURES_SITE)
        if self._number(table.FREQUENCY_HZ) is not None:
            found.add(Capability.MEASURES_FREQUENCY)
        if self._number(table.SOC) is not None:
            found.add(Capability.HAS_SOC)
        way, setting = self._models.way, self._models.setting
        if way is not None and setting is not None:
            timed = self._models.timed()
            if timed:
                found.add(Capability.HAS_LEASE_TIMER)
            if timed or self._unit.on_tcp:
                by_setpoint = self._wire.command in _SETPOINTS
                found.add(Capability.TAKES_SETPOINT if by_setpoint else Capability.TAKES_LIMIT)
        return frozenset(found)


class SunspecContact:
    """Who and where a SunSpec device is.

    Parameters
    ----------
    unit, models, readings
        The device.
    """

    def __init__(self, unit: Unit, models: Models, readings: SunspecReadings) -> None:
        self._unit = unit
        self._models = models
        self._readings = readings
        self._told = ""

    async def meet(self) -> bool:
        """Walk the chain, ask who it is, and read everything once."""
        models = self._models
        await models.walk()
        if not self._unit.is_me(*await models.who()):
            return False
        if models.chain.trouble != self._told:
            self._told = models.chain.trouble
            log.warning(
                "device.map_wrong",
                resource_id=self._unit.resource_id,
                cause=self._told or "it is right again",
                models=[place.model_id for place in models.chain.places],
            )
        if not self._readings.measures_power():
            raise DeviceUnsupportedError(f"no model measures its power, {models.told()}")
        await self._readings.learn()
        await self._readings.poll_fast()
        return True

    async def lose(self) -> None:
        """Let go of the connection."""
        await self._unit.lose()

    def go_to(self, address: str) -> None:
        """Meet it at another address next."""
        self._unit.go_to(address)

    def describe(self) -> FoundDevice:
        """Tell address, identity and configured id as known now."""
        return self._unit.describe()


def _there(group: list[Source], held: Mapping[int, Held]) -> Iterator[tuple[Source, int]]:
    """Go through the sources of a quantity that the device has, the preferred first."""
    for source in group:
        for model_id in source.models:
            if model_id in held:
                yield source, model_id
