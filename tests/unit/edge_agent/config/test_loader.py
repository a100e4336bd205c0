"""The configuration file: what is taken, and the one line that is said when it is not."""

from pathlib import Path

import pytest

from edge_agent.config.loader import load_config
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.resource import ResourceKind

GOOD = """
site_id = "site-001"
zone = "tokyo"
data_dir = "data"
[link]
brokers = ["mqtt://127.0.0.1:1883", "mqtts://broker.example"]
[limits]
contract_import_w = 10000
export_limit_w = 0
[tariff]
import_jpy_per_kwh = 30.0
export_jpy_per_kwh = 8.0
[location]
latitude = 35.6
longitude = 139.7
[pv]
peak_w = 5000
[echonet]
address = "127.1.1.1"
group = "239.192.1.1"
[[devices]]
id = "meter"
kind = "meter"
protocol = "echonet-lite"
address = "127.1.1.10"
eoj = "028801"
[[devices]]
id = "battery-1"
kind = "battery"
protocol = "echonet-lite"
address = "127.1.1.11"
eoj = "027d01"
soc_min = 0.1
soc_max = 0.95
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "site.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_file_is_taken_whole(tmp_path: Path) -> None:
    """If this fails, a correct site cannot start, or starts with other values."""
    config = load_config(written(tmp_path, GOOD))
    assert config.site_id == "site-001"
    assert config.data_dir == tmp_path / "data"
    assert config.journal_path == tmp_path / "data" / "site-001.journal.sqlite"
    assert [broker.url for broker in config.link.brokers] == [
        "mqtt://127.0.0.1:1883",
        "mqtts://broker.example:8883",
    ]
    assert config.limits.contract_import_w == 10000.0
    assert config.limits.export_limit_w == 0.0
    assert config.echonet.port == 3610
    assert config.meter.device_id == "meter"
    battery = config.devices[1]
    assert battery.kind is ResourceKind.BATTERY
    assert battery.eoj == "027D01"
    assert (battery.soc_min, battery.soc_max) == (0.1, 0.95)
    assert battery.power_w_max is None
    assert config.resource_id("battery-1") == "site-001/battery-1"


BATTERY_TWO = """
[[devices]]
id = "battery-2"
kind = "battery"
protocol = "echonet-lite"
address = "127.1.1.12"
eoj = "027D01"
"""

WRONG = [
    ("", 'site = "x"\n', "site: unknown key; did you mean 'site_id'?"),
    (
        "contract_import_w = 10000",
        "contract_import_kw = 10",
        "limits.contract_import_kw: unknown key; write contract_import_w in W",
    ),
    (
        "contract_import_w = 10000",
        "contract_import_w = 10",
        "limits.contract_import_w: 10 is out of range: must be at least 500; the unit is W",
    ),
    (
        "contract_import_w = 10000",
        'contract_import_w = "10 kW"',
        "limits.contract_import_w: must be a number, not '10 kW'",
    ),
    ("contract_import_w = 10000", "", "limits.contract_import_w: is missing"),
    ("peak_w = 5000", "peak_kw = 5", "pv.peak_kw: unknown key; write peak_w in W"),
    ("latitude = 35.6", "latitude = nan", "location.latitude: must be a finite number"),
    ("soc_min = 0.1", "soc_min = 10", "devices[1].soc_min: 10 is out of range: must be at most 1;"),
    ("soc_min = 0.1", "soc_min_pct = 10", "devices[1].soc_min_pct: unknown key; write soc_min as"),
    ("soc_min = 0.1", "soc_min = 0.96", "devices[1].soc_min: 0.96 must be below soc_max 0.95"),
    (
        "soc_min = 0.1",
        "power_w_max = -5",
        "devices[1].power_w_max: -5 is out of range: must be at least 0; the unit is W",
    ),
    ("soc_min = 0.1", "power_w_min = 5", "devices[1].power_w_min: 5 is out of range: must be at"),
    ("soc_min = 0.1", "colour = 1", "devices[1].colour: unknown key here; known: address,"),
    ('"027d01"', '"027D00"', "devices[1].eoj: '027D00' is not an ECHONET object"),
    ('"027d01"', '"27D01"', "devices[1].eoj: '27D01' is not an ECHONET object"),
    ('"027d01"', '"027901"', "devices[1].eoj: '027901' is class 0279, but kind 'battery' is"),
    ('"127.1.1.11"', '"127.1.1.300"', "devices[1].address: '127.1.1.300' is not an IPv4"),
    ('"127.1.1.11"', '"239.1.1.1"', "devices[1].address: 239.1.1.1 is a multicast group"),
    ("soc_min = 0.1", 'parent = "pcs"', "devices[1].parent: 'pcs' is no device of this site"),
    ("soc_min = 0.1", 'parent = "meter"', "devices[1].parent: 'meter' is the site's meter"),
    ("soc_min = 0.1", 'parent = "battery-1"', "devices[1].parent: 'battery-1' is behind 'batt"),
    ('"239.192.1.1"', '"10.0.0.1"', "echonet.group: '10.0.0.1' is not an IPv4 multicast"),
    ('"site-001"', '"Site 1"', "site_id: site id 'Site 1': use 1 to 64"),
    ('"battery-1"', '"battery_1"', "devices[1].id: device id 'battery_1': use 1 to 64"),
    ('"battery-1"', '"meter"', "devices[1].id: 'meter' is already the id of devices[0]"),
    ('kind = "battery"', 'kind = "batery"', "devices[1].kind: 'batery' is not known, did you mean"),
    (
        'kind = "meter"\nprotocol = "echonet-lite"\naddress = "127.1.1.10"\neoj = "028801"',
        'kind = "load"\nprotocol = "echonet-lite"\naddress = "127.1.1.10"\neoj = "028801"',
        "devices: has no meter",
    ),
    ('"mqtt://127.0.0.1:1883"', '"http://x"', "link.brokers[0]: 'http://x' is not a broker"),
    ('"mqtt://127.0.0.1:1883"', '"mqtt://x:99999"', "link.brokers[0]: 'mqtt://x:99999' is not"),
    ('data_dir = "data"', "data_dir = ", "file: is not TOML:"),
]


@pytest.mark.parametrize("wrong", WRONG, ids=[case[2][:40] for case in WRONG])
def test_a_wrong_file_gets_one_line_with_key_and_cause(
    tmp_path: Path, wrong: tuple[str, str, str]
) -> None:
    """If this fails, an installer is left guessing which line of the file is wrong."""
    old, new, cause = wrong
    text = new + GOOD if not old else GOOD.replace(old, new, 1)
    assert text != GOOD
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, text))
    message = str(caught.value)
    assert message.startswith(f"site.toml: {cause}"), message
    assert "\n" not in message


def test_one_object_twice_is_refused(tmp_path: Path) -> None:
    """If this fails, one battery gets two setpoints a second that contradict each other."""
    text = GOOD + BATTERY_TWO.replace("127.1.1.12", "127.1.1.11")
    with pytest.raises(ConfigError, match=r"devices\[2\]\.eoj: 027D01 at 127\.1\.1\.11 is already"):
        load_config(written(tmp_path, text))


def test_two_meters_are_refused(tmp_path: Path) -> None:
    """If this fails, nobody can say which meter the limits are held at."""
    text = GOOD + BATTERY_TWO.replace('"battery"', '"meter"').replace("027D01", "028801")
    with pytest.raises(ConfigError, match=r"devices\[2\]\.kind: a second meter"):
        load_config(written(tmp_path, text))


def test_pv_without_its_rating_is_refused(tmp_path: Path) -> None:
    """If this fails, the forecast of a site with PV is zero without a word."""
    text = GOOD.replace("[pv]\npeak_w = 5000\n", "") + BATTERY_TWO.replace(
        '"battery"', '"pv"'
    ).replace("027D01", "027901")
    with pytest.raises(ConfigError, match=r"pv\.peak_w: missing"):
        load_config(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """If this fails, a mistyped path shows a stack trace instead of the path."""
    with pytest.raises(ConfigError, match=r"none\.toml: file: cannot be read: No such file"):
        load_config(tmp_path / "none.toml")


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    """If this fails, a swapped file shows a stack trace instead of its name."""
    path = tmp_path / "site.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"site\.toml: file: is not UTF-8 text"):
        load_config(path)


MIXED = """
[bacnet]
address = "127.1.1.1/8"
[ocpp]
address = "127.1.1.1"
[[devices]]
id = "bess"
template = "sunspec-battery-704"
address = "192.168.1.9"
identity = "Maker/Model/SN-1"
[[devices]]
id = "hp"
template = "modbus-heat-pump"
address = "/dev/ttyUSB0:9600/3"
[[devices]]
id = "ahu"
template = "bacnet-ahu-demand-limit"
address = "192.168.1.7"
identity = "1234"
[[devices]]
id = "ev"
template = "ocpp-16-ac-6kw"
identity = "CP_1"
[[devices]]
id = "b2"
template = "echonet-battery-amount"
kind = "battery"
address = "127.1.1.12"
"""


def test_devices_of_every_protocol_are_taken_with_their_templates(tmp_path: Path) -> None:
    """If this fails, a site with more than one protocol cannot be written down."""
    config = load_config(written(tmp_path, GOOD + MIXED))
    bess, heat_pump, hvac, charger, battery = config.devices[2:]
    assert (bess.protocol, bess.kind, bess.address) == (
        "sunspec",
        ResourceKind.BATTERY,
        "192.168.1.9:502/1",
    )
    assert (bess.identity, bess.template_id, bess.eoj) == (
        "Maker/Model/SN-1",
        "sunspec-battery-704",
        "",
    )
    assert (heat_pump.protocol, heat_pump.address) == ("modbus", "/dev/ttyUSB0:9600/3")
    assert (hvac.protocol, hvac.address, hvac.identity) == (
        "bacnet",
        "192.168.1.7:47808",
        "1234",
    )
    assert (charger.protocol, charger.address, charger.identity) == ("ocpp", "", "CP_1")
    assert (battery.protocol, battery.eoj) == ("echonet-lite", "027D01")
    assert config.bacnet is not None
    assert (config.bacnet.priority, config.bacnet.port) == (10, 47808)
    assert config.ocpp is not None
    assert config.modbus.timeout_s is None
    assert [d.device_id for d in config.devices_of("sunspec", "modbus")] == ["bess", "hp"]


WRONG_MIXED = [
    ('"sunspec-battery-704"', '"sunspec-batery"', "devices[2].template: 'sunspec-batery' is not a"),
    (
        'kind = "battery"\naddress = "127.1.1.12"',
        'kind = "pv"\naddress = "127.1.1.12"',
        "devices[6].kind: 'pv' contradicts template",
    ),
    (
        'template = "modbus-heat-pump"',
        'kind = "heat-pump"\nprotocol = "modbus"',
        "devices[3].template: is missing; a device on modbus",
    ),
    ('template = "modbus-heat-pump"', "", "devices[3].kind: is missing; write it, or a template"),
    ('"192.168.1.9"', '"192.168.1.9:0/1"', "devices[2].address: '192.168.1.9:0/1' is not a Modbus"),
    (
        '"192.168.1.9"',
        '"192.168.1.9:502/248"',
        "devices[2].address: '192.168.1.9:502/248' is not a",
    ),
    (
        '"192.168.1.9"',
        '"inverter.local:502/1"',
        "devices[2].address: 'inverter.local:502/1' is not",
    ),
    ('"192.168.1.9"', '"192.168.1.9:5x2"', "devices[2].address: '192.168.1.9:5x2' is not a Modbus"),
    ("/dev/ttyUSB0:9600/3", "/dev/ttyUSB0", "devices[3].address: '/dev/ttyUSB0' is not a Modbus"),
    ("/dev/ttyUSB0:9600/3", "/dev/ttyUSB0:9601/3", "devices[3].address: '/dev/ttyUSB0:9601/3' is"),
    (
        '"192.168.1.7"',
        '"192.168.1.7:99999"',
        "devices[4].address: '192.168.1.7:99999' is not a BAC",
    ),
    ('address = "192.168.1.7"', "", "devices[4].address: is missing"),
    ('"1234"', '"4194303"', "devices[4].identity: '4194303' is not a device instance"),
    ('"Maker/Model/SN-1"', '"SN-1"', "devices[2].identity: 'SN-1' is not maker/model/serial"),
    ('identity = "CP_1"', "", "devices[5].identity: is missing; the charge point id"),
    ('identity = "CP_1"', 'identity = "CP/1"', "devices[5].identity: 'CP/1' is not a charge point"),
    (
        'identity = "CP_1"',
        'identity = "CP_1"\naddress = "10.0.0.1"',
        "devices[5].address: '10.0.0.1': a charger calls us",
    ),
    ('identity = "1234"', 'eoj = "013001"', "devices[4].eoj: only ECHONET devices have an object"),
    (
        'kind = "battery"\naddress = "127.1.1.12"',
        'eoj = "027901"\naddress = "127.1.1.12"',
        "devices[6].eoj: '027901' is class 0279, but template",
    ),
    (
        '"127.1.1.1/8"',
        '"127.1.1.1"',
        "bacnet.address: '127.1.1.1' is not an address with its network",
    ),
    ('[bacnet]\naddress = "127.1.1.1/8"', "", "bacnet: is missing, but devices[4] ('ahu') speaks"),
    ('[ocpp]\naddress = "127.1.1.1"', "", "ocpp: is missing, but devices[5] ('ev') speaks ocpp"),
    (
        'address = "127.1.1.1/8"',
        'address = "127.1.1.1/8"\npriority = 5',
        "bacnet.priority: 5 is out of range",
    ),
    (
        '[ocpp]\naddress = "127.1.1.1"',
        '[ocpp]\naddress = "127.1.1.1"\npassword = "short"',
        "ocpp.password:",
    ),
    (
        '"/dev/ttyUSB0:9600/3"',
        '"192.168.1.9:502/1"',
        "devices[3].address: 192.168.1.9:502/1 is already devices[2]",
    ),
    (
        "[bacnet]",
        "[modbus]\ntimeout_s = 100.0\n[bacnet]",
        "modbus.timeout_s: 100.0 is out of range",
    ),
]


@pytest.mark.parametrize("wrong", WRONG_MIXED, ids=[case[2][:40] for case in WRONG_MIXED])
def test_a_wrong_device_of_any_protocol_gets_one_line(
    tmp_path: Path, wrong: tuple[str, str, str]
) -> None:
    """If this fails, an installer of a mixed site is left guessing what is wrong."""
    old, new, cause = wrong
    text = GOOD + MIXED.replace(old, new, 1)
    assert text != GOOD + MIXED
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, text))
    message = str(caught.value)
    assert message.startswith(f"site.toml: {cause}"), message
    assert "\n" not in message


def test_site_without_echonet_devices_needs_no_echonet_section(tmp_path: Path) -> None:
    """If this fails, a building with BACnet only must invent a node it does not have."""
    head, *_ = GOOD.split("[echonet]")
    meter = '[[devices]]\nid = "m"\ntemplate = "sunspec-meter-203"\naddress = "10.0.0.9:502/1"\n'
    config = load_config(written(tmp_path, head + meter))
    assert config.echonet is None
    assert config.meter.protocol == "sunspec"
    without = GOOD.replace('[echonet]\naddress = "127.1.1.1"\ngroup = "239.192.1.1"\n', "")
    with pytest.raises(ConfigError, match=r"echonet: is missing, but devices\[0\]"):
        load_config(written(tmp_path, without))
