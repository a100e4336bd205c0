"""ECHONET Lite Specification part II, 4.2 and 4.3: what a node announces by itself."""

from typing import Any

from protocols.echonet_lite.frame import NODE_PROFILE, Eoj, Esv, Property, encode_frame


def test_a_node_announces_its_instances_when_it_starts(battery: Any) -> None:
    """A controller would not notice that a device restarted and forgot its setpoint."""
    answer = battery.node.announcement()
    assert answer.multicast
    assert encode_frame(answer.frame).hex().upper().endswith("0EF0010EF0017301D50702027D01027D02")


def test_a_changed_announced_property_is_sent_to_the_group(battery: Any) -> None:
    """A mode that changes by itself would be seen only at the next poll."""
    battery.first.update(0xCF, b"\x43")
    (answer,) = battery.node.take_announcements()
    assert answer.multicast
    assert (answer.frame.seoj, answer.frame.deoj) == (Eoj(2, 0x7D, 1), NODE_PROFILE)
    assert (answer.frame.esv, answer.frame.properties) == (Esv.INF, (Property(0xCF, b"\x43"),))


def test_a_change_by_a_set_is_announced_too(battery: Any) -> None:
    """A second controller would not learn what the first one set."""
    battery.ask(Esv.SET_C, Property(0xDA, b"\x42"))
    (answer,) = battery.node.take_announcements()
    assert answer.frame.properties == (Property(0xDA, b"\x42"),)


def test_a_property_that_is_not_announced_stays_silent(battery: Any) -> None:
    """Every measurement would be multicast each second."""
    battery.first.update(0xE4, b"\x33")
    assert battery.node.take_announcements() == []


def test_a_value_put_in_again_is_no_change(battery: Any) -> None:
    """The group would be flooded by news that are none."""
    battery.first.update(0xCF, b"\x44")
    assert battery.node.take_announcements() == []


def test_a_change_is_announced_once(battery: Any) -> None:
    """The same change would be announced at every step."""
    battery.first.update(0xCF, b"\x43")
    assert len(battery.node.take_announcements()) == 1
    assert battery.node.take_announcements() == []


def test_changes_of_two_objects_are_two_frames_with_tids_of_their_own(battery: Any) -> None:
    """Two devices' news would be taken for one another's."""
    battery.first.update(0xCF, b"\x43")
    battery.second.update(0xCF, b"\x42")
    first, second = (answer.frame for answer in battery.node.take_announcements())
    assert (first.seoj.instance, second.seoj.instance) == (1, 2)
    assert first.tid != second.tid
