"""Files of servers toward aggregators: ``--openadr-vtn FILE`` and ``--ieee2030-5 FILE``, in TOML.

Everything a person can get wrong is told in one line with the file, the key and the cause,
before anything is started.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from cloud_coordinator.gateway.aggregators.by_ieee2030_5 import ClientTerms
from cloud_coordinator.gateway.aggregators.by_openadr import REPORT, VenTerms
from cloud_coordinator.gateway.aggregators.port import Terms
from cloud_coordinator.gateway.ieee2030_5.service import ServiceOptions
from cloud_coordinator.gateway.ieee2030_5.zone_time import zone_rules
from cloud_coordinator.gateway.keys import Keys, listen_address, read_toml, tls_files
from cloud_coordinator.gateway.openadr.tls import signatory_of, vtn_context
from cloud_coordinator.gateway.tls import TlsFiles, server_context
from protocols.ieee2030_5.server.settings import ServerSettings
from protocols.openadr.messages.elements import PowerAttributes
from protocols.openadr.vtn.settings import VtnSettings, WantedReport
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import SiteId, ZoneId, checked_name

VTN_OPTION: Final = "--openadr-vtn"
SERVER_OPTION: Final = "--ieee2030-5"
FRAMES: Final = {"load": -1.0, "generator": 1.0}
MISSED_POLLS: Final = 3
"""An aggregator is silent after so many intervals between its calls."""
VTN_ID_MAX: Final = 60
_FINGERPRINT: Final = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){9}\Z")
_LFDI: Final = re.compile(r"[0-9A-F]{40}\Z")
_DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedVen:
    """An aggregator behind a VTN; the fingerprint of its certificate is None without TLS."""

    terms: Terms
    ven: VenTerms
    fingerprint: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VtnFile:
    """One VTN as a person wrote it."""

    settings: VtnSettings
    host: str
    port: int
    tls: TlsFiles | None
    signed: bool
    aggregators: tuple[NamedVen, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedClient:
    """An aggregator behind the IEEE 2030.5 server; its PIN has its check digit."""

    terms: Terms
    client: ClientTerms
    pin: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFile:
    """The IEEE 2030.5 server as a person wrote it."""

    options: ServiceOptions
    aggregators: tuple[NamedClient, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFiles:
    """All servers toward aggregators."""

    vtns: tuple[VtnFile, ...] = ()
    ieee2030_5: ServerFile | None = None


NO_SERVERS: Final = ServerFiles()


def read_server_files(vtns: Sequence[Path], ieee2030_5: Path | None) -> ServerFiles:
    """Read and check files; no VTN and no site may be there twice.

    Raises
    ------
    ConfigError
        ``<option> <file>: <key>: <cause>`` for the first thing that is wrong.
    """
    files = ServerFiles(
        vtns=tuple(_vtn(path) for path in vtns),
        ieee2030_5=None if ieee2030_5 is None else _server(ieee2030_5),
    )
    _unique([file.settings.vtn_id for file in files.vtns], f"{VTN_OPTION}: vtn_id")
    server = () if files.ieee2030_5 is None else files.ieee2030_5.aggregators
    behind = [one.terms for file in files.vtns for one in file.aggregators]
    _unique([one.site_id for one in (*behind, *(one.terms for one in server))], "site_id")
    return files


def _vtn(path: Path) -> VtnFile:
    keys = read_toml(path, VTN_OPTION)
    vtn_id = keys.text("vtn_id")
    if len(vtn_id) > VTN_ID_MAX or vtn_id == vtn_id.lower():
        raise keys.fault("vtn_id", f"use at most {VTN_ID_MAX} characters, one of them a capital")
    host, port = listen_address(keys, "listen", keys.text("listen"))
    tls = tls_files(keys, path.parent)
    signed = keys.flag("signed")
    if signed and tls is None:
        raise keys.fault("signed", "signing needs certificate, key and ca")
    poll_s, reading_s = _seconds(keys, "poll_s", 10.0), _seconds(keys, "reading_s", 60.0)
    silent_s, secure = MISSED_POLLS * poll_s, tls is not None
    power = PowerAttributes(
        hertz=keys.number("grid_hz", 50.0), voltage=keys.number("grid_v", 200.0), ac=True
    )
    aggregators = tuple(
        _ven(one, power, secure=secure, silent_s=silent_s, reading_s=reading_s)
        for one in keys.sections("aggregator")
    )
    keys.refuse_others()
    if tls is not None:
        try:
            vtn_context(tls)
            signatory_of(tls)
        except ConfigError as error:
            raise keys.fault("certificate, key, ca", str(error)) from error
    length = timedelta(seconds=reading_s)
    return VtnFile(
        settings=VtnSettings(
            vtn_id=vtn_id,
            poll_interval=timedelta(seconds=poll_s),
            named_only=tls is not None,
            wanted_reports=(
                WantedReport(report_name=REPORT, granularity=length, report_back=length),
            ),
        ),
        host=host,
        port=port,
        tls=tls,
        signed=signed,
        aggregators=aggregators,
    )


def _ven(
    keys: Keys, power: PowerAttributes, *, secure: bool, silent_s: float, reading_s: float
) -> NamedVen:
    fingerprint = keys.text("fingerprint", "").upper() or None
    if (fingerprint is not None) is not secure:
        raise keys.fault("fingerprint", "is needed with TLS, and of no use without")
    if fingerprint is not None and _FINGERPRINT.match(fingerprint) is None:
        raise keys.fault("fingerprint", "use ten bytes like AB:CD:...")
    signal_type = keys.text("signal", "setpoint")
    if signal_type not in {"setpoint", "delta"}:
        raise keys.fault("signal", f"{signal_type!r}: use setpoint or delta")
    ven = VenTerms(
        ven=keys.text("ven"),
        signal_type=signal_type,
        factor=_frame(keys),
        points=keys.texts("points"),
        market_context=keys.text("market_context", "urn:vpp:programme"),
        reading_s=reading_s,
        silent_s=silent_s,
        power=power,
    )
    terms = _terms(keys, reading_s)
    keys.refuse_others()
    return NamedVen(terms=terms, ven=ven, fingerprint=fingerprint)


def _server(path: Path) -> ServerFile:
    keys = read_toml(path, SERVER_OPTION)
    host, port = listen_address(keys, "listen", keys.text("listen"))
    tls = tls_files(keys, path.parent)
    if tls is None:
        raise keys.fault("certificate", "is missing; certificate, key and ca are needed")
    poll_s, post_s = _seconds(keys, "poll_s", 60.0), _seconds(keys, "post_s", 60.0)
    try:
        server_context(tls)
        zone = zone_rules(keys.text("time_zone", "Asia/Tokyo"))
    except ConfigError as error:
        raise keys.fault("certificate, key, ca, time_zone", str(error)) from error
    options = ServiceOptions(
        host=host,
        port=port,
        tls=tls,
        server=ServerSettings(
            poll_rate_s=int(poll_s),
            post_rate_s=int(post_s),
            csip_aus=keys.flag("csip_aus"),
            open_registration=False,
            enterprise_number=int(keys.number("pen", 0.0)),
            zone=zone,
        ),
    )
    silent_s = MISSED_POLLS * max(poll_s, post_s)
    aggregators = tuple(
        _client(one, silent_s=silent_s, reading_s=post_s) for one in keys.sections("aggregator")
    )
    keys.refuse_others()
    return ServerFile(options=options, aggregators=aggregators)


def _client(keys: Keys, *, silent_s: float, reading_s: float) -> NamedClient:
    lfdi = keys.text("lfdi").upper()
    if _LFDI.match(lfdi) is None:
        raise keys.fault("lfdi", "use 40 hexadecimal digits")
    pin = int(keys.number("pin", -1.0))
    terms = _terms(keys, reading_s)
    client = ClientTerms(lfdi=lfdi, factor=_frame(keys), reading_s=reading_s, silent_s=silent_s)
    keys.refuse_others()
    return NamedClient(terms=terms, client=client, pin=None if pin < 0 else pin)


def _terms(keys: Keys, reading_s: float) -> Terms:
    up_w, down_w = _not_negative(keys, "up_w"), _not_negative(keys, "down_w")
    if up_w == down_w == 0.0:
        raise keys.fault("up_w", "is missing; say how far it can be called, in W")
    up, down = _prices(keys, "up_price"), _prices(keys, "down_price")
    if up[0] >= up[1]:
        raise keys.fault("up_price_last", "must be more than up_price_first")
    if down_w > 0.0 and not down[1] < down[0] < up[0]:
        raise keys.fault("down_price_last", "use last < first < up_price_first")
    return Terms(
        site_id=SiteId(keys.checked("site_id", _name, text=keys.text("site_id"))),
        zone=ZoneId(keys.checked("zone", _name, text=keys.text("zone"))),
        up_w=up_w,
        down_w=down_w,
        up_price=up,
        down_price=down,
        response_s=_seconds(keys, "response_s", 300.0),
        step_s=_seconds(keys, "step_s", 30.0),
        deadband_w=_not_negative(keys, "deadband_w"),
        reading_s=reading_s,
    )


def _prices(keys: Keys, key: str) -> tuple[float, float]:
    """Take two prices, JPY/kWh: of the first W and of the last."""
    default = 20.0 if key.startswith("up") else 10.0
    first = keys.number(f"{key}_first", default)
    return first, keys.number(f"{key}_last", first + (1.0 if key.startswith("up") else -1.0))


def _frame(keys: Keys) -> float:
    frame = keys.text("frame", "load")
    if frame not in FRAMES:
        raise keys.fault("frame", f"{frame!r}: use {' or '.join(FRAMES)}")
    return FRAMES[frame]


def _seconds(keys: Keys, key: str, default: float) -> float:
    seconds = keys.number(key, default)
    if not 1.0 <= seconds <= _DAY_S or seconds % 1.0:
        raise keys.fault(key, f"use whole seconds from 1 to {_DAY_S:.0f}")
    return seconds


def _not_negative(keys: Keys, key: str) -> float:
    value = keys.number(key, 0.0)
    if not 0.0 <= value < float("inf"):
        raise keys.fault(key, "use a number of W, not negative")
    return value


def _name(text: str) -> str:
    return checked_name(text, "name")


def _unique(names: Sequence[str], what: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{what}: {name!r} is there twice")
