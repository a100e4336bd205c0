"""Our VEN and our VTN together, in bytes, while either is killed at any step of any exchange."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.openadr.messages.event import EiEvent, OadrCreatedEvent
from protocols.openadr.ven.calls import Call, Purpose
from protocols.openadr.ven.readings import Reading
from protocols.openadr.ven.role import Ven
from protocols.openadr.ven.settings import DataPoint, VenSettings
from protocols.openadr.ven.verdicts import OPT_IN, Verdict
from protocols.openadr.vtn.operator import Operator
from protocols.openadr.vtn.push import Pusher
from protocols.openadr.vtn.role import Vtn
from protocols.openadr.vtn.seal import PlainSeal
from protocols.openadr.vtn.settings import VtnSettings, WantedReport
from protocols.openadr.vtn.state import VtnState
from protocols.openadr.xml import decode, encode
from protocols.sansio.http import HttpRequest
from protocols.sansio.records import Change
from protocols.vocabulary.errors import LocalProtocolError
from tests.unit.protocols.openadr.vtn.world import START, event_order

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
PREFIX = "/OpenADR2/Simple/2.0b"
EVENTS = ("a", "b", "c")
QUIET_ROUNDS, ROUNDS_MAX, CALLS_MAX = 12, 400, 4
POINT = DataPoint(
    r_id="power", report_name="TELEMETRY_USAGE", report_type="usage", reading_type="Mean"
)
WANTED = WantedReport(report_name="TELEMETRY_USAGE", granularity=MINUTE, report_back=MINUTE)
Fault = Literal[
    "none", "request lost", "unsent", "caller killed", "answerer killed", "reply lost", "unkept"
]
FAULTS: tuple[Fault, ...] = (
    "none", "request lost", "unsent", "caller killed", "answerer killed", "reply lost", "unkept",
)  # fmt: skip


class Site:
    """Takes part in everything, and measures the number of the minute."""

    def verdict(self, event: EiEvent, shift: timedelta) -> Verdict:
        """Take part."""
        return OPT_IN

    def read(
        self, r_id: str, span: tuple[datetime, datetime], granularity: timedelta
    ) -> list[Reading]:
        """One reading per minute."""
        found, at = [], span[0]
        while at < span[1]:
            found.append(Reading(start=at, value=at.timestamp() // 60))
            at += granularity
        return found


def put(disk: dict[str, bytes], changes: tuple[Change, ...]) -> None:
    """Make changes durable."""
    for change in changes:
        if change.value is None:
            disk.pop(change.key, None)
        else:
            disk[change.key] = change.value


@dataclass
class Pair:
    """Both roles, each with its disk, and the wire between them.

    A fault says what goes wrong in one exchange: the request is lost; the caller is killed before
    it is sent, or before the reply reaches it; the answerer is killed before it has kept what it
    would answer; the reply is lost; the caller is killed after it took the reply and before it
    has kept that.
    """

    pushes: bool
    now: datetime = START - timedelta(hours=1)
    drawn: int = 0
    ven_disk: dict[str, bytes] = field(default_factory=dict)
    vtn_disk: dict[str, bytes] = field(default_factory=dict)
    confirmed: set[tuple[str, int]] = field(default_factory=set)
    delivered: list[tuple[datetime, datetime]] = field(default_factory=list)
    ordered: dict[str, bool] = field(default_factory=dict)
    asked_at: datetime | None = None

    def __post_init__(self) -> None:
        """Start both."""
        self.start_ven()
        self.start_vtn()

    def start_ven(self) -> None:
        """Lose everything of the VEN but its disk."""
        address = "http://ven.example" if self.pushes else None
        settings_ = VenSettings(ven_name="ven", points=(POINT,), push_address=address)
        site = Site()
        self.ven = Ven(settings_, judge=site, source=site, records=dict(self.ven_disk))

    def start_vtn(self) -> None:
        """Lose everything of the VTN but its disk."""
        settings_ = VtnSettings(
            vtn_id="TokyoVtn", wanted_reports=(WANTED,), poll_interval=timedelta(seconds=5)
        )
        self.state = VtnState(settings_, dict(self.vtn_disk))
        self.vtn = Vtn(self.state, PlainSeal())
        self.operator = Operator(self.state)
        self.pusher = Pusher(self.state, PlainSeal())

    def draw(self) -> bytes:
        """Bytes that are not random."""
        self.drawn += 1
        return self.drawn.to_bytes(32, "big")

    def keep_ven(self) -> None:
        """Make what the VEN changed durable."""
        put(self.ven_disk, self.ven.take_changes())

    def call_until(self, purpose: Purpose, fault: Fault) -> None:
        """Let the VEN call until one call has a purpose; that one fails."""
        for _ in range(CALLS_MAX):
            if not self.call(fault, purpose):
                self.now += SECOND

    def call(self, fault: Fault, purpose: Purpose | None = None) -> bool:
        """One call of the VEN, failing if it has that purpose; False if there is nothing."""
        call = self.ven.next_call(self.now, self.draw())
        self.keep_ven()
        if call is None:
            return False
        self._look(call)
        if purpose not in {None, call.purpose}:
            fault = "none"
        is_lost = fault in {"request lost", "unsent"}
        reply = None if is_lost else self._answered(call, fault)
        if fault in {"caller killed", "unsent"}:
            self.start_ven()
        elif reply is None or fault == "reply lost":
            self.ven.failed(call, self.now, self.draw(), was_reached=False)
            self.keep_ven()
        else:
            message = decode(reply) if reply else None
            self.ven.replied(call, message, now=self.now, seed=self.draw())
            if fault == "unkept":
                self.start_ven()
            else:
                self.keep_ven()
                self._confirm(call)
        return True

    def _answered(self, call: Call, fault: Fault) -> bytes | None:
        """Body of the VTN's reply; None if it is killed before."""
        request = HttpRequest(
            method="POST",
            path=f"{PREFIX}/{call.service}",
            content_type="application/xml",
            body=encode(call.message),
        )
        answer = self.vtn.answer(request, self.now, self.draw())
        if fault == "answerer killed":
            self.start_vtn()
            return None
        assert answer.reply.status == 200, answer
        put(self.vtn_disk, answer.changes)
        return answer.reply.body

    def push(self, fault: Fault) -> bool:
        """One call of the VTN; False if it had nothing to say."""
        told = False
        for ven_id in self.pusher.waiting():
            push = self.pusher.next(ven_id, self.now, self.draw())
            if push is None:
                continue
            told = True
            if fault == "unsent":
                self.start_vtn()
            if fault in {"request lost", "unsent"}:
                continue
            reply = self.ven.pushed(decode(push.body), self.now, self.draw())
            if fault == "answerer killed":
                self.start_ven()
                continue
            self.keep_ven()
            if fault == "caller killed":
                self.start_vtn()
            elif fault != "reply lost":
                answer = self.pusher.replied(push, encode(reply), self.now)
                if fault == "unkept":
                    self.start_vtn()
                else:
                    put(self.vtn_disk, answer.changes)
        return told

    def _look(self, call: Call) -> None:
        """Nothing that the VTN has confirmed is said again."""
        if isinstance(call.message, OadrCreatedEvent):
            for one in call.message.ei_created_event.event_responses:
                which = one.qualified_event_id
                assert (which.event_id, which.modification_number) not in self.confirmed
        if call.due is not None:
            start, end = call.due.span
            assert not [span for span in self.delivered if span[0] < end and start < span[1]]

    def _confirm(self, call: Call) -> None:
        if call.purpose is Purpose.ANSWER and isinstance(call.message, OadrCreatedEvent):
            for one in call.message.ei_created_event.event_responses:
                which = one.qualified_event_id
                self.confirmed.add((which.event_id, which.modification_number))
        if call.due is not None:
            self.delivered.append(call.due.span)
        if self.asked_at is None and self.ven.reports.pending:
            self.asked_at = self.now

    def operate(self, what: str, event_id: str) -> None:
        """Let the operator do something, durably; what cannot be done is not."""
        try:
            match what:
                case "order":
                    done = self.operator.order(
                        event_order(), self.now, self.draw(), event_id=event_id
                    )
                    self.ordered[event_id] = True
                case "modify":
                    done = self.operator.modify(event_order(), event_id, self.now)
                case _:
                    done = self.operator.cancel(event_id, self.now)
                    self.ordered[event_id] = False
        except LocalProtocolError:
            return
        put(self.vtn_disk, done[1])

    def settle(self) -> None:
        """Let both speak until neither has anything new to say."""
        quiet = 0
        for _ in range(ROUNDS_MAX):
            spoke = self.call("none")
            spoke = self.push("none") or spoke
            owed = self.ven.wake_at() <= self.now + SECOND
            quiet = 0 if spoke and owed else quiet + 1
            self.now += SECOND
            if quiet >= QUIET_ROUNDS and self.ven.register.now.is_announced:
                return
        raise AssertionError("they go on speaking")


