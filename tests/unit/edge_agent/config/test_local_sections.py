"""Sections of servers that devices of the site call."""

from pathlib import Path

import pytest

from edge_agent.config.loader import load_config
from protocols.vocabulary.errors import ConfigError

LFDI = "3e4f45ab31edfe5b67e343e5e4562e31984e23e5"
SITE = f"""
site_id = "site-1"
zone = "tokyo"
data_dir = "data"
[link]
brokers = ["mqtt://127.0.0.1:1883"]
[limits]
contract_import_w = 10000
export_limit_w = 0
[tariff]
import_jpy_per_kwh = 30.0
export_jpy_per_kwh = 8.0
[location]
latitude = 35.6
longitude = 139.7
[ieee2030_5_server]
address = "127.0.0.1"
certificate = "c.pem"
key = "k.pem"
ca = "a.pem"
pin = 111115
[openadr_vtn]
address = "127.0.0.1"
[[devices]]
id = "meter"
template = "sunspec-meter-203"
address = "127.0.0.2:502/1"
[[devices]]
id = "battery"
template = "ieee2030-5-battery"
identity = "{LFDI}"
[[devices]]
id = "load"
template = "openadr-load-setpoint"
identity = "5C:CE:D4:5C:C0:C2:84:29:10:37"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("c.pem", "k.pem", "a.pem"):
        (tmp_path / name).write_text("looked for only")
    return tmp_path


def load(folder: Path, text: str) -> object:
    place = folder / "site.toml"
    place.write_text(text, encoding="utf-8")
    return load_config(place)


def test_a_site_with_both_servers_is_read(folder: Path) -> None:
    """If it fails, an inverter or a load that calls the gateway cannot be configured."""
    place = folder / "site.toml"
    place.write_text(SITE, encoding="utf-8")
    config = load_config(place)
    assert config.ieee2030_5_server is not None
    assert config.ieee2030_5_server.tls.certificate == folder / "c.pem"
    assert config.openadr_vtn is not None
    assert config.openadr_vtn.tls is None
    _, battery, device = config.devices
    assert (battery.protocol, battery.identity) == ("ieee2030.5", LFDI.upper())
    assert (device.protocol, device.address) == ("openadr", "")


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ('ca = "a.pem"', 'ca = "b.pem"', "ieee2030_5_server.ca: 'b.pem' is not a file"),
        ("pin = 111115", "pin = 111116", "ieee2030_5_server.pin: 111116 is not a PIN"),
        (f'identity = "{LFDI}"', "", "the LFDI of the certificate"),
        (LFDI, LFDI[:-1], "is not an LFDI"),
        (f'identity = "{LFDI}"', f'identity = "{LFDI}"\naddress = "127.0.0.3"', "calls us"),
        (":10:37", ":10", "is not a venID"),
        (
            '[openadr_vtn]\naddress = "127.0.0.1"',
            '[openadr_vtn]\naddress = "127.0.0.1"\nsigned = true',
            "openadr_vtn.signed: signing needs",
        ),
        (
            '[openadr_vtn]\naddress = "127.0.0.1"',
            '[openadr_vtn]\naddress = "127.0.0.1"\nca = "a.pem"',
            "openadr_vtn.certificate: is missing",
        ),
        ('[openadr_vtn]\naddress = "127.0.0.1"', "", "openadr_vtn: is missing, but devices[2]"),
    ],
)
def test_what_is_wrong_is_one_line(folder: Path, old: str, new: str, *, cause: str) -> None:
    """If it fails, a slip in a site's file ends in a traceback, or in a server for everybody."""
    assert old in SITE
    with pytest.raises(ConfigError) as refused:
        load(folder, SITE.replace(old, new, 1))
    assert cause in str(refused.value)
