"""XML of IEEE 2030.5: resources to documents and back, driven by one table per class.

A class is a frozen dataclass whose decorator lists the standard's names in the order of the
schema (a name that begins with "@" is an attribute, "csipaus:" marks the Australian extension);
the annotations say the types. Writing keeps that order. Reading ignores what it does not know,
wants what is mandatory, refuses another namespace, and refuses a known element at the wrong
place unless told to tolerate it: a server is strict with what it stores, a client is patient
with servers of other makers. No I/O.
"""

import inspect
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, TypeVar, Union, cast, dataclass_transform, get_args, get_origin
from typing import get_type_hints as annotations_of

from protocols.ieee2030_5.scalars import BOOLEAN, Scalar
from protocols.sansio.xml import (
    DEFAULT_LIMITS,
    XSI,
    XmlElement,
    XmlLimits,
    new_element,
    parse_xml,
    set_text,
    to_bytes,
)
from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError

NAMESPACE = "urn:ieee:std:2030.5:ns"
CSIPAUS = "https://csipaus.org/ns"
MEDIA_TYPE = "application/sep+xml"

_OURS = f"{{{NAMESPACE}}}"
_XSI_TYPE = f"{{{XSI}}}type"
_OWN_WORDS = {"mRID": "mrid", "lFDI": "lfdi", "sFDI": "sfdi", "pIN": "pin"}
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Part:
    """Anything that is an element: a resource or a piece of one."""

    __slots__ = ()


