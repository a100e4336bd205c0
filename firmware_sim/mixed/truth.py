"""Reads what devices wrote of themselves and what the agent's journal says. No judgement."""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware_sim.mixed.recording import BY_REQUEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a device was told from a moment on; powers in W, generator frame.

    ``ask`` is an ordered power, ``low`` and ``high`` bounds, ``shift`` a moved comfort
    temperature; all None: it is left to its own default. ``born``: it has just come up.
    """

    at_s: float
    by_request: bool = False
    born: bool = False
    ask: float | None = None
    low: float | None = None
    high: float | None = None
    shift: float | None = None

    @property
    def own_default(self) -> bool:
        """Whether nobody told it anything."""
        return self.ask is self.low is self.high is self.shift is None

    @property
    def rests(self) -> bool:
        """Whether it was told to do nothing."""
        return self.ask == 0.0


@dataclass(slots=True)
class DeviceTruth:
    """What one device wrote down.

    Attributes
    ----------
    lives : list of list of float
        First and last moment of each life, Unix s.
    times_s, powers_w : list of float
        Its power, in the order of time.
    told : list of Told
        What it was told, in the order of time.
    """

    lives: list[list[float]] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    powers_w: list[float] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)

    def alive(self, at_s: float, *, slack_s: float) -> bool:
        """Whether it ran at a moment."""
        return any(begin - slack_s <= at_s <= end + slack_s for begin, end in self.lives)

    def told_until(self) -> list[tuple[Told, float]]:
        """Tell what it was told with the moment at which that ended, or its life."""
        ends = [told.at_s for told in self.told[1:]]
        ends.append(self.lives[-1][1] if self.lives else 0.0)
        return [
            (told, min(end_s, self._died_s(told.at_s)))
            for told, end_s in zip(self.told, ends, strict=True)
        ]

    def _died_s(self, at_s: float) -> float:
        """End of the life of a moment."""
        return next((end for begin, end in self.lives if begin <= at_s <= end), at_s)

    def powers_within(self, begin_s: float, end_s: float) -> list[float]:
        """Powers it had in a stretch, the last one before it among them."""
        first = max(bisect_left(self.times_s, begin_s) - 1, 0)
        return self.powers_w[first : bisect_right(self.times_s, end_s)]

    def told_between(self, begin_s: float, end_s: float) -> list[Told]:
        """Tell what was in force at some moment of a stretch."""
        moments = [told.at_s for told in self.told]
        first = max(bisect_right(moments, begin_s) - 1, 0)
        return self.told[first : bisect_right(moments, end_s)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A setpoint in the journal; times in Unix s."""

    device_id: str
    power_w: float
    from_s: float
    until_s: float
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a write ended, as journaled."""

    device_id: str
    sequence: int
    state: str
    at_s: float
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodPower:
    """A power that an image of the journal holds as good."""

    device_id: str
    value_w: float
    measured_s: float
    taken_s: float


@dataclass(slots=True)
class JournalTruth:
    """What the journal says.

    Attributes
    ----------
    cycles : int
        How many it holds.
    max_age_s : dict of str to float
        Greatest age of each device's power.
    leases, ended, powers : list
        Setpoints, ended writes, and powers told as good, each new value once.
    stale : list of GoodPower
        Those that were told as good although they were too old.
    """

    cycles: int = 0
    max_age_s: dict[str, float] = field(default_factory=dict)
    leases: list[Lease] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    powers: list[GoodPower] = field(default_factory=list)
    stale: list[GoodPower] = field(default_factory=list)


_POWER = ".power_w"
_GOOD = "GOOD"


def read_device(path: Path) -> DeviceTruth:
    """Read a device's log; a line that is not whole (it was killed) ends a life."""
    truth = DeviceTruth()
    for line in _lines(path.read_bytes().split(b"\n")):
        _take(truth, line)
    return truth


def _lines(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict):
            yield said


def _take(truth: DeviceTruth, line: Mapping[str, Any]) -> None:
    """Take one line."""
    if "born" in line:
        truth.lives.append([line["t"], line["t"]])
        truth.told.append(Told(at_s=line["t"], born=True))
    elif "p" in line:
        for at_s, power_w in line["p"]:
            truth.times_s.append(at_s)
            truth.powers_w.append(power_w)
        truth.lives[-1][1] = line["p"][-1][0]
    else:
        truth.told.append(
            Told(
                at_s=line["t"],
                by_request=line["by"] == BY_REQUEST,
                ask=line["ask"],
                low=line["low"],
                high=line["high"],
                shift=line["shift"],
            )
        )


def read_journal(path: Path) -> JournalTruth:
    """Read what ``edge-agent journal`` printed."""
    truth = JournalTruth()
    newest: dict[str, float] = {}
    with path.open("rb") as stream:
        for line in _lines(stream):
            if "max_age_s" in line:
                truth.max_age_s = {
                    point.removesuffix(_POWER): age_s
                    for point, age_s in line["max_age_s"].items()
                    if point.endswith(_POWER)
                }
            elif "cycle" in line:
                _take_cycle(truth, line, newest)
            elif "outcome" in line:
                truth.ended.append(_ended(line))
    return truth


def _take_cycle(truth: JournalTruth, line: Mapping[str, Any], newest: dict[str, float]) -> None:
    """Take one cycle: new good powers, too old ones, setpoints."""
    truth.cycles += 1
    for point, (value, quality, measured_s) in line["points"].items():
        if not point.endswith(_POWER) or quality != _GOOD:
            continue
        power = GoodPower(
            device_id=point.removesuffix(_POWER),
            value_w=value,
            measured_s=measured_s,
            taken_s=line["at_s"],
        )
        if line["at_s"] - measured_s > truth.max_age_s.get(power.device_id, 0.0):
            truth.stale.append(power)
        if newest.get(power.device_id) != measured_s:
            newest[power.device_id] = measured_s
            truth.powers.append(power)
    for setpoint in line["setpoints"]:
        truth.leases.append(
            Lease(
                device_id=_device_of(setpoint["resource_id"]),
                power_w=setpoint["power_w"],
                from_s=setpoint["from_s"],
                until_s=setpoint["until_s"],
                sequence=setpoint["sequence"],
            )
        )


def _ended(line: Mapping[str, Any]) -> Ended:
    return Ended(
        device_id=_device_of(line["resource_id"]),
        sequence=line["sequence"],
        state=line["outcome"],
        at_s=line["at_s"],
        detail=line["detail"],
    )


def _device_of(resource_id: str) -> str:
    return resource_id.rpartition("/")[2]
