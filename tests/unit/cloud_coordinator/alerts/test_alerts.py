"""Alerts: raised once, grouped, cleared; and the rules that raise them."""

import numpy as np
import pytest

from cloud_coordinator.alerts.alert import EVIDENCE_KEPT, Severity, Sighting, Standing, State, look
from cloud_coordinator.alerts.event_rules import EVENT_RULES, EventWatch, Seen
from cloud_coordinator.alerts.telemetry_rules import (
    ENERGY_WINDOW_S,
    FROZEN_S,
    HELD_S,
    Readings,
    TelemetryWatch,
)

QUIET = {"r": 60.0}


def sighting(at_s: float, evidence: str = "seen", severity: Severity = Severity.LOW) -> Sighting:
    return Sighting(rule="r", place="site-1", severity=severity, at_s=at_s, evidence=evidence)


def test_repeats_are_one_alert_and_quiet_clears_it() -> None:
    """If it fails, an attack floods the operators, or an alert stands for ever."""
    standing, raised = Standing(), 0
    for second in range(50):
        seen = look(standing, [sighting(second, f"e{second}")], quiet_s=QUIET, now_s=second)
        standing, raised = seen.standing, raised + len(seen.raised)
    assert raised == 1
    (alert,) = standing.alerts.values()
    assert alert.count == 50
    assert len(alert.evidence) == EVIDENCE_KEPT
    assert alert.evidence[0] == "e0"
    assert alert.evidence[-1] == "e49"
    over = look(standing, [], quiet_s=QUIET, now_s=49 + 61)
    assert [one.state for one in over.cleared] == [State.CLEARED]
    assert not over.standing.alerts


def test_a_rising_severity_is_told_again() -> None:
    """If it fails, a nuisance that becomes an attack calls nobody."""
    first = look(Standing(), [sighting(0.0)], quiet_s=QUIET, now_s=0.0)
    worse = look(
        first.standing, [sighting(1.0, severity=Severity.CRITICAL)], quiet_s=QUIET, now_s=1.0
    )
    assert [one.severity for one in worse.worse] == [Severity.CRITICAL]
    again = look(worse.standing, [sighting(2.0)], quiet_s=QUIET, now_s=2.0)
    assert not again.worse
    (alert,) = again.standing.alerts.values()
    assert alert.severity is Severity.CRITICAL


@pytest.mark.parametrize("rule", EVENT_RULES, ids=lambda rule: rule.rule)
def test_each_rule_sees_its_event_at_its_burst(rule: object) -> None:
    """If it fails, an attack of this sort is not seen, or one odd message raises an alarm."""
    assert rule in EVENT_RULES
    for kind in rule.kinds:  # type: ignore[attr-defined]
        words = rule.words[0] if rule.words else "x"  # type: ignore[attr-defined]
        watch = EventWatch()
        event = [Seen(kind=kind, place="site-1", at_s=0.0, words=words)]
        seen = [
            any(one.rule == rule.rule for one in watch.sightings(event))  # type: ignore[attr-defined]
            for _ in range(rule.burst)  # type: ignore[attr-defined]
        ]
        assert seen == [False] * (rule.burst - 1) + [True]  # type: ignore[attr-defined]


def test_a_slow_trickle_is_no_burst() -> None:
    """If it fails, five mistyped passwords in a day lock the operators' attention."""
    watch = EventWatch()
    events = [Seen(kind="login.failed", place="user:hana", at_s=301.0 * n) for n in range(20)]
    assert not watch.sightings(events)


def readings(second: int, power_w: list[float], soc: list[float], *, live: bool = True) -> Readings:
    count = len(power_w)
    return Readings(
        power_w=np.array(power_w),
        soc=np.array(soc),
        power_w_min=np.full(count, -5000.0),
        power_w_max=np.full(count, 5000.0),
        energy_wh_capacity=np.full(count, 10_000.0),
        second=np.full(count, second),
        is_live=np.full(count, live),
    )


def test_outside_the_nameplate_must_hold() -> None:
    """If it fails, one bad row raises an alarm, or a lying meter none."""
    watch = TelemetryWatch(2)
    found = [
        watch.look(readings(n, [9000.0, 5200.0], [np.nan, np.nan]))["outside-nameplate"].tolist()
        for n in range(HELD_S)
    ]
    assert found == [[False, False]] * (HELD_S - 1) + [[True, False]]
    silent = watch.look(readings(99, [9000.0, 0.0], [np.nan, np.nan], live=False))
    assert not silent["outside-nameplate"].any(), "what is not heard is not judged"


def test_energy_must_be_conserved() -> None:
    """If it fails, a battery may claim deliveries that its own charge contradicts."""
    watch = TelemetryWatch(2)
    power_w = [4000.0, 4000.0]
    found = np.zeros(2, dtype=bool)
    for n in range(2 * ENERGY_WINDOW_S + 2):
        honest = 0.9 - 4000.0 * n / 3600.0 / 10_000.0
        signs = watch.look(readings(n, [p + (n % 7) for p in power_w], [honest, 0.9]))
        found |= signs["energy-not-conserved"]
    assert found.tolist() == [False, True]


def test_a_frozen_value_is_seen_and_rest_is_not() -> None:
    """If it fails, a stuck meter is paid for, or every idle battery raises an alarm."""
    watch = TelemetryWatch(3)
    signs = {}
    for n in range(FROZEN_S + 2):
        signs = watch.look(readings(n, [3000.0, 0.0, 3000.0 + n % 3], [np.nan] * 3))
    assert signs["frozen-value"].tolist() == [True, False, False]
