"""Response codes of OpenADR 2.0b and the errors that carry one; no transport.

A code travels in ``eiResponse`` of a reply whose HTTP status stays 200.
"""

from enum import StrEnum

from protocols.vocabulary.errors import RemoteProtocolError


class ResponseCode(StrEnum):
    """Application codes of ``eiResponse`` (profile 2.0b, section on application errors)."""

    OK = "200"
    OUT_OF_SEQUENCE = "450"
    NOT_ALLOWED = "451"
    INVALID_ID = "452"
    NOT_RECOGNIZED = "453"
    INVALID_DATA = "454"
    COMPLIANCE = "459"
    SIGNAL_NOT_SUPPORTED = "460"
    REPORT_NOT_SUPPORTED = "461"
    TARGET_MISMATCH = "462"
    NOT_REGISTERED = "463"


class PayloadError(RemoteProtocolError):
    """The peer's payload cannot be taken; carries the code to answer with.

    Attributes
    ----------
    code : ResponseCode
        What the answer says.
    request_id : str
        requestID of the payload, "" where it was not readable.
    """

    def __init__(
        self, detail: str, *, code: ResponseCode = ResponseCode.INVALID_DATA, request_id: str = ""
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.request_id = request_id
