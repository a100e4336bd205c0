"""``edge-agent page``: the gateway's own page for people at the site; needs no network.

A process of its own beside the agent: whatever is done to it, the cycle does not feel it. It
reads the journal and gives orders through the same door as the command line. Each action asks
for the PIN, so that there is no session to steal; after some wrong ones it waits.
"""

import asyncio
import hmac
import math
import ssl
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import structlog
import typer
from aiohttp import web

from edge_agent.config.loader import load_config
from edge_agent.config.local_servers import PageConfig
from edge_agent.config.site import SiteConfig
from edge_agent.cycle.hand import HandKind
from edge_agent.journal.reader import JournalReader
from edge_agent.technician.hand import Wish, hand_memory, order_of_agent
from edge_agent.technician.page_words import (
    WORDS,
    answer_body,
    document,
    front_body,
    state_body,
)
from edge_agent.technician.status import status_of
from protocols.vocabulary.errors import ConfigError, VppError
from protocols.vocabulary.intervals import Clock
from protocols.vocabulary.resource import ResourceKind

PIN_LEAST: Final = 6
WRONG_MAX: Final = 5
LOCKED_S: Final = 60.0
BODY_BYTES_MAX: Final = 4096
STATE_EVERY_S: Final = 2
LOOK_S: Final = 5.0
"""Pause between two looks whether the certificate is another one."""
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; form-action 'self';"
        " frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_OPEN_TO_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO

log = structlog.get_logger()


@dataclass(slots=True)
class PinGuard:
    """Compares PINs, and locks for a minute after some wrong ones.

    Attributes
    ----------
    pin : str
        The right one.
    wrong : int
        Wrong ones in a row.
    locked_until_ns : int
        Monotonic time.
    """

    pin: str
    wrong: int = 0
    locked_until_ns: int = 0

    def refusal(self, given: str, now_ns: int) -> str:
        """Say why a PIN is not taken: a key of the page's words, or nothing."""
        if now_ns < self.locked_until_ns:
            return "locked"
        if hmac.compare_digest(given.encode(), self.pin.encode()):
            self.wrong = 0
            return ""
        self.wrong += 1
        if self.wrong >= WRONG_MAX:
            self.wrong, self.locked_until_ns = 0, now_ns + round(LOCKED_S * 1e9)
        return "wrong_pin"


class Page:
    """The three pages and the three actions.

    Parameters
    ----------
    site : SiteConfig
        The site.
    guard : PinGuard
        Asked at every action.
    clock : Clock
        Time.
    """

    def __init__(self, site: SiteConfig, guard: PinGuard, clock: Clock) -> None:
        self._site = site
        self._guard = guard
        self._clock = clock

    def application(self) -> web.Application:
        """Make the web application."""
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_get("/", self._front)
        app.router.add_get("/state", self._state)
        for kind in HandKind:
            app.router.add_post(f"/{kind.value}", self._act)
        return app

    async def _front(self, request: web.Request) -> web.Response:
        language = _language(request)
        devices = [
            device.device_id
            for device in self._site.devices
            if device.kind is not ResourceKind.METER
        ]
        return _page(document(language, front_body(language, self._site.site_id, devices)))

    async def _state(self, request: web.Request) -> web.Response:
        language = _language(request)
        try:
            body = await asyncio.to_thread(self._read, language)
        except VppError as error:
            body = answer_body(language, str(error))
        return _page(document(language, body, refresh_s=STATE_EVERY_S))

    def _read(self, language: str) -> str:
        reader = JournalReader(self._site.journal_path)
        try:
            status = status_of(self._site, reader, self._clock.now())
            return state_body(language, status, hand_memory(reader))
        finally:
            reader.close()

    async def _act(self, request: web.Request) -> web.Response:
        language, kind = _language(request), HandKind(request.path.strip("/"))
        form = {name: str(value) for name, value in (await request.post()).items()}
        refused = self._guard.refusal(form.get("pin", ""), self._clock.monotonic_ns())
        if refused:
            log.warning("page.refused", cause=refused, remote=request.remote)
            body = answer_body(language, WORDS[language][refused])
            return _page(document(language, body), status=403)
        try:
            found = await order_of_agent(self._site, wish_of(kind, form), self._clock)
        except VppError as error:
            return _page(document(language, answer_body(language, str(error))), status=422)
        status = 200 if found.is_done else 422
        return _page(document(language, answer_body(language, found.refused)), status=status)


