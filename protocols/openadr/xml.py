"""Payloads of OpenADR 2.0b to XML and back; knows no signature and no transport.

Written in the order of the schema, with the profile's namespaces. Read with tolerance for
elements it does not know (they are ignored) and for nothing else: a wrong namespace, a wrong
order, a repeated single element, a missing one or a bad value is a :class:`PayloadError`.
Callers: the roles' shells, and :mod:`protocols.openadr.signature` for the signed form.

Notes
-----
oadr_20b.xsd, oadrPayload and oadrSignedObject.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from functools import cache
from typing import cast

from protocols.openadr.codes import PayloadError, ResponseCode
from protocols.openadr.messages.payload import ROOTS, Payload
from protocols.openadr.parts import PREFIXES, Part, part_of, tag
from protocols.sansio.xml import (
    DEFAULT_LIMITS,
    XmlElement,
    XmlLimits,
    new_element,
    parse_xml,
    set_text,
    to_bytes,
)
from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError

SIGNED_OBJECT_ID = "oadrSignedObject"
PAYLOAD_TAG = tag("oadr:oadrPayload")
SIGNED_OBJECT_TAG = tag("oadr:oadrSignedObject")

_REQUEST_ID = tag("pyld:requestID")
_ID = tag("oadr:Id")
_SCHEMA_VERSION = tag("ei:schemaVersion")
_CLASS_OF_ROOT = {tag(name): cls for name, cls in ROOTS.items()}
_ROOT_OF_CLASS = {cls: tag(name) for name, cls in ROOTS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """One field of a payload class.

    Attributes
    ----------
    part : Part
        Its whole wire form.
    above : tuple of str
        Elements that all values of the field share.
    own : Part
        Wire form of one value below them.
    """

    name: str
    part: Part
    required: bool
    above: tuple[str, ...]
    own: Part


def encode(message: Payload) -> bytes:
    """Unsigned document of a payload.

    Raises
    ------
    LocalProtocolError
        If a value cannot be written: a control character, a number that does not fit.
    """
    return to_bytes(to_element(message))


def to_element(message: Payload) -> XmlElement:
    """OadrPayload with its oadrSignedObject, ready to be signed or written."""
    payload = new_element(PAYLOAD_TAG, prefixes=cast("Mapping[str | None, str]", PREFIXES))
    signed = new_element(SIGNED_OBJECT_TAG, parent=payload)
    signed.set(_ID, SIGNED_OBJECT_ID)
    root = new_element(_ROOT_OF_CLASS[type(message)], parent=signed)
    root.set(_SCHEMA_VERSION, "2.0b")
    _write(message, root)
    return payload


def decode(data: bytes, *, limits: XmlLimits = DEFAULT_LIMITS) -> Payload:
    """Payload of a document, whatever its signature says (see `signature.verify`).

    Raises
    ------
    PayloadError
        With the response code for it and, where it could be read, the requestID.
    """
    try:
        root = parse_xml(data, limits=limits)
    except PayloadError:
        raise
    except RemoteProtocolError as error:
        raise PayloadError(str(error), code=ResponseCode.INVALID_DATA) from error
    if root.tag != PAYLOAD_TAG:
        raise PayloadError(f"{root.tag} is no oadrPayload", code=ResponseCode.COMPLIANCE)
    objects = [element for element in root if element.tag == SIGNED_OBJECT_TAG]
    if len(objects) != 1:
        raise PayloadError(
            f"oadrPayload with {len(objects)} oadrSignedObject", code=ResponseCode.COMPLIANCE
        )
    return from_signed_object(objects[0])


def from_signed_object(signed: XmlElement) -> Payload:
    """Payload inside an oadrSignedObject.

    Raises
    ------
    PayloadError
        If it holds not exactly one payload, an unknown one, or one with wrong contents.
    """
    roots = list(signed)
    if signed.tag != SIGNED_OBJECT_TAG or len(roots) != 1:
        raise PayloadError(f"{signed.tag} with {len(roots)} payloads", code=ResponseCode.COMPLIANCE)
    cls = _CLASS_OF_ROOT.get(roots[0].tag)
    if cls is None:
        raise PayloadError(f"payload {roots[0].tag} is not known", code=ResponseCode.NOT_RECOGNIZED)
    try:
        return cast("Payload", _read(cls, roots[0]))
    except RemoteProtocolError as error:
        raise PayloadError(
            str(error), code=ResponseCode.INVALID_DATA, request_id=_request_id(roots[0])
        ) from error


def _request_id(root: XmlElement) -> str:
    """First requestID directly inside a payload, for the answer to a broken one."""
    for element in root:
        if element.tag == _REQUEST_ID:
            return element.text or ""
        for inner in element:
            if inner.tag == _REQUEST_ID:
                return inner.text or ""
    return ""


@cache
def _table(cls: type, namespace: str) -> tuple[_Column, ...]:
    """Fields of a class that have a wire form, in the order of the schema.

    Parameters
    ----------
    cls : type
        Payload class.
    namespace : str
        Of the element it is written as; stands for ``*``.
    """
    columns = []
    for field in fields(cls):
        if not field.metadata:
            continue
        part = part_of(field.metadata)
        steps = tuple(
            replace(step, tag=step.tag.replace("{*}", namespace, 1)) for step in part.steps
        )
        split = next((i for i, step in enumerate(steps) if step.repeats), len(steps) - 1)
        columns.append(
            _Column(
                name=field.name,
                part=replace(part, steps=steps),
                required=field.default is MISSING,
                above=tuple(step.tag for step in steps[:split]),
                own=replace(part, steps=steps[split:]),
            )
        )
    return tuple(columns)


def _namespace(name: str) -> str:
    """``{namespace}`` of a tag."""
    return name[: name.index("}") + 1] if name.startswith("{") else ""


def _write(value: object, element: XmlElement) -> None:
    """Write the fields of a payload class below its element."""
    cls: type = type(value)
    for column in _table(cls, _namespace(element.tag)):
        content = getattr(value, column.name)
        many = column.part.many
        if content is None or (many and not content and not column.part.always):
            continue
        place = element
        for name in column.above:
            place = _wrapper(place, name)
        for item in content if many else (content,):
            _write_item(item, column.own, place)


def _wrapper(parent: XmlElement, name: str) -> XmlElement:
    """Last child of that name, or a new one."""
    *_, last = (None, *parent)
    if last is not None and last.tag == name:
        return last
    return new_element(name, parent=parent)


def _write_item(item: object, part: Part, place: XmlElement) -> None:
    """Write one value with the elements that are its own."""
    for step in part.steps:
        name = step.tag
        if part.variants:
            kind = getattr(item, "kind", "")
            name = next((tag for tag, of in part.variants.items() if of == kind), "")
            if not name:
                raise LocalProtocolError(f"{kind!r} is no element the schema has here")
        place = new_element(name, parent=place)
    if part.write is None:
        _write(item, place)
    else:
        set_text(place, part.write(item))


def _read(cls: type, element: XmlElement, *, kind: str | None = None) -> object:
    """Read a payload class from its element."""
    table = _table(cls, _namespace(element.tag))
    found = _sort(cls, element)
    values: dict[str, object] = {} if kind is None else {"kind": kind}
    for column, elements in zip(table, found, strict=True):
        part = column.part
        items = [value for one in elements for value in _read_items(part, one, 1)]
        if part.many:
            values[column.name] = tuple(items)
        elif items:
            values[column.name] = items[0]
        elif column.required:
            raise RemoteProtocolError(f"{_place(element)} has no {_local(part.steps[0].tag)}")
    try:
        return cls(**values)
    except LocalProtocolError as error:
        raise RemoteProtocolError(f"{_place(element)}: {error}") from error


def _sort(cls: type, element: XmlElement) -> list[list[XmlElement]]:
    """Children of an element by the field they belong to; unknown ones are left out."""
    table = _table(cls, _namespace(element.tag))
    found: list[list[XmlElement]] = [[] for _ in table]
    columns = _columns(cls, _namespace(element.tag))
    last = 0
    for inner in element:
        column = columns.get(inner.tag)
        if column is None:
            continue
        if column < last:
            raise RemoteProtocolError(f"{_place(inner)} is out of the schema's order")
        if found[column] and not table[column].part.steps[0].repeats:
            raise RemoteProtocolError(f"{_place(inner)} stands there twice")
        found[column].append(inner)
        last = column
    return found


@cache
def _columns(cls: type, namespace: str) -> Mapping[str, int]:
    """Column of each element a class knows."""
    return {
        name: column
        for column, one in enumerate(_table(cls, namespace))
        for name in one.part.variants or (one.part.steps[0].tag,)
    }


def _read_items(part: Part, element: XmlElement, depth: int) -> list[object]:
    """Values below an element that is `depth` steps down."""
    if depth == len(part.steps):
        return [_read_value(part, element)]
    step = part.steps[depth]
    inner = [one for one in element if one.tag == step.tag]
    if len(inner) > 1 and not step.repeats:
        raise RemoteProtocolError(f"{_place(inner[1])} stands there twice")
    if not inner and not step.repeats and not step.optional:
        raise RemoteProtocolError(f"{_place(element)} has no {_local(step.tag)}")
    return [value for one in inner for value in _read_items(part, one, depth + 1)]


def _read_value(part: Part, element: XmlElement) -> object:
    """Value of the element at the end of a path."""
    if part.child is not None:
        return _read(part.child, element, kind=part.variants.get(element.tag))
    assert part.read is not None
    if len(element):
        raise RemoteProtocolError(f"{_place(element)} holds elements, not a value")
    try:
        return part.read(element.text or "")
    except RemoteProtocolError as error:
        raise RemoteProtocolError(f"{_place(element)}: {error}") from error


def _local(name: str) -> str:
    """Tag without its namespace."""
    return name.rpartition("}")[2]


def _place(element: XmlElement) -> str:
    """Where an element stands, for an error message."""
    return f"{_local(element.tag)} (line {element.sourceline})"
