"""The BACnet part of a template: which objects are what, and how the device is commanded."""

from dataclasses import dataclass
from typing import ClassVar, Final

from protocols.bacnet.command import Level, Meaning
from protocols.bacnet.objects import Commanding, Datatype, ObjectId, parse_object_id
from protocols.bacnet.units import UNITS, UnitFacts
from protocols.templates.table import Table, choice
from protocols.vocabulary.errors import LocalProtocolError

_POWERS: Final = frozenset({Meaning.LIMIT, Meaning.SETPOINT})
_VALUE: Final = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class BacnetPoint:
    """One object that is read.

    Attributes
    ----------
    quantity : str
        Name of the point, ``"power_w"``.
    object_id : ObjectId
        Its presentValue counts.
    units : UnitFacts
        What the family measures in; the device's own ``units`` win.
    scale : float
        Value in the point's unit, generator frame, is the presentValue in our unit times this
        (-1 where + means consumption).
    fast : bool
        Asked each cycle.
    cov : bool
        Subscribed to by change of value; else only polled.
    cov_increment : float
        Change of presentValue that is told.
    """

    quantity: str
    object_id: ObjectId
    units: UnitFacts
    scale: float
    fast: bool
    cov: bool
    cov_increment: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BacnetCommand:
    """How a power becomes a commanded object.

    Attributes
    ----------
    object_id : ObjectId
        Commandable object, such as ``analog-value,10``.
    meaning : Meaning
        What its presentValue is.
    units : UnitFacts
        Of its presentValue: W for an absolute power, 1 (percent) for a share of the rating.
    sign : float
        -1 if a positive presentValue is consumption, +1 if it is generation.
    levels : tuple of Level
        For shed, on-off and setpoint-shift: what each presentValue comes to.
    minimum, maximum : float
        Range of presentValue; what the device itself states wins.
    relinquish_default : float
        presentValue when nobody commands.
    """

    object_id: ObjectId
    meaning: Meaning
    units: UnitFacts
    sign: float
    levels: tuple[Level, ...]
    minimum: float
    maximum: float
    relinquish_default: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comfort:
    """Limits within which a load may be moved.

    Attributes
    ----------
    quantity : str
        Point that must stay within, such as ``"room_c"``.
    minimum, maximum : float
        Beyond them the command is released.
    margin : float
        How far inside it must be again before the device is commanded anew.
    """

    quantity: str
    minimum: float
    maximum: float
    margin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BacnetWire:
    """A BACnet device.

    Attributes
    ----------
    model : str
        modelName of the simulated device.
    points, command, comfort
        As their classes say; a device that is only read has no command.
    """

    protocol: ClassVar[str] = "bacnet"
    model: str
    points: tuple[BacnetPoint, ...]
    command: BacnetCommand | None
    comfort: tuple[Comfort, ...]


def bacnet_wire(table: Table) -> BacnetWire:
    """Parse ``[wire]``."""
    wire = BacnetWire(
        model=table.text("model"),
        points=tuple(_point(entry) for entry in table.tables("points")),
        command=_command(table.table("command")) if "command" in table else None,
        comfort=tuple(_comfort(entry) for entry in table.tables("comfort")),
    )
    if not wire.points:
        raise table.refuse("points", "is empty: nothing could be read")
    quantities = [point.quantity for point in wire.points]
    if len(set(quantities)) != len(quantities):
        raise table.refuse("points", "name a quantity twice")
    for comfort in wire.comfort:
        if comfort.quantity not in quantities:
            raise table.refuse("comfort", f"{comfort.quantity} is not among the points")
    if wire.comfort and wire.command is None:
        raise table.refuse("comfort", "means nothing for a device that takes no command")
    return wire


def _object(table: Table) -> ObjectId:
    try:
        return parse_object_id(table.text("object"))
    except LocalProtocolError as error:
        raise table.refuse("object", str(error)) from None


def _units(table: Table, default: str | None) -> UnitFacts:
    return UNITS[choice(table, "units", tuple(UNITS), default=default)]


def _point(table: Table) -> BacnetPoint:
    quantity = table.text("quantity")
    object_id = _object(table)
    plain = object_id.facts.datatype in {Datatype.BINARY, Datatype.UNSIGNED}
    point = BacnetPoint(
        quantity=quantity,
        object_id=object_id,
        units=_units(table, "no-units" if plain else None),
        scale=table.number("scale", 1.0),
        fast=table.yes("fast", default=quantity == "power_w"),
        cov=table.yes("cov", default=True),
        cov_increment=table.number("cov_increment", 0.1, low=0.0),
    )
    table.end()
    return point


def _command(table: Table) -> BacnetCommand:
    meaning = Meaning(choice(table, "meaning", tuple(each.value for each in Meaning)))
    object_id = _object(table)
    if object_id.facts.commanding is Commanding.NEVER:
        raise table.refuse("object", f"{object_id} cannot be commanded")
    levels = tuple(_level(entry) for entry in table.tables("levels"))
    if (meaning in _POWERS) != (not levels):
        raise table.refuse("levels", "belong to shed, on-off and setpoint-shift, and only there")
    binary = object_id.facts.datatype is Datatype.BINARY
    values = [level.value for level in levels] or [0.0]
    command = BacnetCommand(
        object_id=object_id,
        meaning=meaning,
        units=_units(table, None if meaning in _POWERS else "no-units"),
        sign=table.number("sign", -1.0, low=-1.0, high=1.0),
        levels=levels,
        minimum=table.number("minimum", 0.0 if binary else min(values), low=-_VALUE, high=_VALUE),
        maximum=table.number(
            "maximum", None if meaning in _POWERS else max(values), low=-_VALUE, high=_VALUE
        ),
        relinquish_default=table.number("relinquish_default", low=-_VALUE, high=_VALUE),
    )
    if abs(command.sign) != 1.0:
        raise table.refuse("sign", "is -1 (consumption) or 1 (generation)")
    if meaning in _POWERS and command.units.unit not in {"W", "1"}:
        raise table.refuse("units", f"a power is not written in {command.units.unit}")
    if meaning is Meaning.SETPOINT and command.units.unit != "W":
        raise table.refuse("units", "a setpoint of both signs is written in W or kW")
    if not command.minimum <= command.relinquish_default <= command.maximum:
        raise table.refuse("relinquish_default", "is not between minimum and maximum")
    table.end()
    return command


def _level(table: Table) -> Level:
    level = Level(
        value=table.number("value", low=-_VALUE, high=_VALUE),
        share=table.number("share", low=0.0, high=1.0),
    )
    table.end()
    return level


def _comfort(table: Table) -> Comfort:
    comfort = Comfort(
        quantity=table.text("quantity"),
        minimum=table.number("minimum"),
        maximum=table.number("maximum"),
        margin=table.number("margin", 0.5, low=0.0),
    )
    if comfort.minimum + 2.0 * comfort.margin >= comfort.maximum:
        raise table.refuse("maximum", "leaves no room between minimum and maximum")
    table.end()
    return comfort
