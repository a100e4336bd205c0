"""How often a device may be written: its budget of the day and the pause between setpoints.

Asked by the lease. A release is always allowed, and counted like everything else.
"""

from typing import Final

import structlog

from edge_agent.drivers.field_device import FieldDevice, Order
from edge_agent.drivers.ledger import WriteLedger
from protocols.vocabulary.intervals import Clock

ARMED_INTERVALS: Final = 2.0
"""A device's own timer is set to at least this many pauses, so that it lasts until the next."""
_NS_PER_S: Final = 1_000_000_000

log = structlog.get_logger(__name__)


class Allowance:
    """What is left to write on one device.

    Parameters
    ----------
    device : FieldDevice
        Its terms.
    ledger : WriteLedger
        Counts.
    clock : Clock
        For the pause.
    """

    def __init__(self, device: FieldDevice, ledger: WriteLedger, clock: Clock) -> None:
        self._resource_id = device.resource_id
        self._budget = device.writes.budget_per_day
        self._interval_s = device.writes.interval_s
        self._ledger = ledger
        self._clock = clock
        self._free_ns = 0
        self._told = False

    def armed_s(self, lease_s: float) -> float:
        """How long the device itself is to hold a setpoint, s: until it may be told the next."""
        return max(lease_s, ARMED_INTERVALS * self._interval_s)

    def held_until_ns(self) -> int:
        """Monotonic time before which no setpoint goes out; 0 if one may."""
        return self._free_ns if self._free_ns > self._clock.monotonic_ns() else 0

    def refusal(self, order: Order) -> str:
        """Count a setpoint that is about to be sent, or say why it may not be."""
        if self._ledger.spend(self._resource_id, order.writes, self._budget):
            self._told = False
            self._free_ns = self._clock.monotonic_ns() + round(self._interval_s * _NS_PER_S)
            return ""
        count = self._ledger.count(self._resource_id)
        if not self._told:
            self._told = True
            log.warning(
                "budget.spent", resource_id=self._resource_id, writes=count, budget=self._budget
            )
        return (
            f"{order.detail}: the day's budget of {self._budget} writes to its flash memory "
            f"does not allow {order.writes} more after {count}"
        )

    def count_release(self, order: Order) -> None:
        """Count a release; it is sent whatever the budget says."""
        self._ledger.spend(self._resource_id, order.writes, None)
