"""Every payload of OpenADR 2.0b, filled at random, against the schema and back."""

import contextlib
import dataclasses
import types
import typing
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from protocols.openadr.codes import PayloadError
from protocols.openadr.messages import elements
from protocols.openadr.messages.payload import ROOTS
from protocols.openadr.xml import decode, encode

_SCHEMAS = Path(__file__).parents[2] / ".peers/der/lib"
_NASTY = st.sampled_from(
    ['A&B <"ビル">\'', "東京第一", "]]>", "<!--", "&amp;", " a ", "\r\n\t", ""]
)
_TEXTS = _NASTY | st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="￾￿"),
    max_size=12,
)
_WORDS = {
    "response_code": st.sampled_from(["200", "450", "463"]),
    "signal_name": st.sampled_from(["SIMPLE", "LOAD_DISPATCH", "x-日本&"]),
    "signal_type": st.sampled_from(["level", "setpoint", "x-loadControlCapacity"]),
    "oadr_profile_name": st.just("2.0b"),
    "oadr_transport_name": st.sampled_from(["simpleHttp", "xmpp"]),
    "oadr_service_name": st.sampled_from(["EiEvent", "OadrPoll"]),
    "market_context": st.sampled_from(["http://例え.jp/a?b=1&c=2", "urn:x"]),
    "report_name": st.sampled_from(["METADATA_TELEMETRY_USAGE", "x-<&>"]),
    "report_type": st.sampled_from(["usage", "x-resourceStatus", "x-需要"]),
    "reading_type": st.sampled_from(["Direct Read", "x-notApplicable"]),
    "opt_reason": st.sampled_from(["economic", "x-schedule"]),
    "oadr_data_quality": st.sampled_from(["Quality Good - Non Specific", "x-a"]),
    "confidence": st.integers(0, 100),
    "service_area": st.lists(st.just("35.6 139.7 35.7 139.8"), max_size=2).map(tuple),
    "service_location": st.lists(st.just("35.6 139.7"), max_size=1).map(tuple),
    "components": st.just(""),
}
_ITEMS = st.sampled_from(
    [
        elements.Item(
            kind="powerReal",
            item_description="RealPower",
            item_units="W",
            si_scale_code="k",
            power_attributes=elements.PowerAttributes(hertz=50.0, voltage=6600.0, ac=True),
        ),
        elements.Item(
            kind="energyReal", item_description="RealEnergy", item_units="Wh", si_scale_code="none"
        ),
        elements.Item(
            kind="customUnit", item_description="室温<&>", item_units="℃", si_scale_code="none"
        ),
        elements.Item(
            kind="pulseCount", item_description="pulse count", item_units="count", pulse_factor=0.5
        ),
        elements.Item(
            kind="currencyPerKWh",
            item_description="currencyPerKWh",
            item_units="JPY",
            si_scale_code="none",
        ),
    ]
)
_PAYLOADS = st.builds(
    elements.OadrReportPayload,
    r_id=_TEXTS,
    confidence=st.none() | st.integers(0, 100),
    accuracy=st.none() | st.floats(-1e6, 1e6, width=32),
    payload_float=st.floats(-1e9, 1e9, width=32),
) | st.builds(
    elements.OadrReportPayload,
    r_id=_TEXTS,
    oadr_payload_resource_status=st.deferred(lambda: _filled(elements.OadrPayloadResourceStatus)),
)
_INTERVALS = st.builds(
    elements.Interval,
    dtstart=st.deferred(lambda: _MOMENTS) | st.none(),
    uid=st.none() | st.just("0"),
    signal_payload=st.lists(
        st.builds(elements.SignalPayload, payload_float=st.floats(-1e9, 1e9, width=32)),
        min_size=1,
        max_size=2,
    ).map(tuple),
) | st.builds(
    elements.Interval,
    duration=st.deferred(lambda: _LENGTHS) | st.none(),
    oadr_report_payload=st.lists(_PAYLOADS, min_size=1, max_size=3).map(tuple),
)
_MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
_LENGTHS = st.integers(-(10**7), 10**7).map(lambda seconds: timedelta(seconds=seconds))
_LEAVES: dict[object, st.SearchStrategy[object]] = {
    str: _TEXTS,
    int: st.integers(0, 2**32 - 1),
    float: st.floats(-1e9, 1e9, width=32),
    bool: st.booleans(),
    datetime: _MOMENTS,
    timedelta: _LENGTHS,
    elements.Item: _ITEMS,
    elements.Interval: _INTERVALS,
    elements.OadrReportPayload: _PAYLOADS,
}


def _strategy(name: str, kind: object) -> st.SearchStrategy[typing.Any]:
    """Values of a field."""
    if isinstance(kind, types.UnionType):
        inner = next(one for one in typing.get_args(kind) if one is not type(None))
        return st.none() | _strategy(name, inner)
    if name in _WORDS and typing.get_origin(kind) is not tuple:
        return _WORDS[name]
    if typing.get_origin(kind) is tuple:
        if name in {"service_area", "service_location"}:
            return _WORDS[name]
        return st.lists(_strategy(name, typing.get_args(kind)[0]), min_size=1, max_size=2).map(
            tuple
        )
    assert isinstance(kind, type)
    if issubclass(kind, StrEnum):
        return st.sampled_from(list(kind))
    return _LEAVES[kind] if kind in _LEAVES else _filled(kind)


@cache
def _filled(cls: type) -> st.SearchStrategy[typing.Any]:
    """Instances of a payload class."""
    hints = typing.get_type_hints(cls)
    return st.builds(
        cls,
        **{
            field.name: _strategy(field.name, hints[field.name])
            for field in dataclasses.fields(cls)
        },
    )


@cache
def _schema() -> etree.XMLSchema:
    """Read the schema of the profile, from the installed peer."""
    found = sorted(_SCHEMAS.glob("python*/site-packages/openleadr/schema/oadr_20b.xsd"))
    if not found:
        pytest.skip("no OpenADR schema: scripts/peers installs openleadr, which brings it")
    return etree.XMLSchema(etree.parse(str(found[0])))


@pytest.mark.parametrize("cls", ROOTS.values(), ids=lambda cls: cls.__name__)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_payload_survives_the_wire(cls: type, data: st.DataObject) -> None:
    """If it fails, a VTN and a VEN of ours understand two different things by one message."""
    message = data.draw(_filled(cls))
    assert decode(encode(message)) == message


@pytest.mark.parametrize("cls", ROOTS.values(), ids=lambda cls: cls.__name__)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_payload_follows_the_schema(cls: type, data: st.DataObject) -> None:
    """If it fails, a strict peer refuses what we send, whatever names the site has."""
    message = data.draw(_filled(cls))
    _schema().assertValid(etree.fromstring(encode(message)))


@settings(max_examples=200, deadline=None)
@given(noise=st.binary(max_size=300), cut=st.integers(0, 3000))
def test_garbage_is_a_payload_error(noise: bytes, cut: int) -> None:
    """If it fails, a hostile peer ends the process with bytes."""
    whole = encode(ROOTS["oadr:oadrPoll"](ven_id="a"))
    for bad in (noise, whole[:cut] + noise + whole[cut:]):
        with contextlib.suppress(PayloadError):
            decode(bad)
