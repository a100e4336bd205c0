"""The list of the API for people, written from the OpenAPI document; pure."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final, Literal

from cloud_coordinator.web.problems import Kind

_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "live": "Live page",
        "document": "OpenAPI document",
        "calls": "Calls",
        "parameters": "Parameters",
        "body": "Body",
        "answers": "Answers",
        "models": "Models",
        "field": "Field",
        "type": "Type",
        "meaning": "Meaning",
        "problems": "Problems",
        "status": "Status",
        "required": "required",
    },
    "ja": {
        "live": "監視画面",
        "document": "OpenAPI文書",
        "calls": "呼び出し",
        "parameters": "パラメーター",
        "body": "本文",
        "answers": "応答",
        "models": "データ型",
        "field": "項目",
        "type": "型",
        "meaning": "意味",
        "problems": "エラーの種類",
        "status": "状態コード",
        "required": "必須",
    },
}


def docs_page(document: Mapping[str, Any], language: Literal["ja", "en"]) -> str:
    """Write the page.

    Parameters
    ----------
    document : mapping
        The OpenAPI document.
    language : str
        Of headings and summaries; descriptions are the document's.
    """
    words, info = _WORDS[language], document["info"]
    body = "\n".join(
        (
            f"<header><h1>{escape(info['title'])}</h1><p>{escape(info['description'])}</p>",
            f'<p><a href="/">{words["live"]}</a> · <a href="/openapi.json">{words["document"]}</a>',
            "</p></header><main>",
            f"<h2>{words['calls']}</h2>",
            *_calls(document, language),
            f'<h2>{words["problems"]}</h2><div class="scroll"><table><tbody>',
            *_problems(),
            "</tbody></table></div>",
            f"<h2>{words['models']}</h2>",
            *_models(document, words),
            "</main>",
        )
    )
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])}</title>"
        '<link rel="icon" href="/assets/icon.svg"><link rel="stylesheet" href="/assets/style.css">'
        f'</head><body class="docs">{body}</body></html>'
    )


def _calls(document: Mapping[str, Any], language: str) -> Iterator[str]:
    words = _WORDS[language]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            summary = operation["x-summary-ja"] if language == "ja" else operation["summary"]
            yield (
                f'<section class="call" id="{escape(operation["operationId"])}"><h3>'
                f'<span class="method">{method.upper()}</span> <code>{escape(path)}</code></h3>'
                f"<p>{escape(summary)}</p><dl>"
            )
            if operation["parameters"]:
                yield f"<dt>{words['parameters']}</dt><dd>"
                yield "<br>".join(_parameter(one) for one in operation["parameters"]) + "</dd>"
            if "requestBody" in operation:
                schema = operation["requestBody"]["content"]["application/json"]["schema"]
                yield f"<dt>{words['body']}</dt><dd>{_type(schema)}</dd>"
            yield f"<dt>{words['answers']}</dt><dd>"
            yield "<br>".join(_answer(*item) for item in operation["responses"].items())
            yield "</dd></dl></section>"


def _parameter(parameter: Mapping[str, Any]) -> str:
    text = escape(parameter.get("description", ""))
    return f"<code>{escape(parameter['name'])}</code> {_type(parameter['schema'])} {text}"


def _answer(status: str, response: Mapping[str, Any]) -> str:
    bodies = ", ".join(
        f"{escape(media)} {_type(body['schema'])}" for media, body in response["content"].items()
    )
    return f"<strong>{status}</strong> {escape(response['description'])} <small>{bodies}</small>"


def _problems() -> Iterator[str]:
    for kind in Kind:
        yield (
            f'<tr id="problem-{kind.slug}"><th scope="row"><code>{kind.slug}</code></th>'
            f"<td>{int(kind.status)}</td><td>{escape(kind.title)}</td></tr>"
        )


def _models(document: Mapping[str, Any], words: Mapping[str, str]) -> Iterator[str]:
    for name, schema in document["components"]["schemas"].items():
        if "properties" not in schema:
            yield f'<section id="model-{escape(name)}"><h3>{escape(name)}</h3>'
            yield f"<p>{_type(schema)}</p></section>"
            continue
        yield (
            f'<section id="model-{escape(name)}"><h3>{escape(name)}</h3>'
            f"<p>{escape(schema.get('description', ''))}</p>"
            f'<div class="scroll"><table><thead><tr><th scope="col">{words["field"]}</th>'
            f'<th scope="col">{words["type"]}</th><th scope="col">{words["meaning"]}</th>'
            "</tr></thead><tbody>"
        )
        for field, found in schema["properties"].items():
            yield (
                f'<tr><th scope="row"><code>{escape(field)}</code></th><td>{_type(found)}</td>'
                f"<td>{escape(found.get('description', ''))}</td></tr>"
            )
        yield "</tbody></table></div></section>"


def _type(schema: Mapping[str, Any]) -> str:
    """Name a schema in a few words, with links to models."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#model-{name}">{name}</a>'
    if "enum" in schema:
        return escape(" | ".join(str(one) for one in schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(_type(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"[{_type(schema.get('items', {}))}]"
    if "contentSchema" in schema:
        return _type(schema["contentSchema"])
    return escape(str(schema.get("format", schema.get("type", "JSON"))))
