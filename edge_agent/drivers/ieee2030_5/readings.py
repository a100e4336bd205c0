"""What a client says of itself, as measurements: mirrored readings and DERStatus.

It sends by itself; nothing can be asked. A value is of the moment the device itself states and
grows old from then on.
"""

from datetime import datetime
from typing import Final

from edge_agent.drivers.ieee2030_5 import meters
from edge_agent.drivers.ieee2030_5.client import Client
from edge_agent.drivers.ieee2030_5.contact import ClientContact
from edge_agent.drivers.ieee2030_5.desk import STARTED, ServerDesk
from edge_agent.drivers.ieee2030_5.meters import Metered
from edge_agent.drivers.ieee2030_5.ratings import Ratings
from edge_agent.drivers.ieee2030_5.words import power_of
from edge_agent.drivers.port import Reading
from edge_agent.points import table
from protocols.ieee2030_5.resources.der import DERStatus
from protocols.ieee2030_5.server.desk_devices import MeterValue
from protocols.ieee2030_5.units import ratio_of_percent
from protocols.vocabulary.errors import DeviceTimeoutError, RemoteProtocolError
from protocols.vocabulary.intervals import utc_from_seconds
from protocols.vocabulary.measurement import Measurement, Quality
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

IMPOSSIBLE: Final = 10.0
"""Times the rating: what no device of the family can, whatever it says."""
_FAULT: Final = 7
"""Inverter status "fault" of DERStatus."""
_RUNNING: Final = frozenset({3, 4, 5})
"""Inverter statuses in which power flows: starting, running at MPPT, running throttled."""
_DELIVERS_ENERGY: Final = {
    ResourceKind.PV: table.ENERGY_WH_GENERATED,
    ResourceKind.FUEL_CELL: table.ENERGY_WH_GENERATED,
    ResourceKind.BATTERY: table.ENERGY_WH_DISCHARGED,
    ResourceKind.EV_V2H: table.ENERGY_WH_DISCHARGED,
}

Fact = tuple[float | None, datetime, Quality, str]
"""Value, since when, quality, and the reason where it is not simply good."""


