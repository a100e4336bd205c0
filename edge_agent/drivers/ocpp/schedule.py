"""What a charger says it is bound by: its composite schedule, asked for and kept."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from edge_agent.drivers.ocpp.charger import WHOLE, Charger
from protocols.ocpp.profiles import (
    PURPOSE_MAX,
    Agreement,
    Composite,
    agreement,
    composite_of,
)
from protocols.ocpp.states import VERSION_16
from protocols.vocabulary.errors import DeviceRefusedError

LOOK_S: Final = 60
"""How far ahead the schedule is asked for when nothing else is said."""
_WORST: Final = (
    Agreement.NONE,
    Agreement.HIGHER,
    Agreement.SHORT,
    Agreement.LOWER,
    Agreement.SAME,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Schedules as they were told.

    Attributes
    ----------
    composites : tuple of Composite
        One per place that was asked.
    power_w : float
        Charging power that they allow now, all together, W >= 0.
    at, at_ns : datetime, int
        When they were told.
    """

    composites: tuple[Composite, ...]
    power_w: float
    at: datetime
    at_ns: int


class ChargerSchedule:
    """The schedule of one charger.

    Parameters
    ----------
    charger : Charger
        The charger.

    Attributes
    ----------
    seen : Seen or None
        As last told; None where it told none the last time it was asked.
    asked_ns : int
        When it was asked last.
    """

    def __init__(self, charger: Charger) -> None:
        self._charger = charger
        self.seen: Seen | None = None
        self.asked_ns = 0

    @property
    def places(self) -> tuple[int, ...]:
        """Connectors that are bound: the whole charger, or each of them."""
        if self._charger.wire.purpose == PURPOSE_MAX:
            return (WHOLE,)
        return tuple(self._charger.connectors)

    async def look(self, ahead_s: int = LOOK_S) -> Seen | None:
        """Ask for the schedule; None if it has none or does not tell.

        Raises
        ------
        DeviceTimeoutError
            If it does not answer.
        """
        if not self._charger.wire.composite_schedule:
            return None
        self.seen = None
        self.asked_ns = self._charger.clock.monotonic_ns()
        composites: list[Composite] = []
        for place in self.places:
            composite = await self._ask(place, ahead_s)
            if composite is None:
                return None
            composites.append(composite)
        allowed_w = sum(composite.steps[0].power_w for composite in composites)
        self.seen = Seen(
            composites=tuple(composites),
            power_w=min(allowed_w, self._charger.supply.power_w_rated),
            at=self._charger.clock.now(),
            at_ns=self._charger.clock.monotonic_ns(),
        )
        return self.seen

    def judge(self, seen: Seen | None, power_w: float, hold_s: float) -> Agreement:
        """Compare what was told with a charging power that was asked for, W >= 0."""
        if seen is None:
            return Agreement.NONE
        share_w = power_w / len(self.places)
        found = {agreement(one, share_w, hold_s) for one in seen.composites}
        return next(one for one in _WORST if one in found)

    async def _ask(self, place: int, ahead_s: int) -> Composite | None:
        version = self._charger.wire.version
        where = "connector_id" if version == VERSION_16 else "evse_id"
        words = {
            where: place,
            "duration": ahead_s,
            "charging_rate_unit": self._charger.wire.rate_unit,
        }
        try:
            answer = await self._charger.ask("GetCompositeSchedule", words)
        except DeviceRefusedError:
            return None
        return composite_of(version, answer, self._charger.supply)
