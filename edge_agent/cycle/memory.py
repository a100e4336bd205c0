"""What an agent must not forget: kept in the journal's state, in the same commit as the tick.

After kill -9 the next life of the agent goes on from here: commitments, the last signal, the
guards, control's memory and the plan in force.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, cast

import msgpack

from edge_agent.control.inputs import ControlState, HeldSignal
from edge_agent.control.plain import pack_plan, pack_state, unpack_plan, unpack_state
from edge_agent.control.plan import Plan
from edge_agent.control.records import from_plain, microseconds, moment_of, to_plain
from edge_agent.cycle.grid_orders import OrderNote
from edge_agent.cycle.hand import HandMemory
from edge_agent.link.inbox import GuardMemory
from edge_agent.link.uplink import Holding
from protocols.link.messages import Layout, Stream
from protocols.link.plain import (
    commitment_from_plain,
    commitment_to_plain,
    layout_from_plain,
    layout_to_plain,
    signal_from_plain,
    signal_to_plain,
)
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.identifiers import NO_SIGNAL, SignalId

COUNTERS: Final = "counters"
CONTROL: Final = "control"
COMMITMENTS: Final = "commitments"
GUARDS: Final = "guards"
SIGNAL: Final = "signal"
PLAN: Final = "plan"
LAYOUT: Final = "layout"
ORDERS: Final = "orders"
DURABLE: Final = "durable"
HAND: Final = "hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentMemory:
    """Everything that outlives a cycle, and the process.

    Attributes
    ----------
    cycle, slot_s : int
        Number and Unix second of the last cycle; 0 before the first.
    offer_version : int
        Of the last committed offer.
    stopped : bool
        Whether an emergency stop is in force.
    control : ControlState
        What control remembers.
    commitments : tuple of Commitment
        Held ones.
    guards : GuardMemory
        What the link's guards remember.
    signal : HeldSignal or None
        The last admitted signal.
    plan : Plan or None
        In force.
    layout : Layout
        Of the telemetry rows; version 0 before there is one.
    durable : mapping of Stream to int
        Durable acknowledgements.
    orders : tuple of OrderNote
        What became of the orders that the grid's clients offer.
    hand : HandMemory
        What a person's hand holds.
    """

    cycle: int = 0
    slot_s: int = 0
    offer_version: int = 0
    stopped: bool = False
    control: ControlState = field(default_factory=ControlState)
    commitments: tuple[Commitment, ...] = ()
    guards: GuardMemory = field(default_factory=lambda: GuardMemory(epochs={}))
    signal: HeldSignal | None = None
    plan: Plan | None = None
    layout: Layout = field(default_factory=lambda: Layout(version=0, resources=()))
    durable: Mapping[Stream, int] = field(default_factory=dict)
    orders: tuple[OrderNote, ...] = ()
    hand: HandMemory = field(default_factory=HandMemory)


class HeldMemory:
    """The memory as it was last committed. The cycle replaces it, the link reads it.

    Parameters
    ----------
    memory : AgentMemory
        From the journal.
    """

    def __init__(self, memory: AgentMemory) -> None:
        self.memory = memory

    def holding(self) -> Holding:
        """Return what a hello says of it."""
        memory = self.memory
        return Holding(
            durable=memory.durable,
            epochs=memory.guards.epochs,
            obligations={
                item.obligation.obligation_id: item.obligation.version
                for item in memory.commitments
            },
            offer_version=memory.offer_version,
            layout=memory.layout,
            signal_id=NO_SIGNAL if memory.signal is None else memory.signal.signal.signal_id,
        )


def _counters(memory: AgentMemory) -> list[object]:
    return [memory.cycle, memory.slot_s, memory.offer_version, memory.stopped]


def _pack(value: object) -> bytes:
    return cast("bytes", msgpack.packb(value))


def _pack_signal(held: HeldSignal | None) -> bytes:
    if held is None:
        return _pack(None)
    return _pack([signal_to_plain(held.signal), microseconds(held.received_at)])


def _pack_guards(guards: GuardMemory) -> bytes:
    return _pack([guards.epochs, list(guards.last_signal), list(guards.done_commands)])


_PACKERS: Final[
    Mapping[str, tuple[Callable[[AgentMemory], object], Callable[[AgentMemory], bytes]]]
] = {
    COUNTERS: (_counters, lambda memory: _pack(_counters(memory))),
    CONTROL: (lambda memory: memory.control, lambda memory: pack_state(memory.control)),
    COMMITMENTS: (
        lambda memory: memory.commitments,
        lambda memory: _pack([commitment_to_plain(item) for item in memory.commitments]),
    ),
    GUARDS: (lambda memory: memory.guards, lambda memory: _pack_guards(memory.guards)),
    SIGNAL: (lambda memory: memory.signal, lambda memory: _pack_signal(memory.signal)),
    PLAN: (
        lambda memory: memory.plan,
        lambda memory: b"" if memory.plan is None else pack_plan(memory.plan),
    ),
    ORDERS: (
        lambda memory: memory.orders,
        lambda memory: _pack([to_plain(OrderNote, note) for note in memory.orders]),
    ),
    HAND: (
        lambda memory: memory.hand,
        lambda memory: _pack(to_plain(HandMemory, memory.hand)),
    ),
    LAYOUT: (lambda memory: memory.layout, lambda memory: _pack(layout_to_plain(memory.layout))),
    DURABLE: (
        lambda memory: memory.durable,
        lambda memory: _pack({stream.value: last for stream, last in memory.durable.items()}),
    ),
}
"""Per key: what it depends on (by identity or equality), and its bytes."""


def changed_state(before: AgentMemory, after: AgentMemory) -> dict[str, bytes]:
    """Return the journal's state keys that a tick must replace, with their new bytes."""
    changed = {}
    for key, (part, pack) in _PACKERS.items():
        old, new = part(before), part(after)
        if old is not new and (key in {COMMITMENTS, PLAN} or old != new):
            changed[key] = pack(after)
    return changed


