"""One tree of errors, each caught by its name at one border."""

import ast
from collections.abc import Iterator, Mapping
from types import ModuleType

BORDERS = {
    "edge_agent/drivers/border.py": (
        "libraries of devices raise what derives from BaseException; one device must not end all"
    ),
    "cloud_coordinator/gateway/mqtt_bus.py": (
        "a callback's bug must not end the broker's connection; nats-py does the same inside"
    ),
}
"""Modules that may catch everything, and why."""

EVERYTHING = {"Exception", "BaseException"}


def test_every_error_derives_from_the_root(
    product: Mapping[str, ast.Module], drawing: ModuleType
) -> None:
    """A border that catches the product's errors would let one pass and the program end."""
    classes = drawing.error_classes(product)
    outside = {
        name: parent
        for name, (parent, _) in classes.items()
        if parent not in classes and name != "VppError"
    }
    assert "VppError" in classes
    assert not outside, f"derive these from VppError: {outside}"


def _catches_everything(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                yield node.lineno
                continue
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            caught = node.args
        else:
            continue
        if any(ast.unparse(one) in EVERYTHING for one in caught):
            yield node.lineno


def test_nothing_catches_everything(
    product: Mapping[str, ast.Module], beside: Mapping[str, ast.Module]
) -> None:
    """A bug would be swallowed, and the program go on with half of its state."""
    found = [
        f"{path}:{line}"
        for path, tree in (product | beside).items()
        for line in _catches_everything(tree)
        if path not in BORDERS
    ]
    assert not found, found
    stale = [path for path in BORDERS if not list(_catches_everything(product[path]))]
    assert not stale, f"take these off the list: {stale}"


def test_nothing_logs_and_raises(product: Mapping[str, ast.Module], drawing: ModuleType) -> None:
    """One fault would be told at each border it passes, and look like many."""
    found = []
    for path, tree in product.items():
        told = {call.lineno for call, _, _ in drawing.log_calls(tree)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.ExceptHandler):
                continue
            lines = {inner.lineno for inner in ast.walk(node) if isinstance(inner, ast.Raise)}
            inside = {line for line in told if node.lineno <= line <= (node.end_lineno or 0)}
            if lines and inside:
                found.append(f"{path}:{node.lineno}")
    assert not found, found
