"""Simulated devices as a controller sees them, without sockets."""

import json

import pytest

from firmware_sim.devices.echonet_lite.node import SimulatedNode
from firmware_sim.faults import Fault, FaultKind
from firmware_sim.scenario.build import build_sites
from firmware_sim.scenario.load import parse_scenario
from firmware_sim.site import Placed, Site
from protocols.echonet_lite.frame import (
    CONTROLLER,
    NODE_PROFILE,
    Eoj,
    Esv,
    Frame,
    Property,
    decode_frame,
    encode_frame,
)
from protocols.echonet_lite.properties import (
    Access,
    check_edt,
    decode_value,
    lookup,
    properties_of,
    required_epcs,
)
from protocols.echonet_lite.property_map import decode_property_map

T0 = 1_800_000_000.0
EOJS = {
    "battery": "027D01",
    "pv": "027901",
    "ev-charger": "02A101",
    "ev-v2h": "027E01",
    "fuel-cell": "027C01",
    "heat-pump": "026B01",
    "meter": "028801",
}
SESSION = {"arrival_s": -60, "departure_s": 7200, "arrival_soc": 0.5, "energy_wh_needed": 3000}
DEVICES: dict[str, dict[str, object]] = {
    "battery": {
        "energy_wh_capacity": 10_000,
        "power_w_charge_max": 5_000,
        "power_w_discharge_max": 5_000,
    },
    "pv": {"power_w_rated": 5_000, "course": {"kind": "sky", "cloudiness": 0.0}},
    "ev-charger": {
        "energy_wh_capacity": 40_000,
        "power_w_charge_max": 3_000,
        "sessions": [SESSION],
    },
    "ev-v2h": {
        "energy_wh_capacity": 40_000,
        "power_w_charge_max": 6_000,
        "power_w_discharge_max": 6_000,
        "sessions": [SESSION],
    },
    "fuel-cell": {},
    "heat-pump": {"filling_start": 0.9},
}


def site_with(*kinds: str, load_w: float = 500.0, **changes: object) -> Site:
    """Build a site with a flat load, devices of these kinds and a meter."""
    devices = [
        {"id": kind, "kind": kind, "address": f"127.9.1.{20 + n}", **DEVICES[kind], **changes}
        for n, kind in enumerate(kinds)
    ]
    devices.append({"id": "meter", "kind": "meter", "address": "127.9.1.11"})
    load = {"kind": "measured", "source": "flat", "times_s": [0, 1], "power_w": [load_w, load_w]}
    site = {"site_id": "s1", "group": "239.192.9.1", "devices": devices, "load": load}
    text = json.dumps({"start": "2026-07-22T03:00:00Z", "sites": [site]})
    return build_sites(parse_scenario(text, origin="test"), now_s=T0)[0]


def placed(site: Site, kind: str) -> Placed:
    """Find the device of this kind."""
    return next(entry for entry in site.placed if entry.kind == kind)


def node_of(site: Site, kind: str) -> SimulatedNode:
    """Find the node of the device of this kind."""
    device = placed(site, kind).device
    assert isinstance(device, SimulatedNode)
    return device


def request(
    site: Site, kind: str, esv: Esv, *properties: Property, at_s: float = 0.0
) -> Frame | None:
    """Answer of a device to a request, after the site was stepped to ``T0 + at_s``."""
    site.advance(T0 + at_s)
    frame = Frame(7, CONTROLLER, Eoj.parse(EOJS[kind]), esv, properties)
    out = node_of(site, kind).receive(encode_frame(frame), T0 + at_s)
    return decode_frame(out[0].data) if out else None


def get(site: Site, kind: str, epc: int, *, at_s: float = 0.0) -> bytes:
    """EDT of one property."""
    answer = request(site, kind, Esv.GET, Property(epc), at_s=at_s)
    assert answer is not None
    assert answer.esv is Esv.GET_RES, answer
    return answer.properties[0].edt


def number(site: Site, kind: str, epc: int, *, at_s: float = 0.0) -> float:
    """Value of one property by the property table, in the specification's sign."""
    spec = lookup(Eoj.parse(EOJS[kind]).class_code, epc)
    assert spec is not None
    value = decode_value(spec, get(site, kind, epc, at_s=at_s)).as_float()
    assert value is not None
    return value


def put(site: Site, kind: str, *pairs: tuple[int, str], at_s: float = 0.0) -> Esv:
    """ESV of the answer to a SetC."""
    properties = [Property(epc, bytes.fromhex(edt)) for epc, edt in pairs]
    answer = request(site, kind, Esv.SET_C, *properties, at_s=at_s)
    assert answer is not None
    return answer.esv


