"""The house's sizes: small modules, small functions, small classes."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("protocols", "models", "firmware_sim", "edge_agent", "cloud_coordinator")
MODULE_LINES, FUNCTION_LINES, PUBLIC_METHODS = 400, 50, 10

MIGRATIONS = ROOT / "cloud_coordinator" / "store" / "migrations" / "versions"
"""Tables written down once and never touched again; tables are data."""

SOURCES = sorted(
    path
    for name in PACKAGES
    for path in (ROOT / name).rglob("*.py")
    if not path.is_relative_to(MIGRATIONS)
)


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body, without its signature and its docstring."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if not body:
        return 0
    assert node.end_lineno is not None
    return node.end_lineno - body[0].lineno + 1


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_function_and_class_sizes(path: Path) -> None:
    """A reader could not hold the module in the head."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert text.count("\n") <= MODULE_LINES, f"{path} has more than {MODULE_LINES} lines"
    for function in _functions(tree):
        assert _code_lines(function) <= FUNCTION_LINES, f"{path}: {function.name} is too long"
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            public = [
                item.name
                for item in node.body
                if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)
                and not item.name.startswith("_")
                and not any(
                    isinstance(mark, ast.Name) and mark.id == "property"
                    for mark in item.decorator_list
                )
            ]
            assert len(public) <= PUBLIC_METHODS, f"{path}: {node.name} has {len(public)} methods"
