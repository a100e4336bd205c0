"""Typed identifiers and the partition rule.

Called by every package. Identifiers are plain strings or integers at run time.
"""

import re
import zlib
from typing import Final, NewType

from protocols.vocabulary.errors import ConfigError

SiteId = NewType("SiteId", str)
ResourceId = NewType("ResourceId", str)
PointId = NewType("PointId", str)
ObligationId = NewType("ObligationId", str)
ZoneId = NewType("ZoneId", str)
JournalId = NewType("JournalId", str)
SignalId = NewType("SignalId", int)
ModelId = NewType("ModelId", str)

PARTITIONS: Final = 64
NO_SIGNAL: Final = SignalId(0)
"""The signal id of a site that has not applied any dispatch signal."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?\Z")


def partition_of(site_id: SiteId) -> int:
    """Partition of a site, fixed at enrolment: crc32 of its id modulo 64.

    Parameters
    ----------
    site_id : SiteId
        Lower-case site id.

    Returns
    -------
    int
        0..63.
    """
    return zlib.crc32(site_id.encode("ascii")) % PARTITIONS


def checked_name(value: str, what: str) -> str:
    """Return the name if it can be a topic level, a file name and a certificate name.

    Parameters
    ----------
    value : str
        Candidate, 1..64 characters of ``[a-z0-9-]``, no hyphen at either end.
    what : str
        The word for it in the error, for example ``"site id"``.

    Raises
    ------
    ConfigError
        If the name does not fit.
    """
    if _NAME.match(value) is None:
        message = (
            f"{what} {value!r}: use 1 to 64 of a-z, 0-9 and '-', "
            "beginning and ending with a letter or digit"
        )
        raise ConfigError(message)
    return value
