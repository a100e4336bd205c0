"""Hostile and broken requests: each is refused in one line, none is a 500, none hurts the next."""

import asyncio
import gzip
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from cloud_coordinator.web.routing import (
    BODY_BYTES_MAX,
    CONTEXT,
    HEAVY_WAITING_MAX,
    STREAMS_MAX,
)

OBLIGATIONS = "/api/v1/obligations"
COMMANDS = f"{OBLIGATIONS}/award-1/commands"
JSON = {"Content-Type": "application/json"}
Maker = Callable[..., dict[str, Any]]

DEEP = 20_000
BODIES: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 400),
    "half": (b'{"power_w": ', 400),
    "two": (b"{} {}", 400),
    "not utf-8": (b'{"zone": "\xff\xfe"}', 400),
    "utf-16": ('{"zone": "x"}'.encode("utf-16"), 400),
    "lone surrogate": (b'{"zone": "\\ud800"}', 400),
    "nul": (b"\x00" * 100, 400),
    "deep list": (b"[" * DEEP + b"]" * DEEP, 400),
    "deep object": (b'{"a":' * 9000 + b"1" + b"}" * 9000, 400),
    "deep field": (b'{"power_w": ' + b"[" * 500 + b"]" * 500 + b"}", 400),
    "null": (b"null", 422),
    "list": (b"[]", 422),
    "text": (b'"award"', 422),
    "number": (b"1" * 4000, 422),
    "many fields": (json.dumps({f"f{i}": i for i in range(4000)}).encode(), 422),
    "long name": (json.dumps({"x" * 60_000: 1}).encode(), 422),
    "name with lines": (b'{"a\\r\\nSet-Cookie: b\\u2028\\u0007": 1}', 422),
    "proto": (b'{"__proto__": {"x": 1}, "__class__": "os"}', 422),
}


@pytest.mark.parametrize("path", [OBLIGATIONS, COMMANDS])
@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_award_and_no_command_is_refused(
    shared: Any, name: str, path: str
) -> None:
    """One odd request would stop the service for everybody."""
    body, status = BODIES[name]
    reply = shared.post(path, data=body, headers=JSON)
    assert reply.status == status
    assert shared.get("/healthz").status == 200


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"9" * 5000])
@pytest.mark.parametrize("field", ["power_w", "tolerance_w", "price_jpy_per_kw_30min"])
def test_a_number_that_is_none_is_refused(
    shared: Any, make_award: Maker, *, field: str, value: bytes
) -> None:
    """NaN would pass every limit, because it is neither above nor below one."""
    text = json.dumps(make_award(**{field: "HERE"})).encode().replace(b'"HERE"', value)
    reply = shared.post(OBLIGATIONS, data=text, headers=JSON)
    assert reply.status in {400, 422}
    assert reply.status == 400 or reply.json["errors"][0]["field"] == field


def test_a_field_given_twice_in_a_body_is_one_award(api: Any, make_award: Maker) -> None:
    """Two readers of one text would see two different awards."""
    text = json.dumps(make_award())[:-1] + ', "power_w": 1.0}'
    reply = api.post(OBLIGATIONS, data=text.encode(), headers=JSON)
    assert reply.status in {201, 422}
    if reply.status == 201:
        assert api.get(f"{OBLIGATIONS}/award-1").json["power_w"] == reply.json["power_w"]


@pytest.mark.parametrize("size", [BODY_BYTES_MAX + 1, 50_000_000])
def test_a_huge_body_is_refused_before_it_is_read(shared: Any, size: int) -> None:
    """One upload would take the coordinator's memory."""
    head = f"POST {OBLIGATIONS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    data = f"{head}Content-Length: {size}\r\n\r\n".encode() + b" " * (BODY_BYTES_MAX + 1)
    answer = shared.raw(data)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"type":"/docs#problem-too-large"' in answer