def load_memory(state: Callable[[str], bytes | None]) -> AgentMemory:
    """Read the memory back.

    Parameters
    ----------
    state : callable
        Value of a state key of the journal, None if there is none.

    Raises
    ------
    JournalError
        If control's state is of another version.
    RemoteProtocolError
        If a stored noun is damaged.
    """
    memory = AgentMemory()
    if counters := state(COUNTERS):
        cycle, slot_s, offer_version, stopped = msgpack.unpackb(counters)
        memory = replace(
            memory, cycle=cycle, slot_s=slot_s, offer_version=offer_version, stopped=stopped
        )
    if control := state(CONTROL):
        memory = replace(memory, control=unpack_state(control))
    if commitments := state(COMMITMENTS):
        items = tuple(commitment_from_plain(item) for item in msgpack.unpackb(commitments))
        memory = replace(memory, commitments=items)
    if guards := state(GUARDS):
        memory = replace(memory, guards=_guards_of(guards))
    if signal := state(SIGNAL):
        memory = replace(memory, signal=_signal_of(signal))
    if plan := state(PLAN):
        memory = replace(memory, plan=unpack_plan(plan))
    if layout := state(LAYOUT):
        memory = replace(memory, layout=layout_from_plain(msgpack.unpackb(layout)))
    if orders := state(ORDERS):
        notes = tuple(from_plain(OrderNote, item) for item in msgpack.unpackb(orders))
        memory = replace(memory, orders=notes)
    if durable := state(DURABLE):
        plain: dict[str, int] = msgpack.unpackb(durable)
        memory = replace(memory, durable={Stream(name): last for name, last in plain.items()})
    return replace(memory, hand=_hand_of(state(HAND)))


def _hand_of(data: bytes | None) -> HandMemory:
    return from_plain(HandMemory, msgpack.unpackb(data)) if data else HandMemory()


def _guards_of(data: bytes) -> GuardMemory:
    epochs, last_signal, done = msgpack.unpackb(data)
    return GuardMemory(
        epochs=epochs,
        last_signal=(last_signal[0], SignalId(last_signal[1])),
        done_commands=tuple(done),
    )


def _signal_of(data: bytes) -> HeldSignal | None:
    parts = msgpack.unpackb(data)
    if parts is None:
        return None
    return HeldSignal(signal=signal_from_plain(parts[0]), received_at=moment_of(parts[1]))
