"""Checks the sections of northbound clients, ``[ieee2030_5_client]`` and ``[openadr_ven]``.

Called by the loader. Files of certificates are only looked for here: the client reads them.
"""

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from edge_agent.config.addresses import node_address
from edge_agent.config.devices import at
from edge_agent.config.northbound import (
    Ieee2030_5ClientConfig,
    Listener,
    OpenAdrVenConfig,
    TlsFiles,
)
from edge_agent.config.schema import Ieee2030_5ClientSection, OpenAdrVenSection
from protocols.vocabulary.errors import ConfigError

PIN_DIGITS_MAX: Final = 6
_TEN: Final = 10


def ieee2030_5_client(
    section: Ieee2030_5ClientSection | None, folder: Path
) -> Ieee2030_5ClientConfig | None:
    """Check ``[ieee2030_5_client]``.

    Raises
    ------
    ConfigError
        ``ieee2030_5_client.<key>: <cause>`` for the first thing that is wrong.
    """
    if section is None:
        return None
    name = "ieee2030_5_client"
    return Ieee2030_5ClientConfig(
        url=at(f"{name}.url", lambda: _url(section.url)),
        tls=_tls(name, section, folder),
        pin=at(f"{name}.pin", lambda: checked_pin(section.pin)),
        registers=section.registers,
        csip_aus=section.csip_aus,
        poll_s_min=section.poll_s_min,
        listener=_listener(name, section),
    )


def openadr_ven(section: OpenAdrVenSection | None, folder: Path) -> OpenAdrVenConfig | None:
    """Check ``[openadr_ven]``; raises as :func:`ieee2030_5_client`."""
    if section is None:
        return None
    name = "openadr_ven"
    tls = _tls(name, section, folder)
    if section.signed and tls is None:
        raise ConfigError(f"{name}.signed: signing needs certificate, key and ca")
    signals = None if section.signals is None else folder / section.signals
    if signals is not None and not signals.is_file():
        raise ConfigError(f"{name}.signals: {section.signals!r} is not a file in {folder}")
    return OpenAdrVenConfig(
        url=at(f"{name}.url", lambda: _url(section.url)).rstrip("/"),
        ven_name=section.ven_name,
        vtn_id=section.vtn_id,
        tls=tls,
        signs=section.signed,
        vtn_fingerprint=section.vtn_fingerprint,
        listener=_listener(name, section),
        poll_s=section.poll_s,
        market_contexts=tuple(section.market_contexts),
        signals=signals,
        acts_on_tests=section.acts_on_tests,
    )


def _url(text: str) -> str:
    cause = f"{text!r} is not an address like https://utility.example:8443/path"
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


def _tls(
    name: str, section: Ieee2030_5ClientSection | OpenAdrVenSection, folder: Path
) -> TlsFiles | None:
    """Certificate, key and authorities: all three with https, none with http."""
    written = {"certificate": section.certificate, "key": section.key, "ca": section.ca}
    secure = section.url.startswith("https:")
    for key, text in written.items():
        if secure and text is None:
            raise ConfigError(f"{name}.{key}: is missing; https needs certificate, key and ca")
        if not secure and text is not None:
            raise ConfigError(f"{name}.{key}: is of no use with an http url; write https")
        if text is not None and not (folder / text).is_file():
            raise ConfigError(f"{name}.{key}: {text!r} is not a file in {folder}")
    if section.certificate is None or section.key is None or section.ca is None:
        return None
    return TlsFiles(
        certificate=folder / section.certificate,
        key=folder / section.key,
        authorities=folder / section.ca,
    )


def _listener(name: str, section: Ieee2030_5ClientSection | OpenAdrVenSection) -> Listener | None:
    """Address, port and url of our own listener: all three or none."""
    address, port, url = section.listen_address, section.listen_port, section.listen_url
    if address is None and port is None and url is None:
        return None
    for key, value in (("listen_address", address), ("listen_port", port), ("listen_url", url)):
        if value is None:
            raise ConfigError(f"{name}.{key}: is missing; a listener needs address, port and url")
    assert address is not None, "checked above"
    assert port is not None, "checked above"
    assert url is not None, "checked above"
    return Listener(
        address=at(f"{name}.listen_address", lambda: node_address(address)),
        port=port,
        url=at(f"{name}.listen_url", lambda: _url(url)),
    )


def checked_pin(pin: int | None) -> int | None:
    """Check the last digit: the sum of all digits is a multiple of ten."""
    if pin is None:
        return None
    digits = [int(digit) for digit in str(pin)]
    if len(digits) > PIN_DIGITS_MAX or sum(digits) % _TEN:
        raise ConfigError(f"{pin} is not a PIN of up to five digits and its check digit")
    return pin
