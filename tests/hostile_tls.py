"""Servers whose TLS is not what it should be, for tests of our clients."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

from tests.pki import Holder, Pki

PAST = datetime(2021, 1, 1, tzinfo=UTC)


class HostileServers:
    """One authority that is trusted, its good server, and everything wrong beside it.

    The one with another fingerprint is wrong only for a client that has pinned the good one.

    Parameters
    ----------
    folder : Path
        Where certificates go.
    host : str
        Address of the good server.
    """

    def __init__(self, folder: Path, host: str) -> None:
        self.pki = Pki(folder / "trusted")
        self.holder = self.pki.server(host, name="good")
        strangers = Pki(folder / "strangers")
        self.good = _context(self.holder)
        self.wrong = {
            "wrong chain": _context(strangers.server(host)),
            "expired": _context(self.pki.server(host, name="old", until=PAST)),
            "other name": _context(self.pki.server("127.1.2.3", "other.example", name="other")),
            "other fingerprint": _context(self.pki.server(host, name="second")),
            "downgraded": _old(self.holder),
        }


def _context(holder: Holder) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(holder.certificate, holder.key)
    return context


def _old(holder: Holder) -> ssl.SSLContext:
    """TLS 1.2 without forward secrecy: what an attacker in the middle would like to speak."""
    context = _context(holder)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-NULL-SHA:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")
    return context
