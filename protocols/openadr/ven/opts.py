"""When a VEN takes part and when not, beyond single events: its EiOpt schedules. Pure.

Notes
-----
OpenADR 2.0b profile, EiOpt service.
"""

from datetime import datetime, timedelta

from protocols.openadr.messages.elements import OptType
from protocols.openadr.messages.event import EiEvent
from protocols.openadr.messages.opt import OadrCreateOpt
from protocols.openadr.timeline import span_of
from protocols.openadr.ven.memory import Memory, string
from protocols.openadr.ven.verdicts import Verdict
from protocols.openadr.xml import decode, encode

_KIND = "opt"


class OptDesk:
    """Schedules in force.

    Parameters
    ----------
    memory : Memory
        Where schedules are kept.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._opts: dict[str, OadrCreateOpt] = {}
        for record in memory.of_kind(_KIND):
            wire = decode(string(record, "xml").encode())
            assert isinstance(wire, OadrCreateOpt), "a record of an opt holds one"
            self._opts[wire.opt_id] = wire

    def create(self, opt: OadrCreateOpt, now: datetime) -> None:
        """Keep a schedule; those that are over are dropped."""
        for known in tuple(self._opts.values()):
            if all(one.dtstart + one.duration <= now for one in known.vavailability):
                self.cancel(known.opt_id)
        if opt.vavailability:
            self._opts[opt.opt_id] = opt
            self._memory.put(_KIND, opt.opt_id, {"xml": encode(opt).decode()})

    def cancel(self, opt_id: str) -> bool:
        """Drop a schedule; False if it is not known."""
        if self._opts.pop(opt_id, None) is None:
            return False
        self._memory.drop(_KIND, opt_id)
        return True

    def verdict(self, event: EiEvent, shift: timedelta) -> Verdict | None:
        """OptOut for an event inside a schedule that says so; the schedule made last decides."""
        span = span_of(event, shift)
        context = event.event_descriptor.market_context
        for opt in sorted(self._opts.values(), key=lambda one: one.created_date_time, reverse=True):
            if opt.market_context not in {None, context}:
                continue
            if any(
                one.dtstart < (span.end or datetime.max.replace(tzinfo=span.start.tzinfo))
                and span.start < one.dtstart + one.duration
                for one in opt.vavailability
            ):
                out = opt.opt_type is OptType.OPT_OUT
                return Verdict(opt_type=opt.opt_type, cause=opt.opt_reason) if out else None
        return None