Action = tuple[str, str | int | tuple[Purpose, Fault]]
ACTIONS = st.one_of(
    st.tuples(st.sampled_from(("order", "modify", "cancel")), st.sampled_from(EVENTS)),
    st.tuples(st.just("call"), st.tuples(st.sampled_from(Purpose), st.sampled_from(FAULTS))),
    st.tuples(st.just("call"), st.tuples(st.just(Purpose.REPORT), st.sampled_from(FAULTS))),
    st.tuples(st.just("push"), st.sampled_from(FAULTS)),
    st.tuples(st.just("kill"), st.sampled_from(("ven", "vtn"))),
    st.tuples(st.just("wait"), st.sampled_from((1, 7, 70, 200))),
)


@settings(max_examples=150, deadline=None)
@given(
    pushes=st.booleans(), is_known=st.booleans(), actions=st.lists(ACTIONS, min_size=5, max_size=80)
)
def test_kills_of_either_side_lose_and_repeat_nothing(
    *, pushes: bool, is_known: bool, actions: list[Action]
) -> None:
    """If it fails, a crash costs an event, an answer or a reading, or makes one count twice."""
    pair = Pair(pushes=pushes)
    if is_known:
        pair.settle()
    for action in actions:
        _do(pair, action)
    pair.settle()
    _compare(pair)


