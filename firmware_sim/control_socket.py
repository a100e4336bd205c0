"""The control socket: faults by hand, one JSON object per line over a Unix socket.

======================================================================  =====================
request                                                                 answer
======================================================================  =====================
``{"op":"status"}``                                                     ``{"ok":true,"devices":{"site/device":{...}}}``
``{"op":"fault","device":"site/device","fault":"slow","delay_s":2.5}``  ``{"ok":true}``
``{"op":"clear","device":"site/device","fault":"slow"}``                ``{"ok":true}``
======================================================================  =====================

``fault`` takes the keys of the scenario's timeline but ``at_s`` and ``until_s``. What is wrong
is answered with ``{"ok":false,"error":"key: cause"}``; the connection stays open.
"""  # noqa: E501 - one row of the table is one line

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from firmware_sim.faults import FaultKind
from firmware_sim.scenario.build import fault_of
from firmware_sim.scenario.load import first_cause
from firmware_sim.scenario.schema import FaultEvent
from firmware_sim.server import SimulationServer
from protocols.vocabulary.errors import ConfigError

ASK_TIMEOUT_S = 2.0
_ANSWER_BYTES_MAX = 1 << 26
_CHUNK_BYTES = 1 << 16


@contextlib.asynccontextmanager
async def serving(server: SimulationServer, path: Path) -> AsyncIterator[None]:
    """Listen at the path as long as the context lasts.

    Raises
    ------
    ConfigError
        If there is something at the path already or it cannot be made.
    """
    connections: set[asyncio.StreamWriter] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(writer)
        with contextlib.suppress(ConnectionError, ValueError):
            async for line in reader:
                answer = json.dumps(answered(server, line), separators=(",", ":"))
                writer.write(answer.encode() + b"\n")
                await writer.drain()
        connections.discard(writer)
        writer.close()

    try:
        listener = await asyncio.start_unix_server(converse, path)
    except OSError as error:
        cause = error.strerror or str(error)
        raise ConfigError(f"--control {path}: cannot listen: {cause}") from None
    try:
        yield
    finally:
        listener.close()
        for writer in connections:
            writer.close()
        _remove(path)


def _remove(path: Path) -> None:
    """Take the socket's name away; one that is gone already is no error."""
    path.unlink(missing_ok=True)


def answered(server: SimulationServer, line: bytes) -> dict[str, object]:
    """Do what one line asks for and return the answer."""
    try:
        request = json.loads(line)
    except ValueError:
        return _refused("not JSON")
    if not isinstance(request, dict):
        return _refused("not a JSON object")
    op = request.pop("op", None)
    if op == "status" and not request:
        return {"ok": True, "devices": server.status()}
    if op not in {"fault", "clear"}:
        return _refused("op: use status, fault or clear")
    return _switched(server, request, op=op)


def ask(path: Path, request: Mapping[str, object]) -> dict[str, object]:
    """Send one request to a simulator's control socket and wait for the answer.

    Raises
    ------
    OSError
        If nobody answers within :data:`ASK_TIMEOUT_S`.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ASK_TIMEOUT_S)
        connection.connect(str(path))
        connection.sendall(json.dumps(dict(request)).encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n") and len(answer) < _ANSWER_BYTES_MAX:
            part = connection.recv(_CHUNK_BYTES)
            if not part:
                break
            answer += part
    decoded = json.loads(answer)
    assert isinstance(decoded, dict), "the simulator answers with an object"
    return decoded


def _switched(
    server: SimulationServer, request: dict[str, object], *, op: str
) -> dict[str, object]:
    """Switch a fault on or off."""
    try:
        event = FaultEvent.model_validate({"at_s": 0.0, **request})
    except ValidationError as error:
        return _refused(first_cause(error))
    if event.device not in server.devices:
        return _refused(f"device: no device {event.device!r} (use site/device)")
    if op == "clear":
        server.switch_off(event.device, FaultKind(event.fault))
    else:
        server.switch_on(event.device, fault_of(event))
    return {"ok": True}


def _refused(cause: str) -> dict[str, object]:
    return {"ok": False, "error": cause}
