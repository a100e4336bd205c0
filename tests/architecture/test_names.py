"""Words that hide what a thing is, and notes to ourselves, stay out."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
EMPTY_WORDS = {"util", "utils", "helper", "helpers", "common", "manager", "base", "misc"}
STANDARDS_OWN = "protocols/ieee2030_5/resources/"
"""Where classes are named as in the standard, whatever it calls them (DERControlBase)."""
NOTES = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|\bissue #?\d+", re.IGNORECASE)
REASONED = re.compile(r"noqa: [A-Z]+\d+(, ?[A-Z]+\d+)*\s+\S|type: ignore\[[a-z-]+(, ?[a-z-]+)*\]")


FIELDS_TERM = re.compile(r"common_?cause", re.IGNORECASE)
"""Failures with a common cause: what the field calls them."""


def _words(name: str) -> set[str]:
    named = FIELDS_TERM.sub("", name)
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", named)}


def test_names_say_what_things_are(product: Mapping[str, ast.Module]) -> None:
    """A drawer for everything would fill, and nobody could tell what belongs in it."""
    found = [path for path in product if _words(path.removesuffix(".py")) & EMPTY_WORDS]
    found += [
        f"{path}:{node.lineno} {node.name}"
        for path, tree in product.items()
        if not path.startswith(STANDARDS_OWN)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and _words(node.name) & EMPTY_WORDS
    ]
    assert not found, found


def _comments(path: str) -> Iterator[tuple[int, str]]:
    text = (ROOT / path).read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def test_every_exception_to_a_rule_names_the_rule_and_the_reason(
    product: Mapping[str, ast.Module],
) -> None:
    """A rule would be switched off and nobody could tell whether that is still right."""
    found = [
        f"{path}:{line} {text}"
        for path in product
        for line, text in _comments(path)
        if ("noqa" in text or "type: ignore" in text) and not REASONED.search(text)
    ]
    assert not found, found


def test_no_notes_to_ourselves(
    product: Mapping[str, ast.Module],
    suite: Mapping[str, ast.Module],
    beside: Mapping[str, ast.Module],
) -> None:
    """Work that is not done would be hidden where nobody plans from."""
    found = [
        f"{path}:{line} {text}"
        for path in (*product, *suite, *beside)
        for line, text in _comments(path)
        if NOTES.search(text)
    ]
    assert not found, found


def test_no_import_hides_a_circle(product: Mapping[str, ast.Module]) -> None:
    """Two modules would depend on each other behind the contracts' back."""
    found = [
        f"{path}:{node.lineno}"
        for path, tree in product.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == "TYPE_CHECKING"
    ]
    assert not found, found