def all_kinds() -> Site:
    """Build a site that has everything."""
    return site_with(*DEVICES)


@pytest.mark.parametrize("kind", list(EOJS))
def test_maps_are_true(kind: str) -> None:
    """A driver that obeys the maps could ask for what is not there, or miss what is."""
    site = all_kinds()
    code = Eoj.parse(EOJS[kind]).class_code
    readable = decode_property_map(get(site, kind, 0x9F))
    writable = decode_property_map(get(site, kind, 0x9E))
    announced = decode_property_map(get(site, kind, 0x9D))
    assert required_epcs(code) <= readable
    for epc in range(0x80, 0x100):
        answer = request(site, kind, Esv.GET, Property(epc))
        assert answer is not None
        assert (answer.esv is Esv.GET_RES) == (epc in readable), f"{epc:02X}"
        refused = request(site, kind, Esv.SET_C, Property(epc, b"\xff" * 40))
        assert refused is not None
        assert refused.esv is Esv.SET_C_SNA, f"{epc:02X} took 40 bytes"
    for spec in properties_of(code):
        if spec.set_ is Access.REQUIRED:
            assert spec.epc in writable, f"{spec} must be settable"
        if spec.inf is Access.REQUIRED and spec.get is Access.REQUIRED:
            assert spec.epc in announced, f"{spec} must be announced"
        assert spec.epc not in writable or spec.set_ is not Access.NONE, f"{spec} settable"


@pytest.mark.parametrize("kind", list(EOJS))
def test_every_value_fits_the_property_table(kind: str) -> None:
    """A controller could be shown a size, code or number that its own table calls impossible."""
    site = all_kinds()
    code = Eoj.parse(EOJS[kind]).class_code
    for epc in decode_property_map(get(site, kind, 0x9F, at_s=5.3)):
        spec = lookup(code, epc)
        assert spec is not None, f"{epc:02X} is not in the table"
        edt = get(site, kind, epc, at_s=5.3)
        assert not check_edt(spec, edt), f"{spec}: {edt.hex()}"


def test_battery_follows_a_setpoint_in_the_specifications_sign() -> None:
    """A charging battery could look like a discharging one, and control push the wrong way."""
    site = site_with("battery")
    esv = put(site, "battery", (0xC1, "03"), (0xEB, "000007D0"), (0xDA, "42"), at_s=1.0)
    assert esv is Esv.SET_RES
    assert number(site, "battery", 0xD3, at_s=4.0) == 2000.0
    assert placed(site, "battery").device.reading.power_w == -2000.0
    assert number(site, "meter", 0xE7, at_s=4.0) == 2500.0
    assert get(site, "battery", 0xCF, at_s=4.0) == b"\x42"
    put(site, "battery", (0xC2, "03"), (0xEC, "000005DC"), (0xDA, "43"), at_s=5.0)
    assert number(site, "battery", 0xD3, at_s=9.0) == -1500.0
    assert number(site, "meter", 0xE7, at_s=9.0) == -1000.0


def test_battery_lease_ends_in_standby() -> None:
    """A gateway that dies could leave the battery charging until it is full."""
    site = site_with("battery")
    put(
        site,
        "battery",
        (0xAA, "00000002"),
        (0xC1, "03"),
        (0xEB, "00000E10"),
        (0xDA, "42"),
        at_s=0.5,
    )
    assert number(site, "battery", 0xAA, at_s=0.9) == 2.0
    assert number(site, "battery", 0xAA, at_s=3.0) == 1.0
    assert get(site, "battery", 0xDA, at_s=8.0) == b"\x44"
    assert number(site, "battery", 0xAA, at_s=8.0) == 0.0
    assert number(site, "battery", 0xD3, at_s=10.0) == 0.0
    charged_wh = placed(site, "battery").device.reading.mean_w
    assert charged_wh == 0.0


def test_battery_released_brings_the_meter_to_zero() -> None:
    """The stated default of a released battery would not be what it does."""
    site = site_with("battery", "pv", load_w=500.0)
    assert get(site, "battery", 0xDA) == b"\x46"
    assert number(site, "meter", 0xE7, at_s=5.0) == 0.0
    assert number(site, "battery", 0xD3, at_s=5.0) > 1000.0
    low = site_with("battery", load_w=500.0, soc_start=0.2)
    assert number(low, "battery", 0xD3, at_s=5.0) == 0.0
    assert number(low, "meter", 0xE7, at_s=5.0) == 500.0


