"""What the role knows becomes orders of the port; a second of the site becomes its facts.

Times are turned from the server's clock to ours here, once.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from edge_agent.northbound.port import (
    OPEN_END,
    GridOrder,
    Origin,
    RefusalKind,
    ResourceSample,
    SiteSecond,
)
from protocols.ieee2030_5.client.clock import ServerClock
from protocols.ieee2030_5.client.events import INVALID, NOT_SUPPORTED, Segment
from protocols.ieee2030_5.client.known import KnownProgram
from protocols.ieee2030_5.client.modes import Asked, asked_of
from protocols.ieee2030_5.client.reports import SiteFacts, SiteRatings
from protocols.ieee2030_5.client.role import View
from protocols.ieee2030_5.resources.der import DERControl
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.intervals import Interval

STATUS_OF: Final = {
    RefusalKind.UNSUPPORTED: NOT_SUPPORTED,
    RefusalKind.INVALID: INVALID,
    RefusalKind.UNABLE: NOT_SUPPORTED,
}
"""Response to what the site refuses (IEEE 2030.5-2018, table 27)."""
_LAST_S: Final = OPEN_END.timestamp() - 86_400.0


def grid_orders(view: View, server: str) -> tuple[GridOrder, ...]:
    """All orders of a view.

    Parameters
    ----------
    view : View
        What there is to be done.
    server : str
        The server's name, for people.
    """
    programs = {program.mrid: program for program in view.programs}
    events = (
        order
        for segment in view.segments
        for order in _of_segment(segment, programs.get(segment.held.program), view.clock)
    )
    return tuple(
        replace(order, issued_by=f"{order.issued_by} at {server}")
        for order in (*events, *_defaults(view))
    )


def order_of(
    program: KnownProgram, control: DERControl, asked: Asked, *, interval: Interval
) -> GridOrder:
    """Order of one mode of an event, for the judge and for the cycle.

    Parameters
    ----------
    program : KnownProgram
        Whose it is.
    control : DERControl
        The event.
    asked : Asked
        Its mode.
    interval : Interval
        When it is in force, our time.
    """
    return GridOrder(
        order_id=f"{control.mrid}/{asked.mode}",
        event_id=control.mrid,
        origin=Origin.IEEE2030_5,
        issued_by=_name(program),
        mode=asked.mode,
        value=asked.value,
        interval=interval,
        priority=program.primacy,
        issued_at=_moment(float(control.creation_time)),
        curve=asked.curve,
        detail=" ".join(filter(None, (control.description, asked.detail))),
    )


def nominal_interval(control: DERControl) -> Interval:
    """Interval of an event without draws and clocks, for the judge."""
    start_s = float(control.interval.start)
    return _interval(start_s, start_s + max(control.interval.duration, 1)) or Interval(
        start=_moment(_LAST_S), end=OPEN_END
    )


def facts_of(second: SiteSecond) -> SiteFacts:
    """Facts of a second; a sum is unknown while any of its parts is."""
    der = [s for s in second.resources if s.power_w_max > 0.0 or s.energy_wh_capacity > 0.0]
    stores = [sample for sample in der if sample.energy_wh_capacity > 0.0]
    ratings = second.ratings
    return SiteFacts(
        at_s=second.at.timestamp(),
        meter_w=second.meter_w,
        der_w=_sum_w(der),
        store_w=_sum_w(stores),
        soc=_soc(stores),
        ratings=SiteRatings(
            max_w=ratings.max_w,
            max_charge_w=ratings.max_charge_w,
            max_discharge_w=ratings.max_discharge_w,
            energy_wh=ratings.energy_wh,
        ),
    )


def _of_segment(
    segment: Segment, program: KnownProgram | None, clock: ServerClock
) -> Iterator[GridOrder]:
    """Order of a segment, none if its time is beyond any calendar."""
    held = segment.held
    program = program or KnownProgram(mrid=held.program, primacy=held.primacy)
    interval = _interval(clock.ours_s(segment.start_s), clock.ours_s(segment.end_s))
    if interval is None:
        return
    for asked in _asked(held.control, program):
        if asked.mode == segment.mode:
            yield order_of(program, held.control, asked, interval=interval)


def _asked(control: DERControl, program: KnownProgram) -> tuple[Asked, ...]:
    """Modes of an event; none of one that became invalid after it was taken."""
    try:
        return asked_of(control.der_control_base, program.curves_by_href())
    except RemoteProtocolError:
        return ()


def _defaults(view: View) -> Iterator[GridOrder]:
    """Each mode's default of the strongest program that sets it."""
    taken: set[str] = set()
    for program in view.programs:
        default = program.default
        if default is None:
            continue
        try:
            asked = asked_of(default.der_control_base, program.curves_by_href())
        except RemoteProtocolError:
            continue
        start = _moment(view.clock.ours_s(program.default_since_s))
        for one in asked:
            if one.mode not in taken:
                taken.add(one.mode)
                yield GridOrder(
                    order_id=f"{default.mrid}/{one.mode}",
                    event_id=default.mrid,
                    origin=Origin.IEEE2030_5,
                    issued_by=_name(program),
                    mode=one.mode,
                    value=one.value,
                    interval=Interval(start=start, end=OPEN_END),
                    priority=program.primacy,
                    issued_at=start,
                    is_default=True,
                    curve=one.curve,
                    detail=" ".join(filter(None, (default.description, one.detail))),
                )


def _name(program: KnownProgram) -> str:
    return program.description or program.mrid


def _interval(start_s: float, end_s: float) -> Interval | None:
    start, end = _moment(start_s), _moment(end_s)
    if end_s >= _LAST_S:
        end = OPEN_END
    return Interval(start=start, end=end) if start < end else None


def _moment(seconds: float) -> datetime:
    """Moment of s since 1970, within what a calendar can say."""
    return datetime.fromtimestamp(min(max(seconds, 0.0), _LAST_S), tz=UTC)


def _sum_w(samples: list[ResourceSample]) -> float | None:
    powers = [sample.power_w for sample in samples if sample.power_w is not None]
    return sum(powers) if samples and len(powers) == len(samples) else None


def _soc(stores: list[ResourceSample]) -> float | None:
    known = [s.soc * s.energy_wh_capacity for s in stores if s.soc is not None]
    capacity_wh = sum(sample.energy_wh_capacity for sample in stores)
    return sum(known) / capacity_wh if stores and len(known) == len(stores) else None
