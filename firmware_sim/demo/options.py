"""What a person asked of the demo, checked before anything is started."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from protocols.vocabulary.errors import ConfigError

SITES_MAX: Final = 250
DURATION_S_MIN: Final = 12
DURATION_S_MAX: Final = 21_600
PAGE_PORT: Final = 8080
"""Taken if it is free and nobody asked for another."""
_PORT_MAX: Final = 65_535
_MQTT_PORT: Final = 1883


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """The command line of one run.

    Attributes
    ----------
    sites : int
        How many.
    duration_s : int
        Length of the award, s.
    cut_share : float
        Part of the links that is cut for the second third, 0..1.
    seed : int
        Draws scenario, generated signal and who is cut.
    chaos_seed : int or None
        Draws who is killed and when; None for no kills.
    data : Path or None
        Measured loads and PV.
    signal : Path or None
        Dispatch signal; None for a generated one.
    signal_start_s : float
        Where in the signal to begin, s after its first value.
    out : Path
        Folder of the run; must be empty or missing.
    json_file : Path or None
        Where a copy of the report's JSON goes.
    port : int or None
        Of the page; None for 8080 or, if it is taken, a free one.
    broker : str or None
        Address of a broker that runs already; None for the coordinator's own.
    nats_server : Path or None
        Another nats-server than the installed one.
    headless, keep : bool
        Plain lines instead of the live view; page left running at the end.
    plain : bool
        Links without TLS and signatures.
    """

    sites: int
    duration_s: int
    cut_share: float
    seed: int
    chaos_seed: int | None
    data: Path | None
    signal: Path | None
    signal_start_s: float
    out: Path
    json_file: Path | None
    port: int | None
    broker: str | None
    nats_server: Path | None
    headless: bool
    keep: bool
    plain: bool = False


def check(options: DemoOptions) -> None:
    """Refuse what cannot be run.

    Raises
    ------
    ConfigError
        One line that names the option and the cause.
    """
    _between("--sites", options.sites, low=1, high=SITES_MAX)
    _between("--duration", options.duration_s, low=DURATION_S_MIN, high=DURATION_S_MAX)
    _between("--cut", options.cut_share, low=0.0, high=1.0)
    _between("--signal-start", options.signal_start_s, low=0.0, high=1e9)
    if options.port is not None:
        _between("--port", options.port, low=1, high=_PORT_MAX)
    if options.broker is not None:
        broker_address(options.broker)
        if options.chaos_seed is not None:
            raise ConfigError("--broker: cannot be combined with --chaos, which kills the broker")
        if not options.plain:
            raise ConfigError("--broker: knows no certificates of this run; add --plain")
    if options.data is not None and not options.data.is_dir():
        raise ConfigError(f"--data {options.data}: no such directory")
    if options.out.exists() and (not options.out.is_dir() or any(options.out.iterdir())):
        raise ConfigError(f"--out {options.out}: is not an empty folder")
    if options.json_file is not None and not options.json_file.resolve().parent.is_dir():
        raise ConfigError(f"--json {options.json_file}: its folder does not exist")
    if options.json_file is not None and options.json_file.is_dir():
        raise ConfigError(f"--json {options.json_file}: is a folder")
    if options.nats_server is not None and not options.nats_server.is_file():
        raise ConfigError(f"--nats-server {options.nats_server}: no such file")


def broker_address(url: str) -> tuple[str, int]:
    """Host and port of an ``mqtt://host[:port]`` address.

    Raises
    ------
    ConfigError
        If it is something else.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme != "mqtt" or not parts.hostname or parts.path.strip("/") or port == 0:
        raise ConfigError(f"--broker {url}: write mqtt://host:1883")
    return parts.hostname, port or _MQTT_PORT


def _between(name: str, value: float, *, low: float, high: float) -> None:
    """Refuse a number outside its range; NaN is outside."""
    if not low <= value <= high:
        raise ConfigError(f"{name} {value:g}: use {low:g} to {high:g}")
