"""Write the generated parts of the documentation from the code (`make docs`).

A generated part stands between two markers in a page whose other lines are written by hand:
diagrams from the imports and the state tables, catalogues of the events and errors, the table
of the signs. ``--check`` writes nothing and fails if a page would change; a test runs it, so no
page can drift from the code. Reads the sources, starts nothing.
"""

import ast
import builtins
import csv
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import grimp

from cloud_coordinator.access.permissions import PERMISSIONS, Reach, Role
from cloud_coordinator.web.table import ROUTES
from edge_agent.mode.table import diagram
from protocols.link.edge_states import TRANSITIONS, EdgeState

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PACKAGES = ("protocols", "models", "firmware_sim", "edge_agent", "cloud_coordinator")
JOURNALED = ("Happened", "Receipt")
"""Constructors of events that a site journals and sends to the coordinator."""

Trees = Mapping[str, ast.Module]


@dataclass(frozen=True, slots=True, order=True)
class Told:
    """An event as one call tells it.

    Attributes
    ----------
    event : str
        ``noun.verbed``.
    level : str
        Of the log.
    place : str
        Path of the module.
    fields : tuple of str
        Names, sorted; ``...`` stands for a mapping that the call unpacks.
    """

    event: str
    level: str
    place: str
    fields: tuple[str, ...]


def sources() -> dict[str, ast.Module]:
    """Every module of the product, by its path."""
    paths = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8")) for path in paths
    }


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Lay out a table of Markdown."""
    names = list(head)
    lines = [names, ["---"] * len(names), *([cell.replace("|", "\\|") for cell in r] for r in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def mermaid(drawing: str) -> str:
    """Fence a diagram."""
    return f"```mermaid\n{drawing.strip()}\n```"


def _room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def _floor(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


def import_diagram() -> str:
    """Which room imports which. An arrow into another package ends at that package."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    arrows: dict[str, set[str]] = defaultdict(set)
    for module in graph.modules:
        here = _room(module)
        for imported in graph.find_modules_directly_imported_by(module):
            there = _room(imported)
            if _floor(here) != _floor(there):
                there = _floor(there)
            if here != there:
                arrows[here].add(there)
    everything = {_room(module) for module in graph.modules}
    lines = ["flowchart TD"]
    for package in PACKAGES:
        rooms = sorted(room for room in everything if room.startswith(f"{package}."))
        lines.append(f"  subgraph {package}")
        lines += [f"    {room}[{room.split('.')[1]}]" for room in rooms]
        lines.append("  end")
    for here in sorted(arrows):
        lines += [f"  {here} --> {there}" for there in sorted(arrows[here])]
    return mermaid("\n".join(lines))


def mode_diagram() -> str:
    """Draw the modes of the edge from their table."""
    return mermaid(diagram())


def link_diagram() -> str:
    """Draw the states of the gateway's session from their table; what stays is left out."""
    lines = ["stateDiagram-v2", f"    [*] --> {EdgeState.DISCONNECTED.name}"]
    lines += [
        f"    {here.name} --> {there.name}: {trigger.value}"
        for (here, trigger), there in TRANSITIONS.items()
        if there is not here
    ]
    return mermaid("\n".join(lines))


