"""Holds the agent's journal against what really was. Pure.

Rules, with their tolerances:

* An applied setpoint is a change of what the device was told, other than back to its own
  default, or by itself to rest where its lease was an amount of energy. It matches a journaled
  setpoint of the device that was in force then (:data:`APPLIED_SLACK_S` before and after) and
  is within the device's tolerance of it. Devices that only know steps (on and off, levels, a
  moved temperature) must have had any setpoint in force.
* An order ends with its lease: never longer than :data:`HELD_SLACK_S` after the last setpoint
  of the device in the journal has run out, whoever is dead.
* A write told as done must have been in force in the device until the journal says so.
* A fuel cell that starts draws from the house and tells 0 W, as its class has it.
* A power told as good must lie within what the device really had between :data:`WINDOW_S`
  before and :data:`AHEAD_S` after it was measured, give or take one hundredth of its rating,
  at least :data:`POWER_SLACK_W`; and the device must have been alive then.
* A power told as good must not be older than its greatest age.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from firmware_sim.mixed.truth import DeviceTruth, Ended, GoodPower, JournalTruth, Lease, Told
from protocols.bacnet.command import Meaning
from protocols.templates.bacnet import BacnetWire
from protocols.templates.echonet_lite import EchonetWire
from protocols.templates.template import Template
from protocols.vocabulary.resource import ResourceKind

APPLIED_SLACK_S: Final = 2.5
HELD_SLACK_S: Final = 10.0
WINDOW_S: Final = 2.5
AHEAD_S: Final = 0.3
ALIVE_SLACK_S: Final = 0.5
POWER_SLACK_W: Final = 5.0
POWER_SHARE: Final = 0.01
FINDINGS_MAX: Final = 20
_IN_STEPS: Final = frozenset({0x0130, 0x026B, 0x027C})
_STEP_MEANINGS: Final = frozenset({Meaning.SHED, Meaning.ON_OFF, Meaning.SETPOINT_SHIFT})
_DONE: Final = "done"


@dataclass(slots=True)
class Comparison:
    """What was counted, and what does not fit (for people, at most :data:`FINDINGS_MAX` each).

    Attributes
    ----------
    applied, unmatched : int
        Applied setpoints, and those without one in the journal.
    released, reverted : int
        Times a device was given back by request, and fell back by itself.
    held_over : int
        Orders that outlived their lease.
    held_s_max : float
        Longest time that one did, s.
    done, done_wrongly : int
        Writes told as done, and those the device had not.
    good, good_wrong, good_dead, good_stale : int
        Powers told as good; those the device did not have; those of a device that was dead;
        those that were too old.
    findings : list of str
        What does not fit.
    """

    applied: int = 0
    unmatched: int = 0
    released: int = 0
    reverted: int = 0
    held_over: int = 0
    held_s_max: float = 0.0
    done: int = 0
    done_wrongly: int = 0
    good: int = 0
    good_wrong: int = 0
    good_dead: int = 0
    good_stale: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything fits."""
        wrong = (
            self.unmatched,
            self.held_over,
            self.done_wrongly,
            self.good_wrong,
            self.good_dead,
            self.good_stale,
        )
        return not any(wrong)

    def found(self, text: str) -> None:
        """Note something that does not fit."""
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(text)

    def add(self, other: "Comparison") -> None:
        """Count another one's in."""
        self.applied += other.applied
        self.unmatched += other.unmatched
        self.released += other.released
        self.reverted += other.reverted
        self.held_over += other.held_over
        self.held_s_max = max(self.held_s_max, other.held_s_max)
        self.done += other.done
        self.done_wrongly += other.done_wrongly
        self.good += other.good
        self.good_wrong += other.good_wrong
        self.good_dead += other.good_dead
        self.good_stale += other.good_stale
        for text in other.findings:
            self.found(text)


def compare(
    truths: Mapping[str, DeviceTruth],
    journal: JournalTruth,
    templates: Mapping[str, Template],
) -> dict[str, Comparison]:
    """Compare device by device.

    Parameters
    ----------
    truths : mapping of str to DeviceTruth
        By device id.
    journal : JournalTruth
        The agent's.
    templates : mapping of str to Template
        By device id, for tolerances.
    """
    leases: dict[str, list[Lease]] = {name: [] for name in truths}
    for lease in journal.leases:
        leases.setdefault(lease.device_id, []).append(lease)
    judges = {
        name: _Judge(name=name, truth=truth, leases=leases[name], template=templates[name])
        for name, truth in truths.items()
    }
    for judge in judges.values():
        judge.orders()
    for ended in journal.ended:
        if ended.device_id in judges and ended.state == _DONE:
            judges[ended.device_id].done(ended)
    for power in journal.powers:
        judges[power.device_id].power(power)
    for power in journal.stale:
        judges[power.device_id].stale(power)
    return {name: judge.result for name, judge in judges.items()}


def setpoint_tolerance_w(template: Template) -> float:
    """How far an applied power may be from the setpoint: rounding and the device's step."""
    plate = template.nameplate
    rated_w = max(-plate.power_w_min, plate.power_w_max)
    return max(POWER_SLACK_W, plate.power_w_step, POWER_SHARE * rated_w)