def test_battery_refuses_what_it_cannot_do() -> None:
    """A setting above the rating could be taken and never reached, unseen."""
    site = site_with("battery")
    assert put(site, "battery", (0xEB, "00001389")) is Esv.SET_C_SNA
    assert put(site, "battery", (0xDA, "45")) is Esv.SET_C_SNA
    answer = request(site, "battery", Esv.SET_C, Property(0xDA, b"\x44"), Property(0xE4, b"\x01"))
    assert answer is not None
    assert answer.properties == (Property(0xDA), Property(0xE4, b"\x01"))
    assert get(site, "battery", 0xDA) == b"\x44"


def test_battery_without_reverse_flow_stays_below_the_house() -> None:
    """A site where reverse flow is banned could export from its battery."""
    site = site_with("battery", reverse_flow_allowed=False)
    put(site, "battery", (0xC2, "03"), (0xEC, "00000FA0"), (0xDA, "43"))
    assert number(site, "battery", 0xD3, at_s=5.0) == -500.0
    assert get(site, "battery", 0xDB) == b"\x02"


def test_battery_may_want_permission_for_remote_control() -> None:
    """A device that needs 93 = 42 first could not be tried before it is met in the field."""
    site = site_with("battery", remote_needed=True)
    assert put(site, "battery", (0xDA, "44")) is Esv.SET_C_SNA
    assert put(site, "battery", (0x93, "42")) is Esv.SET_RES
    assert get(site, "battery", 0x93) == b"\x62"
    assert put(site, "battery", (0xDA, "44")) is Esv.SET_RES


def test_pv_output_limit_is_obeyed_and_shown() -> None:
    """A curtailed inverter could go on exporting."""
    site = site_with("pv")
    free_w = number(site, "pv", 0xE0, at_s=2.0)
    assert free_w > 3000.0
    assert get(site, "pv", 0xD1, at_s=2.0) == b"\x44"
    put(site, "pv", (0xA1, "03E8"), at_s=2.0)
    assert number(site, "pv", 0xE0, at_s=8.0) == 1000.0
    assert get(site, "pv", 0xD1, at_s=8.0) == b"\x41"
    put(site, "pv", (0xA0, "0A"), at_s=8.0)
    assert number(site, "pv", 0xE0, at_s=14.0) == 500.0


def test_v2h_charges_to_its_need_and_discharges_on_command() -> None:
    """A car could leave without the energy its driver asked for, or never help the grid."""
    site = site_with("ev-v2h")
    assert get(site, "ev-v2h", 0xC7, at_s=1.0) == b"\x43"
    assert number(site, "ev-v2h", 0xD3, at_s=6.0) == 6000.0
    put(site, "ev-v2h", (0xEC, "00000BB8"), (0xDA, "43"), at_s=6.0)
    assert number(site, "ev-v2h", 0xD3, at_s=15.0) == -3000.0
    put(site, "ev-v2h", (0xDA, "49"), at_s=15.0)
    site.advance(T0 + 7100.0)
    assert number(site, "ev-v2h", 0xE4, at_s=7100.0) == pytest.approx(57.5, abs=1.0)
    assert get(site, "ev-v2h", 0xC7, at_s=7300.0) == b"\x30"
    assert number(site, "ev-v2h", 0xD3, at_s=7300.0) == 0.0


def test_ev_charger_takes_a_limit_and_never_discharges() -> None:
    """A charge-only charger could be told to discharge and seem to agree."""
    site = site_with("ev-charger")
    assert number(site, "ev-charger", 0xD3, at_s=5.0) == 3000.0
    put(site, "ev-charger", (0xEB, "000005DC"), at_s=5.0)
    assert number(site, "ev-charger", 0xD3, at_s=9.0) == 1500.0
    assert put(site, "ev-charger", (0xDA, "43"), at_s=9.0) is Esv.SET_C_SNA
    put(site, "ev-charger", (0xDA, "47"), at_s=9.0)
    assert number(site, "ev-charger", 0xD3, at_s=12.0) == 0.0


def test_fuel_cell_follows_the_load_and_restarts_with_its_delay() -> None:
    """A stopped fuel cell could seem to be back at once."""
    site = site_with("fuel-cell", load_w=400.0)
    assert number(site, "fuel-cell", 0xC4, at_s=200.0) == 400.0
    put(site, "fuel-cell", (0xCA, "42"), at_s=200.0)
    assert get(site, "fuel-cell", 0xCB, at_s=500.0) == b"\x42"
    put(site, "fuel-cell", (0xCA, "41"), at_s=500.0)
    assert get(site, "fuel-cell", 0xCB, at_s=1000.0) == b"\x43"
    assert number(site, "fuel-cell", 0xC4, at_s=1000.0) == 0.0
    assert get(site, "fuel-cell", 0xCB, at_s=1110.0) == b"\x41"


