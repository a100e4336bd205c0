"""Sections of the servers that devices of the site call: IEEE 2030.5 and OpenADR."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFiles:
    """PEM files of a server that asks its callers for certificates.

    Attributes
    ----------
    certificate, key : Path
        Its own.
    authorities : Path
        Certificates that a caller's must lead to: the root and the intermediate ones.
    """

    certificate: Path
    key: Path
    authorities: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class PageConfig:
    """The gateway's own page for people at the site.

    Attributes
    ----------
    address : str
        IPv4 address it listens at.
    port : int
        TCP port.
    pin_file : Path
        Holds the PIN that each action asks for; nobody but its owner may read it.
    certificate, key : Path or None
        PEM files; needed for any address but the gateway's own loopback.
    """

    address: str
    port: int
    pin_file: Path
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ieee2030_5ServerConfig:  # noqa: N801 - the standard's own number
    """The gateway's own server that inverters and batteries call.

    Attributes
    ----------
    address : str
        IPv4 address it listens at.
    port : int
        TCP port.
    tls : ServerFiles
        Who it is and whom it trusts; who of these may call are the devices configured.
    pin : int or None
        With its check digit, as on the wire: what the devices are shown as their registration.
    csip_aus : bool
        Whether the extension of CSIP-AUS is spoken; strict older clients fail on it.
    """

    address: str
    port: int
    tls: ServerFiles
    pin: int | None
    csip_aus: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAdrVtnConfig:
    """The gateway's own VTN that demand-response devices of the building call.

    Attributes
    ----------
    address : str
        IPv4 address it listens at.
    port : int
        TCP port.
    vtn_id : str
        How it names itself.
    tls : ServerFiles or None
        None: plain HTTP, and then nothing but a name tells one device from another.
    signs : bool
        Whether messages are signed, and must be.
    """

    address: str
    port: int
    vtn_id: str
    tls: ServerFiles | None
    signs: bool
