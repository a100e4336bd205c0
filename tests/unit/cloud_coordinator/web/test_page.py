"""The live page as it is served: its files, its words, and that it needs nobody else."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from html.parser import HTMLParser
from typing import Any, NoReturn, get_args

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.services.live import LiveView
from cloud_coordinator.services.queries import SiteView
from cloud_coordinator.services.records import EventQuery, EventRecord
from cloud_coordinator.web.app import create_app
from cloud_coordinator.web.award_models import ServiceName, StateName
from cloud_coordinator.web.live_views import MODE_NAMES
from cloud_coordinator.web.models import Link
from cloud_coordinator.web.pages import MEDIA_OF, PAGE, load_assets
from cloud_coordinator.web.ports import Vitals

NOW = Moment(wall_s=1_784_682_000.0, monotonic_ns=1)
SCRIPTS = ("app.js", "chart.js", "words.js")
INNER_MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser"
)
ADDRESS = re.compile(r"""(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}|\burl\(|@import""", re.IGNORECASE)
NAMESPACE = 'xmlns="http://www.w3.org/2000/svg"'

Client = TestClient[web.Request, web.Application]


class NoFleet:
    """Use cases of a coordinator that has no site and no award."""

    def __init__(self) -> None:
        self.queries = self
        self.live = self

    @property
    def awarding(self) -> NoReturn:
        """Nobody places an award here."""
        raise AssertionError("the page places no award")

    @property
    def dispatching(self) -> NoReturn:
        """Nobody gives a command here."""
        raise AssertionError("the page gives no command")

    def now(self) -> Moment:
        """One instant."""
        return NOW

    def view(self, now: Moment, *, last_s: int) -> LiveView:
        """Show an empty fleet."""
        return LiveView(at=now.at, sites=(), awards=())

    def sites(self, now: Moment) -> Sequence[SiteView]:
        """No site has said hello."""
        return ()

    def events(self, query: EventQuery) -> Sequence[EventRecord]:
        """Nothing happened."""
        return ()

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse all that the page must not need."""
        raise AssertionError(f"the page asked for {name}")


class Reader(HTMLParser):
    """Collects what a page names: addresses, words, inline code."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.ids: list[str] = []
        self.forbidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Read one tag."""
        found = {name: value or "" for name, value in attrs}
        self.addresses += [found[name] for name in ("href", "src") if name in found]
        self.words += [found[name] for name in ("data-word", "data-label") if name in found]
        self.ids += [found["id"]] if "id" in found else []
        if tag == "style" or (tag == "script" and "src" not in found):
            self.forbidden.append(tag)
        self.forbidden += [name for name in found if name == "style" or name.startswith("on")]


def serve(check: Callable[[Client], Awaitable[None]]) -> None:
    """Start the application, let the check ask it, stop it."""

    async def run() -> None:
        vitals = Vitals(broker_up=True, store_up=True, tick_age_s=0.1)
        app = create_app(NoFleet(), vitals=lambda: vitals)
        async with TestClient(TestServer(app)) as client:
            await asyncio.wait_for(check(client), 10.0)

    asyncio.run(run())


def words() -> Mapping[str, Mapping[str, str]]:
    """Read the words as the browser does."""
    text = load_assets()["words.js"]
    found: dict[str, Any] = json.loads(text[text.index("{") : text.rindex("}") + 1])
    return found


def read_page() -> Reader:
    """Read the page."""
    reader = Reader()
    reader.feed(load_assets()[PAGE])
    return reader


def dynamic_words() -> Iterator[str]:
    """Words of the names that the server sends."""
    yield from (f"link.{name}" for name in get_args(Link))
    yield from (f"mode.{name}" for name in MODE_NAMES)
    yield from (f"state.{name}" for name in get_args(StateName))
    yield from (f"service.{name}" for name in get_args(ServiceName))


@pytest.mark.parametrize(
    ("header", "language"),
    [("ja-JP,ja;q=0.9,en;q=0.5", "ja"), ("en-GB", "en"), ("fr", "en"), ("en;q=0.3,ja", "ja")],
)
def test_page_in_the_readers_language(header: str, language: str) -> None:
    """An operator in Japan would get an English page, or somebody else a Japanese one."""

    async def check(client: Client) -> None:
        answer = await client.get("/", headers={"Accept-Language": header})
        assert answer.status == 200
        assert answer.content_type == "text/html"
        assert answer.charset == "utf-8"
        assert f'<html lang="{language}">' in await answer.text()

    serve(check)


@pytest.mark.parametrize("name", MEDIA_OF)
def test_each_file_is_served(name: str) -> None:
    """A browser would refuse the file for its type, and the page would stay dead."""

    async def check(client: Client) -> None:
        answer = await client.get(f"/assets/{name}")
        assert answer.status == 200
        assert answer.content_type == MEDIA_OF[name]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert await answer.text() == load_assets()[name]
        assert load_assets()[name].strip()

    serve(check)


@pytest.mark.parametrize("name", ["none.js", "index.html", "..%2Fapp.py", "__init__.py"])
def test_nothing_else_is_served(name: str) -> None:
    """Somebody could read the program's other files through the page's folder."""

    async def check(client: Client) -> None:
        answer = await client.get(f"/assets/{name}")
        assert answer.status == 404

    serve(check)


def test_page_of_an_empty_fleet() -> None:
    """On the first day, before any site, the page would show an error."""

    async def check(client: Client) -> None:
        async with client.get("/api/v1/live") as answer:
            assert answer.content_type == "text/event-stream"
            lines = [await answer.content.readline() for _ in range(4)]
        assert lines[0].startswith(b"retry: ")
        assert lines[2] == b"event: live\n"
        assert json.loads(lines[3].removeprefix(b"data: "))["fleet"]["sites"] == 0

    serve(check)


def test_every_address_is_our_own() -> None:
    """The control room has no internet: the page would wait for somebody else's server."""
    served = {f"/assets/{name}" for name in MEDIA_OF} | {"/docs"}
    assert set(read_page().addresses) <= served
    for name, text in load_assets().items():
        assert not ADDRESS.search(text.replace(NAMESPACE, "")), name
    for name in SCRIPTS:
        imported = re.findall(r'from "([^"]+)"', load_assets()[name])
        assert {one.removeprefix("./") for one in imported} <= set(SCRIPTS)


def test_nothing_that_the_policy_blocks() -> None:
    """The browser would drop inline code and styles, and the page would look broken."""
    assert read_page().forbidden == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_data_never_becomes_markup(name: str) -> None:
    """A site that names itself with a script tag would run it in the operator's browser."""
    assert not INNER_MARKUP.search(load_assets()[name])


def test_every_word_in_both_languages() -> None:
    """A reader would see a key, or the other language, in the middle of the page."""
    table = words()
    script = load_assets()["app.js"]
    used = {*read_page().words, *re.findall(r'\bword\("([^"]+)"\)', script), *dynamic_words()}
    assert len(used) > 60
    assert used - table.keys() == set()
    for key, both in table.items():
        assert both.keys() == {"en", "ja"}, key
        assert all(text.strip() for text in both.values()), key


def test_no_word_is_left_over() -> None:
    """A translator would keep words that nobody sees."""
    script = load_assets()["app.js"]
    used = {*read_page().words, *re.findall(r'\bword\("([^"]+)"\)', script)}
    # columns of the table are asked for by their names
    used |= set(re.findall(r'"([a-z]+)"', script))
    plain = {key for key in words() if "." not in key}
    assert plain - used == set()


def test_script_and_page_agree_on_places() -> None:
    """The script would stop at the first place that the page does not have."""
    script = load_assets()["app.js"]
    wanted = set(re.findall(r'\$\("([a-z-]+)"\)', script)) | set(
        re.findall(r'(?:figure|showList)\("([a-z-]+)"', script)
    )
    ids = read_page().ids
    assert len(ids) == len(set(ids))
    assert wanted <= set(ids)
    assert {f"{name}-note" for name in re.findall(r'figure\("([a-z]+)"', script)} <= set(ids)


def test_both_languages_can_be_chosen() -> None:
    """A reader whose browser is set to another language could not change it."""
    assert set(re.findall(r'data-language="([a-z]+)"', load_assets()[PAGE])) == {"ja", "en"}