def wish_of(kind: HandKind, form: Mapping[str, str]) -> Wish:
    """Read a form.

    Raises
    ------
    ConfigError
        If a field is no number.
    """
    acts = kind is HandKind.OVERRIDE
    return Wish(
        kind=kind,
        by=form.get("by", "").strip(),
        reason=form.get("reason", "").strip(),
        device_id=form.get("device", ""),
        power_w=_number("power_w", form) if acts else None,
        minutes=_number("minutes", form) if acts else 0.0,
    )


def _number(name: str, form: Mapping[str, str]) -> float:
    try:
        value = float(form.get(name, ""))
    except ValueError as error:
        raise ConfigError(f"{name}: is not a number") from error
    if not math.isfinite(value) or abs(value) > 1e9:  # noqa: PLR2004 - no site has a gigawatt
        raise ConfigError(f"{name}: is not a number")
    return value


def read_pin(path: Path) -> str:
    """Read the PIN.

    Raises
    ------
    ConfigError
        If it cannot be read, is too short, or others may read the file.
    """
    try:
        mode, pin = path.stat().st_mode, path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"page.pin_file: {path}: cannot be read") from error
    if mode & _OPEN_TO_OTHERS:
        raise ConfigError(f"page.pin_file: {path}: others may read it; chmod 600")
    if len(pin) < PIN_LEAST:
        raise ConfigError(f"page.pin_file: {path}: the PIN has fewer than {PIN_LEAST} characters")
    return pin


def _tls(config: PageConfig) -> ssl.SSLContext | None:
    if config.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    _show(context, config)
    return context


def _show(context: ssl.SSLContext, config: PageConfig) -> None:
    assert config.certificate is not None, "a context is made where there is a certificate"
    try:
        context.load_cert_chain(config.certificate, config.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"page.certificate: {config.certificate}: {error}") from error


async def _keep_certificate(config: PageConfig, context: ssl.SSLContext | None) -> None:
    """Show a new certificate to new connections as soon as it is there; never returns."""
    seen = _stamp(config)
    while True:
        await asyncio.sleep(LOOK_S)
        stamp = _stamp(config)
        if context is None or stamp == seen:
            continue
        try:
            _show(context, config)
        except ConfigError as error:
            log.warning("page.certificate_unusable", cause=str(error))
        else:
            seen = stamp


def _stamp(config: PageConfig) -> tuple[int, ...]:
    paths = [path for path in (config.certificate, config.key) if path is not None]
    try:
        return tuple(path.stat().st_mtime_ns for path in paths)
    except OSError:
        return ()


async def serve_page(site: SiteConfig, clock: Clock) -> None:
    """Serve until cancelled.

    Raises
    ------
    ConfigError
        If the site has no page, or it cannot be opened.
    """
    if site.page is None:
        raise ConfigError('page: is missing; write [page] with pin_file = "page.pin"')
    guard = PinGuard(pin=read_pin(site.page.pin_file))
    tls = _tls(site.page)
    runner = web.AppRunner(Page(site, guard, clock).application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, site.page.address, site.page.port, ssl_context=tls).start()
        where = f"{'http' if tls is None else 'https'}://{site.page.address}:{site.page.port}/"
        sys.stdout.write(f"{where}\n")
        sys.stdout.flush()
        await _keep_certificate(site.page, tls)
    except OSError as error:
        raise ConfigError(f"page.port: {site.page.port}: {error.strerror or error}") from error
    finally:
        await runner.cleanup()


def page_command(
    context: typer.Context,
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The site's TOML file. サイト設定ファイル。")
    ] = Path("site.toml"),
) -> None:
    """Serve the gateway's own page: state, why, override, release, safe (現地画面)."""
    clock: Clock | None = context.obj
    assert clock is not None, "run_app passes the clock in"
    asyncio.run(serve_page(load_config(config), clock))


def _language(request: web.Request) -> str:
    asked = request.query.get("lang") or request.headers.get("Accept-Language", "")[:2]
    return asked if asked in WORDS else "ja"


def _page(text: str, *, status: int = 200) -> web.Response:
    return web.Response(text=text, content_type="text/html", status=status, headers=_HEADERS)
