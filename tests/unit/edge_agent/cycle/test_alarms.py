"""Faults that last: told once when they begin, once when they end."""

from datetime import timedelta
from types import SimpleNamespace

from edge_agent.cycle.alarms import Alarms
from edge_agent.drivers.port import WriteOutcome, WriteState
from protocols.vocabulary.identifiers import PointId, ResourceId
from protocols.vocabulary.measurement import Measurement, ProcessImage, Quality

POINTS = {"meter": PointId("meter.power_w"), "site-001/b": PointId("b.power_w")}


def image(nouns: SimpleNamespace, second: int, **known: bool) -> ProcessImage:
    at = nouns.now + timedelta(seconds=second)
    values = {"meter": known.get("meter", True), "site-001/b": known.get("battery", True)}
    return ProcessImage(
        cycle=second,
        taken_at=at,
        monotonic_ns=second,
        points={
            POINTS[name]: Measurement(
                value=1.0 if good else None,
                quality=Quality.GOOD if good else Quality.STALE,
                measured_at=at,
                received_at=at,
                reason="" if good else "no answer for 3 s",
            )
            for name, good in values.items()
        },
    )


def outcome(nouns: SimpleNamespace, state: WriteState) -> WriteOutcome:
    return WriteOutcome(
        resource_id=ResourceId("site-001/b"),
        sequence=1,
        state=state,
        read_back_w=None,
        detail="EB",
        finished_at=nouns.now,
    )


def test_a_lost_device_is_told_once_and_again_when_it_is_back(nouns: SimpleNamespace) -> None:
    """Nobody would know that a battery is gone, or the record would say so every second."""
    alarms, told = Alarms().after_reading(image(nouns, 1), POINTS)
    assert told == ()
    alarms, told = alarms.after_reading(image(nouns, 2, battery=False), POINTS)
    assert [(one.kind, one.payload["device"]) for one in told] == [("device.lost", "site-001/b")]
    assert told[0].payload["reason"] == "no answer for 3 s"
    alarms, told = alarms.after_reading(image(nouns, 3, battery=False), POINTS)
    assert told == ()
    alarms, told = alarms.after_reading(image(nouns, 4), POINTS)
    assert [one.kind for one in told] == ["device.back"]


def test_a_device_that_never_answered_is_not_lost(nouns: SimpleNamespace) -> None:
    """Every start of an agent would report all its devices as lost."""
    _, told = Alarms().after_reading(image(nouns, 1, battery=False, meter=False), POINTS)
    assert told == ()


def test_a_refused_write_is_an_alarm_until_one_succeeds(nouns: SimpleNamespace) -> None:
    """A device that does nothing it is told would look like one that does."""
    alarms, told = Alarms().after_writes([outcome(nouns, WriteState.REFUSED)])
    assert [one.kind for one in told] == ["alarm.raised"]
    assert "refused: EB" in str(told[0].payload["detail"])
    alarms, told = alarms.after_writes([outcome(nouns, WriteState.SUPERSEDED)])
    assert told == ()
    alarms, told = alarms.after_writes([outcome(nouns, WriteState.UNCONFIRMED)])
    assert told == ()
    _, told = alarms.after_writes([outcome(nouns, WriteState.DONE)])
    assert [one.kind for one in told] == ["alarm.cleared"]