def _do(pair: Pair, action: Action) -> None:
    match action:
        case "call", (purpose, fault):
            pair.call_until(purpose, fault)
        case "push", str(fault):
            pair.push(fault)  # type: ignore[arg-type]
        case "kill", "ven":
            pair.start_ven()
        case "kill", _:
            pair.start_vtn()
        case "wait", int(seconds):
            pair.now += seconds * SECOND
        case str(what), str(event_id):
            pair.operate(what, event_id)


def _compare(pair: Pair) -> None:
    """Hold what each side knows to what the other does, and to what was done."""
    is_over = pair.now >= START + timedelta(hours=1)
    alive = {name for name, is_on in pair.ordered.items() if is_on and not is_over}
    held = {one.event_id: one.modification_number for one in pair.ven.events.ruling(pair.now)}
    assert set(held) == alive
    for name in alive:
        (answer,) = pair.state.events.answers.to(name)
        assert answer.modification_number == held[name]
        assert answer.opt_type == "optIn"
    readings = pair.state.reports.readings.of(pair.ven.register.now.ven_id)
    assert pair.asked_at is not None
    if pair.now < pair.asked_at + 2 * MINUTE:
        return
    starts = [one.start for one in readings]
    assert starts == sorted(set(starts))
    whole = {starts[0] + k * MINUTE for k in range(len(starts))}
    assert set(starts) == whole, "a gap"
    assert starts[0] <= pair.asked_at
    assert starts[-1] > pair.now - QUIET_ROUNDS * SECOND - 2 * MINUTE
    assert all(one.points["power"]["value"] == one.start.timestamp() // 60 for one in readings)
