"""Whether an event can be taken: what the role itself sees, before the site is asked.

Each event is judged alone: one that is wrong is answered with its own code and leaves the others
of its message as they are.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from protocols.openadr.codes import ResponseCode
from protocols.openadr.messages.elements import EiTarget, OptType, Properties
from protocols.openadr.messages.event import EiEvent
from protocols.openadr.ven.settings import VenSettings

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_LONGEST = timedelta(days=3660)
_LONGEST_SHIFT = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is answered to one version of an event.

    Attributes
    ----------
    opt_type : OptType
        Whether it is taken part in.
    code : ResponseCode
        OK for an opt either way; else why the event cannot be taken.
    cause : str
        For people; responseDescription.
    """

    opt_type: OptType
    code: ResponseCode = ResponseCode.OK
    cause: str = ""


OPT_IN = Verdict(opt_type=OptType.OPT_IN, cause="OK")


def refused(code: ResponseCode, cause: str) -> Verdict:
    """Verdict on an event that cannot be taken."""
    return Verdict(opt_type=OptType.OPT_OUT, code=code, cause=cause)


class EventJudge(Protocol):
    """Says whether a site can do what an event asks; made by the shell."""

    def verdict(self, event: EiEvent, shift: timedelta) -> Verdict:
        """Judge an event whose form is right. Pure and quick."""


def flaw_of(event: EiEvent, settings: VenSettings, ven_id: str) -> Verdict | None:
    """Verdict on an event that is wrong in itself or not for this VEN; None if it is neither.

    Parameters
    ----------
    event : EiEvent
        As the VTN sent it.
    settings : VenSettings
        Of this VEN.
    ven_id : str
        As registered.
    """
    context = event.event_descriptor.market_context
    if settings.market_contexts and context not in settings.market_contexts:
        return refused(ResponseCode.NOT_ALLOWED, "market context is not taken part in")
    if cause := _time_flaw(event):
        return refused(ResponseCode.INVALID_DATA, cause)
    if cause := _target_flaw(event, settings, ven_id):
        return refused(ResponseCode.TARGET_MISMATCH, cause)
    return None


def _time_flaw(event: EiEvent) -> str:
    """Say what is wrong with an event's times and intervals, empty if nothing."""
    properties = event.ei_active_period.properties
    intervals = [
        interval
        for signal in event.ei_event_signals.ei_event_signal
        for interval in signal.intervals
    ]
    if not intervals:
        return "an event needs a signal with an interval"
    if any(len(interval.signal_payload) != 1 for interval in intervals):
        return "an interval needs one signalPayload"
    moments = [one.dtstart for one in intervals if one.dtstart] + [properties.dtstart]
    if not all(_EARLIEST <= moment <= _LATEST for moment in moments):
        return "a start is beyond this century"
    lengths = [one.duration or timedelta() for one in intervals]
    if sum((abs(one) for one in lengths), timedelta()) > _LONGEST:
        return "the intervals are longer than ten years"
    if any(one < timedelta() for one in lengths) or properties.duration < timedelta():
        return "a duration is negative"
    return _period_flaw(properties)


def _period_flaw(properties: Properties) -> str:
    """Say what is wrong with an active period's lengths, empty if nothing."""
    around = (
        properties.x_ei_notification,
        properties.x_ei_ramp_up,
        properties.x_ei_recovery,
        properties.duration,
    )
    if any(abs(one) > _LONGEST for one in around if one is not None):
        return "a length of the active period is more than ten years"
    startafter = properties.startafter or timedelta()
    if not timedelta() <= startafter <= _LONGEST_SHIFT:
        return "startafter is not between zero and a day"
    return ""


def _target_flaw(event: EiEvent, settings: VenSettings, ven_id: str) -> str:
    """Why an event is for somebody else, empty if it is for us."""
    target = event.ei_target
    if target.ven_id and ven_id.casefold() not in {one.casefold() for one in target.ven_id}:
        return "the event is for another venID"
    own = settings.resource_ids
    unknown = [] if own is None else [name for name in _resources(event) if name not in own]
    return f"no resource {unknown[0]!r} here" if unknown else ""


def _resources(event: EiEvent) -> tuple[str, ...]:
    """Resources that an event and its signals name."""
    targets: list[EiTarget] = [event.ei_target]
    targets += [
        signal.ei_target
        for signal in event.ei_event_signals.ei_event_signal
        if signal.ei_target is not None
    ]
    return tuple(name for target in targets for name in target.resource_id)