def test_a_huge_body_without_a_length_is_refused(shared: Any) -> None:
    """A body in chunks would pass the limit."""

    async def chunks() -> Any:
        for _ in range(BODY_BYTES_MAX // 8192 + 2):
            yield b" " * 8192

    reply = shared.post(OBLIGATIONS, data=chunks(), headers=JSON)
    assert (reply.status, reply.json["type"]) == (413, "/docs#problem-too-large")


def test_a_small_body_that_unpacks_to_a_huge_one_is_refused(api: Any) -> None:
    """A few packed kilobytes would take the coordinator's memory."""
    data = gzip.compress(b" " * 30_000_000)
    assert len(data) < BODY_BYTES_MAX
    reply = api.post(OBLIGATIONS, data=data, headers={**JSON, "Content-Encoding": "gzip"})
    assert reply.status in {400, 413}


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "x-none"])
def test_a_body_that_does_not_unpack_is_refused(shared: Any, coding: str) -> None:
    """A wrong header of one client would be a fault of the server."""
    head = f"POST {OBLIGATIONS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    data = f"{head}Content-Encoding: {coding}\r\nContent-Length: 8\r\nConnection: close\r\n\r\n"
    answer = shared.raw(data.encode() + b"no coded")
    assert answer.split()[1] == b"400", answer[:200]
    assert shared.get("/healthz").status == 200


@pytest.mark.parametrize(
    "media",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "",
        "\u00e9",
        "json",
    ],
)
def test_another_content_type_is_415(shared: Any, make_award: Maker, media: str) -> None:
    """A form on a strange page could post an award from the operator's browser."""
    text = json.dumps(make_award()).encode()
    reply = shared.post(OBLIGATIONS, data=text, headers={"Content-Type": media})
    assert (reply.status, reply.json["type"]) == (415, "/docs#problem-media")
    assert reply.json["detail"].startswith("Content-Type ")


