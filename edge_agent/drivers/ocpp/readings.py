"""What a charger says of itself, as measurements.

A power is what its meter said when that arrived, or nothing where it says that no transaction
runs. The charger sends by itself; it is asked only when its last word is too old, and where it
cannot be asked the power grows old and is said to be.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from edge_agent.drivers.ocpp.charger import WHOLE, Charger, Measured
from edge_agent.drivers.ocpp.contact import ChargerContact
from edge_agent.drivers.ocpp.schedule import ChargerSchedule
from edge_agent.drivers.port import Reading
from edge_agent.points import table
from protocols.vocabulary.errors import DeviceTimeoutError
from protocols.vocabulary.measurement import Measurement, Quality
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

ASK_AFTER_S: Final = 1.4
"""A power older than this is asked for, so that it is fresh again within the cycle's limit."""
SILENT_S_MIN: Final = 35.0
"""A charger that cannot be asked is silent after this without any message: three heartbeats."""
IMPOSSIBLE: Final = 10.0
"""Times the rating: what no charger of the family can, whatever its meter says."""
_NS_PER_S: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fact:
    """A value and since when it is known; the reason where it is not simply so."""

    value: float | None
    at: datetime
    quality: Quality = Quality.GOOD
    reason: str = ""


class ChargerReadings:
    """Reads one charger.

    Parameters
    ----------
    charger : Charger
        What is known of it.
    contact : ChargerContact
        Asks it to send.
    schedule : ChargerSchedule
        What bounds it.
    """

    def __init__(
        self, charger: Charger, contact: ChargerContact, schedule: ChargerSchedule
    ) -> None:
        self._charger = charger
        self._contact = contact
        self._schedule = schedule
        self._taken: dict[str, datetime] = {}

    async def poll_fast(self) -> None:
        """See that its power is fresh; ask for meter values if it is not.

        Raises
        ------
        DeviceTimeoutError
            If it is not connected, does not answer, or has been silent for too long.
        """
        charger = self._charger
        link = charger.linked()
        power = self._power()
        age_s = math.inf if power is None else (charger.clock.now() - power.at).total_seconds()
        if age_s <= ASK_AFTER_S:
            return
        said = charger.said
        if await self._contact.trigger("MeterValues"):
            await charger.news(charger.template.timing.timeout_s, after=said)
            return
        silent_s = (charger.clock.monotonic_ns() - link.heard_ns) / _NS_PER_S
        if silent_s > max(SILENT_S_MIN, 3.0 * charger.wire.sample_s):
            charger.suspect = link
            raise DeviceTimeoutError(f"no message for {silent_s:.0f} s")

    async def poll_slow(self) -> bool:
        """Ask for its status and its schedule; True, for nobody else calls with its id.

        Raises
        ------
        DeviceTimeoutError
            If it does not answer.
        """
        self._charger.linked()
        await self._contact.trigger("StatusNotification")
        await self._contact.check_clock()
        await self._schedule.look()
        return True

    def take(self) -> list[Reading]:
        """Measurements that arrived since the last call, ``measured_at`` when they did."""
        found: list[Reading] = []
        for quantity, fact in self._facts().items():
            if self._taken.get(quantity) == fact.at:
                continue
            self._taken[quantity] = fact.at
            measurement = Measurement(
                value=fact.value,
                quality=fact.quality,
                measured_at=fact.at,
                received_at=fact.at,
                reason=fact.reason,
            )
            found.append((table.point_id(self._charger.config.device_id, quantity), measurement))
        return found

    def resource(self) -> Resource:
        """Describe the charger; the configuration wins, then its template."""
        charger, config = self._charger, self._charger.config
        plate, wire = charger.template.nameplate, charger.wire
        capabilities = {
            Capability.READS_POWER,
            Capability.TAKES_SETPOINT,
            Capability.HAS_LEASE_TIMER,
        }
        if any(m.sample.soc is not None for m in charger.measured.values()):
            capabilities.add(Capability.HAS_SOC)
        if not charger.met:
            capabilities.clear()
        most_w = plate.power_w_max if config.power_w_max is None else config.power_w_max
        return Resource(
            resource_id=charger.resource_id,
            site_id=charger.site_id,
            kind=config.kind,
            power_w_min=-charger.supply.power_w_rated + 0.0,
            power_w_max=min(most_w, plate.power_w_max),
            ramp_w_per_s=config.ramp_w_per_s or plate.ramp_w_per_s,
            energy_wh_capacity=(
                config.energy_wh_capacity
                or (plate.energy_wh_capacity if wire.connectors == 1 else 0.0)
            ),
            efficiency_charge=config.efficiency_charge,
            efficiency_discharge=config.efficiency_discharge,
            soc_min=config.soc_min,
            soc_max=config.soc_max,
            default_power_w=charger.template.lease.default_power_w or 0.0,
            capabilities=frozenset(capabilities),
        )

    # --- from what it said to points -------------------------------------------------------

    def _facts(self) -> dict[str, _Fact]:
        found = {
            table.POWER_W: self._power(),
            table.ENERGY_WH_CHARGED: self._energy("energy_wh_charged"),
            table.SETPOINT_W: self._setpoint(),
            **self._states(),
        }
        measured = self._only_connector()
        if measured is not None and measured.sample.soc is not None:
            found[table.SOC] = _Fact(value=measured.sample.soc, at=measured.at)
        if self._charger.config.kind is ResourceKind.EV_V2H:
            found[table.ENERGY_WH_DISCHARGED] = self._energy("energy_wh_discharged")
            if measured is not None and measured.sample.voltage_v is not None:
                found[table.VOLTAGE_V] = _Fact(value=measured.sample.voltage_v, at=measured.at)
        return {quantity: fact for quantity, fact in found.items() if fact is not None}

    def _power(self) -> _Fact | None:
        """Power of the whole charger; None until every connector has said something."""
        whole = self._charger.measured.get(WHOLE)
        parts = [self._power_of(connector) for connector in self._charger.connectors]
        known = [part for part in parts if part is not None]
        summed = _sum(known) if len(known) == len(parts) else None
        if whole is not None and (summed is None or whole.at >= summed.at):
            summed = self._checked(whole)
        return summed

    def _power_of(self, connector: int) -> _Fact | None:
        """Power of one connector: what its meter said, or nothing since it rests."""
        measured = self._charger.measured.get(connector)
        told = self._charger.told.get(connector)
        if told is not None and told.state.rests and (measured is None or measured.at < told.at):
            return _Fact(value=0.0, at=told.at)
        return None if measured is None else self._checked(measured)

    def _checked(self, measured: Measured) -> _Fact:
        """Power of a sample, or why it is none."""
        sample, rated_w = measured.sample, -self._charger.template.nameplate.power_w_min
        if sample.power_w is None:
            reason = sample.refused or "its meter values hold no power"
            return _Fact(value=None, at=measured.at, quality=Quality.BAD, reason=reason)
        if abs(sample.power_w) > IMPOSSIBLE * rated_w:
            reason = f"{sample.power_w:.0f} W is more than a charger of {rated_w:.0f} W can"
            return _Fact(value=None, at=measured.at, quality=Quality.BAD, reason=reason)
        if sample.power_estimated:
            reason = "from its current at the nominal voltage"
            return _Fact(
                value=sample.power_w, at=measured.at, quality=Quality.SUBSTITUTED, reason=reason
            )
        return _Fact(value=sample.power_w, at=measured.at)

    def _energy(self, name: str) -> _Fact | None:
        """Sum of a register over the connectors."""
        measured = self._charger.measured
        places = [WHOLE] if WHOLE in measured else list(self._charger.connectors)
        told = [measured[place] for place in places if place in measured]
        values = [getattr(one.sample, name) for one in told]
        numbers = [float(value) for value in values if value is not None and value >= 0.0]
        if len(numbers) < len(places):
            return None
        return _Fact(value=sum(numbers), at=min(one.at for one in told))

    def _states(self) -> dict[str, _Fact | None]:
        told = [self._charger.told[c] for c in self._charger.connectors if c in self._charger.told]
        if not told:
            return {}
        at = min(one.at for one in told)
        cars = [one.state.connected for one in told]
        connected = True if True in cars else (None if None in cars else False)
        least_w = 0.0 if connected is False else -self._charger.supply.power_w_rated
        return {
            table.ON: _Fact(value=float(any(one.state.ready for one in told)), at=at),
            table.FAULT: _Fact(value=float(any(one.state.faulted for one in told)), at=at),
            table.CONNECTED: None if connected is None else _Fact(value=float(connected), at=at),
            table.POWER_W_MIN: _Fact(value=least_w, at=at),
            table.POWER_W_MAX: _Fact(value=0.0, at=at),
        }

    def _setpoint(self) -> _Fact | None:
        seen = self._schedule.seen
        return None if seen is None else _Fact(value=-seen.power_w + 0.0, at=seen.at)

    def _only_connector(self) -> Measured | None:
        """Values of the only connector: of several cars there is no one state of charge."""
        return self._charger.measured.get(1) if self._charger.wire.connectors == 1 else None


def _sum(facts: Iterable[_Fact]) -> _Fact | None:
    """Sum of parts: as old as its oldest, as bad as its worst."""
    parts = list(facts)
    if not parts:
        return None
    worst = max(parts, key=lambda part: part.quality)
    missing = any(part.value is None for part in parts)
    total_w = sum(part.value for part in parts if part.value is not None)
    return _Fact(
        value=None if missing else total_w + 0.0,
        at=min(part.at for part in parts),
        quality=worst.quality,
        reason=worst.reason,
    )
