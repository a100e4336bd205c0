"""Our client against our server, without a socket and under a virtual clock."""

from dataclasses import replace
from itertools import pairwise

import pytest

from protocols.ieee2030_5.client.modes import asked_of
from protocols.ieee2030_5.identity import pin_on_wire
from protocols.ieee2030_5.resources.der import CurveData, DERControlBase, DERCurve
from protocols.ieee2030_5.resources.elements import ActivePower, Link
from protocols.sansio.http import HttpReply, HttpRequest
from tests.unit.protocols.ieee2030_5.client.pair import LFDI, SETTINGS, Pair, export


def paths(pair: Pair, method: str) -> list[str]:
    return [request.path for request in pair.requests if request.method == method]


def test_it_registers_itself_and_follows_links_only() -> None:
    """If it fails, a new site is unknown to its utility, or paths are guessed."""
    pair = Pair()
    pair.run(5)
    device = pair.server.devices.find(LFDI)
    assert device is not None
    asked = {path.partition("?")[0] for path in paths(pair, "GET")}
    guessed = {path for path in asked if not path.startswith(("/edev/1", "/mup/", "/derp/1/"))}
    assert guessed == {"/dcap", "/tm", "/edev"}
    assert pair.troubles == []


def test_a_control_from_issue_to_its_last_response() -> None:
    """If it fails, nothing of the client works."""
    pair = Pair()
    control = pair.issue(pair.program(), 60, 30)
    pair.run(50)
    assert pair.chain(control) == [1]
    pair.run(15)
    assert pair.running() == {"opModExpLimW": control.resource.mrid}
    assert pair.chain(control) == [1, 2]
    pair.run(60)
    assert pair.running() == {}
    assert pair.chain(control) == [1, 2, 3]
    assert {one.end_device_lfdi for one in pair.responses} == {LFDI}


@pytest.mark.parametrize("ahead_s", [-7200.0, -0.4, 3600.0, 86_400.5])
def test_a_clock_that_is_off_moves_no_event(ahead_s: float) -> None:
    """If it fails, a gateway with a wrong clock curtails at the wrong hour."""
    pair = Pair(ahead_s=ahead_s)
    control = pair.issue(pair.program(), 60, 30)
    pair.run(58)
    assert pair.chain(control) == [1]
    pair.run(4)
    assert pair.chain(control) == [1, 2]
    pair.run(32)
    assert pair.chain(control) == [1, 2, 3]


def test_all_pages_are_read() -> None:
    """If it fails, the controls beyond the first page are never followed."""
    pair = Pair()
    program = pair.program()
    controls = [pair.issue(program, 100 + 10 * number, 5) for number in range(120)]
    pair.run(5)
    assert all(pair.chain(control) == [1] for control in controls)


def test_a_failed_fetch_is_not_an_empty_list() -> None:
    """If it fails, an outage of the utility's server lifts every limit."""
    pair = Pair()
    control = pair.issue(pair.program(), 30, 2000)
    pair.run(40)
    for reply in (HttpReply(status=500), HttpReply(status=200, body=b"<html>"), "time-out"):
        pair.fault = lambda request, reply=reply: reply if "derc" in request.path else None
        pair.run(400)
    pair.fault = lambda request: "refused"
    pair.run(400)
    assert pair.running() == {"opModExpLimW": control.resource.mrid}
    assert pair.chain(control) == [1, 2]
    pair.fault = None
    pair.run(1000)
    assert pair.chain(control) == [1, 2, 3]


def test_trouble_is_told_once_and_its_end_too() -> None:
    """If it fails, an outage of a day fills the log, or nobody learns of it."""
    pair = Pair()
    pair.program()
    pair.run(5)
    pair.fault = lambda request: HttpReply(status=503) if request.path == "/tm" else None
    pair.run(3000)
    pair.fault = None
    pair.run(1000)
    assert [(errand, bool(cause)) for errand, cause in pair.troubles] == [
        ("time", True),
        ("time", False),
    ]


def test_lost_connection_the_known_schedule_goes_on_then_the_default() -> None:
    """If it fails, a site without its utility does something nobody decided."""
    pair = Pair()
    program = pair.program()
    pair.server.programs.set_default(program, export(5000))
    control = pair.issue(program, 60, 30)
    pair.run(20)
    pair.fault = lambda request: "refused"
    pair.run(50)
    assert pair.running() == {"opModExpLimW": control.resource.mrid}
    pair.run(30)
    assert pair.running() == {}
    pair.restart_client()
    (known,) = pair.client.view().programs
    assert known.default is not None
    assert known.default.der_control_base == export(5000)
    pair.fault = None
    pair.run(400)
    assert pair.chain(control) == [1, 2, 3]