@pytest.mark.parametrize(
    ("method", "path", "offered"),
    [
        ("DELETE", "/api/v1/sites", "GET, HEAD"),
        ("PUT", f"{OBLIGATIONS}/award-1", "GET, HEAD"),
        ("PATCH", OBLIGATIONS, "GET, HEAD, POST"),
        ("GET", COMMANDS, "POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("HEAD", "/api/v1/live", "GET"),
        ("OPTIONS", "/", "GET, HEAD"),
        ("TRACE", "/", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_405_and_told_what_is_offered(
    shared: Any, *, method: str, path: str, offered: str
) -> None:
    """A client that deletes an award would believe that it did."""
    reply = shared.call(method, path)
    assert (reply.status, reply.headers["Allow"]) == (405, offered)


PATHS = [
    "/api/v1/sites/..%2f..%2fetc%2fpasswd",
    "/api/v1/sites/%2e%2e",
    "/api/v1/sites/%00",
    "/api/v1/sites/%ff%fe",
    "/api/v1/sites/%0d%0aSet-Cookie:%20a=b",
    "/api/v1/sites/%F0%9F%92%A9",
    "/api/v1/sites/a%20b;c",
    "/api/v1/sites/'%20OR%201=1--",
    "/api/v1/sites/" + "a" * 4000,
    "/api/v1/sites/%25252e",
    "/api/v1/sites/%u0041",
    "/api/v1/sites/",
    "/api/v1/obligations/..%2faward-1/delivery",
    "/api/v1/obligations/%0a/statement",
    "/assets/..%2findex.html",
    "/assets/..%2f..%2fapp.py",
    "/assets/%2fetc%2fpasswd",
    "/assets/..%5c..%5capp.py",
    "/assets/index.html",
    "/assets/__init__.py",
    "/assets/style.css%00.js",
    "/assets/",
    "/static/../../../etc/passwd",
    "//etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/api/v1",
    "/API/V1/SITES",
    "/healthz/",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_is_none_of_ours_is_404(shared: Any, path: str) -> None:
    """A stranger could read the server's files, or see a fault's innards."""
    reply = shared.get(path)
    assert (reply.status, reply.json["type"]) == (404, "/docs#problem-unknown")
    assert "Set-Cookie" not in reply.headers
    assert "root:" not in reply.text


LISTS = ["/api/v1/sites", "/api/v1/resources", OBLIGATIONS, "/api/v1/events"]
QUERIES = [
    ("limit=0", "limit"),
    ("limit=-1", "limit"),
    ("limit=1001", "limit"),
    ("limit=1.5", "limit"),
    ("limit=NaN", "limit"),
    ("limit=", "limit"),
    ("limit=" + "9" * 5000, "limit"),
    ("limit=1&limit=2", "limit"),
    ("limit[]=1", "limit[]"),
    ("cursor=", "cursor"),
    ("cursor=%ff", "cursor"),
    ("cursor=%E3%81%82", "cursor"),
    ("cursor=" + "A" * 601, "cursor"),
    ("Limit=1", "Limit"),
    ("offset=5", "offset"),
    ("=1", ""),
]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(("query", "field"), QUERIES)
def test_a_wrong_query_is_refused_by_name(
    shared: Any, *, path: str, query: str, field: str
) -> None:
    """A misspelt question would be answered as if it had not been asked."""
    reply = shared.get(f"{path}?{query}")
    assert reply.status == 422
    assert reply.json["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/v1/live", "format=xml"),
        ("/api/v1/live", "limit=1"),
        ("/", "lang=de"),
        ("/docs", "lang=%3Cscript%3E"),
        ("/healthz", "x=1"),
        ("/openapi.json", "x=1"),
        ("/assets/style.css", "v=1"),
        ("/api/v1/sites/site-1", "fields=all"),
        ("/api/v1/events", "site_id="),
        ("/api/v1/events", "kind=" + "k" * 201),
        ("/api/v1/telemetry/accounting", "site_id=site-1"),
        ("/api/v1/sites", "&".join(f"a{i}=1" for i in range(100))),
        ("/api/v1/sites", "a=1&a=2&" + "b" * 3000 + "=1"),
        ("/api/v1/sites", "n" * 3000 + "=1&" + "n" * 3000 + "=2"),
    ],
)
def test_an_unknown_question_is_refused(shared: Any, path: str, query: str) -> None:
    """A question that we do not understand would be answered with something else."""
    reply = shared.get(f"{path}?{query}")
    assert reply.status == 422
    assert len(reply.json["detail"]) < 8000


def test_posts_take_no_query(api: Any, make_award: Maker) -> None:
    """``?dry_run=1`` would be passed over, and the award placed."""
    assert api.post(f"{OBLIGATIONS}?dry_run=1", make_award()).status == 422
    assert api.get(OBLIGATIONS).json["items"] == []


RAW = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET /api/v1/events?kind=\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /api/v1/sites/\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /api/v1/sites?\xff=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET http://[ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET //[ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nAccept-Language: \xff;q=\xff\r\nX: a\r\n b\r\n\r\n",
    b"POST /api/v1/obligations HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    b"POST /api/v1/obligations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    b"POST /api/v1/obligations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /api/v1/obligations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Expect: a-miracle\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
]


@pytest.mark.parametrize("data", RAW, ids=lambda data: repr(data[:40]))
def test_bytes_that_are_no_request_are_refused(shared: Any, data: bytes) -> None:
    """One client with another protocol would stop the service, or learn its innards."""
    answer = shared.raw(data)
    assert answer == b"" or answer.split()[1][:1] == b"4", answer[:300]
    assert b"Traceback" not in answer
    assert shared.get("/healthz").status == 200


def test_odd_language_headers_still_show_a_page(shared: Any) -> None:
    """A browser with an unusual language setting would see nothing."""
    for header in ("", "*", "ja;q=x", "ja-JP,en;q=0.5", ";;;,,,", "x" * 4000, "en;q=1.0000"):
        assert shared.get("/docs", headers={"Accept-Language": header}).status == 200


def test_a_client_that_leaves_half_way_takes_nothing_with_it(shared: Any) -> None:
    """A lost connection would keep a place, or be a fault."""
    head = b"POST /api/v1/obligations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"

    async def leave() -> None:
        for _ in range(5):
            port = shared.client.server.port
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head + b"Content-Length: 1000\r\n\r\n{")
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    shared.run(leave())
    assert shared.get("/healthz").status == 200


@pytest.mark.parametrize(
    ("end", "places"),
    [("delivery?format=csv", STREAMS_MAX), ("statement", HEAVY_WAITING_MAX)],
)
def test_too_many_readers_of_the_history_are_told_to_wait(
    running: Any, plant: Any, *, end: str, places: int
) -> None:
    """One eager program would keep the store from everybody, or fill the memory."""
    gate = threading.Event()
    plant.record.reading = lambda: gate.wait(4.0)
    path = f"{OBLIGATIONS}/award-1/{end}"
    context = running.client.server.app[CONTEXT]

    async def crowd() -> tuple[Any, list[int]]:
        waiting = [asyncio.ensure_future(running.client.get(path)) for _ in range(places)]
        done, _ = await asyncio.wait(waiting, timeout=0.3)
        assert not done
        refused = await running.client.get(path)
        gate.set()
        answers = await asyncio.gather(*waiting)
        for one in answers:
            await one.read()
        return refused, [one.status for one in answers]

    refused, statuses = running.run(crowd())
    assert (refused.status, refused.content_type) == (503, "application/problem+json")
    assert int(refused.headers["Retry-After"]) > 0
    assert statuses == [200] * places
    assert not context.streams.locked()
    assert running.get(path).status == 200
