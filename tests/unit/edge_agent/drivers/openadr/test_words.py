"""A ceiling in the words of an event."""

import math

import pytest

from edge_agent.drivers.openadr.words import ceiling, unit_of
from protocols.templates.catalogue import template_of
from protocols.templates.openadr import OpenAdrWire
from protocols.vocabulary.errors import DeviceUnsupportedError, LocalProtocolError

RATED_W = 20_000.0


def wire_of(template_id: str) -> OpenAdrWire:
    wire = template_of(template_id).wire
    assert isinstance(wire, OpenAdrWire)
    return wire


@pytest.mark.parametrize(
    ("template_id", "power_w", "told"),
    [
        ("openadr-load-setpoint", -8000.7, (8000.0, -8000.0)),
        ("openadr-load-setpoint", -50_000.0, (20_000.0, -20_000.0)),
        ("openadr-load-setpoint", 0.0, (0.0, 0.0)),
        ("openadr-load-capacity", -5000.0, (0.25, -5000.0)),
        ("openadr-load-capacity", -6667.0, (0.3333, -6666.0)),
        ("openadr-load-levels", -20_000.0, (0.0, -20_000.0)),
        ("openadr-load-levels", -14_999.0, (2.0, -10_000.0)),
        ("openadr-load-levels", -15_000.0, (1.0, -15_000.0)),
        ("openadr-load-levels", -5000.0, (3.0, -5000.0)),
    ],
)
def test_a_ceiling_is_rounded_toward_less_consumption(
    template_id: str, power_w: float, told: tuple[float, float]
) -> None:
    """If it fails, a load is allowed more than a limit leaves."""
    assert ceiling(power_w, wire_of(template_id), rated_w=RATED_W) == told


def test_what_an_event_cannot_say_is_refused() -> None:
    """If it fails, a load is told nonsense, or control counts on what it cannot do."""
    levels, setpoint = wire_of("openadr-load-levels"), wire_of("openadr-load-setpoint")
    with pytest.raises(DeviceUnsupportedError, match="deepest level leaves 5000 W"):
        ceiling(-4000.0, levels, rated_w=RATED_W)
    with pytest.raises(DeviceUnsupportedError, match="toward the grid"):
        ceiling(1.0, setpoint, rated_w=RATED_W)
    with pytest.raises(LocalProtocolError):
        ceiling(math.nan, setpoint, rated_w=RATED_W)


def test_only_a_power_carries_a_unit() -> None:
    """If it fails, a VEN reads a level as watts."""
    assert unit_of(wire_of("openadr-load-levels")) is None
    assert unit_of(wire_of("openadr-load-capacity")) is None
    item = unit_of(wire_of("openadr-load-setpoint"))
    assert item is not None
    assert (item.item_units, item.si_scale_code) == ("W", "none")
