"""The file that describes one VEN of the coordinator (``--openadr-ven FILE``), in TOML.

Everything a person can get wrong is told in one line with the file, the key and the cause,
before anything is started.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cloud_coordinator.gateway.keys import Keys, listen_address, read_toml, tls_files
from cloud_coordinator.gateway.openadr.tls import signatory_of
from cloud_coordinator.gateway.openadr_ven.plan import Profile
from cloud_coordinator.gateway.openadr_ven.tls import call_context, trust
from cloud_coordinator.gateway.tls import TlsFiles
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import ZoneId, checked_name

FRAMES: Final = {"load": -1.0, "generator": 1.0}
"""Factor from a peer's sign to ours, by the word in the file."""
SIGNALS_DEFAULT: Final = ("LOAD_DISPATCH.delta",)
NAME_MAX: Final = 60
_POLL_S: Final = (1.0, 86_400.0)
_FINGERPRINT: Final = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){9}\Z")
_SIGNAL: Final = re.compile(r"[A-Za-z_]+\.[A-Za-z-]+\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Where the VTN may call us.

    Attributes
    ----------
    host, port : str, int
        Ours.
    url : str
        What the VTN is told to call: our address as it sees it.
    """

    host: str
    port: int
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VenFile:
    """One VEN as a person wrote it.

    Attributes
    ----------
    name : str
        Of its records; the file's name without its ending.
    url : str
        Of the VTN, up to and with ``/OpenADR2/Simple/2.0b``.
    ven_name : str
        As it is registered.
    vtn_id : str or None
        The only VTN that is listened to; None: the one that answers first, kept.
    zone : ZoneId
        Whose awards it commands, and whose delivery it is told.
    profile : Profile
        How its signals are read.
    tls : TlsFiles or None
        None only for an ``http`` url.
    signed : bool
        Whether messages are signed, and must be.
    vtn_fingerprint : str or None
        Of the VTN's certificate; None: any that the authorities sign, with the url's host name.
    listener : Listener or None
        For push; None: the VEN polls.
    poll_s : float
        Between polls until the VTN says, s.
    market_contexts, resource_ids : tuple of str
        Programmes taken part in (empty: any), and names of us that an event's target may use.
    acts_on_tests : bool
        Whether events that say they are tests are carried out, too.
    """

    name: str
    url: str
    ven_name: str
    vtn_id: str | None
    zone: ZoneId
    profile: Profile
    tls: TlsFiles | None
    signed: bool
    vtn_fingerprint: str | None
    listener: Listener | None
    poll_s: float
    market_contexts: tuple[str, ...]
    resource_ids: tuple[str, ...]
    acts_on_tests: bool


def read_ven_files(paths: Sequence[Path]) -> tuple[VenFile, ...]:
    """Read and check files; no two may have one name, for their records would be one.

    Raises
    ------
    ConfigError
        ``<file>: <key>: <cause>`` for the first thing that is wrong.
    """
    files = tuple(_read(path) for path in paths)
    names = [file.name for file in files]
    for path, name in zip(paths, names, strict=True):
        if names.count(name) > 1:
            raise ConfigError(f"--openadr-ven {path}: name: {name!r} is another file's, too")
    return files


def _read(path: Path) -> VenFile:
    """Read and check a file.

    Raises
    ------
    ConfigError
        ``<file>: <key>: <cause>`` for the first thing that is wrong.
    """
    keys = read_toml(path, "--openadr-ven")
    url = keys.checked("url", _url, text=keys.text("url"))
    tls = _tls(keys, path.parent, secure=url.startswith("https:"))
    read = VenFile(
        name=keys.checked("name", _name, text=keys.text("name", path.stem)),
        url=url.rstrip("/"),
        ven_name=keys.text("ven_name"),
        vtn_id=keys.text("vtn_id", "") or None,
        zone=ZoneId(keys.checked("zone", _zone, text=keys.text("zone"))),
        profile=_profile(keys),
        tls=tls,
        signed=_signed(keys, tls),
        vtn_fingerprint=keys.checked("vtn_fingerprint", _fingerprint, text=_pin(keys)) or None,
        listener=_listener(keys),
        poll_s=_poll(keys),
        market_contexts=keys.texts("market_contexts"),
        resource_ids=keys.texts("resource_ids"),
        acts_on_tests=keys.flag("acts_on_tests"),
    )
    keys.refuse_others()
    return read


def _url(text: str) -> str:
    cause = f"{text!r} is not an address like https://vtn.example:8443/OpenADR2/Simple/2.0b"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ConfigError(cause) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ConfigError(cause)
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigError(f"{cause}, without user, query or fragment")
    return text


def _name(text: str) -> str:
    if not 0 < len(text) <= NAME_MAX:
        raise ConfigError(f"use 1 to {NAME_MAX} characters")
    return text


def _zone(text: str) -> str:
    return checked_name(text, "zone")


def _pin(keys: Keys) -> str:
    return keys.text("vtn_fingerprint", "").upper()


def _fingerprint(text: str) -> str:
    if text and _FINGERPRINT.match(text) is None:
        raise ConfigError("use ten bytes like AB:CD:...")
    return text


def _profile(keys: Keys) -> Profile:
    frame = keys.text("frame", "load")
    if frame not in FRAMES:
        raise keys.fault("frame", f"{frame!r}: use {' or '.join(FRAMES)}")
    signals = keys.texts("signals", SIGNALS_DEFAULT)
    for one in signals:
        if _SIGNAL.match(one) is None:
            raise keys.fault("signals", f"{one!r}: use signalName.signalType")
    if not signals:
        raise keys.fault("signals", "name at least one")
    return Profile(signals=signals, factor=FRAMES[frame])


def _tls(keys: Keys, folder: Path, *, secure: bool) -> TlsFiles | None:
    """Certificate, key and authorities: all three with https, none with http."""
    files = tls_files(keys, folder)
    if files is None and secure:
        raise keys.fault("certificate", "is missing; https needs certificate, key and ca")
    if files is not None and not secure:
        raise keys.fault("certificate", "is of no use with an http url; write https")
    if files is None:
        return None
    try:
        call_context(files, None)
        signatory_of(files)
        trust(files, None)
    except ConfigError as error:
        raise keys.fault("certificate, key, ca", str(error)) from error
    return files


def _signed(keys: Keys, tls: TlsFiles | None) -> bool:
    signed = keys.flag("signed")
    if signed and tls is None:
        raise keys.fault("signed", "signing needs certificate, key and ca")
    return signed


def _listener(keys: Keys) -> Listener | None:
    """Take where we listen and what the VTN is told: both or neither."""
    listen, url = keys.text("listen", ""), keys.text("listen_url", "")
    if not listen and not url:
        return None
    if not listen or not url:
        missing = "listen_url" if listen else "listen"
        raise keys.fault(missing, "is missing; a listener needs listen and listen_url")
    host, port = listen_address(keys, "listen", listen)
    return Listener(host=host, port=port, url=keys.checked("listen_url", _url, text=url))


def _poll(keys: Keys) -> float:
    poll_s, (least, most) = keys.number("poll_s", 30.0), _POLL_S
    if not least <= poll_s <= most:
        raise keys.fault("poll_s", f"use {least:g} to {most:g} seconds")
    return poll_s
