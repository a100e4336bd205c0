"""Sections of northbound clients: the utility's IEEE 2030.5 server and the OpenADR VTN."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files of one client.

    Attributes
    ----------
    certificate, key : Path
        Its own; the certificate is its identity.
    authorities : Path
        Certificates that the server's must lead to.
    """

    certificate: Path
    key: Path
    authorities: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Where a peer may call us.

    Attributes
    ----------
    address : str
        IPv4 address of the gateway.
    port : int
        TCP port.
    url : str
        What the peer is told to call: the address as it sees it.
    """

    address: str
    port: int
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ieee2030_5ClientConfig:  # noqa: N801 - the standard's own number
    """The client toward a utility's server.

    Attributes
    ----------
    url : str
        Of the DeviceCapability; everything else is found by links.
    tls : TlsFiles or None
        None only for an ``http`` url.
    pin : int or None
        With its check digit, as on the wire; None: any registration is taken.
    registers : bool
        Whether the EndDevice is posted where the server has none of ours.
    csip_aus : bool
        Whether the extension of CSIP-AUS is spoken.
    poll_s_min : float
        Never asked more often than this, s.
    listener : Listener or None
        For notifications; None: the client polls alone.
    """

    url: str
    tls: TlsFiles | None
    pin: int | None
    registers: bool
    csip_aus: bool
    poll_s_min: float
    listener: Listener | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAdrVenConfig:
    """The VEN of the site.

    Attributes
    ----------
    url : str
        Of the VTN, up to and with ``/OpenADR2/Simple/2.0b``.
    ven_name : str
        As it is registered.
    vtn_id : str or None
        The only VTN that is listened to; None: the one that answers first, kept.
    tls : TlsFiles or None
        None only for an ``http`` url.
    signs : bool
        Whether messages are signed, and must be.
    vtn_fingerprint : str or None
        Of the VTN's certificate, ten bytes as ``AB:CD:...``; None: any that the authorities sign.
    listener : Listener or None
        For push; None: the VEN polls.
    poll_s : float or None
        Between polls until the VTN says, s.
    market_contexts : tuple of str
        Programmes taken part in; empty: any.
    signals : Path or None
        The site's own file of signals, replacing the package's entries.
    acts_on_tests : bool
        Whether events that say they are tests are carried out, too.
    """

    url: str
    ven_name: str
    vtn_id: str | None
    tls: TlsFiles | None
    signs: bool
    vtn_fingerprint: str | None
    listener: Listener | None
    poll_s: float | None
    market_contexts: tuple[str, ...]
    signals: Path | None
    acts_on_tests: bool = False
