"""What a client is told about itself and its server."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """Settings of one client.

    Attributes
    ----------
    origin : str
        Scheme and authority of the server, e.g. ``https://utility.example:8443``.
    device_capability : str
        Path of the first page; the only one that is not a link.
    lfdi : str
        Our own, 40 upper-case hexadecimal digits.
    pin : int or None
        With its check digit, as on the wire; compared with the registration. None: not compared.
    registers : bool
        Whether we register ourselves where the server does not know us.
    enterprise_number : int
        IANA PEN in what we name.
    device_category : int
        Bit map of our kind of device.
    csipaus : bool
        Whether the Australian extension is written.
    notification_uri : str
        Where the server may tell us changes, "" where it may not.
    poll_floor_s, poll_ceiling_s : float
        Bounds of the server's poll and post rates.
    post_rate_s : float
        Where the server says none.
    gradient_percent_per_s : float
        setGradW of the site.
    """

    origin: str
    device_capability: str
    lfdi: str
    pin: int | None = None
    registers: bool = True
    enterprise_number: int = 0
    device_category: int = 0
    csipaus: bool = False
    notification_uri: str = ""
    poll_floor_s: float = 5.0
    poll_ceiling_s: float = 86_400.0
    post_rate_s: float = 300.0
    gradient_percent_per_s: float = 100.0
