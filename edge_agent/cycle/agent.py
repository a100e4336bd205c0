"""One second of a site, on one page: read, freeze, predict, constrain, decide, journal, write.

Everything between freeze and journal is a pure function of what is journaled. Image and
decision are committed before anything is written to a device; what became of the writes is
journaled in the next cycle. Nothing else in the agent writes to a driver.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Final

import structlog

from edge_agent.control.decide import decide
from edge_agent.control.inputs import CycleInputs, Decision, HeldSignal
from edge_agent.cycle.advice import Offered
from edge_agent.cycle.again import decided_again, is_worth_it, remembered
from edge_agent.cycle.alarms import Alarms
from edge_agent.cycle.arrivals import take
from edge_agent.cycle.ending import let_go
from edge_agent.cycle.frames import Frames
from edge_agent.cycle.framing import bindings_of, layout_after, power_points
from edge_agent.cycle.hand import HandOrder, take_hand
from edge_agent.cycle.health import Health, Look, examine
from edge_agent.cycle.memory import HeldMemory, changed_state
from edge_agent.cycle.obligations import Receipt
from edge_agent.cycle.order_progress import order_events
from edge_agent.cycle.parts import AgentParts
from edge_agent.cycle.primary import PrimaryLoop
from edge_agent.cycle.primary_log import PrimaryLog, conditions
from edge_agent.cycle.primary_members import qualified
from edge_agent.cycle.record import (
    OFFER_KIND,
    Answer,
    Happened,
    cycle_drafts,
    event_drafts,
    frame_draft,
    layout_happened,
    mode_happened,
    outcome_drafts,
    plan_draft,
    tick_draft,
)
from edge_agent.cycle.schedule import missed_slots, next_slot, phase_ns, unix_ns
from edge_agent.cycle.second import Second
from edge_agent.cycle.steps import Steps
from edge_agent.cycle.waiting import Woken, wait_for_slot
from edge_agent.drivers.port import WriteOutcome
from edge_agent.image.image import freeze
from edge_agent.journal.records import Draft, JournalStream
from edge_agent.link.uplink import pack_offer
from edge_agent.mode.conditions import Thresholds
from edge_agent.mode.table import ModeDecision, next_mode
from protocols.link.messages import Stream
from protocols.vocabulary.errors import JournalError

READ_DEADLINE_S: Final = 0.4
FRAME_EVERY: Final = 3600
"""An unchanged frame is journaled again after so many cycles, so that trimming never takes it."""
NS_PER_S: Final = 1_000_000_000
SOON_NS: Final = 100_000_000
"""A signal so shortly before the next cycle waits for it."""
THRESHOLDS: Final = Thresholds()

log = structlog.get_logger()


class Agent:
    """The agent of one site.

    Parameters
    ----------
    parts : AgentParts
        Its rooms.
    held : HeldMemory
        The memory from the journal; the link reads it for its hello.
    happened : tuple of Happened
        What the start has to tell (a journal kept aside, what the watchdog did).
    """

    def __init__(
        self, parts: AgentParts, held: HeldMemory, happened: tuple[Happened, ...] = ()
    ) -> None:
        self._parts = parts
        self._held = held
        self._committed = held.memory
        self._phase = phase_ns(parts.config.site_id)
        self._health = Health(started_ns=parts.clock.monotonic_ns())
        self._alarms = Alarms()
        self._happened: list[Happened] = [*happened, *qualified(parts.config)]
        self._outcomes: list[WriteOutcome] = []
        self._receipts: list[Receipt] = []
        self._steps_ms: dict[str, float] = {}
        self._frames = Frames(parts.config, parts.specs)
        self._frame_journaled = ""
        self._next_slot_s = 0
        self._last: Answer | None = None
        self._primary = PrimaryLoop(parts)
        self._primary_log = PrimaryLog()
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Run until told to stop; then give every device back and write that down."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            background = [
                tasks.create_task(self._parts.driver.run()),
                tasks.create_task(self._parts.link.run()),
                tasks.create_task(self._primary.run()),
            ]
            while (woken := await self._wait(stop)) is not Woken.STOP:
                if woken is Woken.SIGNAL:
                    await self._again()
                else:
                    await self._tick(self._next_slot_s)
            lent = self._primary.lent()
            self._primary.take(None)
            await let_go(self._parts, self._held.memory, lent)
            for task in background:
                task.cancel()

    async def _wait(self, stop: asyncio.Event) -> Woken:
        """Wait for the next slot, a stop, or a signal that comes well before the slot."""
        wall_ns = unix_ns(self._parts.clock.now())
        self._next_slot_s, wait_ns = next_slot(wall_ns, self._phase, self._held.memory.slot_s)
        signal = self._parts.inbox.signal_came if wait_ns > SOON_NS else asyncio.Event()
        return await wait_for_slot(stop, signal, wait_ns / NS_PER_S)

    async def _again(self) -> None:
        """Decide the last second again if a signal moves it enough; else keep the signal."""
        steps, now, last = Steps(self._parts.clock), self._parts.clock.now(), self._last
        received, _ = self._parts.inbox.drain_signals(now)
        if received is None:
            return
        signal = HeldSignal(signal=received.signal, received_at=received.received_at)
        before = self._held.memory
        self._held.memory = replace(before, signal=signal, guards=self._parts.inbox.memory)
        if last is None or not is_worth_it(last, before, signal, now=now):
            return
        memory = replace(self._held.memory, cycle=before.cycle + 1)
        inputs, remembers = decided_again(last, memory, cycle=memory.cycle, now=now)
        steps.done("freeze")
        decision, after = decide(inputs, remembers)
        steps.done("decide")
        answer = Answer(
            inputs=inputs,
            before=remembers,
            after=after,
            decision=decision,
            steps_ms=dict(self._steps_ms),
        )
        memory = replace(memory, control=remembered(last, after))
        drafts = [tick_draft(answer)]
        try:
            await asyncio.to_thread(
                self._parts.journal.append, drafts, changed_state(self._committed, memory)
            )
        except JournalError as error:
            log.warning("cycle.not_decided_again", cause=str(error))
            return
        self._held.memory = self._committed = memory
        steps.done("journal")
        self._write(decision)
        steps.done("write")
        self._steps_ms = {"cycle": float(memory.cycle), **steps.times_ms}
        log.info("cycle.decided_again", cycle=memory.cycle, slot_s=inputs.slot_s)

    async def _tick(self, slot_s: int) -> None:
        steps = Steps(self._parts.clock)
        for point_id, measurement in await self._parts.driver.read(READ_DEADLINE_S):
            self._parts.latest.update(point_id, measurement)
        by_hand = await asyncio.to_thread(self._parts.hand.take)
        steps.done("read")
        second = self._freeze(slot_s, by_hand)
        steps.done("freeze")
        forecast_w = self._parts.advice.uncontrolled_w(second.now)
        steps.done("predict")
        second = self._constrain(second)
        steps.done("constrain")
        before = second.taken.memory.control
        inputs = CycleInputs(
            cycle=second.image.cycle,
            slot_s=slot_s,
            now=second.now,
            image=second.image,
            frame=second.frame,
            frame_id=second.frame_id,
            signal=second.taken.memory.signal,
            mode=second.mode.mode,
            forecast_uncontrolled_w=forecast_w,
            plan=second.taken.memory.plan,
            primary=second.primary,
        )
        decision, after = decide(inputs, before)
        steps.done("decide")
        answer = Answer(
            inputs=inputs,
            before=before,
            after=after,
            decision=decision,
            steps_ms=dict(self._steps_ms),
        )
        committed = await self._journal(second, answer)
        steps.done("journal")
        if committed:
            self._write(decision)
            self._parts.heartbeat.beat()
        steps.done("write")
        self._conclude(second, answer, steps)

    def _freeze(self, slot_s: int, by_hand: tuple[HandOrder, ...]) -> Second:
        clock, memory = self._parts.clock, self._held.memory
        now = clock.now()
        taken = take(
            memory,
            self._parts.inbox.drain(now),
            durable=self._parts.link.take_durable(),
            now=now,
        )
        hand = take_hand(
            taken.memory.hand, by_hand, resources=self._parts.driver.resources(), now=now
        )
        image = freeze(
            self._parts.latest,
            self._parts.specs,
            cycle=memory.cycle + 1,
            taken_at=now,
            monotonic_ns=clock.monotonic_ns(),
        )
        plan = self._parts.advice.new_plan()
        updated = replace(
            taken.memory,
            cycle=image.cycle,
            slot_s=slot_s,
            guards=self._parts.inbox.memory,
            plan=plan or taken.memory.plan,
            hand=hand.memory,
        )
        bindings = bindings_of(self._parts.config, self._parts.driver.resources())
        updated = replace(updated, layout=layout_after(updated.layout, bindings))
        now_ordered = self._parts.orders.read(updated.orders, bindings, now=now)
        frame, frame_id = self._frames.framed(bindings, updated, now_ordered)
        return Second(
            slot_s=slot_s,
            now=now,
            taken=replace(taken, memory=updated),
            image=image,
            frame=frame,
            frame_id=frame_id,
            mode=ModeDecision(mode=memory.control.mode, changed=False, reason=""),
            primary=self._primary.report(),
            ordered=now_ordered,
            hand=hand,
        )

    def _constrain(self, second: Second) -> Second:
        """Judge the site's health and the mode that follows."""
        look = Look(
            now_ns=second.image.monotonic_ns,
            wall_ns=unix_ns(second.now),
            heard_ns=self._parts.link.health.heard_ns,
            override_left_s=second.hand.memory.left_s(second.now),
            stop=second.taken.memory.stopped or bool(second.hand.memory.safe_by),
        )
        self._health, mode_inputs = examine(
            self._health, look, image=second.image, frame=second.frame, thresholds=THRESHOLDS
        )
        mode = next_mode(second.taken.memory.control.mode, mode_inputs, THRESHOLDS)
        return replace(second, mode=mode)

    async def _journal(self, second: Second, answer: Answer) -> bool:
        """Commit image and decision; False if the disk refused, and then nothing is written."""
        memory = replace(second.taken.memory, control=answer.after)
        offered = self._parts.advice.offers(
            second.taken.offers, answer, version=memory.offer_version
        )
        if offered:
            memory = replace(memory, offer_version=offered[-1].curve.version)
        notes, reports = self._parts.orders.look(second.ordered, answer)
        memory = replace(memory, orders=notes)
        drafts = self._drafts(second, answer, offered)
        drafts += event_drafts(order_events(reports), (), second.image.cycle)
        state = changed_state(self._committed, memory) | self._parts.advice.outlooks.kept()
        try:
            last = await asyncio.to_thread(self._parts.journal.append, drafts, state)
        except JournalError as error:
            self._journal_failed(second, str(error))
            return False
        self._health = replace(self._health, journal_failed_ns=None)
        self._alarms, told = self._alarms.look("journal", "")
        self._held.memory = self._committed = memory
        self._frame_journaled = second.frame_id
        self._parts.orders.tell(answer, notes, reports)
        if second.hand.answers:
            await asyncio.to_thread(self._parts.hand.answer, second.hand.answers)
        self._happened, self._receipts = list(told), []
        if self._parts.digests is not None:
            self._happened += self._parts.digests.committed(drafts, last)
        self._parts.link.journaled(
            {
                Stream(stream.value): sequence
                for stream, sequence in last.items()
                if stream is not JournalStream.TICK
            }
        )
        return True

    def _journal_failed(self, second: Second, cause: str) -> None:
        """Keep in memory what could not be recorded; release, unrecorded, once. SAFE follows."""
        log.error("journal.refused", cycle=second.image.cycle, cause=cause)
        self._alarms, told = self._alarms.look("journal", cause)
        self._happened += told
        self._receipts += second.taken.receipts
        before = self._held.memory
        self._primary.take(None)
        self._held.memory = replace(
            second.taken.memory, cycle=before.cycle, slot_s=before.slot_s, control=before.control
        )
        if self._health.journal_failed_ns is None:
            failed_ns = self._parts.clock.monotonic_ns()
            self._health = replace(self._health, journal_failed_ns=failed_ns)
            for resource in self._parts.driver.resources():
                self._start(self._parts.driver.release(resource.resource_id))

    def _drafts(self, second: Second, answer: Answer, offered: tuple[Offered, ...]) -> list[Draft]:
        cycle, memory = second.image.cycle, second.taken.memory
        ended, self._outcomes = [*self._outcomes, *self._primary.take_outcomes()], []
        self._alarms, told = self._alarms.after_writes(ended)
        self._alarms, changes = self._alarms.after_reading(second.image, power_points(second.frame))
        if (trouble := second.taken.trouble) is not None:
            self._alarms, heard = self._alarms.look("dispatch signals", trouble)
            changes += heard
        outlooks = self._parts.advice.outlooks
        looked = (*conditions(answer.inputs), *self._parts.orders.troubles(), outlooks.trouble())
        for name, detail in looked:
            self._alarms, heard = self._alarms.look(name, detail)
            changes += heard
        logged = self._primary_log.second(answer.inputs, self._primary.grant)
        self._happened += [*told, *changes, *logged, *outlooks.told()]
        self._happened += [*second.taken.happened, *second.hand.happened]
        happened = list(self._happened)
        drafts = outcome_drafts(ended, cycle)
        if memory.layout is not self._committed.layout:
            happened.append(layout_happened(memory.layout))
        if second.mode.changed:
            happened.append(mode_happened(self._held.memory.control.mode, second.mode))
        if missed := missed_slots(self._held.memory.slot_s, second.slot_s):
            payload = {"from_s": self._held.memory.slot_s + 1, "seconds": missed}
            happened.append(Happened(kind="cycle.skipped", payload=payload))
        if second.frame_id != self._frame_journaled or cycle % FRAME_EVERY == 0:
            drafts.append(frame_draft(second.frame, cycle))
        if memory.plan is not None and memory.plan is not self._committed.plan:
            drafts.append(plan_draft(memory.plan, cycle))
        drafts += cycle_drafts(answer, memory.layout)
        drafts += event_drafts(happened, [*self._receipts, *second.taken.receipts], cycle)
        drafts += [
            Draft(
                stream=JournalStream.OFFER,
                cycle=cycle,
                kind=OFFER_KIND,
                payload=pack_offer(one.curve, one.envelope, one.baseline),
            )
            for one in offered
        ]
        return drafts

    def _write(self, decision: Decision) -> None:
        """Hand leases and releases to the driver, and to the loop the devices lent to it."""
        self._primary.take(decision.grant)
        for setpoint in decision.setpoints:
            self._start(self._parts.driver.write(setpoint))
        for release in decision.releases:
            self._start(self._parts.driver.release(release.resource_id))

    def _start(self, work: Coroutine[None, None, WriteOutcome]) -> None:
        async def note() -> None:
            self._outcomes.append(await work)

        assert self._tasks is not None, "writes are made while the agent runs"
        self._tasks.create_task(note())

    def _conclude(self, second: Second, answer: Answer, steps: Steps) -> None:
        """Tell the cycle's event and let the advisers look at what came out."""
        self._last = answer
        self._parts.advice.observe(answer)
        self._steps_ms = {"cycle": float(second.image.cycle), **steps.times_ms}
        log.info(
            "cycle.done",
            cycle=second.image.cycle,
            slot_s=second.slot_s,
            mode=second.mode.mode.name,
            reason=answer.decision.reason,
            steps_ms=steps.times_ms,
        )
