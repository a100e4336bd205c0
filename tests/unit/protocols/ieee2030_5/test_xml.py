"""What is read, ignored and refused in documents of IEEE 2030.5."""

import pytest

from protocols.ieee2030_5.resources.der import (
    DERControl,
    DERControlBase,
    DERControlList,
    DERProgram,
)
from protocols.ieee2030_5.resources.devices import DeviceCapability, EndDevice, Time
from protocols.ieee2030_5.resources.elements import (
    ActivePower,
    DateTimeInterval,
    EventStatus,
    Link,
    ListLink,
    Resource,
)
from protocols.ieee2030_5.resources.messages import DERControlResponse, Notification, Response
from protocols.ieee2030_5.xml import CSIPAUS, NAMESPACE, decode, encode
from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError

NS = f'xmlns="{NAMESPACE}"'
TIME = f"""<Time {NS} href="/tm"><currentTime>1700000000</currentTime><dstEndTime>0</dstEndTime>
<dstOffset>0</dstOffset><dstStartTime>0</dstStartTime><quality>7</quality>
<tzOffset>32400</tzOffset></Time>"""


def control() -> DERControl:
    return DERControl(
        href="/derc/1",
        mrid="AB" * 16,
        creation_time=900,
        event_status=EventStatus(current_status=0, date_time=900, potentially_superseded=False),
        interval=DateTimeInterval(duration=30, start=1000),
        response_required=3,
        reply_to="/rsp",
        der_control_base=DERControlBase(
            op_mod_connect=True, op_mod_exp_lim_w=ActivePower(multiplier=2, value=15)
        ),
    )


def test_a_control_as_it_is_on_the_wire() -> None:
    """If it fails, elements stand in another order or spelling than the standard's."""
    assert encode(control()).decode() == (
        f'<DERControl xmlns="{NAMESPACE}" xmlns:csipaus="{CSIPAUS}" href="/derc/1"'
        ' replyTo="/rsp" responseRequired="03">'
        f"<mRID>{'AB' * 16}</mRID><creationTime>900</creationTime>"
        "<EventStatus><currentStatus>0</currentStatus><dateTime>900</dateTime>"
        "<potentiallySuperseded>false</potentiallySuperseded></EventStatus>"
        "<interval><duration>30</duration><start>1000</start></interval>"
        "<DERControlBase><opModConnect>true</opModConnect><csipaus:opModExpLimW>"
        "<multiplier>2</multiplier><value>15</value></csipaus:opModExpLimW></DERControlBase>"
        "</DERControl>"
    )


def test_the_extension_is_left_out_where_it_is_off() -> None:
    """If it fails, strict clients from before the extension refuse every control."""
    assert CSIPAUS.encode() not in encode(control(), csipaus=False)


def test_unknown_elements_and_attributes_are_ignored() -> None:
    """If it fails, a server of a later edition cannot be read."""
    newer = TIME.replace('href="/tm"', 'href="/tm" new="1"').replace(
        "<quality>", "<brandNew><deep/></brandNew><x:y xmlns:x='urn:x'>1</x:y><quality>"
    )
    assert decode(newer.encode(), Time).tz_offset == 32_400


def test_another_namespace_is_refused() -> None:
    """If it fails, a draft of 2013 is taken for the standard."""
    with pytest.raises(RemoteProtocolError, match="where Time is due"):
        decode(TIME.replace(NAMESPACE, "http://ieee.org/2030.5").encode(), Time)
    with pytest.raises(RemoteProtocolError, match="where Time is due"):
        decode(TIME.replace(NS, "").encode(), Time)


