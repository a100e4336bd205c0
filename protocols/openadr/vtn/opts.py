"""Opt schedules of VENs: when each takes part and when not.

Notes
-----
OpenADR 2.0b, EiOpt service.
"""

from datetime import datetime

from protocols.openadr.codes import PayloadError, ResponseCode
from protocols.openadr.messages.opt import OadrCreateOpt
from protocols.openadr.vtn.ledger import Ledger, key_of
from protocols.openadr.vtn.settings import VtnSettings
from protocols.openadr.vtn.vens import IDENTIFIER_MAX
from protocols.openadr.xml import decode

KIND = "opt"


class OptBook:
    """Opts of all VENs of one VTN, as they were sent.

    Parameters
    ----------
    settings : VtnSettings
        Of the VTN.
    """

    def __init__(self, settings: VtnSettings) -> None:
        self._settings = settings
        self._opts: dict[str, dict[str, OadrCreateOpt]] = {}

    def load(self, record: bytes) -> None:
        """Take a record as it was kept."""
        payload = decode(record)
        assert isinstance(payload, OadrCreateOpt), "kept so"
        self._opts.setdefault(payload.ven_id, {})[payload.opt_id] = payload

    def of(self, ven_id: str) -> tuple[OadrCreateOpt, ...]:
        """Opts of a VEN that hold."""
        return tuple(self._opts.get(ven_id, {}).values())

    def create(self, payload: OadrCreateOpt, now: datetime, ledger: Ledger) -> None:
        """Keep an opt; one of the same optID is replaced, and schedules that are over go.

        Raises
        ------
        PayloadError
            454 if it names neither a time nor an event; 451 if there is no room.
        """
        if not payload.vavailability and payload.qualified_event_id is None:
            raise PayloadError("an opt needs a time or an event")
        if not payload.opt_id or len(payload.opt_id) > IDENTIFIER_MAX:
            raise PayloadError("an optID is missing or too long")
        own = self._opts.setdefault(payload.ven_id, {})
        for past in [opt_id for opt_id, opt in own.items() if _is_past(opt, now)]:
            self.cancel(payload.ven_id, past, ledger)
        if payload.opt_id not in own and len(own) >= self._settings.opts_max:
            raise PayloadError("too many opts already", code=ResponseCode.NOT_ALLOWED)
        own[payload.opt_id] = payload
        ledger.put_payload(key_of(KIND, payload.ven_id, payload.opt_id), payload)

    def cancel(self, ven_id: str, opt_id: str, ledger: Ledger) -> None:
        """Take an opt back.

        Raises
        ------
        PayloadError
            452 if there is none.
        """
        if self._opts.get(ven_id, {}).pop(opt_id, None) is None:
            raise PayloadError("no such opt", code=ResponseCode.INVALID_ID)
        ledger.drop(key_of(KIND, ven_id, opt_id))


def _is_past(opt: OadrCreateOpt, now: datetime) -> bool:
    """Whether a schedule is over; one without end, or for an event, is not."""
    times = opt.vavailability
    return bool(times) and all(one.duration and one.dtstart + one.duration < now for one in times)
