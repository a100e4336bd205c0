"""Bad input on the command line: one clear line, exit code 2, nothing started."""

import socket
import sys
from pathlib import Path

import pytest

from cloud_coordinator.main import EXIT_BAD_INPUT, main
from cloud_coordinator.process import parse_address
from protocols.vocabulary.errors import ConfigError


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Call main as the dispatcher does."""
    monkeypatch.setattr(sys, "argv", ["vpp coordinator", *arguments])
    return main()


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["--bogus"], "--bogus"),
        (["--mqtt-port", "many"], "--mqtt-port"),
        (["--mqtt-port", "70000"], "--mqtt-port"),
        (["--http", "8080"], "--http"),
        (["--http", "127.0.0.1:0", "--broker", "ftp://x"], "ftp://x"),
        (["--openadr-ven", "/none.toml"], "/none.toml"),
        (["--http", "127.0.0.1:0", "--nats-server", "/bin/true"], "/bin/true"),
    ],
)
def test_one_line_and_exit_2(
    arguments: list[str],
    cause: str,
    *,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An operator would read a stack trace instead of what to change."""
    code = run(monkeypatch, "--data-dir", str(tmp_path / "data"), *arguments)
    output = capsys.readouterr()
    assert code == EXIT_BAD_INPUT
    assert output.out == ""
    assert len(output.err.splitlines()) == 1
    assert cause in output.err


def test_port_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second coordinator would start half and write into the first one's data."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code = run(monkeypatch, "--data-dir", str(tmp_path / "data"), "--http", address)
    assert code == EXIT_BAD_INPUT
    assert address in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_address() -> None:
    """The API would listen somewhere else than the operator said."""
    assert parse_address("127.0.0.1:8080") == ("127.0.0.1", 8080)
    assert parse_address("[::1]:0") == ("::1", 0)
    for text in ("8080", ":8080", "host:", "host:x", "host:70000"):
        with pytest.raises(ConfigError, match="--http"):
            parse_address(text)
