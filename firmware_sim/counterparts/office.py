"""The door that all counterparts have: one request, judged once, answered the same for ever."""

from collections.abc import Callable, Mapping
from typing import Final

import structlog
from aiohttp import web

from firmware_sim.counterparts.ledger import Ledger, digest_of
from protocols.sansio.json_document import read_json_object, write_json_object
from protocols.templates.table import Table
from protocols.vocabulary.errors import ConfigError, RemoteProtocolError

BODY_BYTES_MAX: Final = 4_000_000
REQUEST_ID_MAX: Final = 120
_JSON: Final = "application/json"
_log = structlog.get_logger(__name__)
Judge = Callable[[Table], Mapping[str, object]]


class Office:
    """Takes JSON requests with an id of the sender.

    Parameters
    ----------
    ledger : Ledger
        What was received and answered.
    kind : str
        Of entries in it.
    judge : callable
        Gives the answer to a request; raises ConfigError if it is malformed.
    """

    def __init__(self, ledger: Ledger, kind: str, judge: Judge) -> None:
        self._ledger = ledger
        self._kind = kind
        self._judge = judge

    async def post(self, request: web.Request) -> web.Response:
        """Answer a request; the same one again has the same answer."""
        body = await request.read()
        try:
            table = Table(read_json_object(body), self._kind)
            request_id = table.text("request_id")
            if len(request_id) > REQUEST_ID_MAX:
                raise table.refuse("request_id", f"is longer than {REQUEST_ID_MAX}")
            known = self._ledger.find(self._kind, request_id)
            if known is not None:
                if known.digest != digest_of(body):
                    return refusal(409, "DUPLICATE_ID", "the id was used for something else")
                return web.Response(body=known.answer, content_type=_JSON)
            answer = {
                **self._judge(table),
                "request_id": request_id,
                "digest": digest_of(body),
            }
        except (RemoteProtocolError, ConfigError) as error:
            _log.warning("submission.refused", kind=self._kind, cause=str(error))
            return refusal(400, "MALFORMED", str(error))
        written = write_json_object(answer)
        self._ledger.keep(self._kind, request_id, body=body, answer=written)
        _log.info("submission.received", kind=self._kind, request=request_id)
        return web.Response(body=written, content_type=_JSON)

    async def get(self, request: web.Request) -> web.Response:
        """Say again what was answered to a request."""
        known = self._ledger.find(self._kind, request.match_info["request_id"])
        if known is None:
            return refusal(404, "UNKNOWN_ID", "no such request")
        return web.Response(body=known.answer, content_type=_JSON)


def refusal(status: int, code: str, reason: str) -> web.Response:
    """Answer that nothing was done, and why."""
    body = write_json_object({"code": code, "reason": reason})
    return web.Response(status=status, body=body, content_type=_JSON)


def reply(values: Mapping[str, object]) -> web.Response:
    """Answer with an object."""
    return web.Response(body=write_json_object(values), content_type=_JSON)
