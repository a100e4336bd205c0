"""What the programs of this package need of their process: clock, log, sockets, files alone."""

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Coroutine, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from protocols.vocabulary.errors import ConfigError, StoreError

PORT_MAX: Final = 65_535

_log = structlog.get_logger(__name__)


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Aware UTC wall time."""
        return datetime.now(UTC)

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back."""
        return time.monotonic_ns()

    def cpu_ns(self) -> int:
        """Processor time of this thread, ns."""
        return time.thread_time_ns()


def configure_logging(*, verbose: bool) -> None:
    """Send events to standard error: JSON lines, or colours on a terminal."""
    renderer: structlog.types.Processor = structlog.processors.JSONRenderer()
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.DEBUG if verbose else logging.INFO
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


@contextlib.contextmanager
def owned(database: str) -> Iterator[None]:
    """Own a SQLite file alone, however this process ends; other addresses are not locked.

    Parameters
    ----------
    database : str
        A file, or a SQLAlchemy address.

    Raises
    ------
    ConfigError
        If the file's folder cannot be used.
    StoreError
        If another program owns it.
    """
    if "://" in database:
        yield
        return
    path = Path(f"{database}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigError(f"database {database}: {error.strerror or error}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreError(f"{database}: another program is using it") from error
        yield
    finally:
        os.close(lock)


def parse_address(text: str) -> tuple[str, int]:
    """Split ``host:port``.

    Raises
    ------
    ConfigError
        If it is something else.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 <= int(port) <= PORT_MAX:
        raise ConfigError(f"--http {text!r}: use host:port, for example 127.0.0.1:8080")
    return host.strip("[]"), int(port)


def listen(host: str, port: int) -> socket.socket:
    """Open the API's socket before anything else is started.

    Raises
    ------
    ConfigError
        If the port is taken or the address is not ours.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigError(f"--http {host}:{port}: {error.strerror or error}") from error


async def run_until(stop: asyncio.Event, jobs: Sequence[Coroutine[None, None, None]]) -> None:
    """Run the jobs until the event is set, then end them."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(job) for job in jobs]
        await stop.wait()
        _log.info("coordinator.stopping")
        for task in tasks:
            task.cancel()


def stop_signal() -> asyncio.Event:
    """Event that SIGTERM and SIGINT set, also while the program still starts."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
