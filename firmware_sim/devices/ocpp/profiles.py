"""Charging profiles in a simulated charger: which limit holds when, by its own clock.

The greatest stack level counts within a purpose, the smallest limit among the purposes; a
profile counts from its start for its duration and is forgotten afterwards. Limits in W >= 0 of
one connector (:data:`TX_DEFAULT`) or of the whole charger (:data:`STATION_MAX`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from protocols.ocpp.charging import Supply, limit_power_w
from protocols.ocpp.states import VERSION_16
from protocols.ocpp.words import Words, list_of, number_of, text_of, time_of, whole_of, words_of

STATION_MAX: Final = "station-max"
TX_DEFAULT: Final = "tx-default"
_PURPOSES: Final[Mapping[str, str]] = {
    "ChargePointMaxProfile": STATION_MAX,
    "ChargingStationMaxProfile": STATION_MAX,
    "TxDefaultProfile": TX_DEFAULT,
}
PROFILES_MAX: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredProfile:
    """A profile as the charger keeps it; times are Unix seconds of its own clock.

    Attributes
    ----------
    profile_id, stack_level : int
        As given.
    purpose : str
        :data:`STATION_MAX` or :data:`TX_DEFAULT`.
    start_s, end_s : float
        When it counts; ``end_s`` infinite without a duration.
    periods : tuple of (float, float)
        Start after ``start_s`` in s, and limit in W, in order.
    """

    profile_id: int
    stack_level: int
    purpose: str
    start_s: float
    end_s: float
    periods: tuple[tuple[float, float], ...]

    def limit_w(self, at_s: float) -> float:
        """Limit at a time; infinite when it does not count."""
        if not self.start_s <= at_s < self.end_s:
            return math.inf
        begun = [power_w for after_s, power_w in self.periods if self.start_s + after_s <= at_s]
        return begun[-1] if begun else math.inf


def stored_profile(
    version: str, words: Words, supply: Supply, *, now_s: float
) -> StoredProfile | None:
    """Read a profile of a request; None if the charger cannot follow it."""
    is_16 = version == VERSION_16
    schedules = (
        (words_of(words, "charging_schedule"),) if is_16 else list_of(words, "charging_schedule")
    )
    profile_id = whole_of(words, "charging_profile_id" if is_16 else "id")
    purpose = _PURPOSES.get(text_of(words, "charging_profile_purpose"))
    kind = text_of(words, "charging_profile_kind")
    if len(schedules) != 1 or profile_id is None or purpose is None or kind == "Recurring":
        return None
    schedule = schedules[0]
    unit, duration_s = text_of(schedule, "charging_rate_unit"), number_of(schedule, "duration")
    start = time_of(schedule, "start_schedule")
    periods: list[tuple[float, float]] = []
    for period in list_of(schedule, "charging_schedule_period"):
        after_s, value = number_of(period, "start_period"), number_of(period, "limit")
        if after_s is None or value is None or value < 0.0:
            return None
        phases = whole_of(period, "number_phases")
        periods.append((after_s, limit_power_w(supply, unit, value, phases=phases)))
    if unit != supply.unit or not periods:
        return None
    start_s = now_s if start is None else start.timestamp()
    return StoredProfile(
        profile_id=profile_id,
        stack_level=whole_of(words, "stack_level") or 0,
        purpose=purpose,
        start_s=start_s,
        end_s=math.inf if duration_s is None else start_s + duration_s,
        periods=tuple(periods),
    )


class ProfileStore:
    """The profiles of one charger.

    Parameters
    ----------
    supply : Supply
        What its limits are made of.
    connectors : int
        How many.
    """

    def __init__(self, supply: Supply, connectors: int) -> None:
        self._supply = supply
        self._connectors = connectors
        self._kept: dict[int, StoredProfile] = {}

    def put(self, profile: StoredProfile) -> bool:
        """Keep a profile in the place of one of the same id, or of its purpose and level."""
        rest = {
            number: one
            for number, one in self._kept.items()
            if number != profile.profile_id
            and (one.purpose, one.stack_level) != (profile.purpose, profile.stack_level)
        }
        if len(rest) >= PROFILES_MAX:
            return False
        self._kept = {**rest, profile.profile_id: profile}
        return True

    def clear(self, profile_id: int | None) -> bool:
        """Forget one profile, or all; False if there was none."""
        gone = [n for n in self._kept if profile_id is None or n == profile_id]
        for number in gone:
            del self._kept[number]
        return bool(gone)

    def forget_ended(self, now_s: float) -> None:
        """Forget what will never count again."""
        self._kept = {n: one for n, one in self._kept.items() if one.end_s > now_s}

    def station_w(self, at_s: float) -> float:
        """Charging power allowed to the whole charger, W."""
        each_w = self._purpose_w(TX_DEFAULT, at_s)
        whole_w = min(self._purpose_w(STATION_MAX, at_s), self._supply.power_w_rated)
        return min(whole_w, each_w * self._connectors)

    def connector_w(self, at_s: float) -> float:
        """Charging power allowed to one connector, W; below its least it rests."""
        allowed_w = min(self._purpose_w(TX_DEFAULT, at_s), self.station_w(at_s))
        supply = self._supply
        least_w = max(
            supply.current_a_least * supply.voltage_v * supply.phases, supply.power_w_least
        )
        return allowed_w if allowed_w >= least_w - 1e-6 else 0.0

    def composite(
        self, *, whole: bool, now_s: float, duration_s: float
    ) -> tuple[tuple[float, float], ...]:
        """Limits from now on, as (s from now, W), where they change."""
        edges = {now_s}
        for profile in self._kept.values():
            begins = (profile.start_s + after_s for after_s, _ in profile.periods)
            edges.update(edge for edge in (*begins, profile.end_s) if now_s < edge)
        steps: list[tuple[float, float]] = []
        for edge in sorted(edge for edge in edges if edge < now_s + duration_s):
            limit_w = self.station_w(edge) if whole else self._told_w(edge)
            if not steps or steps[-1][1] != limit_w:
                steps.append((edge - now_s, limit_w))
        return tuple(steps)

    def _told_w(self, at_s: float) -> float:
        return min(self._purpose_w(TX_DEFAULT, at_s), self.station_w(at_s))

    def _purpose_w(self, purpose: str, at_s: float) -> float:
        counting = [
            one
            for one in self._kept.values()
            if one.purpose == purpose and one.start_s <= at_s < one.end_s
        ]
        return (
            max(counting, key=lambda one: one.stack_level).limit_w(at_s) if counting else math.inf
        )