def test_a_wrong_order_is_refused_unless_tolerated() -> None:
    """If it fails, we store what no other client can read, or cannot read a sloppy server."""
    swapped = TIME.replace("<quality>7</quality>", "").replace(
        "<currentTime>", "<quality>7</quality><currentTime>"
    )
    with pytest.raises(RemoteProtocolError, match="currentTime in line 1 is at the wrong place"):
        decode(swapped.encode(), Time)
    assert decode(swapped.encode(), Time, tolerant=True).quality == 7


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("<quality>7</quality>", "", "lacks quality"),
        ("<quality>7</quality>", "<quality>7</quality><quality>7</quality>", "twice"),
        ("<quality>7", "<quality>256", "within 0..255"),
        ("<quality>7", "<quality>0x7", "no integer"),
        ("<quality>7", "<quality>1_0", "no integer"),
        ("<quality>7", "<quality>" + "9" * 5000, "no integer"),
        ('href="/tm"', 'href="/t m"', "no URI"),
    ],
)
def test_values_outside_of_their_type(old: str, new: str, says: str) -> None:
    """If it fails, a peer's nonsense is believed."""
    with pytest.raises(RemoteProtocolError, match=says):
        decode(TIME.replace(old, new).encode(), Time)


def test_another_resource_is_refused() -> None:
    """If it fails, a time is taken for a list of controls."""
    with pytest.raises(RemoteProtocolError, match="Time where DERControlList is due"):
        decode(TIME.encode(), DERControlList)


def test_a_subclass_is_taken_for_its_base() -> None:
    """If it fails, a server refuses responses to DER controls."""
    sent = DERControlResponse(end_device_lfdi="0F" * 20, status=1, subject="AB" * 16)
    assert decode(encode(sent), Response) == sent


def test_the_resource_of_a_notification_says_its_type() -> None:
    """If it fails, subscribers cannot tell what changed."""
    news = Notification(
        subscribed_resource="/derp/1/derc",
        status=0,
        subscription_uri="/edev/1/sub/1",
        resource=DERControlList(all=1, results=1, der_control=(control(),)),
    )
    document = encode(news)
    assert b'xsi:type="DERControlList"' in document
    assert decode(document, Notification) == news
    with pytest.raises(RemoteProtocolError, match="unknown type"):
        decode(document.replace(b'"DERControlList"', b'"DERCurve2"'), Notification)
    with pytest.raises(RemoteProtocolError, match="unknown type"):
        decode(document.replace(b'"DERControlList"', b'"ActivePower"'), Notification)


def test_what_other_makers_write() -> None:
    """If it fails, prefixes, lower case, short hexadecimal or a mark of byte order defeat us."""
    document = (
        "\ufeff<s:EndDevice xmlns:s='urn:ieee:std:2030.5:ns' subscribable=' 1 '>"
        "<s:deviceCategory>1</s:deviceCategory><s:lFDI>3e4f45ab31edfe5b67e343e5e4562e31984e23e5"
        "</s:lFDI><s:sFDI> 167261211391 </s:sFDI><s:changedTime>1</s:changedTime>"
        "<s:enabled>1</s:enabled></s:EndDevice>"
    )
    read = decode(document.encode(), EndDevice)
    assert read.lfdi == "3E4F45AB31EDFE5B67E343E5E4562E31984E23E5"
    assert (read.sfdi, read.enabled, read.device_category) == (167_261_211_391, True, 1)


def test_names_of_any_kind() -> None:
    """If it fails, a name with an ampersand makes a document that nobody can read."""
    name = 'A&B <"x"> 東京 \t\n'
    program = DERProgram(mrid="00" * 16, description=name, primacy=1)
    assert decode(encode(program), DERProgram).description == name


@pytest.mark.parametrize(
    "broken",
    [
        ActivePower(multiplier=0, value=32_768),
        DERProgram(mrid="xyz", primacy=1),
        DERProgram(mrid="00" * 16, description="x" * 33, primacy=1),
        DERProgram(mrid="00" * 16, description="\x07", primacy=1),
        Link(href="a b"),
        ListLink(href="/x", all=-1),
    ],
)
def test_values_that_may_not_be_sent(broken: ActivePower | DERProgram | Link) -> None:
    """If it fails, a mistake of ours reaches a utility."""
    with pytest.raises(LocalProtocolError):
        encode(broken)


def test_links_only_where_they_are() -> None:
    """If it fails, a client follows a link that was never given."""
    document = f'<DeviceCapability {NS} href="/dcap"><TimeLink href="/tm"/></DeviceCapability>'
    read = decode(document.encode(), DeviceCapability)
    assert read.time_link == Link(href="/tm")
    assert read.end_device_list_link is None
    assert isinstance(read, Resource)
