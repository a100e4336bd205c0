"""The OpenAPI 3.1 document, written from the route table; pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from cloud_coordinator.access.permissions import PERMISSIONS, Reach
from cloud_coordinator.web.problems import MEDIA, Kind, ProblemDetails
from cloud_coordinator.web.routing import JSON, AnyRoute, NoFields

Document = dict[str, Any]
"""JSON of an OpenAPI document: data for other programs, not a record of ours."""

TITLE: Final = "Virtual power plant coordinator"
DESCRIPTION: Final = (
    "Powers are W in generator frame: + flows toward the grid. Energy Wh, soc 0..1, money JPY. "
    "Times are RFC 3339 with an offset; answers are in UTC. null means that there is no number. "
    "Lists come in pages: ask again with next_cursor until it is null. Unknown fields are refused. "
    "Errors are application/problem+json (RFC 9457)."
)
_VARIABLE: Final = re.compile(r"\{(\w+)\}")

_Model = type[BaseModel]
_Key = tuple[_Model, JsonSchemaMode]


def openapi_document(routes: Sequence[AnyRoute], *, version: str) -> Document:
    """Write the document.

    Parameters
    ----------
    routes : sequence of Route
        The table.
    version : str
        Of the program.
    """
    refs, schemas = _schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": TITLE,
            "version": version,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": schemas},
    }


def problems_of(route: AnyRoute) -> tuple[Kind, ...]:
    """Every kind of problem a route may answer with, by status."""
    kinds = {Kind.REJECTED, *route.problems}
    if PERMISSIONS[route.action].reach is not Reach.PUBLIC:
        kinds |= {Kind.UNAUTHENTICATED, Kind.FORBIDDEN}
    if PERMISSIONS[route.action].changes:
        kinds.add(Kind.STORE)
    if _VARIABLE.search(route.path):
        kinds.add(Kind.UNKNOWN)
    if route.body is not NoFields:
        kinds |= {Kind.MALFORMED, Kind.TOO_LARGE, Kind.MEDIA}
    return tuple(sorted(kinds, key=lambda kind: (kind.status, kind.slug)))


def _models(routes: Iterable[AnyRoute]) -> list[_Key]:
    """Every model with the side it is seen from, once each."""
    found: dict[_Key, None] = {(ProblemDetails, "serialization"): None}
    for route in routes:
        if route.body is not NoFields:
            found[route.body, "validation"] = None
        for answer in route.answers.values():
            for model in answer.media.values():
                if model is not None:
                    found[model, "serialization"] = None
        if route.events is not None:
            found[route.events, "serialization"] = None
    return list(found)


def _schemas(routes: Sequence[AnyRoute]) -> tuple[Mapping[_Key, Any], dict[str, Any]]:
    keys = _models(routes)
    refs, definitions = models_json_schema(keys, ref_template="#/components/schemas/{model}")
    return {key: refs[key] for key in keys}, definitions["$defs"]


def _operation(route: AnyRoute, refs: Mapping[_Key, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "x-summary-ja": route.summary_ja,
        "x-action": route.action.value,
        "parameters": _parameters(route),
        "responses": _responses(route, refs),
    }
    if route.body is not NoFields:
        operation["requestBody"] = {
            "required": True,
            "content": {JSON: {"schema": refs[route.body, "validation"]}},
        }
    return operation


def _parameters(route: AnyRoute) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _VARIABLE.findall(route.path)
    ]
    schema = route.query.model_json_schema()
    for name, field in schema.get("properties", {}).items():
        field.pop("title", None)
        parameter: dict[str, Any] = {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
        }
        if "description" in field:
            parameter["description"] = field.pop("description")
        found.append({**parameter, "schema": _without_null(field)})
    return found


def _without_null(field: Mapping[str, Any]) -> dict[str, Any]:
    """Take null out of a query field: it may be absent, never null."""
    choices = [one for one in field.get("anyOf", ()) if one.get("type") != "null"]
    if len(choices) == 1:
        return dict(choices[0])
    return {name: value for name, value in field.items() if value is not None}


def _responses(route: AnyRoute, refs: Mapping[_Key, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, answer in sorted(route.answers.items()):
        content = {
            media: {
                "schema": _text_schema(media, route, refs)
                if model is None
                else refs[model, "serialization"]
            }
            for media, model in answer.media.items()
        }
        responses[str(status)] = {"description": answer.description, "content": content}
    for kind in problems_of(route):
        key = str(int(kind.status))
        schema = {MEDIA: {"schema": refs[ProblemDetails, "serialization"]}}
        known = responses.setdefault(key, {"description": kind.title, "content": schema})
        if kind.title not in known["description"]:
            known["description"] += f"; or: {kind.title}"
        known["content"].update(schema)
    return responses


def _text_schema(media: str, route: AnyRoute, refs: Mapping[_Key, Any]) -> dict[str, Any]:
    if media == JSON:
        return {"type": "object"}
    if route.events is None:
        return {"type": "string"}
    return {
        "type": "string",
        "description": "Events; the data of each follows the content schema.",
        "contentMediaType": JSON,
        "contentSchema": refs[route.events, "serialization"],
    }