@pytest.mark.parametrize("moment", [5, 61, 75, 92, 120])
@pytest.mark.parametrize("who", ["client", "server", "both"])
def test_a_restart_at_any_moment(moment: int, who: str) -> None:
    """If it fails, a loss of power loses an order or repeats a response."""
    pair = Pair()
    control = pair.issue(pair.program(), 60, 30)
    pair.run(moment)
    if who in ("client", "both"):
        pair.restart_client()
    if who in ("server", "both"):
        pair.restart_server()
    pair.run(160 - moment)
    assert pair.chain(control) == [1, 2, 3]


@pytest.mark.parametrize("fate", ["lost reply", "lost request", "refused"])
def test_a_response_whose_fate_is_unknown_comes_once(fate: str) -> None:
    """If it fails, a broken connection loses a response or doubles it."""
    pair = Pair()
    control = pair.issue(pair.program(), 60, 30)
    broken: list[bytes] = []

    def fault(request: HttpRequest) -> str | None:
        is_response = request.method == "POST" and b"DERControlResponse" in request.body
        if not is_response or request.body in broken:
            return None
        broken.append(request.body)
        return fate

    pair.fault = fault
    pair.run(200)
    assert len(broken) >= 3
    assert pair.chain(control) == [1, 2, 3]


def test_power_lost_while_a_response_was_leaving() -> None:
    """If it fails, the response is sent again although the server has it."""
    pair = Pair()
    control = pair.issue(pair.program(), 60, 30)

    def fault(request: HttpRequest) -> str | None:
        if request.method == "POST" and b"<status>2<" in request.body:
            pair.fault = None
            pair.left = dict(pair.kept)
            return None
        return None

    pair.fault = fault
    pair.run(65)
    assert pair.chain(control) == [1, 2]
    pair.kept = pair.left
    pair.restart_client()
    pair.run(100)
    assert pair.chain(control) == [1, 2, 3]


def test_a_wrong_pin_is_followed_by_nothing() -> None:
    """If it fails, a device obeys a server at which somebody else registered it."""
    pair = Pair(settings=replace(SETTINGS, pin=pin_on_wire(11_111)))
    control = pair.issue(pair.program(), 60, 30)
    pair.server.devices.register(LFDI, owner=LFDI, now=pair.server_now, pin=pin_on_wire(22_222))
    pair.run(100)
    assert pair.chain(control) == []
    assert ("registration", True) in [(errand, bool(cause)) for errand, cause in pair.troubles]
    pair.server.devices.register(LFDI, owner=LFDI, now=pair.server_now, pin=pin_on_wire(11_111))
    later = pair.issue(pair.server.state.programs.all()[0], 500, 30)
    pair.run(400)
    assert pair.chain(later) == [1]


def test_the_lower_primacy_wins() -> None:
    """If it fails, a weaker authority overrules a stronger one."""
    pair = Pair()
    weak = pair.issue(pair.program("weak", primacy=9), 60, 60)
    strong = pair.issue(pair.program("strong", primacy=2), 80, 20)
    pair.run(85)
    assert pair.running() == {"opModExpLimW": strong.resource.mrid}
    pair.run(60)
    assert pair.chain(weak) == [1, 2, 7]
    assert pair.chain(strong) == [1, 2, 3]


def test_cancelled_by_the_server() -> None:
    """If it fails, an order that was taken back goes on."""
    pair = Pair()
    control = pair.issue(pair.program(), 30, 2000)
    pair.run(40)
    pair.server.programs.cancel(control, now=pair.server_now)
    pair.run(400)
    assert pair.running() == {}
    assert pair.chain(control) == [1, 2, 6]


def test_not_supported_and_not_valid() -> None:
    """If it fails, a utility counts on what the site cannot do."""
    pair = Pair()
    program = pair.program()
    foreign = pair.issue(program, 60, 30, base=DERControlBase(op_mod_fixed_w=2500))
    wrong = pair.issue(program, 60, 30, base=DERControlBase(op_mod_max_lim_w=10_001))
    part = DERControlBase(op_mod_fixed_w=2500, op_mod_max_lim_w=5000)
    partly = pair.issue(program, 200, 30, base=part)
    pair.run(300)
    assert pair.chain(foreign) == [252]
    assert pair.chain(wrong) == [253]
    assert pair.chain(partly) == [1, 2, 3]


