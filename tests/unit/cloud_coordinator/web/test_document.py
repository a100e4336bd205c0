"""The OpenAPI document and its description for people."""

import re
from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator

from cloud_coordinator.web.problems import Kind


def test_the_document_is_valid(shared: Any) -> None:
    """Code made from our document by other people's tools would not build."""
    document = shared.get("/openapi.json").json
    assert document["openapi"] == "3.1.0"
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_the_document_names_every_call_of_the_plan(document: dict[str, Any]) -> None:
    """A system operator could not find a call that the product promises."""
    api = "/api/v1"
    promised = {
        f"{api}/sites": {"get"},
        f"{api}/sites/{{site_id}}": {"get"},
        f"{api}/resources": {"get"},
        f"{api}/obligations": {"get", "post"},
        f"{api}/obligations/{{obligation_id}}": {"get"},
        f"{api}/obligations/{{obligation_id}}/commands": {"post"},
        f"{api}/obligations/{{obligation_id}}/delivery": {"get"},
        f"{api}/obligations/{{obligation_id}}/statement": {"get"},
        f"{api}/events": {"get"},
        f"{api}/telemetry/accounting": {"get"},
        f"{api}/live": {"get"},
        "/healthz": {"get"},
        "/openapi.json": {"get"},
    }
    paths = document["paths"]
    assert {path: set(paths.get(path, {})) for path in promised} == promised


def test_operation_names_are_unique(document: dict[str, Any]) -> None:
    """Code made from the document would have one call overwrite another."""
    names = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(names) == len(set(names))


def test_the_description_for_people_has_every_call_and_problem_in_both_languages(
    shared: Any,
) -> None:
    """An engineer who follows a problem's ``type`` would land on nothing."""
    for language, heading in (("en", "Calls"), ("ja", "呼び出し")):
        page = shared.get(f"/docs?lang={language}")
        assert page.headers["Content-Language"] == language
        assert f"<h2>{heading}</h2>" in page.text
        for kind in Kind:
            assert f'id="problem-{kind.slug}"' in page.text
        for path in shared.get("/openapi.json").json["paths"]:
            assert f"<code>{path}</code>" in page.text
        targets = set(re.findall(r'href="#([^"]+)"', page.text))
        assert targets <= set(re.findall(r'id="([^"]+)"', page.text))


def test_every_get_that_is_no_stream_answers_head(shared: Any, document: dict[str, Any]) -> None:
    """A monitor that asks with HEAD would take the service for dead."""
    for path, methods in document["paths"].items():
        content = methods.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        if "{" in path or not content or {"text/event-stream", "text/csv"} & set(content):
            continue
        reply = shared.call("HEAD", path)
        assert (reply.status, reply.text) == (200, ""), path
