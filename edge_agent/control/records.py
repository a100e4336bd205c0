"""Exact plain form of frozen records: one codec made from their type hints.

Numbers stay float64, instants become integer microseconds, arrays their bytes. Decoding what
was encoded gives an equal record, bit for bit. It is not a wire format: journals carry a
version in front (:mod:`edge_agent.control.plain`), and both ends are this program.
"""

import enum
import types
from collections.abc import Callable, Hashable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from operator import attrgetter
from typing import Any, NewType, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

Record = TypeVar("Record")
LATER: Mapping[str, object] = types.MappingProxyType({"later": True})
"""Metadata of a field that was added to a record which older journals hold without it.

Such fields stand last and default to None; while they are None they are left out, so that old
bytes stay readable and a record without them keeps the bytes it always had.
"""
Encode = Callable[[Any], object]
Decode = Callable[[Any], Any]
Codec = tuple[Encode | None, Decode | None]
"""Encoder and decoder of one type; None where the value is plain already."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PLAIN_TYPES = (int, float, str, bytes, bool)


def microseconds(moment: datetime) -> int:
    """Unix time in integer microseconds of an aware datetime, exact."""
    delta = moment - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def moment_of(microseconds_since: int) -> datetime:
    """Aware UTC datetime of a Unix time in microseconds, exact."""
    return EPOCH + timedelta(microseconds=microseconds_since)


def to_plain(kind: type[Record], record: Record) -> object:
    """Turn a record of the given type into lists, numbers, strings and bytes."""
    encode, _ = codec_of(cast("Hashable", kind))
    return record if encode is None else encode(record)


def from_plain(kind: type[Record], plain: object) -> Record:
    """Rebuild a record of the given type from its plain form."""
    _, decode = codec_of(cast("Hashable", kind))
    return cast("Record", plain if decode is None else decode(plain))


@cache
def codec_of(kind: Hashable) -> Codec:
    """Make the codec of a type from its hints; made once per type."""
    if isinstance(kind, NewType):
        return codec_of(kind.__supertype__)
    origin = get_origin(kind)
    if origin is not None:
        return _codec_of_generic(kind, origin)
    assert isinstance(kind, type), f"no plain form for {kind!r}"
    if issubclass(kind, enum.Enum):
        return attrgetter("value"), kind
    if kind is datetime:
        return microseconds, moment_of
    if is_dataclass(kind):
        return _codec_of_record(kind)
    assert kind in PLAIN_TYPES, f"no plain form for {kind!r}"
    return None, None


def _codec_of_generic(kind: object, origin: object) -> Codec:
    """Codec of optional, tuple, set, mapping and array."""
    arguments = get_args(kind)
    if origin in {Union, types.UnionType}:
        (inner,) = (a for a in arguments if a is not types.NoneType)
        return _optional(codec_of(inner))
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return _sequence(codec_of(arguments[0]), tuple)
        assert all(codec_of(a) == (None, None) for a in arguments), f"no plain form for {kind!r}"
        return None, tuple
    if origin is frozenset:
        return _ordered_set(codec_of(arguments[0]))
    if origin is np.ndarray:
        return _encode_array, _decode_array
    assert origin is Mapping, f"no plain form for {kind!r}"
    return _mapping(codec_of(arguments[0]), codec_of(arguments[1]))


def _optional(inner: Codec) -> Codec:
    """Codec that lets None through."""
    encode, decode = inner
    return (
        encode and (lambda value: None if value is None else encode(value)),
        decode and (lambda plain: None if plain is None else decode(plain)),
    )


def _sequence(inner: Codec, build: Callable[[Any], object]) -> Codec:
    """Codec of a tuple of any length."""
    encode, decode = inner
    return (
        encode and (lambda value: [encode(item) for item in value]),
        build if decode is None else (lambda plain: build(decode(item) for item in plain)),
    )


def _ordered_set(inner: Codec) -> Codec:
    """Codec of a frozen set, in the order of its plain values."""
    encode, decode = inner
    return (
        lambda value: sorted(value if encode is None else (encode(item) for item in value)),
        lambda plain: frozenset(plain if decode is None else (decode(item) for item in plain)),
    )


def _mapping(key: Codec, value: Codec) -> Codec:
    """Codec of a mapping as pairs in its own order."""
    encode_key, decode_key = key
    encode_value, decode_value = value

    def encode(mapping: Mapping[object, object]) -> object:
        return [
            (encode_key(k) if encode_key else k, encode_value(v) if encode_value else v)
            for k, v in mapping.items()
        ]

    def decode(plain: list[tuple[object, object]]) -> object:
        return {
            (decode_key(k) if decode_key else k): (decode_value(v) if decode_value else v)
            for k, v in plain
        }

    return encode, decode


def _encode_array(array: np.ndarray[Any, np.dtype[np.float64]]) -> object:
    """Shape and little-endian bytes of a float64 array."""
    return [list(array.shape), np.ascontiguousarray(array, dtype="<f8").tobytes()]


def _decode_array(plain: tuple[list[int], bytes]) -> object:
    """Read-only float64 array of a shape and bytes."""
    shape, data = plain
    array = np.frombuffer(data, dtype="<f8").astype(np.float64).reshape(shape)
    array.flags.writeable = False
    return array


def _codec_of_record(kind: type) -> Codec:
    """Codec of a dataclass: its fields in order."""
    names = [field.name for field in fields(kind)]
    later = sum(field.metadata == LATER for field in fields(kind))
    hints = get_type_hints(kind)
    codecs = [codec_of(hints[name]) for name in names]
    encoders = [encode for encode, _ in codecs]
    decoders = [(name, decode) for name, (_, decode) in zip(names, codecs, strict=True)]
    read: Callable[[object], Any] = attrgetter(*names)
    if len(names) == 1:
        single = read

        def read(record: object) -> tuple[object, ...]:
            return (single(record),)

    def encode_fields(record: object) -> object:
        values = [
            value if encode is None else encode(value)
            for encode, value in zip(encoders, read(record), strict=True)
        ]
        return _without_unused(values, later)

    def decode(plain: list[object]) -> object:
        assert len(names) - later <= len(plain) <= len(names), f"not a plain {kind.__name__}"
        return kind(
            **{
                name: value if decode is None else decode(value)
                for (name, decode), value in zip(decoders, plain, strict=False)
            }
        )

    return (read if not later and not any(encoders) else encode_fields), decode


def _without_unused(values: list[object], later: int) -> list[object]:
    """Leave out what was added later and is not used, from the end."""
    while later and values[-1] is None:
        values.pop()
        later -= 1
    return values
