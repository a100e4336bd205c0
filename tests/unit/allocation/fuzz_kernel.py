"""Throws numbers at a kernel built with AddressSanitizer; run in a process of its own.

Usage: fuzz_kernel.py LIBRARY ROUNDS SEED. Ends with code 0 and ``done`` if nothing went wrong.
"""

import contextlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from cloud_coordinator.allocation.allocate import allocate
from cloud_coordinator.allocation.problem import AllocationInputError
from cloud_coordinator.allocation.rows import PriceColumns, ProductColumns, Question
from cloud_coordinator.allocation.rows_compiled import CompiledEngine
from tests.unit.allocation.random_fleets import question

HOSTILE = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e308, -1e308, 5e-324, 1e15, -1.0, 1.0])


def _spoiled(rng: np.random.Generator, column: np.ndarray, share: float) -> np.ndarray:
    found = np.ascontiguousarray(column, dtype=np.float64).copy()
    chosen = rng.random(found.shape) < share
    found[chosen] = rng.choice(HOSTILE, int(chosen.sum()))
    return found


def _asked(rng: np.random.Generator, engine: CompiledEngine, seed: int) -> None:
    """Ask a whole question, sound or spoiled: an answer or a refusal, never a crash."""
    asked = question(seed)
    if rng.random() < 0.5:
        fleet = asked["fleet"]
        name = str(rng.choice(["power_w_min", "power_w_max", "steepness_jpy_per_kwh_w"]))
        asked["fleet"] = replace(fleet, **{name: _spoiled(rng, getattr(fleet, name), 0.05)})
    with contextlib.suppress(AllocationInputError):
        answer = allocate(**asked, engine=engine)
        assert np.isfinite(answer.power_w).all()


def _starts(rng: np.random.Generator, rows: int) -> np.ndarray:
    cuts = np.sort(rng.integers(0, rows + 1, int(rng.integers(0, 6))))
    return np.unique(np.concatenate([[0], cuts, [rows]])).astype(np.int64)


def _prices(rng: np.random.Generator, engine: CompiledEngine) -> None:
    """Loops over one price with numbers that no caller would let through."""
    n = int(rng.integers(1, 70))
    c, q, low, high = (_spoiled(rng, rng.uniform(0.0, 9.0, n), 0.1) for _ in range(4))
    starts = _starts(rng, n)
    rows = engine.price_rows(
        PriceColumns(
            c=c, q=q, low=low, high=low + high, starts=starts, required=9.0, hint=float("nan")
        )
    )
    if rows is None:
        return
    which = np.arange(len(starts) - 1)
    prices = _spoiled(rng, rng.uniform(0.0, 20.0, len(which)), 0.3)
    sums, slopes = rows.totals(which, prices)
    known = np.ascontiguousarray(np.stack([sums, slopes], axis=1))
    answers = rows.roots(which, _spoiled(rng, sums, 0.3), start=prices, known=known)
    rows.proof(answers)


def _products(rng: np.random.Generator, engine: CompiledEngine) -> None:
    """Loops over several products with spoiled rows."""
    n, count = int(rng.integers(1, 40)), int(rng.integers(1, 9))
    share = float(rng.choice([0.0, 0.1]))
    part = [
        [_spoiled(rng, rng.uniform(0.1, 9.0, n), share) for _ in range(count)] for _ in range(5)
    ]
    starts = _starts(rng, n)
    rows = engine.product_rows(
        ProductColumns(
            c=part[0],
            q=part[1],
            low=[np.zeros(n)] * count,
            high=part[2],
            delivery=part[3],
            head=_spoiled(rng, rng.uniform(1.0, 20.0, n), share),
            energy=_spoiled(rng, rng.uniform(1.0, 9.0, n), share) if rng.random() < 0.5 else None,
            hours=rng.uniform(0.0, 2.0, count),
            starts=starts,
        )
    )
    which = np.flatnonzero(rng.random(len(starts) - 1) < 0.8)
    price = _spoiled(rng, rng.uniform(0.0, 30.0, count), share)
    asked = Question(which=which, price=price, reach=100.0)
    incoming = _spoiled(rng, rng.uniform(-5.0, 5.0, len(which)), share)
    caps = np.ascontiguousarray(rng.uniform(0.0, 30.0, (len(which), 3)))
    own, _, _ = rows.respond(asked, incoming, caps=caps, nu=incoming + 1.0)
    rows.totals(asked, own)
    rows.powers(price, np.zeros(len(starts) - 1))


def main(library: Path, rounds: int, seed: int) -> None:
    """Run so many rounds of everything."""
    engine = CompiledEngine(library)
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        for at in range(rounds):
            _asked(rng, engine, seed + at)
            _prices(rng, engine)
            _products(rng, engine)
    sys.stdout.write("done\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
