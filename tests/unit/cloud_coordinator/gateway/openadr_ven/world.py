"""Awards, commands and events to test the coordinator's VEN with."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.gateway.openadr_ven.plan import Profile, Step, timeline
from cloud_coordinator.services.book import AwardBook
from cloud_coordinator.services.commands import CommandBook, Taken
from cloud_coordinator.services.records import AwardRecord, AwardTerms, ChildState, TsoCommand
from protocols.openadr.messages.elements import Item
from protocols.openadr.messages.event import (
    EiEvent,
    EiEventSignal,
    OadrEvent,
    ResponseRequired,
)
from protocols.openadr.ven.events import HeldEvent
from protocols.openadr.ven.verdicts import OPT_IN
from protocols.sansio.records import Change
from protocols.vocabulary.arrays import column
from protocols.vocabulary.errors import StoreError
from protocols.vocabulary.identifiers import ObligationId, ZoneId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Obligation, ObligationState, RelativeTo, Service
from tests.unit.protocols.openadr.samples import at, event, interval

ZONE = ZoneId("tokyo")
LOAD = Profile(signals=("LOAD_DISPATCH.delta",), factor=-1.0)
KILOWATT = Item(kind="powerReal", item_description="RealPower", item_units="W", si_scale_code="k")


def signal(*values: tuple[float, float], unit: Item | None = None) -> EiEventSignal:
    """Make a LOAD_DISPATCH of (minutes, value)."""
    return EiEventSignal(
        intervals=tuple(interval(minutes, value) for minutes, value in values),
        signal_name="LOAD_DISPATCH",
        signal_type="delta",
        signal_id="s0",
        item_base=unit,
    )


def call(event_id: str, *values: tuple[float, float], **more: object) -> EiEvent:
    """Make an event of one LOAD_DISPATCH."""
    return event(event_id, signals=(signal(*values),), **more)  # type: ignore[arg-type]


def held(one: EiEvent, *, stops_at: datetime | None = None, shift_s: float = 0.0) -> HeldEvent:
    """Make an event that is taken part in."""
    return HeldEvent(
        event=OadrEvent(ei_event=one, oadr_response_required=ResponseRequired.ALWAYS),
        shift=timedelta(seconds=shift_s),
        verdict=OPT_IN,
        stops_at=stops_at,
    )


def steps(*events: HeldEvent) -> tuple[Step, ...]:
    """Return the steps of events, the highest priority first."""
    return timeline(events, LOAD, "VTN-1")


def award(
    name: str = "award-1",
    *,
    start: str = "06:00",
    end: str = "07:00",
    zone: str = "tokyo",
    state: ObligationState = ObligationState.ACTIVE,
) -> AwardRecord:
    """Make an award of 10 kW."""
    awarded = Interval(start=at(start), end=at(end))
    return AwardRecord(
        obligation=Obligation(
            obligation_id=ObligationId(name),
            parent_id=None,
            target=zone,
            service=Service.SECONDARY_1,
            interval=awarded,
            step_s=awarded.duration_s,
            power_w=column([10_000.0]),
            relative_to=RelativeTo.BASELINE,
            tolerance_w=500.0,
            state=state,
        ),
        terms=AwardTerms(price_jpy_per_kw_30min=Decimal(10), rule_set_id="seed-internal"),
        received_at=at("05:00"),
    )


def moment(clock: str) -> Moment:
    """Make an instant of the day of the tests."""
    return Moment(wall_s=at(clock).timestamp(), monotonic_ns=0)


class Stores:
    """Awards and commands on a disk that can refuse."""

    def __init__(self, awards: Sequence[AwardRecord]) -> None:
        self._awards = awards
        self.kept: list[TsoCommand] = []
        self.is_full = False

    def awards(self) -> Sequence[AwardRecord]:
        """All awards."""
        return self._awards

    def save_award(self, award_: AwardRecord) -> None:
        """Never called here."""
        raise NotImplementedError

    def save_child_state(self, child: ChildState) -> None:
        """Never called here."""
        raise NotImplementedError

    def save_command(self, command: TsoCommand) -> None:
        """Keep it, or refuse."""
        if self.is_full:
            raise StoreError("disk full")
        self.kept.append(command)

    def commands(self, obligation_id: ObligationId) -> Sequence[TsoCommand]:
        """Commands of an award by time."""
        found = [one for one in self.kept if one.obligation_id == obligation_id]
        return sorted(found, key=lambda one: one.issued_at)


class Desk:
    """The real book of commands, which forgets everything but its disk when it is made anew."""

    def __init__(self, stores: Stores) -> None:
        self._book = CommandBook(AwardBook(stores), stores)

    def accept_command(
        self,
        obligation_id: ObligationId,
        *,
        issued_at: datetime,
        power_w: float,
        now: Moment,
        source: str = "",
    ) -> tuple[TsoCommand, Taken]:
        """Take a command."""
        return self._book.take(
            obligation_id, issued_at=issued_at, power_w=power_w, now=now, source=source
        )

    def last_command(self, obligation_id: ObligationId) -> TsoCommand | None:
        """Return the latest command."""
        return self._book.last(obligation_id)


class Book:
    """Records in memory, on a disk that can refuse."""

    def __init__(self) -> None:
        self.records: dict[str, bytes] = {}
        self.is_full = False

    def load(self) -> Mapping[str, bytes]:
        """All records."""
        return dict(self.records)

    def put(self, changes: Iterable[Change]) -> None:
        """Keep, or refuse."""
        if self.is_full:
            raise StoreError("disk full")
        for change in changes:
            if change.value is None:
                self.records.pop(change.key, None)
            else:
                self.records[change.key] = change.value


class MachineClock:
    """The machine's time."""

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)

    def monotonic_ns(self) -> int:
        """Never goes back."""
        return 0
