"""Whether a person holds the site is told to the clients, who tell it to their peers."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.cycle.memory import HeldMemory
from tests.scenario.orders.test_orders_in_the_cycle import FastClock, Life, nothing


@pytest.mark.parametrize("stopped", [False, True])
def test_an_emergency_stop_is_a_manual_override(tmp_path: Path, *, stopped: bool) -> None:
    """If it fails, a VTN takes a site that a person has stopped for one that disobeys."""
    life = Life(tmp_path, FastClock())
    life.held = HeldMemory(replace(life.held.memory, stopped=stopped))
    asyncio.run(life.live((nothing, lambda: len(life.vtn.seconds) > 2)))
    assert {second.is_overridden for second in life.vtn.seconds} == {stopped}
