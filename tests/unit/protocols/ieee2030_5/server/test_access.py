"""Who sees and does what: the certificate decides, and nobody meets another client's data."""

import pytest

from protocols.ieee2030_5.identity import sfdi_of_lfdi
from protocols.ieee2030_5.resources.der import DERStatus
from protocols.ieee2030_5.resources.devices import EndDevice, EndDeviceList, Registration
from protocols.ieee2030_5.resources.messages import DERControlResponse, Subscription
from protocols.ieee2030_5.resources.metering import MirrorMeterReading, MirrorUsagePoint
from protocols.ieee2030_5.server.settings import DEVICES_MAX
from tests.unit.protocols.ieee2030_5.server.town import (
    AGGREGATOR,
    ANNE,
    BERT,
    MANAGED,
    NOW,
    Town,
    device,
)


def test_a_device_registers_itself_and_only_once() -> None:
    """If it fails, a device has two records, and a command reaches the wrong one."""
    town = Town()
    assert town.register() == "/edev/1"
    again = town.ask("POST", "/edev", body=device(ANNE))
    assert again.reply.status == 409
    found = town.get("/edev", EndDeviceList)
    assert [(d.lfdi, d.sfdi) for d in found.end_device] == [(ANNE, sfdi_of_lfdi(ANNE))]


def test_a_body_gives_nobody_another_identity() -> None:
    """If it fails, a client takes over somebody else's device by writing its LFDI."""
    town = Town()
    assert town.status("POST", "/edev", who=ANNE, body=device(BERT)) == 403
    wrong = EndDevice(lfdi=ANNE, sfdi=sfdi_of_lfdi(BERT), changed_time=NOW)
    assert town.status("POST", "/edev", who=ANNE, body=wrong) == 400
    nameless = EndDevice(sfdi=sfdi_of_lfdi(BERT), changed_time=NOW)
    assert town.status("POST", "/edev", who=ANNE, body=nameless) == 403
    assert town.get("/edev", EndDeviceList).all == 0


def test_an_lfdi_that_is_none_is_refused() -> None:
    """If it fails, text that is no identity becomes one."""
    town = Town()
    body = (
        b'<EndDevice xmlns="urn:ieee:std:2030.5:ns"><lFDI>ZZZZ</lFDI><sFDI>1</sFDI>'
        b"<changedTime>1</changedTime></EndDevice>"
    )
    assert town.status("POST", "/edev", body=body) == 400


OTHERS = (
    "/edev/1",
    "/edev/1/rg",
    "/edev/1/fsa",
    "/edev/1/fsa/1",
    "/edev/1/fsa/1/derp",
    "/edev/1/der",
    "/edev/1/der/1",
    "/edev/1/der/1/ders",
    "/edev/1/lel",
    "/edev/1/sub",
    "/edev/1/cp",
    "/derp/1",
    "/derp/1/derc",
    "/derp/1/derc/1",
    "/derp/1/dderc",
    "/derp/1/actderc",
    "/derp/1/dc",
    "/derp/1/rsp",
    "/mup/1",
)


@pytest.mark.parametrize("path", OTHERS)
def test_another_s_resource_is_not_there(path: str) -> None:
    """If it fails, a client reads another client's data, or learns that it exists."""
    town = Town()
    town.register(ANNE)
    town.register(BERT)
    town.issue(town.program(ANNE), 0, 60)
    mirror = MirrorUsagePoint(
        mrid="AA" * 16, role_flags=3, service_category_kind=0, status=1, device_lfdi=ANNE
    )
    assert town.status("POST", "/mup", body=mirror) == 201
    assert town.status("GET", path, who=BERT) == 404


