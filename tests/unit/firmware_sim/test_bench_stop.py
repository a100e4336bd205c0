"""What the bench reads out of a journal: when the last device that ran came to rest."""

from typing import Any

from firmware_sim.bench_stop import as_text, site_stop


def _cycle(at_s: float, mode: str, orders: dict[str, tuple[int, float]]) -> dict[str, Any]:
    setpoints = [
        {"resource_id": name, "sequence": sequence, "power_w": power_w}
        for name, (sequence, power_w) in orders.items()
    ]
    return {"cycle": 1, "at_s": at_s, "mode": mode, "setpoints": setpoints, "releases": []}


def _done(at_s: float, name: str, sequence: int) -> dict[str, Any]:
    return {"outcome": "done", "resource_id": name, "sequence": sequence, "at_s": at_s}


LINES = [
    {"site_id": "site-001"},
    _cycle(9.0, "NORMAL", {"a": (1, -900.0), "b": (2, 0.0), "c": (3, 400.0)}),
    _cycle(10.5, "SAFE", {"a": (4, 0.0), "b": (5, 0.0), "c": (6, 0.0)}),
    _done(10.6, "a", 4),
    _done(10.9, "c", 6),
    _done(12.0, "b", 5),
]


def test_devices_that_ran_count_to_the_last_one() -> None:
    """If it fails, the figure of the emergency stop flatters or slanders it."""
    found = site_stop(LINES, 10.0)
    assert (found.decided_s, found.devices, found.released) == (0.5, 2, 2)
    assert found.released_s == 0.9
    open_one = site_stop([*LINES[:4]], 10.0)
    assert (open_one.devices, open_one.released, open_one.released_s) == (2, 1, None)


def test_a_stop_that_did_not_come_shows_no_time() -> None:
    """If it fails, a fleet that went on running is reported as stopped."""
    found = site_stop(LINES[:2], 10.0)
    assert (found.decided_s, found.devices, found.released_s) == (None, 0, None)
    sites = [{"site_id": "x", "decided_s": None, "devices": 0, "released": 0, "released_s": None}]
    text = as_text({"answered_s": 0.1, "sites": sites, "devices": 0, "last_s": None})
    assert "at 1 sites: - s" in text