P = TypeVar("P", bound=Part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One field of a class: where it stands in XML and how it is read.

    Attributes
    ----------
    field : str
        Name in Python.
    tag : str
        ``{namespace}name`` of an element, name of an attribute.
    attribute, many, required, csipaus : bool
        Attribute rather than element; any number; mandatory; of the Australian extension.
    scalar : Scalar or None
        Type of a simple value.
    part : type or None
        Class of an element with children; a subclass of it is marked by ``xsi:type``.
    """

    field: str
    tag: str
    attribute: bool
    many: bool
    required: bool
    csipaus: bool
    scalar: Scalar | None
    part: type[Part] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What the codec knows of a class.

    Attributes
    ----------
    tag : str
        ``{namespace}name`` of the element that is a document of it.
    slots : tuple of Slot
        In the order of the schema.
    by_tag : Mapping
        Index of each element's slot.
    """

    tag: str
    slots: tuple[Slot, ...]
    by_tag: Mapping[str, int]


_TABLES: dict[type[Part], Table] = {}
_BY_TAG: dict[str, type[Part]] = {}


def table_of(kind: type[Part]) -> Table:
    """Table of a class."""
    return _TABLES[kind]


def known_classes() -> tuple[type[Part], ...]:
    """All classes that have a table."""
    return tuple(_TABLES)


@dataclass_transform(kw_only_default=True, frozen_default=True)
def element(names: str = "", *, namespace: str = NAMESPACE) -> Callable[[type[P]], type[P]]:
    """Make a class of annotated fields a frozen dataclass with a table.

    Parameters
    ----------
    names : str
        The standard's names of the class's own fields, in the order of the schema.
    namespace : str
        Of the element that is a document of the class.
    """

    def made(kind: type[P]) -> type[P]:
        own = [name for name in inspect.get_annotations(kind) if name[0] != "_"]
        wanted = [_python_name(name) for name in names.split()]
        if own != wanted:
            raise AssertionError(f"{kind.__name__}: fields {own}, names {wanted}")
        built: type[P] = dataclass(frozen=True, slots=True, kw_only=True)(kind)
        inherited = [slot for base in kind.__bases__ for slot in _slots_of(base)]
        hints = annotations_of(built, include_extras=True)
        required = {f.name for f in fields(built) if f.default is MISSING}  # type: ignore[arg-type]  # mypy does not see that it is a dataclass
        slots = (
            *inherited,
            *(_slot(name, hints[_python_name(name)], required) for name in names.split()),
        )
        tag = f"{{{namespace}}}{kind.__name__}"
        by_tag = {slot.tag: index for index, slot in enumerate(slots) if not slot.attribute}
        _TABLES[built] = Table(tag=tag, slots=slots, by_tag=by_tag)
        _BY_TAG[tag] = built
        return built

    return made


def encode(resource: Part, *, csipaus: bool = True) -> bytes:
    """Write a resource as a document.

    Parameters
    ----------
    resource : Part
        An instance of a class with a table.
    csipaus : bool
        Whether the elements of the Australian extension are written.

    Raises
    ------
    LocalProtocolError
        If a value is outside of its type. The message names class and field.
    """
    prefixes: dict[str | None, str] = {None: NAMESPACE}
    if csipaus:
        prefixes["csipaus"] = CSIPAUS
    root = new_element(table_of(type(resource)).tag, prefixes=prefixes)
    _fill(root, resource, csipaus=csipaus)
    return to_bytes(root, declared=False)  # there are clients that read text, not bytes


def decode(
    data: bytes, expected: type[P], *, tolerant: bool = False, limits: XmlLimits = DEFAULT_LIMITS
) -> P:
    """Read a document.

    Parameters
    ----------
    data : bytes
        From a stranger.
    expected : type
        What it has to be; a subclass of it is taken too.
    tolerant : bool
        Whether known elements may stand in any order.
    limits : XmlLimits
        How much is read.

    Raises
    ------
    RemoteProtocolError
        If it is not well-formed, of another namespace, another resource, lacks something
        mandatory, or a value is outside of its type. The message names the place.
    """
    root = parse_xml(data, limits=limits)
    kind = _BY_TAG.get(root.tag)
    if kind is None or not issubclass(kind, expected):
        raise RemoteProtocolError(f"{_short(root.tag)} where {expected.__name__} is due")
    return _read(root, kind, tolerant=tolerant)


def _python_name(name: str) -> str:
    """Name in Python of a name of the standard: opModHVRTMayTrip is op_mod_hvrt_may_trip."""
    bare = name.lstrip("@").rpartition(":")[2]
    return _OWN_WORDS.get(bare) or _WORD_START.sub("_", bare).lower()


def _slots_of(base: type) -> tuple[Slot, ...]:
    return _TABLES[base].slots if base in _TABLES else ()


def _slot(name: str, hint: object, required: set[str]) -> Slot:
    """Row of the table for one field, from its annotation."""
    field = _python_name(name)
    many = get_origin(hint) is tuple
    inner = get_args(hint)[0] if many else _without_none(hint)
    scalar: Scalar | None = None
    part: type[Part] | None = None
    if get_origin(inner) is Annotated:
        scalar = cast("Scalar", get_args(inner)[1])
    elif inner is bool:
        scalar = BOOLEAN
    else:
        part = cast("type[Part]", inner)
    attribute, csipaus = name.startswith("@"), name.startswith("csipaus:")
    bare = name.lstrip("@").removeprefix("csipaus:")
    return Slot(
        field=field,
        tag=bare if attribute else f"{{{CSIPAUS if csipaus else NAMESPACE}}}{bare}",
        attribute=attribute,
        many=many,
        required=field in required,
        csipaus=csipaus,
        scalar=scalar,
        part=part,
    )


def _without_none(hint: object) -> object:
    """X of ``X | None``."""
    if get_origin(hint) in (Union, types.UnionType):
        return next(arm for arm in get_args(hint) if arm is not types.NoneType)
    return hint


def _fill(target: XmlElement, part: Part, *, csipaus: bool) -> None:
    """Give an element its attributes and children."""
    for slot in table_of(type(part)).slots:
        value = getattr(part, slot.field)
        if value is None or (slot.csipaus and not csipaus):
            continue
        if slot.attribute:
            target.set(slot.tag, _written(slot, value, part))
        elif slot.many:
            for item in value:
                _append(target, slot, item, csipaus=csipaus, owner=part)
        else:
            _append(target, slot, value, csipaus=csipaus, owner=part)


def _append(target: XmlElement, slot: Slot, value: object, *, csipaus: bool, owner: Part) -> None:
    """Add one child."""
    child = new_element(slot.tag, parent=target)
    if isinstance(value, Part):
        if type(value) is not slot.part:
            child.set(_XSI_TYPE, type(value).__name__)
        _fill(child, value, csipaus=csipaus)
    else:
        set_text(child, _written(slot, value, owner))


def _written(slot: Slot, value: object, owner: Part) -> str:
    assert slot.scalar is not None
    try:
        return slot.scalar.write(value)
    except ValueError as error:
        raise LocalProtocolError(f"{type(owner).__name__}.{slot.field}: {error}") from error


def _read(source: XmlElement, kind: type[P], *, tolerant: bool) -> P:
    """Instance of a class from an element."""
    table = table_of(kind)
    values: dict[str, object] = {}
    for slot in table.slots:
        if slot.attribute and slot.tag in source.attrib:
            values[slot.field] = _value(slot, source.attrib[slot.tag], source)
    furthest = -1
    for child in source:
        index = table.by_tag.get(child.tag)
        if index is None:
            continue
        if index < furthest and not tolerant:
            raise RemoteProtocolError(f"{_place(child)} is at the wrong place")
        furthest = max(index, furthest)
        _take(values, table.slots[index], child, tolerant=tolerant)
    missing = [s.tag for s in table.slots if s.required and s.field not in values]
    if missing:
        raise RemoteProtocolError(f"{_place(source)} lacks {_short(missing[0])}")
    for slot in table.slots:
        if slot.many and slot.field in values:
            values[slot.field] = tuple(cast("list[object]", values[slot.field]))
    return cast("Callable[..., P]", kind)(**values)


def _take(values: dict[str, object], slot: Slot, child: XmlElement, *, tolerant: bool) -> None:
    """Put one child's value where it belongs."""
    value: object
    if slot.part is None:
        value = _value(slot, child.text or "", child)
    else:
        value = _read(child, _class_of(child, slot.part), tolerant=tolerant)
    if slot.many:
        cast("list[object]", values.setdefault(slot.field, [])).append(value)
    elif slot.field in values:
        raise RemoteProtocolError(f"{_place(child)} is there twice")
    else:
        values[slot.field] = value


def _class_of(child: XmlElement, declared: type[Part]) -> type[Part]:
    """Class of an element: the declared one, or the subclass that ``xsi:type`` names."""
    named = child.attrib.get(_XSI_TYPE)
    if named is None:
        return declared
    local = named.strip().rpartition(":")[2]
    found = _BY_TAG.get(f"{{{NAMESPACE}}}{local}")
    if found is None or not issubclass(found, declared):
        raise RemoteProtocolError(f"{_place(child)} is of the unknown type {named[:60]!r}")
    return found


def _value(slot: Slot, text: str, place: XmlElement) -> object:
    assert slot.scalar is not None
    try:
        return slot.scalar.read(text)
    except ValueError as error:
        raise RemoteProtocolError(f"{_place(place)}, {_short(slot.tag)}: {error}") from error


def _short(tag: str) -> str:
    """Tag for a message, without the namespace where it is the standard's."""
    return tag.removeprefix(_OURS)[:120]


def _place(source: XmlElement) -> str:
    return f"{_short(source.tag)} in line {source.sourceline}"
