"""What is looked at before a connection is opened: the id in the path, the password."""

import base64
import binascii
import hmac
from typing import Final
from urllib.parse import unquote, urlsplit

ID_CHARACTERS: Final = 48
_NOT_IN_IDS: Final = frozenset(' :"\\')


def identity_of(path: str) -> str | None:
    """Charge point id at the end of a path; None if there is none that can be configured."""
    last = unquote(urlsplit(path).path).rstrip("/").rpartition("/")[2]
    fits = 0 < len(last) <= ID_CHARACTERS and last.isascii() and last.isprintable()
    return last if fits and not set(last) & _NOT_IN_IDS else None


def presents(authorization: str, identity: str, password: str | None) -> bool:
    """Whether a charger presents the site's password.

    Parameters
    ----------
    authorization : str
        Header of its request; empty if it sent none.
    identity : str
        Its id, which is also its user name.
    password : str or None
        What is asked for; None: nothing.
    """
    if password is None:
        return True
    scheme, _, credentials = authorization.partition(" ")
    try:
        presented = base64.b64decode(credentials, validate=True)
    except (binascii.Error, ValueError):
        return False
    expected = f"{identity}:{password}".encode()
    return scheme.lower() == "basic" and hmac.compare_digest(presented, expected)
