"""The watchdog's rule: what counts as silence, and how often devices are released."""

from pathlib import Path

import pytest

from edge_agent.watchdog.heartbeat import (
    HEARTBEAT_FILE,
    AgentState,
    Beat,
    Heartbeat,
    read_beat,
)
from edge_agent.watchdog.watch import AGAIN_S, Action, Watch


def beat(counter: int, state: AgentState = AgentState.RUNNING) -> Beat:
    return Beat(state=state, counter=counter, pid=1)


def looks(watch: Watch, beats: list[Beat | None], elapsed_s: float = 0.25) -> list[Action]:
    return [watch.look(entry, elapsed_s) for entry in beats]


def test_living_agent_is_left_alone() -> None:
    """Devices would be taken away from an agent that works."""
    watch = Watch()
    beats = [beat(n // 4) for n in range(400)]
    assert set(looks(watch, beats)) == {Action.NOTHING}


def test_silence_releases_once() -> None:
    """A dead agent's battery would stay forced, or be sent the same frame for ever."""
    watch = Watch(timeout_s=5.0)
    actions = looks(watch, [beat(1)] * 200)
    assert actions.count(Action.RELEASE) == 1
    assert 20 <= actions.index(Action.RELEASE) <= 22
    assert looks(watch, [beat(2)] * 30).count(Action.RELEASE) == 1, "a new silence"


def test_agent_that_never_came_is_silent_too() -> None:
    """What an agent left behind before a reboot would not be released by anybody."""
    assert looks(Watch(timeout_s=5.0), [None] * 40).count(Action.RELEASE) == 1


def test_devices_that_did_not_confirm_are_tried_again_later() -> None:
    """A battery that was out of reach for a minute would stay forced for ever."""
    watch = Watch(timeout_s=5.0)
    looks(watch, [beat(1)] * 22)
    watch.released(unconfirmed=1)
    later = looks(watch, [beat(1)] * round(2.5 * AGAIN_S / 0.25))
    assert later.count(Action.RELEASE) == 1
    watch.released(unconfirmed=0)
    assert looks(watch, [beat(1)] * 1000).count(Action.RELEASE) == 0


def test_machine_that_slept_is_not_a_dead_agent() -> None:
    """After each suspend or frozen virtual machine all devices would be released."""
    watch = Watch(timeout_s=5.0)
    assert watch.look(beat(1), 0.25) is Action.NOTHING
    assert watch.look(beat(1), 3_600.0) is Action.NOTHING
    assert watch.look(beat(2), 0.25) is Action.NOTHING


def test_clean_stop_ends_the_watch() -> None:
    """A watchdog would stay behind after each stop, and release at the next start."""
    assert Watch().look(beat(9, AgentState.STOPPED), 0.25) is Action.END


def test_heartbeat_moves_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    """A restarted agent would look like the silence of the one before."""
    assert read_beat(tmp_path) is None
    heartbeat = Heartbeat(tmp_path)
    first = read_beat(tmp_path)
    heartbeat.beat()
    second = read_beat(tmp_path)
    again = Heartbeat(tmp_path)
    third = read_beat(tmp_path)
    assert first is not None
    assert second is not None
    assert third is not None
    assert first.counter < second.counter < third.counter
    again.stop()
    last = read_beat(tmp_path)
    assert last is not None
    assert last.state is AgentState.STOPPED


@pytest.mark.parametrize("data", [b"", b"x" * 24, b"VPHB" + b"\xff" * 20, b"VPHB"])
def test_foreign_heartbeat_is_no_beat(tmp_path: Path, data: bytes) -> None:
    """A damaged file would be taken for a living agent."""
    (tmp_path / HEARTBEAT_FILE).write_bytes(data)
    assert read_beat(tmp_path) is None
