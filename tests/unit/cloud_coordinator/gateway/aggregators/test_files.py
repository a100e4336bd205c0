"""Files of servers toward aggregators: good ones are read, bad ones refused in one line."""

from pathlib import Path

import pytest

from cloud_coordinator.gateway.aggregators.files import read_server_files
from protocols.vocabulary.errors import ConfigError
from tests.pki import Pki

AGGREGATOR = '[[aggregator]]\nsite_id = "agg-1"\nzone = "tokyo"\nven = "A"\nup_w = 3000\n'
VTN = 'vtn_id = "Tokyo"\nlisten = "127.0.0.1:8443"\n'
CLIENT = f'[[aggregator]]\nsite_id = "agg-2"\nzone = "tokyo"\nlfdi = "{"A" * 40}"\nup_w = 3000\n'


def vtn(folder: Path, text: str, name: str = "vtn.toml") -> Path:
    """Write a file."""
    place = folder / name
    place.write_text(text)
    return place


def server(folder: Path, more: str) -> Path:
    """Write a file of the IEEE 2030.5 server, with certificates."""
    pki = Pki(folder)
    holder = pki.server("localhost")
    lines = (
        'listen = "127.0.0.1:8444"',
        f'certificate = "{holder.certificate}"',
        f'key = "{holder.key}"',
        f'ca = "{pki.authorities}"',
    )
    return vtn(folder, "\n".join((*lines, more)), "server.toml")


def test_a_vtn_and_a_server_are_read_together(tmp_path: Path) -> None:
    """If it fails, a coordinator starts with other rates or another sign than was written."""
    files = read_server_files([vtn(tmp_path, VTN + AGGREGATOR)], server(tmp_path, CLIENT))
    (named,) = files.vtns[0].aggregators
    assert files.vtns[0].settings.wanted_reports[0].granularity.total_seconds() == 60.0
    assert (named.ven.factor, named.ven.signal_type) == (-1.0, "setpoint")
    assert (named.terms.up_price, named.terms.down_w) == ((20.0, 21.0), 0.0)
    assert files.ieee2030_5 is not None
    assert files.ieee2030_5.aggregators[0].client.lfdi == "A" * 40
    assert not files.ieee2030_5.options.server.open_registration


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("vtn_id = 1", "vtn_id: must be a text"),
        ('vtn_id = "tokyo"\nlisten = "a:1"', "vtn_id: use at most 60 characters"),
        (VTN.replace(":8443", ""), "listen: '127.0.0.1': use host:port"),
        (VTN + "polls = 3", "polls: is not a key"),
        (VTN + "signed = true", "signed: signing needs certificate"),
        (VTN + 'certificate = "x.pem"', "certificate: 'x.pem' is not a file"),
        (VTN + 'key = "x.pem"', "certificate: is missing"),
        (VTN + "poll_s = 0.5", "poll_s: use whole seconds"),
        (VTN + "aggregator = 3", "aggregator: must be a list of tables"),
        (VTN + AGGREGATOR + "up_w = -1", "Cannot overwrite"),
        (VTN + AGGREGATOR.replace("3000", "-1"), "aggregator[0]: up_w: use a number of W"),
        (VTN + AGGREGATOR.replace("3000", "0"), "aggregator[0]: up_w: is missing"),
        (VTN + AGGREGATOR + 'frame = "grid"', "aggregator[0]: frame: 'grid'"),
        (VTN + AGGREGATOR + 'signal = "level"', "aggregator[0]: signal: 'level'"),
        (VTN + AGGREGATOR + 'fingerprint = "AB"', "fingerprint: is needed with TLS"),
        (VTN + AGGREGATOR + "up_price_last = 3", "up_price_last: must be more"),
        (VTN + AGGREGATOR + "down_w = 1\ndown_price_first = 30", "down_price_last: use last <"),
        (VTN + AGGREGATOR + AGGREGATOR, "site_id: 'agg-1' is there twice"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    """If it fails, a typing error becomes a wrong contract, or a trace nobody can read."""
    with pytest.raises(ConfigError) as error:
        read_server_files([vtn(tmp_path, text)], None)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_two_files_do_not_share_a_vtn_or_a_site(tmp_path: Path) -> None:
    """If it fails, two VTNs write into one record, or two parties are one site."""
    one = vtn(tmp_path, VTN)
    with pytest.raises(ConfigError, match="vtn_id: 'Tokyo' is there twice"):
        read_server_files([one, one], None)
    with pytest.raises(ConfigError, match="site_id: 'agg-1' is there twice"):
        read_server_files(
            [vtn(tmp_path, VTN + AGGREGATOR)], server(tmp_path, CLIENT.replace("agg-2", "agg-1"))
        )


def test_a_server_needs_certificates_and_an_lfdi(tmp_path: Path) -> None:
    """If it fails, the server starts without anybody's identity."""
    with pytest.raises(ConfigError, match="certificate: is missing"):
        read_server_files([], vtn(tmp_path, 'listen = "127.0.0.1:8444"'))
    with pytest.raises(ConfigError, match=r"aggregator\[0\]: lfdi: use 40"):
        read_server_files([], server(tmp_path, CLIENT.replace("A" * 40, "A" * 39)))
