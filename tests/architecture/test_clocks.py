"""The system clock and chance are read in wiring only; everything else is given them."""

import ast
from collections.abc import Iterator, Mapping

CLOCKS = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}
CHANCE = {"random", "secrets", "uuid"}
"""Modules whose every use is chance; and ``os.urandom``, ``numpy.random``."""

WIRING = {
    "cloud_coordinator/commands/access_keys.py",
    "cloud_coordinator/commands/bids.py",
    "cloud_coordinator/commands/users.py",
    "cloud_coordinator/commands/optimize.py",
    "cloud_coordinator/commands/ieee2030_5.py",
    "cloud_coordinator/commands/openadr.py",
    "cloud_coordinator/commands/opening_authority.py",
    "cloud_coordinator/main.py",
    "cloud_coordinator/process.py",
    "edge_agent/main.py",
    "edge_agent/watchdog/__main__.py",
    "firmware_sim/main.py",
}
"""Programs: here the clock and chance are made and passed on."""

MEASURING = ("firmware_sim/demo/", "firmware_sim/bench")
"""Programs that run other programs; the wall clock is what they measure with."""

MAY_DRAW = {
    "cloud_coordinator/services/bidding/comparing.py": "a comparison, from a seed a person gives",
    "cloud_coordinator/services/bidding/searching.py": "a search, from the seed of its question",
    "cloud_coordinator/services/market_day/day.py": "the simulated day, from the run's seed",
    "cloud_coordinator/services/market_day/fleet.py": "the simulated day, from the run's seed",
    "cloud_coordinator/services/search/swarm.py": "draws from the generator it is given",
    "cloud_coordinator/services/strategies/comparing.py": "a comparison, from a fixed seed",
    "cloud_coordinator/services/strategies/practice.py": "training, from a seed a person gives",
    "cloud_coordinator/services/strategies/scenes.py": "draws from the generator it is given",
    "cloud_coordinator/services/strategies/searched.py": "a search, from the seed of its question",
    "cloud_coordinator/web/control.py": "the id of a plan, which nobody can guess; no decision",
    "firmware_sim/demo/identities.py": "a passphrase that nobody can guess; no decision",
    "firmware_sim/counterparts/published_files.py": "drawn from the run's seed",
    "models/training/actor_critic.py": "training, from a seed a person gives",
    "models/training/bidding.py": "training, from a seed a person gives",
    "models/training/baselines.py": "rows of the boosted trees, from a fixed seed",
    "models/training/site_samples.py": "which moments are learned from, from a fixed seed",
    "firmware_sim/bench_models.py": "a benchmark, from a fixed seed",
    "models/training/fit.py": "the order of samples, from a recipe's seed",
    "cloud_coordinator/gateway/broker_config.py": "passwords, a name and a free port; no decision",
    "cloud_coordinator/gateway/mqtt_bus.py": "a client id that no other connection has",
    "edge_agent/drivers/bacnet/family.py": "the first invoke id and subscription; no decision",
    "edge_agent/drivers/echonet_lite/family.py": "the first transaction number; tests pass it",
    "edge_agent/northbound/ieee2030_5/client.py": "the default of an argument; tests pass it",
    "edge_agent/northbound/openadr/ven.py": "the default of an argument; tests pass it",
    "edge_agent/journal/journal.py": "the default of an argument, for the id of a new journal",
    "firmware_sim/bench_der/polls.py": "nonces of a load's signatures; no decision",
    "edge_agent/drivers/ieee2030_5/family.py": "the shell of a role: a seed nobody can guess",
    "edge_agent/drivers/ieee2030_5/notifier.py": "the shell of a role: pauses between tries",
    "edge_agent/drivers/openadr/desk.py": "the shell of a role: identifiers nobody can guess",
    "cloud_coordinator/commands/allocation_bench/fleets.py": "a benchmark, from a fixed seed",
    "cloud_coordinator/allocation/experience.py": "draws from the generator it is given",
    "cloud_coordinator/commands/certificate.py": "a check by draws, from a seed a person gives",
    "cloud_coordinator/commands/synthetic_sites.py": "a benchmark, from a fixed seed",
    "cloud_coordinator/commands/cycle.py": "a benchmark, from a fixed seed",
    "cloud_coordinator/gateway/cycle.py": "costs of a measured decision, from a fixed seed",
    "firmware_sim/fleet/outages.py": "drawn from the run's seed, so the same each time",
    "firmware_sim/fleet/plant.py": "drawn from the run's seed, so the same each time",
    "firmware_sim/fleet/run.py": "drawn from the run's seed, so the same each time",
    "firmware_sim/demo/plan.py": "drawn from the run's seed, so the same each time",
    "firmware_sim/demo/signal_file.py": "drawn from the run's seed, so the same each time",
}
"""Modules that draw although they are no wiring, and why that decides nothing."""


def _clocks(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            holder = ast.unparse(node.value).rsplit(".")[-1]
            if node.attr in CLOCKS.get(holder, ()):
                yield node.lineno
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield node.lineno


def _draws(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and CHANCE & {alias.name for alias in node.names}:
            yield node.lineno
        if isinstance(node, ast.ImportFrom):
            source = (node.module or "").split(".")
            names = {alias.name for alias in node.names}
            if source[0] in CHANCE or "urandom" in names or source == ["numpy", "random"]:
                yield node.lineno
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {
            "os.urandom",
            "np.random",
            "numpy.random",
        }:
            yield node.lineno


def test_only_wiring_reads_the_system_clock(product: Mapping[str, ast.Module]) -> None:
    """A decision could not be replayed, because it looked at the clock by itself."""
    found = [
        f"{path}:{line}"
        for path, tree in product.items()
        if path not in WIRING and not path.startswith(MEASURING)
        for line in _clocks(tree)
    ]
    assert not found, f"pass a Clock instead: {found}"


def test_only_wiring_draws_numbers(product: Mapping[str, ast.Module]) -> None:
    """Two runs from the same journal or seed would differ, and nobody could say why."""
    drawing = {path: list(_draws(tree)) for path, tree in product.items()}
    found = {
        path: lines
        for path, lines in drawing.items()
        if lines and path not in WIRING and path not in MAY_DRAW
    }
    assert not found, f"pass the source of chance instead: {found}"
    stale = [path for path in MAY_DRAW if not drawing.get(path)]
    assert not stale, f"take these off the list: {stale}"


def test_the_search_finds_clocks_and_chance() -> None:
    """The two tests above would be green for ever because they see nothing."""
    assert list(_clocks(ast.parse("import time\nnow_s = time.time\n"))) == [2]
    assert list(_clocks(ast.parse("when = datetime.datetime.now(UTC)\n"))) == [1]
    assert list(_clocks(ast.parse("from time import monotonic\n"))) == [1]
    assert list(_draws(ast.parse("import os\nkey = os.urandom(4)\n"))) == [2]
    assert list(_draws(ast.parse("from secrets import token_hex\n"))) == [1]
    assert list(_draws(ast.parse("noise = np.random.default_rng(1)\n"))) == [1]
