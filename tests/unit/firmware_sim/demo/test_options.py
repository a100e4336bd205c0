"""What a person asked for wrongly is one line, before anything is started or written."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.demo.ground import lay_ground
from firmware_sim.demo.main import with_chaos_seed
from firmware_sim.demo.options import DemoOptions, broker_address, check
from protocols.vocabulary.errors import ConfigError


@pytest.fixture
def options(tmp_path: Path) -> DemoOptions:
    """Return the defaults, into a folder that does not exist yet."""
    return DemoOptions(
        sites=8,
        duration_s=120,
        cut_share=0.3,
        seed=1,
        chaos_seed=None,
        data=None,
        signal=None,
        signal_start_s=0.0,
        out=tmp_path / "run",
        json_file=None,
        port=None,
        broker=None,
        nats_server=None,
        headless=True,
        keep=False,
    )


def test_the_defaults_are_good(options: DemoOptions) -> None:
    """`make demo` could refuse itself."""
    check(options)
    check(replace(options, broker="mqtt://127.0.0.1:1884", plain=True, port=1, cut_share=1.0))
    assert not options.out.exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sites": 0}, "--sites 0: use 1 to 250"),
        ({"sites": -3}, "--sites -3: use 1 to 250"),
        ({"sites": 251}, "--sites 251: use 1 to 250"),
        ({"duration_s": 0}, "--duration 0: use 12 to 21600"),
        ({"duration_s": 21_601}, "--duration 21601: use 12 to 21600"),
        ({"cut_share": -0.1}, "--cut -0.1: use 0 to 1"),
        ({"cut_share": 30.0}, "--cut 30: use 0 to 1"),
        ({"cut_share": math.nan}, "--cut nan: use 0 to 1"),
        ({"signal_start_s": -1.0}, "--signal-start -1: use 0 to"),
        ({"port": 0}, "--port 0: use 1 to 65535"),
        ({"port": 70_000}, "--port 70000: use 1 to 65535"),
        ({"broker": "127.0.0.1:1883"}, "--broker 127.0.0.1:1883: write mqtt://host:1883"),
        ({"broker": "mqtt://h:1883", "chaos_seed": 1}, "--broker: cannot be combined"),
        ({"broker": "mqtt://h:1883"}, "--broker: knows no certificates"),
        ({"data": Path("/nowhere")}, "--data /nowhere: no such directory"),
        ({"signal": Path("/nowhere.csv")}, "/nowhere.csv: cannot be read"),
        ({"json_file": Path("/nowhere/out.json")}, "--json /nowhere/out.json: its folder"),
        ({"json_file": Path("/tmp")}, "--json /tmp: is a folder"),
        ({"nats_server": Path("/nowhere/nats")}, "--nats-server /nowhere/nats: no such file"),
    ],
)
def test_a_bad_value_is_one_line_and_nothing_is_made(
    options: DemoOptions, change: dict[str, Any], said: str
) -> None:
    """A run could be started that cannot end well, or leave half a folder behind."""
    with pytest.raises(ConfigError) as caught:
        lay_ground(replace(options, **change))
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)
    assert not options.out.exists()


def test_an_older_run_is_never_overwritten(options: DemoOptions) -> None:
    """A report from last week could be lost by repeating a command."""
    options.out.mkdir()
    check(options)
    (options.out / "report.html").write_text("old")
    with pytest.raises(ConfigError, match="is not an empty folder"):
        check(options)
    with pytest.raises(ConfigError, match="is not an empty folder"):
        check(replace(options, out=options.out / "report.html"))


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://127.0.0.1:1884", ("127.0.0.1", 1884)),
        ("mqtt://broker.local", ("broker.local", 1883)),
        ("mqtt://[::1]:1883/", ("::1", 1883)),
    ],
)
def test_a_brokers_address_is_read(url: str, address: tuple[str, int]) -> None:
    """A site's own broker could not be used."""
    assert broker_address(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mqtt://",
        "nats://h:4222",
        "mqtt://h:0",
        "mqtt://h:port",
        "mqtt://h:99999",
        "mqtt://[::1",
    ],
)
def test_what_is_no_brokers_address_is_refused(url: str) -> None:
    """Relays could lead nowhere, and the run wait for sites that cannot come."""
    with pytest.raises(ConfigError, match="write mqtt://host:1883"):
        broker_address(url)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["--chaos"], ["--chaos", "1"]),
        (["--chaos", "--headless"], ["--chaos", "1", "--headless"]),
        (["--chaos", "5", "--headless"], ["--chaos", "5", "--headless"]),
        (["--sites", "3"], ["--sites", "3"]),
    ],
)
def test_chaos_needs_no_seed(given: list[str], read: list[str]) -> None:
    """`--chaos` alone could swallow the option that follows."""
    assert with_chaos_seed(given) == read
