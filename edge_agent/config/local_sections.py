"""Checks ``[ieee2030_5_server]`` and ``[openadr_vtn]``: servers that devices of the site call.

Called by the loader. Files of certificates are only looked for here: the driver reads them.
"""

from pathlib import Path

from edge_agent.config.addresses import node_address
from edge_agent.config.devices import at
from edge_agent.config.local_servers import (
    Ieee2030_5ServerConfig,
    OpenAdrVtnConfig,
    PageConfig,
    ServerFiles,
)
from edge_agent.config.northbound_sections import checked_pin
from edge_agent.config.schema import Ieee2030_5ServerSection, OpenAdrVtnSection, PageSection
from protocols.vocabulary.errors import ConfigError


def ieee2030_5_server(
    section: Ieee2030_5ServerSection | None, folder: Path
) -> Ieee2030_5ServerConfig | None:
    """Check ``[ieee2030_5_server]``.

    Raises
    ------
    ConfigError
        ``ieee2030_5_server.<key>: <cause>`` for the first thing that is wrong.
    """
    if section is None:
        return None
    name = "ieee2030_5_server"
    files = {"certificate": section.certificate, "key": section.key, "ca": section.ca}
    return Ieee2030_5ServerConfig(
        address=at(f"{name}.address", lambda: node_address(section.address)),
        port=section.port,
        tls=_files(name, files, folder),
        pin=at(f"{name}.pin", lambda: checked_pin(section.pin)),
        csip_aus=section.csip_aus,
    )


def openadr_vtn(section: OpenAdrVtnSection | None, folder: Path) -> OpenAdrVtnConfig | None:
    """Check ``[openadr_vtn]``; raises as :func:`ieee2030_5_server`."""
    if section is None:
        return None
    name = "openadr_vtn"
    written = {"certificate": section.certificate, "key": section.key, "ca": section.ca}
    files = {key: text for key, text in written.items() if text is not None}
    missing = [key for key, text in written.items() if text is None]
    if files and missing:
        raise ConfigError(f"{name}.{missing[0]}: is missing; TLS needs certificate, key and ca")
    if section.signed and not files:
        raise ConfigError(f"{name}.signed: signing needs certificate, key and ca")
    return OpenAdrVtnConfig(
        address=at(f"{name}.address", lambda: node_address(section.address)),
        port=section.port,
        vtn_id=section.vtn_id,
        tls=_files(name, files, folder) if files else None,
        signs=section.signed,
    )


def page(section: PageSection | None, folder: Path) -> PageConfig | None:
    """Check ``[page]``; raises as :func:`ieee2030_5_server`."""
    if section is None:
        return None
    if (section.certificate is None) != (section.key is None):
        raise ConfigError("page.key: TLS needs certificate and key, both or neither")
    address = at("page.address", lambda: node_address(section.address))
    if section.certificate is None and not address.startswith("127."):
        raise ConfigError(f"page.certificate: is missing; {address} is not the gateway itself")
    return PageConfig(
        address=address,
        port=section.port,
        pin_file=folder / section.pin_file,
        certificate=None if section.certificate is None else folder / section.certificate,
        key=None if section.key is None else folder / section.key,
    )


def _files(name: str, written: dict[str, str], folder: Path) -> ServerFiles:
    for key, text in written.items():
        if not (folder / text).is_file():
            raise ConfigError(f"{name}.{key}: {text!r} is not a file in {folder}")
    return ServerFiles(
        certificate=folder / written["certificate"],
        key=folder / written["key"],
        authorities=folder / written["ca"],
    )