def test_curves_come_with_the_control() -> None:
    """If it fails, a curve mode has no points."""
    pair = Pair()
    program = pair.program()
    curve = pair.server.programs.add_curve(
        program,
        DERCurve(
            mrid="0" * 32,
            creation_time=0,
            curve_data=(CurveData(xvalue=6003, yvalue=10_000), CurveData(xvalue=6100, yvalue=0)),
            curve_type=0,
            x_multiplier=-2,
            y_multiplier=-2,
            y_ref_type=1,
        ),
        now=pair.server_now,
    )
    href = curve.resource.href or ""
    base = DERControlBase(op_mod_freq_watt=Link(href=href))
    pair.issue(program, 60, 30, base=base)
    pair.run(10)
    (known,) = pair.client.view().programs
    (asked,) = asked_of(base, known.curves_by_href())
    assert asked.curve == ((60.03, 1.0), (61.0, 0.0))


def test_what_the_site_says_of_itself() -> None:
    """If it fails, the utility knows nothing of the site."""
    pair = Pair()
    pair.program()
    pair.run(700)
    puts = [path.rpartition("/")[2] for path in paths(pair, "PUT")]
    assert puts.count("dercap") == 1
    assert puts.count("derg") == 1
    assert puts.count("ders") >= 3
    assert puts.count("dera") >= 3
    values = {value.role_flags: value.value for value in pair.server.devices.values(LFDI)}
    assert values == {0x0003: 1000, 0x0049: 2000}
    mirrors = [request for request in pair.requests if b"<MirrorUsagePoint " in request.body]
    assert len(mirrors) == 2
    pair.restart_client()
    pair.run(400)
    mirrors = [request for request in pair.requests if b"<MirrorUsagePoint " in request.body]
    assert len(mirrors) == 2


def test_a_log_event() -> None:
    """If it fails, the utility never learns of a fault."""
    pair = Pair()
    pair.program()
    pair.run(5)
    pair.client.note(7, "export limit not kept", pair.now_s)
    pair.run(5)
    (entry,) = pair.server.state.entries.all()
    assert entry.resource.details == "export limit not kept"


def test_a_notification_makes_it_look_at_once() -> None:
    """If it fails, a subscription is worth nothing."""
    pair = Pair(settings=replace(SETTINGS, notification_uri="https://127.0.0.1:9/n"))
    program = pair.program()
    pair.server.devices.grant(LFDI, granted=True, aggregator=True)
    pair.run(20)
    assert pair.server.state.subscribers.all()
    control = pair.issue(program, 60, 30)
    pair.server.changes()
    deliveries = pair.server.look(pair.server_now)
    assert deliveries
    for delivery in deliveries:
        request = HttpRequest(method="POST", path="/n", body=delivery.body)
        assert pair.client.notified(request, pair.now_s).status == 204
    pair.run(2)
    assert pair.chain(control) == [1]
    stranger = HttpRequest(method="POST", path="/n", body=b"<a/>")
    assert pair.client.notified(stranger, pair.now_s).status == 400


def test_a_link_to_another_host_is_not_followed() -> None:
    """If it fails, a server makes the gateway call any machine of the site."""
    pair = Pair()
    pair.program()
    body = (
        b'<DeviceCapability xmlns="urn:ieee:std:2030.5:ns">'
        b'<EndDeviceListLink href="https://192.168.1.1/admin"/></DeviceCapability>'
    )
    pair.fault = lambda r: HttpReply(status=200, body=body) if r.path == "/dcap" else None
    pair.run(30)
    assert not [path for path in paths(pair, "GET") if "admin" in path]
    assert any("another host" in cause for _, cause in pair.troubles)


def test_polls_are_spread() -> None:
    """If it fails, a fleet asks its server in the same second for ever."""
    pair = Pair()
    pair.program()
    pair.settle()
    times: list[float] = []
    pair.fault = lambda r: times.append(pair.now_s) if r.path == "/tm" else None
    pair.run(4000)
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert len(set(waits)) > 3
    assert all(269 <= wait <= 332 for wait in waits)


def test_active_power_of_the_default() -> None:
    """If it fails, the default that is kept is not the one that was sent."""
    pair = Pair()
    program = pair.program()
    pair.server.programs.set_default(program, export(5000))
    pair.run(5)
    (known,) = pair.client.view().programs
    assert known.default is not None
    limit = known.default.der_control_base.op_mod_exp_lim_w
    assert limit == ActivePower(multiplier=0, value=5000)