class ClientReadings:
    """Reads one client.

    Parameters
    ----------
    client, contact, desk
        What is known of it, what it can, what the server knows.
    """

    def __init__(self, client: Client, contact: ClientContact, desk: ServerDesk) -> None:
        self._client = client
        self._contact = contact
        self._desk = desk
        self._taken: dict[str, datetime] = {}

    async def poll_fast(self) -> None:
        """See that it still calls.

        Raises
        ------
        DeviceTimeoutError
            If it has been silent for too long.
        """
        if self._contact.is_silent():
            raise DeviceTimeoutError(f"no call for {self._client.silent_s():.0f} s")

    async def poll_slow(self) -> bool:
        """Nothing can be asked; True, for nobody else calls with its certificate."""
        return True

    def take(self) -> list[Reading]:
        """Measurements that arrived since the last call, ``measured_at`` as the device says."""
        found: list[Reading] = []
        now = self._client.clock.now()
        for quantity, (value, at, quality, reason) in self._facts().items():
            if self._taken.get(quantity) == at:
                continue
            self._taken[quantity] = at
            measurement = Measurement(
                value=value, quality=quality, measured_at=at, received_at=now, reason=reason
            )
            found.append((table.point_id(self._client.config.device_id, quantity), measurement))
        return found

    def resource(self) -> Resource:
        """Describe the device; the configuration wins, then the device, then its template."""
        client, config = self._client, self._client.config
        ratings = self._contact.ratings()
        stores = config.kind in {ResourceKind.BATTERY, ResourceKind.EV_V2H}
        least_w = -ratings.max_charge_w if stores else 0.0
        most_w = ratings.discharge_w if stores else ratings.max_w
        return Resource(
            resource_id=client.resource_id,
            site_id=client.site_id,
            kind=config.kind,
            power_w_min=(least_w if config.power_w_min is None else config.power_w_min) + 0.0,
            power_w_max=(most_w if config.power_w_max is None else config.power_w_max) + 0.0,
            ramp_w_per_s=config.ramp_w_per_s or client.template.nameplate.ramp_w_per_s,
            energy_wh_capacity=(
                (config.energy_wh_capacity or ratings.energy_wh or 0.0) if stores else 0.0
            ),
            efficiency_charge=config.efficiency_charge,
            efficiency_discharge=config.efficiency_discharge,
            soc_min=config.soc_min,
            soc_max=config.soc_max,
            default_power_w=client.template.lease.default_power_w or 0.0,
            capabilities=self._capabilities(ratings),
        )

    def _capabilities(self, ratings: Ratings) -> frozenset[Capability]:
        if not self._client.met:
            return frozenset()
        found = {Capability.READS_POWER}
        if ratings.modes:
            limit_only = set(ratings.modes) == {"opModMaxLimW"}
            found.add(Capability.TAKES_LIMIT if limit_only else Capability.TAKES_SETPOINT)
            found.add(Capability.HAS_LEASE_TIMER)
        status, _ = self._status()
        if status is not None and status.state_of_charge_status is not None:
            found.add(Capability.HAS_SOC)
        return frozenset(found)

    # --- from what it said to points -------------------------------------------------------

    def _facts(self) -> dict[str, Fact]:
        values = meters.own_values(self._desk.role.devices.values(self._client.lfdi))
        ratings, wire = self._contact.ratings(), self._client.wire
        found: dict[str, Fact | None] = {
            table.POWER_W: self._power(values, ratings),
            table.VOLTAGE_V: _good(meters.plain_of(values, meters.V)),
            table.FREQUENCY_HZ: _good(meters.plain_of(values, meters.HZ)),
        }
        kind = self._client.config.kind
        if kind in _DELIVERS_ENERGY:
            energy = meters.energy_of(values, wire, delivered=True)
            found[_DELIVERS_ENERGY[kind]] = _good(energy)
        if kind in {ResourceKind.BATTERY, ResourceKind.EV_V2H}:
            energy = meters.energy_of(values, wire, delivered=False)
            found[table.ENERGY_WH_CHARGED] = _good(energy)
        found.update(self._states())
        found[table.SETPOINT_W] = found[table.LIMIT_W] = self._obeyed(ratings)
        known = {spec.quantity for spec in table.QUANTITIES[kind]}
        return {name: fact for name, fact in found.items() if fact is not None and name in known}

    def _power(self, values: tuple[MeterValue, ...], ratings: Ratings) -> Fact | None:
        power = meters.power_of(values, self._client.wire)
        if power is None:
            return None
        rated_w = max(ratings.discharge_w, ratings.max_w, ratings.max_charge_w)
        if abs(power.value) > IMPOSSIBLE * rated_w:
            reason = f"{power.value:.0f} W is more than a device of {rated_w:.0f} W can"
            return None, power.at, Quality.BAD, reason
        if power.extreme:
            reason = "the extreme of its period, for it sends nothing better"
            return power.value, power.at, Quality.SUBSTITUTED, reason
        return _good(power)

    def _obeyed(self, ratings: Ratings) -> Fact | None:
        """Power of the control that it says it follows."""
        for control in reversed(self._desk.open_controls(self._client)):
            for answer in self._desk.role.state.answers.where("subject", control.resource.mrid):
                if answer.status == STARTED:
                    power_w = power_of(control.resource.der_control_base, ratings)
                    return power_w, utc_from_seconds(float(answer.at)), Quality.GOOD, ""
        return None

    def _status(self) -> tuple[DERStatus | None, datetime]:
        """Return what it said of its state, and of when that is."""
        device = self._desk.device_of(self._client)
        told = None if device is None else self._desk.role.state.told.get(f"{device.number}/ders")
        if told is None or not isinstance(told.resource, DERStatus):
            return None, self._client.clock.now()
        read_at = min(max(told.resource.reading_time, 0), told.at)
        return told.resource, utc_from_seconds(float(read_at))

    def _states(self) -> dict[str, Fact | None]:
        status, at = self._status()
        if status is None:
            return {}
        found: dict[str, Fact | None] = {}
        inverter = None if status.inverter_status is None else status.inverter_status.value
        if inverter is not None:
            found[table.FAULT] = (float(inverter == _FAULT), at, Quality.GOOD, "")
            found[table.ON] = (float(inverter in _RUNNING), at, Quality.GOOD, "")
        charge = status.state_of_charge_status
        if charge is not None:
            found[table.SOC] = _soc(charge.value, at)
        return found


def _soc(hundredths: int, at: datetime) -> Fact:
    try:
        return ratio_of_percent(hundredths), at, Quality.GOOD, ""
    except RemoteProtocolError as error:
        return None, at, Quality.BAD, str(error)


def _good(metered: Metered | None) -> Fact | None:
    return None if metered is None else (metered.value, metered.at, Quality.GOOD, "")
