"""What the driver knows of one BACnet device: who and where, what it has, what it last said."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from edge_agent.config.site import DeviceConfig
from edge_agent.drivers.bacnet.stack import Answer, Asked, Refusal
from edge_agent.drivers.bacnet.values import Value
from edge_agent.drivers.port import Reading
from edge_agent.points.table import LIMIT_W, POWER_W_MAX, QUANTITIES, SETPOINT_W, point_id
from protocols.bacnet.command import Meaning, Scale, level_share, value_power_w
from protocols.bacnet.objects import ObjectId, Property
from protocols.bacnet.status import StatusFlags, status_flags, unusable
from protocols.bacnet.units import UnitFacts, unit_of
from protocols.templates.bacnet import BacnetCommand, BacnetPoint, BacnetWire
from protocols.templates.template import Template
from protocols.vocabulary.identifiers import ResourceId, SiteId
from protocols.vocabulary.measurement import Measurement, Quality

BATCH: Final = 16
"""Properties asked in one request before a device has shown that it takes fewer."""
SAY_AGAIN: Final = timedelta(seconds=30)
"""How old may be what has not changed: how far a load can be held down."""
_NO_UNITS: Final = 95
_SETTINGS: Final = {
    Meaning.SETPOINT: SETPOINT_W,
    Meaning.LIMIT: LIMIT_W,
    Meaning.SHED: LIMIT_W,
}
"""Point of what is commanded; on and off, and a shifted temperature, are no power."""
_HOLDS_DOWN: Final = frozenset({Meaning.LIMIT, Meaning.SHED, Meaning.SETPOINT_SHIFT})
_NOTHING_SAID: Final = Refusal("not answered")


@dataclass(slots=True)
class KnownObject:
    """What is known of one object.

    Attributes
    ----------
    unit : UnitFacts
        Its own, or the template's where it states none.
    bounds : tuple of float
        Least and greatest presentValue.
    wrong : str
        Why it cannot be used at all; empty if it can.
    reliability : int
        As last told.
    heard_ns : int
        Monotonic time of the last presentValue.
    """

    unit: UnitFacts
    bounds: tuple[float, float]
    wrong: str = ""
    reliability: int = 0
    heard_ns: int = -(1 << 62)


@dataclass(slots=True, kw_only=True)
class BacnetDevice:
    """One configured device.

    Attributes
    ----------
    site_id, config, template, wire
        What was configured, and what its family is like.
    priority : int
        At which it is commanded.
    node : str
        Where it is now, ``"host:port"``.
    instance : int or None
        Its device instance; None until it has been met, if the configuration names none.
    about, name : str
        Maker and model; its own name, which no other device of the network has.
    met_at : str
        Node at which it was met last; empty if it never was.
    batch : int
        Properties it takes in one request.
    single : bool
        It knows no ReadPropertyMultiple.
    objects : dict of ObjectId to KnownObject
        The template's objects as the device has them.
    latest, fresh : dict of str to Measurement
        By quantity: the last, and those not yet taken.
    array : tuple or None
        priorityArray of the commanded object as last read.
    present : float or None
        Its presentValue as last told.
    hindered : str
        Why the commanded object does not act although it is commanded.
    ours : bool
        A command of ours may stand in the array.
    lasting : bool
        That command is a limit that holds without a lease.
    """

    site_id: SiteId
    config: DeviceConfig
    template: Template
    wire: BacnetWire
    priority: int
    node: str
    instance: int | None
    about: str = ""
    name: str = ""
    met_at: str = ""
    batch: int = BATCH
    single: bool = False
    objects: dict[ObjectId, KnownObject] = field(default_factory=dict)
    latest: dict[str, Measurement] = field(default_factory=dict)
    fresh: dict[str, Measurement] = field(default_factory=dict)
    array: tuple[float | None, ...] | None = None
    present: float | None = None
    hindered: str = ""
    ours: bool = False
    lasting: bool = False

    @property
    def resource_id(self) -> ResourceId:
        """``<site>/<device>``."""
        return ResourceId(f"{self.site_id}/{self.config.device_id}")

    @property
    def command(self) -> BacnetCommand | None:
        """How it is commanded; None if it is only read."""
        return self.wire.command

    def power_w_bounds(self) -> tuple[float, float]:
        """Least and greatest power, W: the configuration's, or the family's."""
        plate = self.template.nameplate
        low, high = self.config.power_w_min, self.config.power_w_max
        return (
            plate.power_w_min if low is None else low,
            plate.power_w_max if high is None else high,
        )

    def scale(self, command: BacnetCommand) -> Scale:
        """How powers are written to the commanded object."""
        low, high = self.power_w_bounds()
        rating_w = -low if command.sign < 0.0 else high
        return Scale(self.objects[command.object_id].unit, command.sign, rating_w)

    def learn(self, answers: Mapping[Asked, Answer]) -> None:
        """Take units, ranges and absences of the template's objects."""
        for point in self.wire.points:
            known = KnownObject(point.units, (-1e12, 1e12))
            known.wrong = _absent(answers, point.object_id)
            unit, wrong = _unit(answers, point.object_id, point.units, strict=True)
            known.unit, known.wrong = unit, known.wrong or wrong
            self.objects[point.object_id] = known
        command = self.command
        if command is not None:
            unit, wrong = _unit(answers, command.object_id, command.units, strict=False)
            self.objects[command.object_id] = KnownObject(
                unit,
                (
                    _number(
                        answers, Asked(command.object_id, Property.MIN_PRES_VALUE), command.minimum
                    ),
                    _number(
                        answers, Asked(command.object_id, Property.MAX_PRES_VALUE), command.maximum
                    ),
                ),
                _absent(answers, command.object_id) or wrong,
            )

    def take(self, answers: Mapping[Asked, Answer], at: datetime, now_ns: int) -> None:
        """Take what a poll or a notification told, received at ``at``.

        Only objects whose presentValue was asked for are judged; flags that are not told
        count as clear, a reliability that is not told as the last one.
        """
        for point in self.wire.points:
            asked = Asked(point.object_id, Property.PRESENT_VALUE)
            if asked in answers:
                self._measure(point, answers, at=at, now_ns=now_ns)
        command = self.command
        if command is not None:
            self._take_command(command, answers, at=at, now_ns=now_ns)

    def take_fresh(self) -> list[Reading]:
        """Measurements that arrived since the last call."""
        taken, self.fresh = self.fresh, {}
        return [
            (point_id(self.config.device_id, quantity), measurement)
            for quantity, measurement in taken.items()
        ]

    def due(self, object_id: ObjectId, now_ns: int, age_ns: int) -> bool:
        """Whether the last word of an object is older than that."""
        known = self.objects.get(object_id)
        return known is not None and now_ns - known.heard_ns >= age_ns

    def _measure(
        self, point: BacnetPoint, answers: Mapping[Asked, Answer], *, at: datetime, now_ns: int
    ) -> None:
        known = self.objects[point.object_id]
        value = answers.get(Asked(point.object_id, Property.PRESENT_VALUE), _NOTHING_SAID)
        if (told := answers.get(Asked(point.object_id, Property.RELIABILITY))) is not None:
            known.reliability = int(told) if isinstance(told, int | float) else 0
        cause = known.wrong
        if isinstance(value, Refusal):
            cause, value = cause or value.cause, None
        else:
            known.heard_ns = now_ns
            flags = flags_of(answers, point.object_id)
            # A reliability of an earlier poll only explains a fault that lasts.
            trusted = told is None and not flags.fault
            cause = cause or unusable(value, flags, 0 if trusted else known.reliability)
        number = None
        if not cause and isinstance(value, int | float):
            number = known.unit.ours(float(value)) * point.scale + 0.0
            cause = self._implausible(point.quantity, number)
        self.say(point.quantity, number, cause=cause, at=at)

    def _implausible(self, quantity: str, value: float) -> str:
        """Say why a number cannot be; empty if it can, and for what the kind has no point of."""
        for spec in QUANTITIES[self.config.kind]:
            if spec.quantity == quantity and not spec.minimum <= value <= spec.maximum:
                return f"{value:g} {spec.unit} cannot be"
        return ""

    def _take_command(
        self,
        command: BacnetCommand,
        answers: Mapping[Asked, Answer],
        *,
        at: datetime,
        now_ns: int,
    ) -> None:
        value = answers.get(Asked(command.object_id, Property.PRESENT_VALUE))
        if value is not None and not isinstance(value, Refusal):
            self.objects[command.object_id].heard_ns = now_ns
            self.present = float(value) if isinstance(value, int | float) else None
            flags = flags_of(answers, command.object_id)
            self.hindered = "overridden by hand" if flags.overridden else ""
            if flags.out_of_service:
                self.hindered = "out of service"
            self._say_setting(command, at)
        array = answers.get(Asked(command.object_id, Property.PRIORITY_ARRAY))
        if isinstance(array, tuple):
            self.array = tuple(_slot(entry) for entry in array)

    def _say_setting(self, command: BacnetCommand, at: datetime) -> None:
        """Tell the limit or setpoint that is in force, where the kind has such a point."""
        quantity = _SETTINGS.get(command.meaning)
        if quantity in {spec.quantity for spec in QUANTITIES[self.config.kind]}:
            power_w = self.power_of(self.present)
            cause = "" if power_w is not None else "not a power"
            self.say(str(quantity), power_w, cause=cause, at=at)

    def power_of(self, value: float | None) -> float | None:
        """Power a presentValue of the commanded object stands for; None if none."""
        command = self.command
        if value is None or command is None or command.object_id not in self.objects:
            return None
        scale = self.scale(command)
        if command.levels:
            share = level_share(value, command.levels)
            return None if share is None else command.sign * share * scale.rating_w + 0.0
        return value_power_w(value, scale)

    def say_least(self, *, movable: bool, at: datetime) -> None:
        """Tell how far a load can be held down: to its rating, where it may not be moved now."""
        command = self.command
        if command is None or command.sign > 0.0 or command.meaning not in _HOLDS_DOWN:
            return
        least_w = rated_w = self.power_w_bounds()[0]
        if movable and command.levels:
            least_w = rated_w * min(level.share for level in command.levels)
        elif movable:
            bounds = self.objects[command.object_id].bounds
            least_w = min(value_power_w(bounds[0], self.scale(command)), 0.0)
        least_w = max(least_w, rated_w)
        said = self.latest.get(POWER_W_MAX)
        if said is not None and said.value == least_w and at - said.measured_at < SAY_AGAIN:
            return
        if POWER_W_MAX in {spec.quantity for spec in QUANTITIES[self.config.kind]}:
            self.say(POWER_W_MAX, least_w, cause="", at=at)

    def say(self, quantity: str, value: float | None, *, cause: str, at: datetime) -> None:
        """Make a measurement; one with a cause has no value."""
        measurement = Measurement(
            value=None if cause else value,
            quality=Quality.BAD if cause else Quality.GOOD,
            measured_at=at,
            received_at=at,
            reason=cause,
        )
        self.latest[quantity] = self.fresh[quantity] = measurement


