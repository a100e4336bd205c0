"""Every call of the OpenAPI document with drawn requests, valid and spoilt, as all and as nobody.

The client of these tests holds each answer against the document: no fault of the server, no
status, media type or body that the document does not name.
"""

import string
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_coordinator.access.permissions import Role
from cloud_coordinator.access.scope import EVERYWHERE
from cloud_coordinator.web.openapi import openapi_document
from cloud_coordinator.web.table import ROUTES
from protocols.vocabulary.intervals import utc_from_seconds

DOCUMENT = openapi_document(ROUTES, version="1")
CALLS = [
    (method, path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
NAMES = ("site-1", "site-1/battery-1", "award-1", "tokyo", "*", "cause", "a b", "../x", "é", "%")
START_S = 1_784_680_000

_LETTERS = string.printable + "あ電éß\u202e\u0000😀"
_TEXTS = st.sampled_from(NAMES) | st.text(_LETTERS, max_size=20)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(-1e9, 1e9) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=5,
)
_MOMENTS = st.integers(-600, 4_000).map(
    lambda offset: (utc_from_seconds(START_S) + timedelta(seconds=offset)).isoformat()
)
_PLAIN = {"boolean": st.booleans(), "null": st.none()}


def drawn(schema: dict[str, Any], depth: int = 0) -> st.SearchStrategy[Any]:
    """Values that a schema of the document allows, as near as matters."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return drawn(DOCUMENT["components"]["schemas"][name], depth + 1)
    if several := schema.get("anyOf", schema.get("oneOf", schema.get("allOf"))):
        return st.one_of([drawn(one, depth + 1) for one in several])
    if listed := schema.get("enum", [schema["const"]] if "const" in schema else None):
        return st.sampled_from(listed)
    made = {"object": _object, "array": _array, "integer": _number, "number": _number}
    kind = schema.get("type", "")
    if kind in made:
        return made[kind](schema, depth)
    if kind == "string":
        return _MOMENTS if schema.get("format") == "date-time" else _TEXTS
    return _PLAIN.get(kind, _JSON)


def _array(schema: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    most = min(schema.get("maxItems", 3), 3) if depth < 6 else 0
    least = min(schema.get("minItems", 0), most)
    return st.lists(drawn(schema.get("items", {}), depth + 1), min_size=least, max_size=most)


def _number(schema: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    low = schema.get("minimum", schema.get("exclusiveMinimum", -1e7))
    high = schema.get("maximum", schema.get("exclusiveMaximum", 1e7))
    whole = st.integers(int(low), int(high))
    return whole if schema["type"] == "integer" else st.floats(low, high) | whole


def _object(schema: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    parts = {name: drawn(one, depth + 1) for name, one in schema.get("properties", {}).items()}
    needed = set(schema.get("required", ()))
    return st.fixed_dictionaries(
        {name: part for name, part in parts.items() if name in needed},
        optional={name: part for name, part in parts.items() if name not in needed},
    )


@st.composite
def requests(draw: Any, path: str, operation: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Draw a path with its query, and the options of a request; one in three is spoilt."""
    is_spoilt = draw(st.integers(0, 2)) == 0
    query: dict[str, str] = {}
    for parameter in operation["parameters"]:
        name = parameter["name"]
        if parameter["in"] == "path":
            path = path.replace(f"{{{name}}}", quote(draw(_TEXTS.filter(bool)), safe=""))
        elif parameter["required"] or draw(st.booleans()):
            value = draw(_TEXTS if is_spoilt else drawn(parameter["schema"]))
            query[name] = value if isinstance(value, str) else str(value).lower()
    if operation["operationId"] == "watch":
        query["format"] = "json"  # the stream never ends
    options: dict[str, Any] = {}
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        body = draw(drawn(schema))
        if is_spoilt and isinstance(body, dict):
            body = {**body, draw(st.sampled_from([*body, "extra"])): draw(_JSON)}
        options["json"] = body
    if draw(st.booleans()):
        options["headers"] = {"X-Reason": draw(st.text(string.printable[:94], max_size=20))}
    return f"{path}?{urlencode(query, errors='replace')}" if query else path, options


@pytest.fixture(scope="module")
def callers(guarded_api: Any) -> dict[str, dict[str, str]]:
    """Headers of somebody who may do everything, of an administrator, and of nobody."""
    _, access = guarded_api
    everything = {"everything": frozenset(Role), "administrator": frozenset({Role.ADMINISTRATOR})}
    found: dict[str, dict[str, str]] = {"nobody": {}}
    for name, roles in everything.items():
        access.accounts.add_user(name, "a-long-password", roles=roles, scope=EVERYWHERE)
        _, text = access.accounts.create_key(
            name, roles=roles, scope=EVERYWHERE, days=1, person=name
        )
        found[name] = {"X-API-Key": text}
    return found


@pytest.mark.parametrize(("method", "path", "operation"), CALLS, ids=lambda one: str(one)[:40])
def test_no_request_finds_an_answer_that_is_not_in_the_document(
    guarded_api: Any,
    callers: dict[str, dict[str, str]],
    *,
    method: str,
    path: str,
    operation: dict[str, Any],
) -> None:
    """If it fails, some request is a fault of the server, or gets what no client expects."""
    api, _ = guarded_api

    @settings(
        max_examples=6,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(requests(path, operation))
    def check(request: tuple[str, dict[str, Any]]) -> None:
        where, options = request
        for name, proof in callers.items():
            headers = {**options.get("headers", {}), **proof}
            reply = api.call(method.upper(), where, **{**options, "headers": headers})
            if name == "nobody" and operation["x-action"] not in {"view public", "log in"}:
                assert reply.status == 401 or "there is nothing here" in reply.text, where

    check()
