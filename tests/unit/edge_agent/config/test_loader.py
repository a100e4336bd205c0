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
