"""Every line of the log can be found by searching for its event."""

import ast
import re
from collections.abc import Iterator, Mapping
from types import ModuleType

EVENT = re.compile(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*")
LEVELS = {"debug", "info", "warning", "error", "critical"}


def test_every_event_is_a_literal_noun_verbed(
    product: Mapping[str, ast.Module], drawing: ModuleType
) -> None:
    """Somebody at night would search the code for the words of an alarm and not find them."""
    wrong = []
    count = 0
    for path, tree in product.items():
        for call, level, events in drawing.log_calls(tree):
            place = f"{path}:{call.lineno}"
            count += 1
            if level not in LEVELS or len(call.args) != 1 or not events:
                wrong.append(f"{place} {ast.unparse(call)[:80]}")
            wrong += [f"{place} {event}" for event in events if not EVENT.fullmatch(event)]
    assert not wrong, wrong
    assert count > 0, "the search for log calls finds nothing"


def _prints(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"print", "pprint"}:
            yield node.lineno


def test_nothing_prints(product: Mapping[str, ast.Module]) -> None:
    """A service's output would be mixed with lines that no program can read."""
    found = [f"{path}:{line}" for path, tree in product.items() for line in _prints(tree)]
    assert not found, found


BRIDGES = {
    "edge_agent/drivers/ocpp/library_log.py": "turns what two libraries complain about into events",
    "edge_agent/drivers/sunspec/line.py": "silences a library; its errors become ours",
    "firmware_sim/servers/ocpp.py": "silences libraries; they complain about the faults we make",
}
"""Modules that touch the log of libraries, and why."""


def test_only_structlog_logs(product: Mapping[str, ast.Module]) -> None:
    """Some lines would be without fields, time or level, and go another way."""
    allowed = {"INFO", "DEBUG", "WARNING"}
    found = [
        f"{path}:{node.lineno}"
        for path, tree in product.items()
        if path not in BRIDGES
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "logging"
        and node.attr not in allowed
    ]
    assert not found, found


def test_the_wire_s_list_of_events_is_complete(
    product: Mapping[str, ast.Module], drawing: ModuleType
) -> None:
    """The coordinator's people would get an event that the link's description does not have."""
    listed = {kind for kind, _ in drawing.journaled(product)}
    described = next(
        ast.get_docstring(node) or ""
        for node in ast.walk(product["protocols/link/messages.py"])
        if isinstance(node, ast.ClassDef) and node.name == "Event"
    )
    missing = sorted(kind for kind in listed if f"``{kind}``" not in described)
    assert not missing, f"name them in the docstring of Event: {missing}"
    assert listed, "the search for journaled events finds nothing"
