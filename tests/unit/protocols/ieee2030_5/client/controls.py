"""Controls and an engine for tests of events."""

from dataclasses import dataclass, field, replace

from protocols.ieee2030_5.client.events import EventEngine, Program, Verdict
from protocols.ieee2030_5.client.held import Progress
from protocols.ieee2030_5.client.modes import modes_of
from protocols.ieee2030_5.resources.der import DERControl, DERControlBase
from protocols.ieee2030_5.resources.elements import ActivePower, DateTimeInterval, EventStatus

PROGRAM = Program(mrid="F0" * 16, primacy=5)
STRONGER = Program(mrid="F1" * 16, primacy=1)
EXPORT = DERControlBase(op_mod_exp_lim_w=ActivePower(multiplier=0, value=1500))
IMPORT = DERControlBase(op_mod_imp_lim_w=ActivePower(multiplier=0, value=700))
BOTH = replace(EXPORT, op_mod_imp_lim_w=ActivePower(multiplier=0, value=900))


def control(
    name: str,
    start: int = 1000,
    duration: int = 30,
    *,
    status: int = 0,
    base: DERControlBase = EXPORT,
    created: int = 900,
    randomize: tuple[int, int] = (0, 0),
    wanted: int = 3,
) -> DERControl:
    return DERControl(
        mrid=name.encode().hex().upper().rjust(32, "0"),
        creation_time=created,
        event_status=EventStatus(
            current_status=status, date_time=created, potentially_superseded=False
        ),
        interval=DateTimeInterval(duration=duration, start=start),
        randomize_start=randomize[0] or None,
        randomize_duration=randomize[1] or None,
        response_required=wanted,
        reply_to="/rsps/1/rsp",
        der_control_base=base,
    )


def told(one: DERControl, status: int) -> DERControl:
    """Give the same control with another status of the server."""
    return replace(one, event_status=replace(one.event_status, current_status=status))


@dataclass
class Bench:
    """An engine, its durable records, and the responses that reached the server."""

    chance: float = 0.0
    refused: dict[str, int] = field(default_factory=dict)
    records: dict[str, bytes] = field(default_factory=dict)
    posted: list[tuple[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the engine."""
        self.engine = self._made()

    def _made(self) -> EventEngine:
        def verdict(_program: Program, control: DERControl) -> Verdict:
            status = self.refused.get(control.mrid)
            if status is not None:
                return Verdict(modes=frozenset(), status=status)
            return Verdict(modes=modes_of(control.der_control_base))

        return EventEngine(self.records, chance=lambda: self.chance, verdict=verdict)

    def restart(self) -> None:
        """Stop without warning and begin again from what was kept."""
        self.engine = self._made()

    def keep(self) -> None:
        for change in self.engine.changes():
            if change.value is None:
                del self.records[change.key]
            else:
                self.records[change.key] = change.value

    def see(self, now: float, *controls: DERControl, program: Program = PROGRAM) -> None:
        self.engine.see(program, controls, now)
        self.keep()

    def advance(self, *moments: float) -> None:
        for now in moments:
            self.engine.advance(now)
            self.keep()

    def post(self) -> list[int]:
        """Send all responses that are owed; statuses in their order."""
        sent = []
        while owed := self.engine.owed():
            for held, status in owed:
                self.posted.append((held.mrid, status))
                sent.append(status)
                self.engine.mark(held.mrid, status, Progress.DONE)
        self.keep()
        return sent

    def chain(self, one: DERControl) -> list[int]:
        """Statuses that reached the server for one control."""
        self.post()
        return [status for mrid, status in self.posted if mrid == one.mrid]

    def running(self, now: float) -> dict[str, str]:
        """Which control has which mode."""
        return {
            segment.mode: bytes.fromhex(segment.held.mrid).lstrip(b"\0").decode()
            for segment in self.engine.segments(now)
            if segment.start_s <= now < segment.end_s
        }

    def spans(self, now: float) -> set[tuple[str, str, float, float]]:
        """Known schedule: name, mode, from, to."""
        return {
            (
                bytes.fromhex(segment.held.mrid).lstrip(b"\0").decode(),
                segment.mode,
                segment.start_s,
                segment.end_s,
            )
            for segment in self.engine.segments(now)
        }
