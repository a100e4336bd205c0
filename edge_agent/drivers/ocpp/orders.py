"""What a charger is told: a limit that ends by itself, and taking it back.

A profile is confirmed by the schedule the charger says it follows. One that tells none is
confirmed by what it then draws: within a tolerance of the limit, or the order stays
unconfirmed, for a car that draws less for reasons of its own proves nothing. That a profile is
gone is confirmed by asking to clear it again, when there must be none.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from edge_agent.drivers.field_device import Carried, Order
from edge_agent.drivers.lease_book import WIRE_NONE, LeasedDevice
from edge_agent.drivers.ocpp.charger import WHOLE, Charger
from edge_agent.drivers.ocpp.contact import ChargerContact
from edge_agent.drivers.ocpp.schedule import ChargerSchedule
from edge_agent.drivers.port import WriteState
from protocols.ocpp.charging import ChargingLimit, limit_of
from protocols.ocpp.profiles import (
    DURATION_S_MAX,
    PROFILE_ID,
    Agreement,
    Profile,
    profile_words,
    tolerance_w,
)
from protocols.ocpp.states import VERSION_16
from protocols.ocpp.words import text_of
from protocols.vocabulary.errors import (
    DeviceRefusedError,
    DeviceTimeoutError,
    DeviceUnsupportedError,
    LocalProtocolError,
)

CONFIRM_S: Final = 4.0
"""How long an order waits for meter values that confirm it, where nothing else can."""
SETTLE_S: Final = 10.0
"""A car may draw what it drew for this long after a limit was taken."""
OVER_MAX: Final = 3
"""Meter values above the limit in a row after which it is not in force."""
MEASURED_RATIO: Final = 0.1
MEASURED_W: Final = 150.0
"""How near to the limit a measured power confirms it: the voltage is only nominal."""
ASK_NS: Final = 1_000_000_000
"""Pause between questions for meter values while an order waits for them."""
_NS_PER_S: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitWords:
    """A limit for a time."""

    limit: ChargingLimit
    duration_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearWords:
    """No limit of ours."""


@dataclass(slots=True, kw_only=True)
class _Sent:
    """The limit the charger has accepted last, and whether its schedule has shown it."""

    limit: ChargingLimit
    at_ns: int
    until_ns: int
    by_schedule: bool = False
    over: int = 0
    judged_at: datetime | None = None


class ChargerOrders:
    """Tells one charger.

    Parameters
    ----------
    charger, contact, schedule
        What is known of it, who asks it to send, what bounds it.
    """

    def __init__(
        self, charger: Charger, contact: ChargerContact, schedule: ChargerSchedule
    ) -> None:
        self._charger = charger
        self._contact = contact
        self._schedule = schedule
        self._sent: _Sent | None = None
        self._held_until_ns = 0

    def plan(self, power_w: float, lease_s: float | None) -> Order:
        """Put a power into a profile.

        Raises
        ------
        DeviceUnsupportedError
            For a power toward the grid: no profile of these versions orders one.
        LocalProtocolError
            If it is no number.
        """
        if not math.isfinite(power_w):
            raise LocalProtocolError(f"{power_w} is no power")
        if power_w > 0.0:
            raise DeviceUnsupportedError("a charging profile cannot order a discharge")
        limit = limit_of(self._charger.supply, -power_w, shares=self._shares)
        duration_s = DURATION_S_MAX if lease_s is None else math.ceil(lease_s)
        words = LimitWords(limit=limit, duration_s=max(1, min(duration_s, DURATION_S_MAX)))
        return Order(
            power_w=-limit.power_w + 0.0,
            words=words,
            runs_out=True,
            detail=f"at most {limit.value:g} {limit.unit} for {words.duration_s} s",
        )

    def plan_release(self) -> Order:
        """Take our profile back."""
        return Order(
            power_w=None,
            words=ClearWords(),
            runs_out=False,
            detail=f"profile {PROFILE_ID} cleared",
        )

    async def carry_out(self, order: Order, superseded: Callable[[], bool]) -> Carried:
        """Send, read back and judge; see :class:`edge_agent.drivers.field_device`."""
        if superseded():
            return Carried(state=WriteState.SUPERSEDED, detail="a newer setpoint came")
        if isinstance(order.words, LimitWords):
            return await self._limit(order, order.words, superseded)
        return await self._clear(order)

    def in_force(self, order: Order) -> bool:
        """Whether its schedule, as last told, and its meter agree with an order."""
        sent = self._sent
        if not isinstance(order.words, LimitWords):
            return sent is None
        if sent is None or sent.limit != order.words.limit:
            return False
        now_ns = self._charger.clock.monotonic_ns()
        if sent.by_schedule and self._schedule.asked_ns >= sent.at_ns:
            told = self._schedule.judge(self._schedule.seen, sent.limit.power_w, 1.0)
            if told in {Agreement.HIGHER, Agreement.NONE}:
                return False
        return now_ns < sent.until_ns and not self._overdrawn(sent, now_ns)

    def same(self, order: Order, other: Order) -> bool:
        """Whether two orders ask for the same limit."""
        one, two = order.words, other.words
        if isinstance(one, LimitWords) and isinstance(two, LimitWords):
            return one.limit == two.limit
        return type(one) is type(two)

    def setting_power_w(self) -> float | None:
        """Limit its schedule states; None where it states none, or none that is ours."""
        seen = self._schedule.seen
        return None if seen is None or self._sent is None else -seen.power_w + 0.0

    def record(self, order: Order, valid_until: datetime) -> LeasedDevice:
        """Write down that there is nothing to send: the profile's duration ends it."""
        return LeasedDevice(
            resource_id=self._charger.resource_id,
            wire=WIRE_NONE,
            address="",
            port=0,
            frames=(),
            check_frame=b"",
            expected=b"",
            restores=f"its own default when the duration of the profile ends; {order.detail}",
            valid_until=valid_until,
        )

    def adopt(self, leased: LeasedDevice) -> None:
        """Take over how long the profile of an earlier life may still bound the charger."""
        left_s = (leased.valid_until - self._charger.clock.now()).total_seconds()
        self._hold(left_s)

    @property
    def _shares(self) -> int:
        return len(self._schedule.places)

    # --- a limit ---------------------------------------------------------------------------

    async def _limit(
        self, order: Order, words: LimitWords, superseded: Callable[[], bool]
    ) -> Carried:
        answered = True
        if not self._still_armed(words):
            try:
                refusal = await self._send(words)
            except DeviceTimeoutError:
                answered, refusal = False, ""
            if refusal:
                return Carried(state=WriteState.REFUSED, detail=f"{order.detail}: {refusal}")
        if superseded():
            return Carried(state=WriteState.SUPERSEDED, detail="a newer setpoint came")
        seen = await self._schedule.look(words.duration_s)
        told = self._schedule.judge(seen, words.limit.power_w, words.duration_s)
        if told is Agreement.SAME:
            self._keep(words)
            if self._sent is not None:
                self._sent.by_schedule = True
            return Carried(state=WriteState.DONE, detail=order.detail)
        if not answered:
            return Carried(state=WriteState.TIMEOUT, detail=f"{order.detail}: no answer")
        if seen is not None:
            allowed = f"its schedule allows {seen.power_w:.0f} W"
            detail = f"{order.detail}: {told.value}, {allowed}"
            return Carried(state=WriteState.UNCONFIRMED, detail=detail)
        return await self._by_meter(order, words, superseded)

    async def _send(self, words: LimitWords) -> str:
        """Send a profile; return why it was not taken."""
        charger = self._charger
        wire = charger.wire
        profile = Profile(
            version=wire.version,
            purpose=wire.purpose,
            stack_level=wire.stack_level,
            limit=words.limit,
            phases=None if wire.direct else wire.phases,
            duration_s=words.duration_s,
        )
        content = profile_words(profile, charger.clock.now())
        if wire.version == VERSION_16:
            request: dict[str, object] = {"connector_id": WHOLE, "cs_charging_profiles": content}
        else:
            request = {"evse_id": WHOLE, "charging_profile": content}
        self._sent = None
        self._hold(words.duration_s)
        try:
            answer = await charger.ask("SetChargingProfile", request)
        except DeviceRefusedError as error:
            return str(error)
        status = text_of(answer, "status")
        if status != "Accepted":
            return f"SetChargingProfile: {status}"
        self._keep(words)
        return ""

    def _hold(self, left_s: float) -> None:
        """Remember that a profile of ours may be in the charger for so long."""
        until_ns = self._charger.clock.monotonic_ns() + round(left_s * _NS_PER_S)
        self._held_until_ns = max(self._held_until_ns, until_ns)

    def _keep(self, words: LimitWords) -> None:
        """Remember a limit that the charger has."""
        if self._sent is not None and self._sent.limit == words.limit and self._still_armed(words):
            return
        now_ns = self._charger.clock.monotonic_ns()
        until_ns = now_ns + words.duration_s * _NS_PER_S
        self._sent = _Sent(limit=words.limit, at_ns=now_ns, until_ns=until_ns)

    def _still_armed(self, words: LimitWords) -> bool:
        """Whether it accepted this limit before and will hold it long enough.

        Only where nothing can be read back: such an order is often repeated, and a profile
        that was taken need not be sent again.
        """
        sent = self._sent
        if sent is None or sent.limit != words.limit or self._charger.wire.composite_schedule:
            return False
        left_s = (sent.until_ns - self._charger.clock.monotonic_ns()) / _NS_PER_S
        return left_s >= 0.5 * words.duration_s

    async def _by_meter(
        self, order: Order, words: LimitWords, superseded: Callable[[], bool]
    ) -> Carried:
        """Judge by what the charger draws; wait a little for meter values where they are quick."""
        charger, sent = self._charger, self._sent
        assert sent is not None, "it was accepted"
        quick = charger.wire.trigger or charger.wire.sample_s <= CONFIRM_S
        deadline_ns = charger.clock.monotonic_ns() + round(CONFIRM_S * quick * _NS_PER_S)
        ask_ns = 0
        while True:
            drawn_w = self._drawn_w(sent)
            near_w = max(MEASURED_W, MEASURED_RATIO * words.limit.power_w)
            if drawn_w is not None and abs(drawn_w - words.limit.power_w) <= near_w:
                return Carried(
                    state=WriteState.DONE, detail=f"{order.detail}: draws {drawn_w:.0f} W"
                )
            now_ns = charger.clock.monotonic_ns()
            if now_ns >= deadline_ns or superseded():
                break
            said = charger.said
            if now_ns >= ask_ns:
                ask_ns = now_ns + ASK_NS
                await self._contact.trigger("MeterValues")
            wait_ns = min(deadline_ns, ask_ns) - charger.clock.monotonic_ns()
            await charger.news(max(wait_ns, 0) / _NS_PER_S, after=said)
        found = "nothing measured yet" if drawn_w is None else f"draws {drawn_w:.0f} W"
        detail = f"{order.detail}: accepted, {found}"
        return Carried(state=WriteState.UNCONFIRMED, detail=detail)

    def _drawn_w(self, sent: _Sent) -> float | None:
        """Charging power measured since the limit was taken, all connectors, W."""
        charger = self._charger
        age_ns = charger.clock.monotonic_ns() - sent.at_ns
        since = charger.clock.now() - timedelta(microseconds=age_ns // 1000)
        total_w = 0.0
        places = [WHOLE] if WHOLE in charger.measured else list(charger.connectors)
        for place in places:
            measured, told = charger.measured.get(place), charger.told.get(place)
            if measured is not None and measured.at >= since:
                if measured.sample.power_w is None:
                    return None
                total_w -= measured.sample.power_w
            elif told is None or not told.state.rests:
                return None
        return total_w

    def _overdrawn(self, sent: _Sent, now_ns: int) -> bool:
        """Whether it has drawn more than the limit for some meter values in a row."""
        newest = max((one.at for one in self._charger.measured.values()), default=None)
        if newest is None or newest == sent.judged_at:
            return sent.over >= OVER_MAX
        sent.judged_at = newest
        drawn_w = self._drawn_w(sent)
        settled = now_ns - sent.at_ns >= SETTLE_S * _NS_PER_S
        if drawn_w is not None and settled:
            margin_w = max(tolerance_w(sent.limit.power_w), MEASURED_RATIO * sent.limit.power_w)
            sent.over = sent.over + 1 if drawn_w > sent.limit.power_w + margin_w else 0
        return sent.over >= OVER_MAX

    # --- no limit --------------------------------------------------------------------------

    async def _clear(self, order: Order) -> Carried:
        """Clear our profile, then ask again: now there must be none."""
        sent = self._sent
        try:
            first = await self._ask_to_clear()
            second = first if first == "Unknown" else await self._ask_to_clear()
        except DeviceRefusedError as error:
            return Carried(state=WriteState.REFUSED, detail=f"{order.detail}: {error}")
        seen = await self._schedule.look()
        gone = second == "Unknown"
        if sent is not None and seen is not None and not gone:
            gone = self._schedule.judge(seen, sent.limit.power_w, 1.0) is Agreement.HIGHER
        if gone or self._charger.clock.monotonic_ns() >= self._held_until_ns:
            self._sent, self._held_until_ns = None, 0
            found = "" if gone else " (its duration has ended)"
            return Carried(state=WriteState.DONE, detail=f"{order.detail}{found}")
        detail = f"{order.detail}: asked again it says {second}"
        return Carried(state=WriteState.UNCONFIRMED, detail=detail)

    async def _ask_to_clear(self) -> str:
        key = "id" if self._charger.wire.version == VERSION_16 else "charging_profile_id"
        answer = await self._charger.ask("ClearChargingProfile", {key: PROFILE_ID})
        return text_of(answer, "status")
