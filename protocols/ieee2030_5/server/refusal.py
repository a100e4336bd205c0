"""How a server says no: an HTTP status and, in the body, the standard's reason."""

from typing import Final

from protocols.ieee2030_5.resources.elements import Error
from protocols.ieee2030_5.xml import MEDIA_TYPE, encode
from protocols.sansio.http import HttpReply
from protocols.vocabulary.errors import RemoteProtocolError

BAD_FORMAT: Final = 0
"""Reason: the request's format is invalid."""
BAD_VALUES: Final = 1
"""Reason: its values are invalid."""
RESOURCE_LIMIT: Final = 2
"""Reason: there is no room for it."""
NO_CONDITIONS: Final = 3
"""Reason: a conditional subscription is not supported for it."""


class RefusedError(RemoteProtocolError):
    """A request that is answered with an error; it never leaves the role.

    Parameters
    ----------
    status : int
        HTTP status, 400 to 499.
    why : str
        For the log; the peer is told the reason's code only.
    reason : int
        Code of the standard.
    allow : tuple of str
        Methods the resource has, for 405.
    """

    def __init__(
        self, status: int, why: str, *, reason: int = BAD_VALUES, allow: tuple[str, ...] = ()
    ) -> None:
        super().__init__(why)
        self.status = status
        self.why = why
        self.reason = reason
        self.allow = allow

    def reply(self) -> HttpReply:
        """Answer to the peer.

        Notes
        -----
        IEEE 2030.5-2018, 5.5.3 (status codes) and type Error.
        """
        headers = (("Allow", ", ".join(self.allow)),) if self.allow else ()
        return HttpReply(
            status=self.status,
            body=encode(Error(reason_code=self.reason), csipaus=False),
            content_type=MEDIA_TYPE,
            headers=headers,
        )


def not_found() -> RefusedError:
    """Refuse what is not there or is somebody else's: a stranger cannot tell which."""
    return RefusedError(404, "not there, or not this client's")
