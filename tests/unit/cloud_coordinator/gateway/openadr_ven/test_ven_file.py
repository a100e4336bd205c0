"""The file of a VEN: what a person can get wrong is one line with the file, the key and why."""

from pathlib import Path

import pytest

from cloud_coordinator.gateway.openadr_ven.ven_file import VenFile, read_ven_files
from protocols.vocabulary.errors import ConfigError
from tests.pki import Pki

GOOD = {
    "url": '"http://127.0.0.1:8080/OpenADR2/Simple/2.0b/"',
    "ven_name": '"調整力 <1> & 2"',
    "zone": '"tokyo"',
}


def write(folder: Path, **changes: str | None) -> Path:
    """Write a file with keys changed, or left out where None."""
    folder.mkdir(exist_ok=True)
    keys = {key: text for key, text in {**GOOD, **changes}.items() if text is not None}
    path = folder / "tso.toml"
    path.write_text("".join(f"{key} = {text}\n" for key, text in keys.items()))
    return path


def read(path: Path) -> VenFile:
    """Read one file."""
    (file,) = read_ven_files([path])
    return file


def test_what_is_not_written_is_careful(tmp_path: Path) -> None:
    """If it fails, a VEN carries out tests, or turns a sign, because somebody wrote little."""
    file = read(write(tmp_path))
    assert (file.name, file.url) == ("tso", "http://127.0.0.1:8080/OpenADR2/Simple/2.0b")
    assert file.profile.signals == ("LOAD_DISPATCH.delta",)
    assert file.profile.factor == -1.0
    assert not file.acts_on_tests
    assert file.vtn_id is file.listener is file.tls is None


def test_everything_can_be_written(tmp_path: Path) -> None:
    """If it fails, a VEN cannot be set up as its VTN asks."""
    pki = Pki(tmp_path)
    own = pki.device("own")
    file = read(
        write(
            tmp_path,
            url='"https://vtn.example/OpenADR2/Simple/2.0b"',
            certificate=f'"{own.certificate.name}"',
            key=f'"{own.key.name}"',
            ca=f'"{pki.authorities.name}"',
            signed="true",
            vtn_fingerprint='"ab:cd:ef:01:23:45:67:89:ab:cd"',
            vtn_id='"TSO"',
            name='"east"',
            frame='"generator"',
            signals='["LOAD_DISPATCH.delta", "LOAD_DISPATCH.setpoint"]',
            listen='"[::1]:8443"',
            listen_url='"https://aggregator.example/oadr"',
            poll_s="5",
            market_contexts='["http://market.example"]',
            resource_ids='["list-1"]',
            acts_on_tests="true",
        )
    )
    assert (file.name, file.profile.factor, file.poll_s) == ("east", 1.0, 5.0)
    assert file.vtn_fingerprint == "AB:CD:EF:01:23:45:67:89:AB:CD"
    assert file.listener is not None
    assert (file.listener.host, file.listener.port) == ("::1", 8443)
    assert file.tls is not None
    assert file.signed


def test_the_example_of_the_documentation_is_a_file(tmp_path: Path) -> None:
    """If it fails, who copies the example is told that it is wrong."""
    page = (Path(__file__).parents[5] / "docs" / "tso.md").read_text(encoding="utf-8")
    _, _, after = page.partition("```toml\n")
    example, _, _ = after.partition("```")
    pki = Pki(tmp_path / "pki")
    own = pki.device("own")
    (tmp_path / "ven.pem").write_bytes(own.certificate.read_bytes())
    (tmp_path / "ven.key").write_bytes(own.key.read_bytes())
    (tmp_path / "authorities.pem").write_bytes(pki.authorities.read_bytes())
    (tmp_path / "tokyo.toml").write_text(example)
    assert read(tmp_path / "tokyo.toml").name == "tso-tokyo"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": None}, "url: is missing"),
        ({"url": '"ftp://x"'}, "url: 'ftp://x' is not an address"),
        ({"url": '"http://u:p@x/y"'}, "url: "),
        ({"url": "7"}, "url: must be a text"),
        ({"zone": '"Tokyo!"'}, "zone: "),
        ({"ven_name": '""'}, "ven_name: must be a text that is not empty"),
        ({"frame": '"meter"'}, "frame: 'meter': use load or generator"),
        ({"signals": '["LOAD"]'}, "signals: 'LOAD'"),
        ({"signals": "[]"}, "signals: name at least one"),
        ({"signed": "true"}, "signed: signing needs certificate"),
        ({"signed": '"yes"'}, "signed: must be true or false"),
        ({"certificate": '"a.pem"'}, "certificate: "),
        ({"url": '"https://x/y"'}, "certificate: is missing"),
        ({"vtn_fingerprint": '"AB"'}, "vtn_fingerprint: use ten bytes"),
        ({"listen": '"127.0.0.1:1"'}, "listen_url: is missing"),
        ({"listen": '"here"', "listen_url": '"http://x"'}, "listen: 'here': use host:port"),
        ({"poll_s": "0"}, "poll_s: use 1 to 86400 seconds"),
        ({"poll_s": "true"}, "poll_s: must be a number"),
        ({"market_contexts": "[1]"}, "market_contexts: must be a list of texts"),
        ({"surprise": "1"}, "surprise: is not a key of this file"),
        ({"url": "'"}, "Expected"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, changes: dict[str, str | None], words: str) -> None:
    """If it fails, who set it up reads a stack trace, or the coordinator runs half deaf."""
    path = write(tmp_path, **changes)
    with pytest.raises(ConfigError) as raised:
        read(path)
    message = str(raised.value)
    assert message.startswith(f"--openadr-ven {path}: ")
    assert words in message or words == "Expected"


def test_files_that_are_not_there_or_not_keys_are_named(tmp_path: Path) -> None:
    """If it fails, a coordinator starts that cannot speak with its TSO."""
    with pytest.raises(ConfigError, match="No such file"):
        read(tmp_path / "nothing.toml")
    pki = Pki(tmp_path)
    own, other = pki.device("own"), pki.device("other")
    path = write(
        tmp_path,
        url='"https://x/y"',
        certificate=f'"{own.certificate.name}"',
        key=f'"{other.key.name}"',
        ca=f'"{pki.authorities.name}"',
    )
    with pytest.raises(ConfigError, match="certificate, key, ca"):
        read(path)
    one, two = write(tmp_path / "a"), write(tmp_path / "b")
    with pytest.raises(ConfigError, match="'tso' is another file's, too"):
        read_ven_files([one, two])
