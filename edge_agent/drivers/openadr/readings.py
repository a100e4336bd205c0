"""What a VEN reports of its consumption, as measurements.

It reports by itself; a value is of the end of its interval as the VEN states it, never later than
it came, and grows old from then on. Consumption is turned here: toward the grid is +.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from edge_agent.drivers.openadr.contact import VenContact
from edge_agent.drivers.openadr.desk import VtnDesk
from edge_agent.drivers.openadr.orders import agreed_power
from edge_agent.drivers.openadr.ven import LocalVen
from edge_agent.drivers.port import Reading
from edge_agent.points import table
from protocols.openadr.vtn.readings import Reading as Reported
from protocols.vocabulary.errors import DeviceTimeoutError
from protocols.vocabulary.measurement import Measurement, Quality
from protocols.vocabulary.resource import Capability, Resource

IMPOSSIBLE: Final = 10.0
"""Times the rating: what no device of the family can, whatever it says."""
SCALES: Final[Mapping[str, float]] = {"none": 1.0, "k": 1e3, "M": 1e6, "m": 1e-3, "c": 1e-2}
"""Factors of the scale codes that powers come in."""
USAGES: Final = frozenset({"usage", "reading", "demand"})
"""Kinds of reports that tell what is consumed; others tell baselines, capacities, prices."""


class VenReadings:
    """Reads one VEN.

    Parameters
    ----------
    ven, contact, desk
        What is known of it, whether it is there, what the VTN knows.
    """

    def __init__(self, ven: LocalVen, contact: VenContact, desk: VtnDesk) -> None:
        self._ven = ven
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
            raise DeviceTimeoutError(f"no call for {self._ven.silent_s():.0f} s")

    async def poll_slow(self) -> bool:
        """Nothing can be asked; True, for nobody else registers as it."""
        return True

    def take(self) -> list[Reading]:
        """Measurements that arrived since the last call, ``measured_at`` as the VEN says."""
        found: list[Reading] = []
        now = self._ven.clock.now()
        for quantity, measurement in (
            (table.POWER_W, self._power(now)),
            (table.SETPOINT_W, self._agreed(now)),
        ):
            if measurement is None or self._taken.get(quantity) == measurement.measured_at:
                continue
            self._taken[quantity] = measurement.measured_at
            found.append((table.point_id(self._ven.config.device_id, quantity), measurement))
        return found

    def resource(self) -> Resource:
        """Describe the load; the configuration wins, then its template."""
        ven, config = self._ven, self._ven.config
        capabilities = {Capability.READS_POWER, Capability.TAKES_LIMIT, Capability.HAS_LEASE_TIMER}
        default_w = ven.template.lease.default_power_w
        return Resource(
            resource_id=ven.resource_id,
            site_id=ven.site_id,
            kind=config.kind,
            power_w_min=-ven.rated_w,
            power_w_max=0.0,
            ramp_w_per_s=config.ramp_w_per_s or ven.template.nameplate.ramp_w_per_s,
            default_power_w=-ven.rated_w if default_w is None else max(default_w, -ven.rated_w),
            capabilities=frozenset(capabilities if ven.met else ()),
        )

    def _agreed(self, now: datetime) -> Measurement | None:
        """Ceiling that it has opted in to."""
        event = self._desk.event_of(self._ven)
        if event is None:
            return None
        descriptor = event.ei_event.event_descriptor
        number = descriptor.modification_number
        answer = self._desk.answer_to(self._ven, descriptor.event_id, number)
        power_w = agreed_power(self._ven, event, answer)
        if answer is None or power_w is None:
            return None
        return Measurement(
            value=power_w, quality=Quality.GOOD, measured_at=answer.answered_at, received_at=now
        )

    def _power(self, now: datetime) -> Measurement | None:
        """Power of its newest report that holds one."""
        scales = self._power_points()
        newest: tuple[datetime, float] | None = None
        for reported in self._desk.state.reports.readings.of(self._ven.ven_id):
            consumed_w = _sum(reported, scales)
            at = min(_end(reported), reported.received_at)
            if consumed_w is not None and (newest is None or newest[0] < at):
                newest = (at, consumed_w)
        if newest is None:
            return None
        at, consumed_w = newest
        if abs(consumed_w) > IMPOSSIBLE * self._ven.rated_w:
            reason = f"{consumed_w:.0f} W is more than {self._ven.rated_w:.0f} W can be"
            return Measurement(
                value=None, quality=Quality.BAD, measured_at=at, received_at=now, reason=reason
            )
        return Measurement(
            value=-consumed_w + 0.0, quality=Quality.GOOD, measured_at=at, received_at=now
        )

    def _power_points(self) -> dict[str, float]:
        """Factor to W of each data point that is an active power of usage, by rID."""
        found: dict[str, float] = {}
        for offer in self._desk.state.reports.offers(self._ven.ven_id):
            for point in offer.oadr_report_description:
                item = point.item_base
                if item is None or item.kind != "powerReal" or point.report_type not in USAGES:
                    continue
                factor = SCALES.get(item.si_scale_code or "none")
                if factor is not None:
                    found[point.r_id] = factor
        return found


def _end(reported: Reported) -> datetime:
    """End of an interval; its start where that is beyond any calendar."""
    try:
        return reported.start + timedelta(seconds=reported.duration_s or 0.0)
    except OverflowError:
        return reported.start


def _sum(reported: Reported, scales: Mapping[str, float]) -> float | None:
    """Sum of the powers of an interval, W; None if it holds none."""
    values: list[float] = []
    for name, point in reported.points.items():
        value = point.get("value")
        if name in scales and isinstance(value, int | float):
            values.append(scales[name] * value)
    return sum(values) if values else None
