"""Answers of the use case of optimising, as text."""

import tracemalloc

import numpy as np

from cloud_coordinator.services.plans import Commands


def test_pieces_need_the_memory_of_one() -> None:
    """If it fails, each long answer would take the memory of all of its text at once."""
    rows = 100_000
    commands = Commands(
        quoted_id=tuple(f'"big/{row:06d}"' for row in range(rows)),
        command=("set_power",) * rows,
        rows=np.arange(rows),
        power_w=np.linspace(-5e3, 5e3, rows),
    )
    total = 0
    tracemalloc.start()
    for text in commands.texts(at="2026-07-22T00:00:00Z", size=2_000):
        total += len(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total > 80 * rows
    assert peak < total / 5
