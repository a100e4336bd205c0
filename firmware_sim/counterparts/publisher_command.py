"""``vpp sim publisher``: grid companies and the weather service as a web server. Wiring only."""

import asyncio
import json
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from firmware_sim.counterparts.publisher import Fault, Publisher, PublisherSettings
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Clock

_PORT_MAX: Final = 65_535
_COUNT_MAX: Final = 1_000


class _At:
    """A clock that began at a moment of one's choice."""

    def __init__(self, clock: Clock, begin: datetime) -> None:
        self._clock = clock
        self._shift = begin - clock.now()

    def now(self) -> datetime:
        """Shifted wall time."""
        return self._clock.now() + self._shift

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back."""
        return self._clock.monotonic_ns()


def add_publisher(app: typer.Typer, clock: Clock) -> None:
    """Add ``publisher`` to ``vpp sim``."""

    @app.command(
        epilog="Example: vpp sim publisher --http 127.0.0.1:8099 --fault busy:2 --fault page"
    )
    def publisher(  # noqa: PLR0913 - one parameter per option of the command line
        *,
        http: Annotated[str, typer.Option(help="Address. アドレス。")] = "127.0.0.1:8099",
        folder: Annotated[
            Path | None, typer.Option(help="Serve its files too, at /files/. 公表ファイル。")
        ] = None,
        seed: Annotated[int, typer.Option(min=0, help="Of the values. 乱数の種。")] = 1,
        at: Annotated[str, typer.Option(help="Begin at this time, RFC 3339. 時刻。")] = "",
        fault: Annotated[
            list[str] | None,
            typer.Option(help=f"{', '.join(Fault)}; NAME:COUNT for several. 障害。"),
        ] = None,
        late: Annotated[float, typer.Option(min=0.0, max=600.0, help="A late answer, s.")] = 5.0,
    ) -> None:
        """Publish area and weather data as the grid companies and the JMA do, and fail as they do.

        一般送配電事業者と気象庁の公表サイトを模擬します。
        """
        if folder is not None and not folder.is_dir():
            raise ConfigError(f"--folder {folder}: is not a folder")
        settings = PublisherSettings(seed=seed, folder=folder, late_s=late)
        chosen = clock if not at else _At(clock, _moment(at))
        made = Publisher(settings, chosen, _faults(fault or []))
        asyncio.run(_serve(made, http))


async def _serve(publisher: Publisher, http: str) -> None:
    host, _, port = http.rpartition(":")
    if not host or not port.isdecimal() or int(port) > _PORT_MAX:
        raise ConfigError(f"--http {http!r}: use host:port, for example 127.0.0.1:8099")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await publisher.start(host.strip("[]"), int(port))
    except OSError as error:
        raise ConfigError(f"--http {http}: {error.strerror or error}") from error
    sys.stdout.write(json.dumps({"event": "publisher.ready", "http": http}) + "\n")
    sys.stdout.flush()
    try:
        await stop.wait()
    finally:
        await publisher.stop()


def _faults(texts: list[str]) -> list[Fault]:
    found: list[Fault] = []
    for text in texts:
        name, _, count = text.partition(":")
        if name not in set(Fault) or not (count or "1").isdecimal():
            raise ConfigError(f"--fault {text!r}: use {', '.join(Fault)}, or NAME:COUNT")
        if int(count or "1") > _COUNT_MAX:
            raise ConfigError(f"--fault {text!r}: at most {_COUNT_MAX}")
        found += [Fault(name)] * int(count or "1")
    return found


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"--at {text!r}: is not a time") from error
    if found.utcoffset() is None:
        raise ConfigError(f"--at {text!r}: has no offset")
    return found
