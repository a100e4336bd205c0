"""What an agent must not forget."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from edge_agent.control.inputs import ControlState, HeldSignal
from edge_agent.control.nouns import HeldShare, ShareSource
from edge_agent.cycle.memory import AgentMemory, HeldMemory, changed_state, load_memory
from edge_agent.link.inbox import GuardMemory
from protocols.link.messages import Layout, Stream
from protocols.vocabulary.identifiers import ObligationId, ResourceId, SignalId
from protocols.vocabulary.mode import Mode
from protocols.vocabulary.resource import Resource, ResourceKind


def full(nouns: SimpleNamespace) -> AgentMemory:
    resource = Resource(
        resource_id=ResourceId("site-001/battery-1"),
        site_id=nouns.site,
        kind=ResourceKind.BATTERY,
        power_w_min=-5000.0,
        power_w_max=5000.0,
        ramp_w_per_s=float("inf"),
    )
    share = HeldShare(
        obligation_id=ObligationId("award-1/site-001"),
        power_w=0.1 + 0.2,
        signal_id=SignalId(10**12 + 7),
        source=ShareSource.HELD,
    )
    return AgentMemory(
        cycle=17,
        slot_s=1_795_426_232,
        offer_version=4,
        stopped=True,
        control=ControlState(sequence=9, mode=Mode.AUTONOMOUS, shares=(share,), correction_w=-3.25),
        commitments=(nouns.commitment(),),
        guards=GuardMemory(
            epochs={"market": 3, "17": 2}, last_signal=(3, SignalId(8)), done_commands=(1, 2)
        ),
        signal=HeldSignal(signal=nouns.signal(8, epoch=3), received_at=nouns.now),
        layout=Layout(version=2, resources=(resource,)),
        durable={Stream.TELEMETRY: 11, Stream.EVENT: 2},
    )


def test_everything_comes_back_to_the_bit(nouns: SimpleNamespace) -> None:
    """After kill -9 a site would hold another share than the one it promised."""
    memory = full(nouns)
    state = changed_state(AgentMemory(), memory)
    loaded = load_memory(state.get)
    assert loaded.control == memory.control
    assert loaded.guards == memory.guards
    assert loaded.signal == memory.signal
    assert loaded.layout == memory.layout
    assert loaded.durable == memory.durable
    assert (loaded.cycle, loaded.slot_s, loaded.offer_version) == (17, 1_795_426_232, 4)
    assert loaded.stopped
    held = loaded.commitments[0]
    np.testing.assert_array_equal(held.curve.power_w, memory.commitments[0].curve.power_w)
    assert held.obligation.interval == memory.commitments[0].obligation.interval


def test_an_empty_journal_gives_a_first_life() -> None:
    """A new gateway would not start."""
    memory = load_memory(lambda _: None)
    assert memory.cycle == 0
    assert memory.control == ControlState()


def test_only_what_changed_is_written(nouns: SimpleNamespace) -> None:
    """Every second would rewrite plans and commitments and wear the gateway's flash."""
    memory = full(nouns)
    assert changed_state(memory, memory) == {}
    ticked = replace(memory, cycle=18, slot_s=memory.slot_s + 1)
    assert set(changed_state(memory, ticked)) == {"counters"}


def test_a_hello_says_what_is_held(nouns: SimpleNamespace) -> None:
    """The coordinator would send what is held, or not send what is missing."""
    holding = HeldMemory(full(nouns)).holding()
    assert holding.obligations == {"award-1/site-001": 1}
    assert holding.signal_id == 8
    assert holding.epochs["market"] == 3
