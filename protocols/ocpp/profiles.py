"""Charging profiles in the words of both versions, and the judgement of a composite schedule.

Pure. Every profile ends by itself: it has a start, a duration and one period from its start.
Messages are dictionaries with keys in snake case, as the ``ocpp`` package takes them.
"""

import enum
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from protocols.ocpp.charging import ChargingLimit, Supply, limit_power_w
from protocols.ocpp.states import VERSION_16, VERSION_201
from protocols.ocpp.words import Words, list_of, number_of, text_of, whole_of, words_of

PURPOSE_MAX: Final = "max"
PURPOSE_TX_DEFAULT: Final = "tx-default"
PURPOSES: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        (VERSION_16, PURPOSE_MAX): "ChargePointMaxProfile",
        (VERSION_16, PURPOSE_TX_DEFAULT): "TxDefaultProfile",
        (VERSION_201, PURPOSE_MAX): "ChargingStationMaxProfile",
        (VERSION_201, PURPOSE_TX_DEFAULT): "TxDefaultProfile",
    }
)
"""Name of a purpose by version. A maximum bounds the whole charger, a default each connector."""

PROFILE_ID: Final = 8701
"""The one profile that is ours in every charger; a new one takes the place of the old."""
SCHEDULE_ID: Final = 1
START_BACK_S: Final = 5
"""A profile starts this much earlier, for a charger whose clock is a little behind."""
DURATION_S_MAX: Final = 86_400
TOLERANCE_RATIO: Final = 0.02
TOLERANCE_W: Final = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A limit for a time.

    Attributes
    ----------
    version, purpose : str
        ``"1.6"`` or ``"2.0.1"``; :data:`PURPOSE_MAX` or :data:`PURPOSE_TX_DEFAULT`.
    stack_level : int
        The higher one counts among profiles of a purpose.
    limit : ChargingLimit
        How much.
    phases : int or None
        Told with the limit; None for direct current.
    duration_s : int
        From now on, > 0.
    """

    version: str
    purpose: str
    stack_level: int
    limit: ChargingLimit
    phases: int | None
    duration_s: int


def profile_words(profile: Profile, now: datetime) -> dict[str, object]:
    """Write a profile that begins now.

    Notes
    -----
    OCPP 1.6, 5.16 and ChargingProfile; OCPP 2.0.1 part 2, K01: an absolute profile has its
    start. 1.6 assumes three phases where none are told.
    """
    assert 0 < profile.duration_s <= DURATION_S_MAX, "a profile ends"
    period: dict[str, object] = {"start_period": 0, "limit": profile.limit.value}
    if profile.phases is not None:
        period["number_phases"] = profile.phases
    start = now.replace(microsecond=0) - timedelta(seconds=START_BACK_S)
    schedule: dict[str, object] = {
        "duration": profile.duration_s + START_BACK_S,
        "start_schedule": start.isoformat().replace("+00:00", "Z"),
        "charging_rate_unit": profile.limit.unit,
        "charging_schedule_period": [period],
    }
    words: dict[str, object] = {
        "stack_level": profile.stack_level,
        "charging_profile_purpose": PURPOSES[profile.version, profile.purpose],
        "charging_profile_kind": "Absolute",
    }
    if profile.version == VERSION_16:
        return {**words, "charging_profile_id": PROFILE_ID, "charging_schedule": schedule}
    return {**words, "id": PROFILE_ID, "charging_schedule": [{"id": SCHEDULE_ID, **schedule}]}


@dataclass(frozen=True, slots=True)
class Step:
    """Limit from a moment on, s from now and W >= 0."""

    start_s: float
    power_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Composite:
    """What a charger says it is bound by from now on: steps in order, until ``until_s``."""

    steps: tuple[Step, ...]
    until_s: float


class Agreement(enum.Enum):
    """How a composite schedule compares with what was asked."""

    SAME = "as asked"
    LOWER = "a lower limit holds"
    HIGHER = "a higher limit holds"
    SHORT = "it ends too early"
    NONE = "it holds no schedule"


def composite_of(version: str, answer: Words, supply: Supply) -> Composite | None:
    """Read the answer to GetCompositeSchedule.

    Returns
    -------
    Composite or None
        None if the charger has no schedule or its answer is no schedule.
    """
    if text_of(answer, "status") != "Accepted":
        return None
    place = "charging_schedule" if version == VERSION_16 else "schedule"
    schedule = words_of(answer, place)
    unit = text_of(schedule, "charging_rate_unit")
    steps: list[Step] = []
    for period in list_of(schedule, "charging_schedule_period"):
        start_s, value = number_of(period, "start_period"), number_of(period, "limit")
        if start_s is None or value is None or start_s < 0.0 or value < 0.0:
            return None
        phases = whole_of(period, "number_phases")
        steps.append(Step(start_s, limit_power_w(supply, unit, value, phases=phases)))
    ordered = all(one.start_s < next_.start_s for one, next_ in itertools.pairwise(steps))
    if unit not in {"W", "A"} or not steps or not ordered or steps[0].start_s > START_BACK_S:
        return None
    duration_s = number_of(schedule, "duration")
    until_s = float(DURATION_S_MAX) if duration_s is None else duration_s
    return Composite(steps=tuple(steps), until_s=until_s)


def agreement(composite: Composite | None, power_w: float, hold_s: float) -> Agreement:
    """Compare what a charger is bound by with what was asked.

    Parameters
    ----------
    composite : Composite or None
        As it says.
    power_w : float
        Charging limit asked for, W >= 0.
    hold_s : float
        How long from now it must hold, s; a few seconds at the end do not count.
    """
    if composite is None:
        return Agreement.NONE
    margin_w = tolerance_w(power_w)
    if composite.steps[0].power_w < power_w - margin_w:
        return Agreement.LOWER
    if composite.steps[0].power_w > power_w + margin_w:
        return Agreement.HIGHER
    needed_s = hold_s - START_BACK_S
    later = (step for step in composite.steps[1:] if step.start_s < needed_s)
    if any(step.power_w > power_w + margin_w for step in later) or composite.until_s < needed_s:
        return Agreement.SHORT
    return Agreement.SAME


def tolerance_w(power_w: float) -> float:
    """How far two powers may differ and still be the same, W."""
    return max(TOLERANCE_W, TOLERANCE_RATIO * power_w)