def test_water_heater_heats_on_order() -> None:
    """A surplus of midday could not be put into the tank."""
    site = site_with("heat-pump")
    assert number(site, "heat-pump", 0x84, at_s=2.0) == 0.0
    put(site, "heat-pump", (0xB0, "42"), at_s=2.0)
    assert number(site, "heat-pump", 0x84, at_s=4.0) == 1200.0
    assert get(site, "heat-pump", 0xB2, at_s=4.0) == b"\x41"
    put(site, "heat-pump", (0xB0, "43"), at_s=4.0)
    assert number(site, "heat-pump", 0x84, at_s=6.0) == 0.0


def test_water_heater_energy_shift_fills_by_day() -> None:
    """Energy-shift participation could be accepted and have no effect."""
    site = site_with("heat-pump")
    put(site, "heat-pump", (0xC7, "01"), (0xCA, "0C"), at_s=1.0)
    assert number(site, "heat-pump", 0x84, at_s=3.0) == 1200.0
    put(site, "heat-pump", (0xCA, "10"), at_s=3.0)
    assert number(site, "heat-pump", 0x84, at_s=5.0) == 0.0


def test_meter_counts_energy_and_keeps_half_hours() -> None:
    """The meter's counters and half-hour readings could not be settled on."""
    site = site_with("battery", load_w=3600.0)
    put(site, "battery", (0xDA, "44"))
    site.advance(T0 + 3600.0)
    assert number(site, "meter", 0xE7, at_s=3600.0) == 3600.0
    assert number(site, "meter", 0xE0, at_s=3600.0) == 36.0
    assert get(site, "meter", 0xE1) == b"\x01"
    reading = get(site, "meter", 0xEA, at_s=3700.0)
    assert reading[:7].hex() == "07eb010f120000", "18:00 in Japan on 2027-01-15"
    assert int.from_bytes(reading[-4:], "big") == 36
    history = get(site, "meter", 0xE2, at_s=3700.0)
    assert len(history) == 194


def test_instance_zero_and_profile_are_served() -> None:
    """A discovery that asks all instances of a class could miss the device."""
    site = site_with("battery")
    node = node_of(site, "battery")
    every = Frame(9, CONTROLLER, Eoj.parse("027D00"), Esv.GET, (Property(0x80),))
    answers = [decode_frame(out.data) for out in node.receive(encode_frame(every), T0)]
    assert [str(answer.seoj) for answer in answers] == ["027D01"]
    profile = Frame(9, CONTROLLER, NODE_PROFILE, Esv.GET, (Property(0xD6), Property(0x83)))
    answer = decode_frame(node.receive(encode_frame(profile), T0)[0].data)
    assert answer.properties[0].edt.hex() == "01027d01"
    assert answer.properties[1].edt == node.node_id


def test_garbage_has_no_answer_and_no_effect() -> None:
    """One broken datagram could stop a device for good."""
    site = site_with("battery")
    node = node_of(site, "battery")
    for data in (b"", b"\x10", b"\x10\x82" + b"x" * 40, b"\x10\x81\x00\x01", b"\xff" * 600):
        assert node.receive(data, T0) == []
    assert get(site, "battery", 0xDA) == b"\x46"


def test_a_change_of_mode_is_announced_once() -> None:
    """The controller would learn of a mode change only by polling, or be flooded."""
    site = site_with("battery")
    node = node_of(site, "battery")
    node.announcements(T0)
    put(site, "battery", (0xDA, "44"), at_s=1.0)
    frames = [decode_frame(out.data) for out in node.announcements(T0 + 1.0)]
    assert [frame.esv for frame in frames] == [Esv.INF]
    assert Property(0xCF, b"\x44") in frames[0].properties
    assert node.announcements(T0 + 1.2) == []


def test_restart_loses_settings_and_leases_but_no_energy() -> None:
    """A device that restarts could keep a setting it has really lost."""
    site = site_with("battery")
    put(site, "battery", (0xAA, "00000064"), (0xC1, "03"), (0xEB, "000003E8"), (0xDA, "42"))
    site.advance(T0 + 10.0)
    node = node_of(site, "battery")
    soc = node.reading.soc
    node.switch_on(Fault(kind=FaultKind.RESTARTED), T0 + 10.0)
    out = node.take_unsent()
    assert [decode_frame(entry.data).properties[0].epc for entry in out] == [0xD5]
    assert get(site, "battery", 0xDA, at_s=10.0) == b"\x46"
    assert number(site, "battery", 0xAA, at_s=10.0) == 0.0
    assert node.reading.soc == soc
    assert not node.faults.active
