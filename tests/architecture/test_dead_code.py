"""Nothing lies about that nobody uses.

Names are compared as text over the whole repository, so a dead name that is spelled like a
living one is not found; what is found is dead.
"""

import ast
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
PACKAGES = ("protocols", "models", "firmware_sim", "edge_agent", "cloud_coordinator")
MIGRATIONS = "cloud_coordinator.store.migrations."
"""Alembic loads these by their place and calls what they define."""

UNUSED_MODULES = {
    "cloud_coordinator.commands.cycle": "run as a module by `vpp bench cycle`",
    "cloud_coordinator.commands.optimize": "run as a module by `vpp bench optimize`",
    "models.training.bidding": "loaded by its name by `vpp bids train`, if the extra is installed",
}
UNUSED_NAMES = {
    "InfeasibleError": "part of the agreed error tree; the balance always has an answer",
    "MULTICAST_IPV4": "a fact of the specification; the group is configured",
    "confirmation": "bacpypes3 calls it for each datagram that comes in",
    "OTHER": "a row of the table of working modes",
    "TEST": "a row of the table of working modes",
}
REGISTERING = {"command", "callback", "model_validator", "field_validator", "field_serializer"}
"""Decorators after which a framework calls the function."""
TABLES = {"Table", "MetaData"}
"""SQLAlchemy registers what these make."""

Named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _holds_data(module: str) -> bool:
    """Whether it is a folder of package data: pages, tables, pictures."""
    folder = ROOT.joinpath(*module.split("."))
    return folder.is_dir() and any(path.suffix not in {".py", ""} for path in folder.iterdir())


def test_every_module_is_reached() -> None:
    """A reader would study, and we would keep in repair, code that never runs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    points = [*project["scripts"].values(), *project["entry-points"]["vpp.verbs"].values()]
    entries = {point.partition(":")[0] for point in points}
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    lonely = {
        module
        for module in graph.modules
        if not graph.find_modules_that_directly_import(module)
        and not graph.find_children(module)
        and not _holds_data(module)
        and module not in entries
        and not module.endswith(".__main__")
        and not module.startswith(MIGRATIONS)
    }
    assert sorted(lonely - set(UNUSED_MODULES)) == [], "remove these, or wire them"
    stale = sorted(set(UNUSED_MODULES) - lonely)
    assert not stale, f"used by now, or gone; take them off the list: {stale}"


def _uses(trees: Iterable[ast.Module]) -> Counter[str]:
    """How often each name is read or imported."""
    found: Counter[str] = Counter()
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                found[node.id] += 1
            elif isinstance(node, ast.Attribute):
                found[node.attr] += 1
            elif isinstance(node, ast.Import | ast.ImportFrom):
                found.update(alias.name.rsplit(".", maxsplit=1)[-1] for alias in node.names)
    return found


def _last(node: ast.expr) -> str:
    """Last word of a dotted name or of what is called."""
    return ast.unparse(node.func if isinstance(node, ast.Call) else node).rsplit(".")[-1]


def _of_a_framework(node: Named) -> bool:
    return any(_last(mark) in REGISTERING for mark in node.decorator_list)


def _own_bases(node: ast.ClassDef, classes: set[str]) -> bool:
    """Whether a class has no parent but ours, so that nobody else calls its methods."""
    ours = classes | {"Protocol", "Exception", "Enum", "IntEnum", "StrEnum"}
    return all(ast.unparse(b).partition("[")[0].rsplit(".")[-1] in ours for b in node.bases)


def _public_names(tree: ast.Module, classes: set[str]) -> Iterator[str]:
    """Names that a module offers: functions, classes, their methods, constants."""
    for node in tree.body:
        if isinstance(node, Named) and not _of_a_framework(node):
            yield node.name
        if isinstance(node, ast.ClassDef) and _own_bases(node, classes):
            methods = (item for item in node.body if isinstance(item, Named))
            yield from (item.name for item in methods if not _of_a_framework(item))
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if not (isinstance(node.value, ast.Call) and _last(node.value) in TABLES):
                yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_every_public_name_is_used(
    product: Mapping[str, ast.Module],
    suite: Mapping[str, ast.Module],
    beside: Mapping[str, ast.Module],
) -> None:
    """A function would look important that neither the product nor a test ever calls."""
    uses = _uses([*product.values(), *suite.values(), *beside.values()])
    classes = {
        node.name
        for tree in product.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    unused = {
        name: path
        for path, tree in product.items()
        if not path.replace("/", ".").startswith(MIGRATIONS)
        for name in _public_names(tree, classes)
        if not name.startswith("_") and not uses[name]
    }
    found = {name: path for name, path in unused.items() if name not in UNUSED_NAMES}
    assert not found, f"remove these: {found}"
    stale = sorted(set(UNUSED_NAMES) - set(unused))
    assert not stale, f"used by now, or gone; take them off the list: {stale}"
