"""The operator's door: instructions as JSON over plain HTTP on an address of its own.

``{"event", "procedure", "type", "client": {"lfdi", "cert_lfdi", "pin", ...}, "parameters"}`` is
answered with ``{"result": "done" | "failed" | "skip", "reason"}``. Meant for this machine: off
it, and wherever a token is set, every request has to carry it.
"""

import hmac
import ipaddress
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, cast

import structlog
from aiohttp import web

from cloud_coordinator.gateway.ieee2030_5.desk import Desk
from cloud_coordinator.gateway.ieee2030_5.procedures import (
    Client,
    Instruction,
    Value,
    carry_out,
    known,
    start_over,
)
from protocols.ieee2030_5.identity import pin_on_wire
from protocols.sansio.records import Change
from protocols.vocabulary.errors import ConfigError, ProtocolError, StoreError

BODY_MAX: Final = 65_536
STOP_S: Final = 1.0
_PROCEDURE_KEY: Final = "procedure:"
_LFDI_DIGITS: Final = 40
_PIN_MAX: Final = 2**32 - 1
_PRINTED_MAX: Final = 99_999

_log = structlog.get_logger(__name__)


class Admin:
    """Takes instructions.

    Parameters
    ----------
    desk : Desk
        The server.
    procedures : Mapping
        Which procedure each client is in, as stored.
    token : str
        What requests carry as ``Authorization: Bearer``; "" for none.
    told : callable
        Returns once the subscribers have heard of it.
    """

    def __init__(
        self,
        desk: Desk,
        procedures: Mapping[str, str],
        *,
        token: str,
        told: Callable[[], Awaitable[None]],
    ) -> None:
        self._desk = desk
        self._told = told
        self._procedures = dict(procedures)
        self._token = token
        self._runner: web.ServerRunner | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen; returns the port.

        Raises
        ------
        ConfigError
            If the address cannot be had, or is not this machine's own and there is no token.
        """
        if not self._token and not _is_loopback(host):
            raise ConfigError(f"admin address {host}: needs a token, for others can reach it")
        self._runner = web.ServerRunner(
            web.Server(self._handle, access_log=None), shutdown_timeout=STOP_S
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise ConfigError(f"admin address {host}:{port}: {error.strerror}") from error
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        """Do one instruction."""
        carried = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._token and not hmac.compare_digest(carried.encode(), self._token.encode()):
            return _answer("failed", "token", status=401)
        if request.method != "POST" or request.content_type != "application/json":
            return _answer("failed", "POST application/json is wanted", status=405)
        try:
            body = await request.content.read(BODY_MAX + 1)
            word = await self._do(_object(body))
        except (ConfigError, ProtocolError, StoreError) as error:
            _log.warning("instruction.failed", cause=str(error))
            return _answer("failed", str(error))
        return _answer(*word)

    async def _do(self, asked: Mapping[str, object]) -> tuple[str, str]:
        procedure = _text(asked.get("procedure"))
        event = _text(asked.get("event")).removeprefix("admin_")
        word = _text(asked.get("type"))
        if not word:
            if event == "setup":
                await self._setup(procedure)
            return "done", ""
        if not known(word):
            return "skip", f"no instruction {word!r} here"
        order = Instruction(
            type=word,
            client=_client(asked.get("client")),
            parameters=_parameters(asked.get("parameters")),
        )
        await self._begin(order.client, procedure)
        await self._desk.do(lambda role, now: carry_out(role, now, order))
        await self._told()
        _log.info("instruction.done", type=word, procedure=procedure, lfdi=order.client.lfdi)
        return "done", ""

    async def _setup(self, procedure: str) -> None:
        """Let the procedure's clients start from nothing at their next instruction."""
        gone = [lfdi for lfdi, was in self._procedures.items() if was == procedure]
        for lfdi in gone:
            del self._procedures[lfdi]
        changes = [Change(key=_PROCEDURE_KEY + lfdi, value=None) for lfdi in gone]
        await self._desk.do(lambda _role, _now: None, *changes)

    async def _begin(self, client: Client, procedure: str) -> None:
        """Start from nothing if this is the client's first instruction of a procedure."""
        if not procedure or self._procedures.get(client.lfdi) == procedure:
            return
        self._procedures[client.lfdi] = procedure
        note = Change(key=_PROCEDURE_KEY + client.lfdi, value=procedure.encode())
        await self._desk.do(lambda role, _now: start_over(role, client), note)


def procedures_of(records: Mapping[str, bytes]) -> dict[str, str]:
    """Find which procedure each client is in, from stored records."""
    return {
        key.removeprefix(_PROCEDURE_KEY): value.decode()
        for key, value in records.items()
        if key.startswith(_PROCEDURE_KEY)
    }


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _answer(result: str, reason: str, *, status: int = 200) -> web.Response:
    return web.json_response({"result": result, "reason": reason}, status=status)


def _object(body: bytes) -> Mapping[str, object]:
    if len(body) > BODY_MAX:
        raise ConfigError(f"more than {BODY_MAX} bytes")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError("no JSON object")
    return cast("Mapping[str, object]", found)


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ConfigError(f"no text: {value!r}")
    return value


def _client(value: object) -> Client:
    """Read whom it is about."""
    if not isinstance(value, dict):
        raise ConfigError("client is missing")
    lfdi = _lfdi(value.get("lfdi"))
    certificate = value.get("cert_lfdi")
    return Client(
        lfdi=lfdi,
        certificate_lfdi=lfdi if certificate is None else _lfdi(certificate),
        pin=_pin(value.get("pin")),
    )


def _lfdi(value: object) -> str:
    text = _text(value).upper()
    if len(text) != _LFDI_DIGITS or set(text) - set("0123456789ABCDEF"):
        raise ConfigError(f"no LFDI: {text[:60]!r}")
    return text


def _pin(value: object) -> int | None:
    """Read a PIN: with its check digit; one of five digits without is given one."""
    if value is None:
        return None
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= _PIN_MAX:
        raise ConfigError("no PIN")
    return number if number > _PRINTED_MAX or _is_checked(number) else pin_on_wire(number)


def _is_checked(pin: int) -> bool:
    """Whether the last digit can be a check digit, by the standard or by the suite's sum."""
    total = sum(int(digit) for digit in str(pin // 10))
    return pin % 10 in {total % 10, -total % 10}


def _parameters(value: object) -> Mapping[str, Value]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError("parameters is no object")
    for name, given in value.items():
        if not isinstance(given, str | int | float | bool | None):
            raise ConfigError(f"parameter {name} is no plain value")
    return cast("Mapping[str, Value]", value)
