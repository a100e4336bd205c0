"""The tests keep their own promises: each says what it guards, can fail, and patches nothing."""

import ast
from collections.abc import Iterator, Mapping

WORDS_MIN = 4
PATCHES = {"setattr", "delattr", "setitem", "delitem"}
COMMAND_LINE = ("sys", "argv")
"""What a test may replace: a program reads its command line there, as from any shell."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _functions(tree: ast.Module) -> dict[str, Function]:
    return {node.name: node for node in ast.walk(tree) if isinstance(node, Function)}


def _tests(tree: ast.Module) -> Iterator[Function]:
    for node in tree.body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        for item in inside:
            if isinstance(item, Function) and item.name.startswith("test"):
                yield item


def test_every_test_says_what_would_be_wrong(suite: Mapping[str, ast.Module]) -> None:
    """A red test would tell nobody what is broken in the world."""
    found = []
    for path, tree in suite.items():
        for test in _tests(tree):
            first = (ast.get_docstring(test) or "").partition("\n")[0]
            if len(first.split()) < WORDS_MIN:
                found.append(f"{path}:{test.lineno} {test.name}")
    assert not found, found


def _judges(node: ast.AST, known: Mapping[str, Function], seen: frozenset[str]) -> bool:
    """Whether something in there can fail: an assertion, or one named error that may pass."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Assert | ast.ExceptHandler):
            return True
        if isinstance(inner, ast.Call):
            name = ast.unparse(inner.func).rsplit(".")[-1]
            if name in {"raises", "fail", "suppress"}:
                return True
            if (
                name in known
                and name not in seen
                and _judges(known[name], known, seen=seen | {name})
            ):
                return True
    return False


def test_every_test_can_fail(suite: Mapping[str, ast.Module]) -> None:
    """A test without a judgement would stay green whatever the code does."""
    shared: dict[str, Function] = {}
    for path, tree in suite.items():
        if path.endswith(("conftest.py", "harness.py")):
            shared |= _functions(tree)
    found = []
    for path, tree in suite.items():
        known = shared | _functions(tree)
        found += [
            f"{path}:{test.lineno} {test.name}"
            for test in _tests(tree)
            if not _judges(test, known, frozenset({test.name}))
        ]
    assert not found, found


def _patches(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            source = node.module if isinstance(node, ast.ImportFrom) else None
            if any("mock" in name.split(".") for name in [*names, source or ""]):
                yield node.lineno
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and ast.unparse(node.func.value) == "monkeypatch"
            and node.func.attr in PATCHES
        ):
            target = tuple(ast.unparse(one).strip("'\"") for one in node.args[:2])
            if target != COMMAND_LINE:
                yield node.lineno


def test_nothing_is_patched(suite: Mapping[str, ast.Module]) -> None:
    """A test would pass with an inside that the product does not have."""
    found = [f"{path}:{line}" for path, tree in suite.items() for line in _patches(tree)]
    assert not found, f"use a fake behind a port: {found}"