def literals(node: ast.expr | None, names: Mapping[str, ast.expr]) -> list[str]:
    """Texts an expression can be: a literal, a choice between literals, or a name for one."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return [*literals(node.body, names), *literals(node.orelse, names)]
    if isinstance(node, ast.Name) and node.id in names:
        return literals(names[node.id], {})
    return []


def loggers(tree: ast.Module) -> set[str]:
    """Names that a module gave to its structlog logger."""
    return {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and "structlog.get_logger" in ast.unparse(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def log_calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str, list[str]]]:
    """Find each call of a logger: the call, its level and the events it can tell."""
    known = loggers(tree)
    names = {
        node.targets[0].id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id in known
        ):
            yield node, node.func.attr, literals(node.args[0] if node.args else None, names)


def logged(trees: Trees) -> list[Told]:
    """Every event of the log."""
    return sorted(
        Told(event, level, place, tuple(sorted(key.arg or "..." for key in call.keywords)))
        for place, tree in trees.items()
        for call, level, events in log_calls(tree)
        for event in events
    )


def event_table(trees: Trees) -> str:
    """Events of the log, with the fields of all calls that tell them."""

    def place(told: Told) -> tuple[str, str, str]:
        return told.event, told.level, told.place

    rows = []
    for (event, level, where), calls in groupby(logged(trees), key=place):
        fields = sorted({field for told in calls for field in told.fields})
        names = ", ".join(f"`{field}`" for field in fields)
        rows.append((f"`{event}`", level, f"`{where}`", names))
    return table(("event", "level", "module", "fields"), rows)


def journaled(trees: Trees) -> Iterator[tuple[str, str]]:
    """Find the kinds of events that a site journals, each with a module that tells it."""
    for where, tree in trees.items():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in JOURNALED
            ):
                kind = next((key.value for key in node.keywords if key.arg == "kind"), None)
                yield from ((event, where) for event in literals(kind, {}))


def journaled_table(trees: Trees) -> str:
    """Events that a site journals and the coordinator stores."""
    rows: dict[str, set[str]] = defaultdict(set)
    for kind, where in journaled(trees):
        rows[kind].add(where)
    cells = ((f"`{kind}`", _joined(rows[kind])) for kind in sorted(rows))
    return table(("kind", "module"), cells)


def _joined(places: Iterable[str]) -> str:
    return ", ".join(f"`{place}`" for place in sorted(places))


def error_classes(trees: Trees) -> dict[str, tuple[str, ast.ClassDef]]:
    """Every exception class of the product: the name of its first parent, and the class."""
    classes = {
        node.name: (ast.unparse(node.bases[0]).rsplit(".", maxsplit=1)[-1], node)
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.bases
    }

    def is_error(name: str) -> bool:
        known = getattr(builtins, name, None)
        if isinstance(known, type) and issubclass(known, BaseException):
            return True
        return name in classes and is_error(classes[name][0])

    return {name: row for name, row in sorted(classes.items()) if is_error(row[0])}


def error_table(trees: Trees) -> str:
    """Error classes, each under its parent, and the rooms that make one."""
    classes = error_classes(trees)
    made: dict[str, set[str]] = defaultdict(set)
    for path, tree in trees.items():
        where = _room(path.removesuffix(".py").replace("/", "."))
        for node in ast.walk(tree):
            thing = node.func if isinstance(node, ast.Call) else None
            thing = node.exc if isinstance(node, ast.Raise) else thing
            if isinstance(thing, ast.Name) and thing.id in classes:
                made[thing.id].add(where)
    rows = []

    def add(parent: str, depth: int) -> None:
        for name, (above, node) in classes.items():
            if above == parent:
                meaning = (ast.get_docstring(node) or "").partition("\n")[0]
                label = f"{'· ' * depth}`{name}`"
                rows.append((label, f"`{above}`", meaning, _joined(made[name])))
                add(name, depth + 1)

    add("Exception", 0)
    return table(("class", "parent", "meaning", "raised in"), rows)


def turned_table() -> str:
    """ECHONET Lite properties whose + is power absorbed, from the property table."""
    folder = ROOT / "protocols" / "echonet_lite"
    with (folder / "properties.csv").open(encoding="utf-8") as stream:
        turned = [row for row in csv.DictReader(stream) if row["turned"] == "turned"]
    rows = (
        (f"0x{row['class']}", row["epc"], row["name"], row["unit"], "absorbed, so negated")
        for row in turned
    )
    return table(("class", "EPC", "property", "unit", "the peer's +"), rows)


def permission_table() -> str:
    """Actions by roles, with how the scope counts."""
    rows = (
        (
            action.value,
            rule.reach.value,
            "yes" if rule.changes else "",
            *("x" if role in rule.roles or rule.reach is Reach.PUBLIC else "" for role in Role),
        )
        for action, rule in PERMISSIONS.items()
    )
    return table(("action", "scope", "audited", *Role), rows)


def endpoint_table() -> str:
    """Endpoints, each with its action."""
    rows = ((f"`{one.method} {one.path}`", one.action.value) for one in ROUTES)
    return table(("endpoint", "action"), rows)


def parts() -> dict[str, dict[str, Callable[[], str]]]:
    """Pages, their generated parts by marker, and who draws them."""
    trees = sources()
    return {
        "architecture.md": {
            "imports": import_diagram,
            "modes": mode_diagram,
            "link": link_diagram,
        },
        "errors.md": {"errors": lambda: error_table(trees)},
        "events.md": {
            "logged": lambda: event_table(trees),
            "journaled": lambda: journaled_table(trees),
        },
        "permissions.md": {"permissions": permission_table, "endpoints": endpoint_table},
        "units-and-signs.md": {"turned": turned_table},
    }


def rendered(text: str, drawings: Mapping[str, Callable[[], str]]) -> str:
    """Return a page with its generated parts drawn again.

    Raises
    ------
    ValueError
        If a marker is missing, or the page has one that nobody draws.
    """
    marked = re.findall(r"<!-- begin (\w+) -->\n", text)
    if sorted(marked) != sorted(drawings):
        raise ValueError(f"the page has the markers {marked}, drawn are {list(drawings)}")
    for name, draw in drawings.items():
        head, begin, rest = text.partition(f"<!-- begin {name} -->\n")
        _, end, tail = rest.partition(f"<!-- end {name} -->")
        if not end:
            raise ValueError(f"the marker {name} has no end")
        text = f"{head}{begin}{draw()}\n{end}{tail}"
    return text


def main() -> int:
    """Rewrite the pages, or with ``--check`` name those that are not true."""
    stale = []
    for page, drawings in parts().items():
        path = DOCS / page
        before = path.read_text(encoding="utf-8")
        after = rendered(before, drawings)
        if before != after:
            stale.append(page)
            if "--check" not in sys.argv:
                path.write_text(after, encoding="utf-8")
    if stale and "--check" in sys.argv:
        sys.stderr.write(f"not what the code says, run `make docs`: {', '.join(stale)}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