@dataclass(slots=True, kw_only=True)
class _Judge:
    """Holds one device's records together and counts."""

    name: str
    truth: DeviceTruth
    leases: list[Lease]
    template: Template
    result: Comparison = field(default_factory=Comparison)

    def orders(self) -> None:
        """Count what the device was told; an order needs its setpoint."""
        for told, ended_s in self.truth.told_until():
            if told.born:
                continue
            if not told.own_default and not told.rests:
                self._held(told, ended_s)
            if told.own_default and told.by_request:
                self.result.released += 1
            elif told.own_default or (told.rests and not told.by_request):
                self.result.reverted += 1
            else:
                self._applied(told)

    def done(self, ended: Ended) -> None:
        """Count a write told as done; the device must have had it."""
        lease = next((one for one in self.leases if one.sequence == ended.sequence), None)
        if lease is None:
            return
        self.result.done += 1
        had = self.truth.told_between(lease.from_s - AHEAD_S, ended.at_s + AHEAD_S)
        if _in_steps(self.template) or any(_fits(told, lease, self.template) for told in had):
            return
        self.result.done_wrongly += 1
        words = ", ".join(_words(told) for told in had[-3:]) or "nothing"
        self.result.found(
            f"{self.name}: {lease.power_w:.0f} W told as done at {ended.at_s:.2f}; it had {words}"
        )

    def power(self, power: GoodPower) -> None:
        """Count a power told as good; the device must have had it when it was measured."""
        self.result.good += 1
        at_s = power.measured_s
        where = f"{self.name}: {power.value_w:.1f} W measured at {at_s:.2f}"
        if not self.truth.alive(at_s, slack_s=ALIVE_SLACK_S):
            self.result.good_dead += 1
            self.result.found(f"{where} is told as good; the device was dead")
            return
        had = self.truth.powers_within(at_s - WINDOW_S, at_s + AHEAD_S)
        slack_w = max(POWER_SLACK_W, POWER_SHARE * _rated_w(self.template, had))
        low_w, high_w = min(had, default=0.0) - slack_w, max(had, default=0.0) + slack_w
        if self.template.kind is ResourceKind.FUEL_CELL:
            high_w = max(high_w, 0.0)
        if not low_w <= power.value_w <= high_w:
            self.result.good_wrong += 1
            self.result.found(f"{where} is told as good; it had {low_w:.1f} to {high_w:.1f} W")

    def stale(self, power: GoodPower) -> None:
        """Count a power told as good that was too old."""
        self.result.good_stale += 1
        age_s = power.taken_s - power.measured_s
        self.result.found(f"{self.name}: {power.value_w:.1f} W, {age_s:.1f} s old, told as good")

    def _held(self, told: Told, ended_s: float) -> None:
        """Look how long after its lease an order was still in force."""
        until_s = max(
            (lease.until_s for lease in self.leases if lease.from_s <= ended_s),
            default=told.at_s,
        )
        over_s = ended_s - max(until_s, told.at_s)
        self.result.held_s_max = max(self.result.held_s_max, over_s)
        if over_s > HELD_SLACK_S:
            self.result.held_over += 1
            self.result.found(f"{self.name}: held {_words(told)} {over_s:.1f} s beyond its lease")

    def _applied(self, told: Told) -> None:
        """Count an applied setpoint and look for it in the journal."""
        self.result.applied += 1
        in_force = [
            lease
            for lease in self.leases
            if lease.from_s - APPLIED_SLACK_S <= told.at_s <= lease.until_s + APPLIED_SLACK_S
        ]
        if any(_fits(told, lease, self.template) for lease in in_force):
            return
        self.result.unmatched += 1
        near = ", ".join(f"{lease.power_w:.0f} W" for lease in in_force[-3:]) or "none"
        self.result.found(
            f"{self.name}: was told {_words(told)} at {told.at_s:.2f}; in force then: {near}"
        )


def _fits(told: Told, lease: Lease, template: Template) -> bool:
    """Whether what a device was told is what a setpoint says."""
    if _in_steps(template):
        return True
    tolerance_w = setpoint_tolerance_w(template)
    least_w = template.nameplate.power_w_least
    wanted = [lease.power_w]
    if abs(lease.power_w) < least_w + tolerance_w:
        wanted += [0.0, least_w if lease.power_w > 0.0 else -least_w]
    if told.own_default:
        return _unbounded(lease.power_w, template)
    powers_w = _meant(told, template)
    return any(abs(power_w - each) <= tolerance_w for power_w in powers_w for each in wanted)


def _meant(told: Told, template: Template) -> tuple[float, ...]:
    """Power that was ordered, or both bounds; a bound that is not set is the rating."""
    if told.ask is not None:
        return (told.ask,)
    plate = template.nameplate
    low_w = plate.power_w_min if told.low is None else told.low
    high_w = plate.power_w_max if told.high is None else told.high
    return low_w, high_w


def _unbounded(power_w: float, template: Template) -> bool:
    """Whether a setpoint is a limit at the device's rating, which is no limit."""
    plate, tolerance_w = template.nameplate, setpoint_tolerance_w(template)
    if plate.power_w_min < 0.0 < plate.power_w_max:
        return False
    rated_w = plate.power_w_max if plate.power_w_max > 0.0 else plate.power_w_min
    return abs(power_w - rated_w) <= tolerance_w


def _in_steps(template: Template) -> bool:
    """Whether a device only knows on and off, levels, or a moved temperature."""
    wire = template.wire
    if isinstance(wire, EchonetWire):
        return wire.class_code in _IN_STEPS
    if isinstance(wire, BacnetWire) and wire.command is not None:
        return wire.command.meaning in _STEP_MEANINGS
    return False


def _rated_w(template: Template, had: list[float]) -> float:
    """Rating of a device; of a meter, what it shows."""
    plate = template.nameplate
    shown_w = max((abs(power_w) for power_w in had), default=0.0)
    return max(-plate.power_w_min, plate.power_w_max, shown_w)


def _words(told: Told) -> str:
    """Say what a device was told."""
    if told.own_default:
        return "its default"
    parts = {"": told.ask, ">=": told.low, "<=": told.high}
    words = [f"{sign}{value:.0f} W" for sign, value in parts.items() if value is not None]
    if told.shift is not None:
        words.append(f"{told.shift:+.1f} K")
    return " ".join(words)