def test_another_s_resource_cannot_be_written() -> None:
    """If it fails, a client reports for, answers for or unsubscribes another one."""
    town = Town()
    town.register(ANNE)
    town.register(BERT)
    control = town.issue(town.program(ANNE), 0, 60)
    status = DERStatus(reading_time=NOW)
    assert town.status("PUT", "/edev/1/der/1/ders", who=BERT, body=status) == 404
    said = DERControlResponse(end_device_lfdi=ANNE, status=2, subject=control.resource.mrid)
    assert town.status("POST", "/derp/1/rsp", who=BERT, body=said) == 404
    mirror = MirrorUsagePoint(
        mrid="AA" * 16, role_flags=3, service_category_kind=0, status=1, device_lfdi=ANNE
    )
    assert town.status("POST", "/mup", who=BERT, body=mirror) == 403


def test_an_mrid_of_another_client_is_refused() -> None:
    """If it fails, one client's readings end up in another's meter."""
    town = Town()
    town.register(ANNE)
    town.register(BERT)

    def mirror(lfdi: str, mrid: str) -> MirrorUsagePoint:
        return MirrorUsagePoint(
            mrid=mrid,
            role_flags=3,
            service_category_kind=0,
            status=1,
            device_lfdi=lfdi,
            mirror_meter_reading=(MirrorMeterReading(mrid="BB" * 16),),
        )

    assert town.status("POST", "/mup", who=ANNE, body=mirror(ANNE, "AA" * 16)) == 201
    assert town.status("POST", "/mup", who=BERT, body=mirror(BERT, "CC" * 16)) == 403


def test_who_is_shut_out_gets_nothing() -> None:
    """If it fails, a revoked client goes on reading and writing."""
    town = Town()
    town.register()
    town.server.devices.grant(ANNE, granted=False)
    assert town.status("GET", "/edev") == 403
    assert town.status("GET", "/dcap") == 403
    assert town.status("GET", "/dcap", who=None) == 403


def test_an_aggregator_speaks_for_its_devices_and_no_others() -> None:
    """If it fails, an aggregator's fleet cannot be registered, or it reaches beyond it."""
    town = Town()
    assert town.status("POST", "/edev", who=AGGREGATOR, body=device(MANAGED)) == 403
    town.server.devices.grant(AGGREGATOR, granted=True, aggregator=True)
    town.server.devices.register(AGGREGATOR, owner=AGGREGATOR, now=NOW)
    town.register(ANNE)
    assert town.register(MANAGED, who=AGGREGATOR) == "/edev/3"
    seen = town.get("/edev", EndDeviceList, who=AGGREGATOR).end_device
    assert [d.lfdi for d in seen] == sorted([AGGREGATOR, MANAGED])
    own, managed = seen
    assert own.subscription_list_link is not None
    assert managed.subscription_list_link is None
    assert town.status("GET", "/edev/2", who=AGGREGATOR) == 404
    assert DEVICES_MAX >= 100_000


def test_the_pin_is_shown_to_its_device_only() -> None:
    """If it fails, an installer cannot see that the device is at the right server."""
    town = Town()
    town.register()
    assert town.status("GET", "/edev/1/rg") == 404
    town.server.devices.register(ANNE, owner=ANNE, now=NOW, pin=111_115)
    assert town.get("/edev/1/rg", Registration).pin == 111_115


def test_only_the_operator_registers_where_it_says_so() -> None:
    """If it fails, anybody with a certificate becomes a client of a closed server."""
    town = Town(open_registration=False)
    assert town.status("POST", "/edev", body=device(ANNE)) == 403


def test_a_subscription_is_made_at_one_s_own_device() -> None:
    """If it fails, notifications about a device go to a stranger."""
    town = Town()
    town.register(ANNE)
    town.register(BERT)
    wish = Subscription(
        subscribed_resource="/derp/1/derc",
        encoding=0,
        level="+S1",
        limit=10,
        notification_uri="http://bert.example/",
    )
    assert town.status("POST", "/edev/2/sub", who=BERT, body=wish) == 404
    assert town.status("POST", "/edev/1/sub", who=BERT, body=wish) == 404
