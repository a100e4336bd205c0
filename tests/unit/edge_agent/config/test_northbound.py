"""``[ieee2030_5_client]`` and ``[openadr_ven]`` as a person writes them."""

from pathlib import Path

import pytest

from edge_agent.config.loader import load_config
from protocols.vocabulary.errors import ConfigError

SITE = """
site_id = "site-001"
zone = "tokyo"
data_dir = "data"
[link]
brokers = ["mqtt://127.0.0.1:1"]
[limits]
contract_import_w = 10000
export_limit_w = 0
[tariff]
import_jpy_per_kwh = 30.0
export_jpy_per_kwh = 8.0
[location]
latitude = 35.6
longitude = 139.7
[echonet]
address = "127.1.1.1"
[[devices]]
id = "meter"
kind = "meter"
protocol = "echonet-lite"
address = "127.1.1.11"
eoj = "028801"
"""
CLIENT = """
[ieee2030_5_client]
url = "https://utility.example:11111/dcap"
certificate = "own.pem"
key = "own.key"
ca = "ca.pem"
pin = 111115
csip_aus = true
listen_address = "127.1.1.1"
listen_port = 1443
listen_url = "https://gateway.example:1443/notify"
"""
VEN = """
[openadr_ven]
url = "https://vtn.example:8443/OpenADR2/Simple/2.0b/"
ven_name = "site-001"
certificate = "own.pem"
key = "own.key"
ca = "ca.pem"
signed = true
vtn_fingerprint = "5C:CE:D4:5C:C0:C2:84:29:10:37"
acts_on_tests = true
"""


def written(folder: Path, text: str) -> Path:
    for name in ("own.pem", "own.key", "ca.pem"):
        (folder / name).write_text("-----BEGIN-----")
    path = folder / "site.toml"
    path.write_text(SITE + text, encoding="utf-8")
    return path


def test_both_clients_are_read(tmp_path: Path) -> None:
    """If it fails, a gateway speaks with nobody although its file says so."""
    config = load_config(written(tmp_path, CLIENT + VEN))
    client, ven = config.ieee2030_5_client, config.openadr_ven
    assert client is not None
    assert client.tls is not None
    assert client.tls.certificate == tmp_path / "own.pem"
    assert (client.pin, client.csip_aus, client.registers) == (111115, True, True)
    assert client.listener is not None
    assert client.listener.port == 1443
    assert ven is not None
    assert ven.url == "https://vtn.example:8443/OpenADR2/Simple/2.0b"
    assert ven.signs
    assert ven.acts_on_tests
    assert ven.listener is None


def test_without_the_sections_there_is_no_client(tmp_path: Path) -> None:
    """If it fails, every site of today needs a new file."""
    config = load_config(written(tmp_path, ""))
    assert config.ieee2030_5_client is None
    assert config.openadr_ven is None


WRONG = [
    (CLIENT, 'url = "https://utility.example:11111/dcap"', 'url = "utility"', "client.url"),
    (CLIENT, "https://utility.example", "http://utility.example", "client.certificate"),
    (CLIENT, 'ca = "ca.pem"\n', "", "client.ca: is missing"),
    (CLIENT, '"own.key"', '"none.key"', "client.key: 'none.key' is not a file"),
    (CLIENT, "pin = 111115", "pin = 111111", "client.pin"),
    (CLIENT, "pin = 111115", 'pin = "111115"', "client.pin"),
    (CLIENT, "listen_port = 1443\n", "", "client.listen_port: is missing"),
    (CLIENT, "csip_aus", "csip_uk", "csip_uk"),
    (VEN, 'ven_name = "site-001"\n', "", "openadr_ven.ven_name"),
    (VEN, "5C:CE", "5c:ce", "openadr_ven.vtn_fingerprint"),
    (VEN, "signed = true", 'signals = "none.toml"', "openadr_ven.signals"),
]


@pytest.mark.parametrize("row", WRONG)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, row: tuple[str, str, str, str]) -> None:
    """If it fails, an installer searches a certificate's path in a stack of Python."""
    text, good, bad, place = row
    with pytest.raises(ConfigError) as refusal:
        load_config(written(tmp_path, text.replace(good, bad)))
    assert place in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_signing_needs_certificates(tmp_path: Path) -> None:
    """If it fails, a VEN believes that its messages are signed."""
    plain = '[openadr_ven]\nurl = "http://vtn/x"\nven_name = "v"\nsigned = true\n'
    with pytest.raises(ConfigError, match="signed"):
        load_config(written(tmp_path, plain))
