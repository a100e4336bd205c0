"""Who is in charge of the fleet, as a table."""

import pytest

from cloud_coordinator.services.intervention import (
    CHECK_LIST,
    TABLE,
    WINDOW_S,
    Act,
    Command,
    Control,
    ask_stop,
    confirm_stop,
    resume,
    step,
    tick_point,
)


@pytest.mark.parametrize("control", list(Control))
@pytest.mark.parametrize("act", list(Act))
def test_the_table_is_the_whole_truth(control: Control, act: Act) -> None:
    """If it fails, an act moves control where the table does not say."""
    before = Command(control=control)
    found = step(before, act, by=("mori",), reason="why", now_s=1.0)
    target = TABLE.get((control, act))
    if target is None:
        assert found.refused
        assert found.command is before
    else:
        assert found.command.control is target


@pytest.mark.parametrize(
    ("second", "later_s", "stops"),
    [("sato", 1.0, True), ("sato", WINDOW_S, True), ("sato", WINDOW_S + 1.0, False),
     ("mori", 1.0, False), ("", 1.0, False), ("sato", -1.0, False)],
)  # fmt: skip
def test_two_different_persons_within_the_window(
    second: str, later_s: float, *, stops: bool
) -> None:
    """If it fails, one person alone can stop the whole fleet, or two cannot."""
    asked = ask_stop(Command(), by="mori", reason="fire", now_s=100.0)
    assert not asked.refused
    found = confirm_stop(asked.command, by=second, now_s=100.0 + later_s)
    assert (found.command.control is Control.STOPPED) is stops
    assert bool(found.refused) is not stops
    if stops:
        assert found.command.by == ("mori", "sato")


def test_control_returns_only_by_the_whole_check_list() -> None:
    """If it fails, devices move again while somebody works on them."""
    command = step(Command(), Act.CRITICAL, by=("a", "b"), reason="fire", now_s=1.0).command
    for point in CHECK_LIST:
        refused = resume(command, by="mori", now_s=2.0)
        assert point in refused.refused
        command = tick_point(command, point, by="mori").command
    assert resume(command, by="mori", now_s=3.0).command.control is Control.AUTOMATIC
    assert tick_point(Command(), "cause", by="mori").refused
    assert tick_point(command, "nonsense", by="mori").refused
    assert resume(Command(), by="mori", now_s=3.0).refused, "there is nothing to resume"