def device_of(
    site_id: SiteId, config: DeviceConfig, template: Template, *, priority: int
) -> BacnetDevice:
    """Make the record of a configured device."""
    assert isinstance(template.wire, BacnetWire), "the template is of this protocol"
    return BacnetDevice(
        site_id=site_id,
        config=config,
        template=template,
        wire=template.wire,
        priority=priority,
        node=config.address,
        instance=None if config.identity is None else int(config.identity),
    )


def flags_of(answers: Mapping[Asked, Answer], object_id: ObjectId) -> StatusFlags:
    """Status flags of an object; clear where they are not told."""
    bits = answers.get(Asked(object_id, Property.STATUS_FLAGS))
    if not isinstance(bits, tuple):
        return StatusFlags()
    return status_flags(tuple(bool(bit) for bit in bits))


def _absent(answers: Mapping[Asked, Answer], object_id: ObjectId) -> str:
    value = answers.get(Asked(object_id, Property.PRESENT_VALUE), _NOTHING_SAID)
    return f"{object_id}: {value.cause}" if isinstance(value, Refusal) else ""


def _unit(
    answers: Mapping[Asked, Answer], object_id: ObjectId, usual: UnitFacts, *, strict: bool
) -> tuple[UnitFacts, str]:
    """Find the unit of an object, the family's where it states none, and what is wrong with it."""
    number = answers.get(Asked(object_id, Property.UNITS))
    if isinstance(number, Refusal) and number.cause != "unknown-property":
        return usual, f"{object_id}: does not tell its unit ({number.cause})"
    if not isinstance(number, int) or number in {usual.number, _NO_UNITS}:
        return usual, ""
    unit = unit_of(number)
    both_powers = not strict and unit is not None and {unit.unit, usual.unit} <= {"W", "1"}
    if unit is None or (unit.unit != usual.unit and not both_powers):
        return usual, f"{object_id}: its unit (number {number}) is not {usual.unit}"
    return unit, ""


def _number(answers: Mapping[Asked, Answer], asked: Asked, usual: float) -> float:
    value: Answer = answers.get(asked)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return usual
    return float(value)


def _slot(entry: Value) -> float | None:
    """One entry of a priorityArray; what is no number is a command all the same."""
    if entry is None:
        return None
    return float(entry) if isinstance(entry, int | float) else float("nan")
