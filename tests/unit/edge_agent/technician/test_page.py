"""The gateway's own page: its PIN, its forms, its words."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp.test_utils import TestClient, TestServer

from edge_agent.cycle.hand import HandKind
from edge_agent.technician.page import LOCKED_S, WRONG_MAX, Page, PinGuard, read_pin, wish_of
from edge_agent.technician.page_words import WORDS, front_body
from protocols.vocabulary.errors import ConfigError


def test_wrong_pins_lock_and_the_lock_ends() -> None:
    """If it fails, a PIN is guessed in an afternoon, or a slip locks the site out for ever."""
    guard = PinGuard(pin="271828")
    assert [guard.refusal("000000", n) for n in range(WRONG_MAX)] == ["wrong_pin"] * WRONG_MAX
    assert guard.refusal("271828", 10) == "locked"
    assert guard.refusal("271828", round(LOCKED_S * 1e9) + 10) == ""


def test_a_pin_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """If it fails, anybody with a login on the gateway acts as the technician."""
    path = tmp_path / "page.pin"
    path.write_text("271828\n")
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_pin(path)
    path.chmod(0o600)
    assert read_pin(path) == "271828"
    path.write_text("1")
    with pytest.raises(ConfigError, match="fewer"):
        read_pin(path)


def test_forms_are_read_with_care_and_words_exist_in_both_languages() -> None:
    """If it fails, a form's slip is a crash, a name runs as a script, or half a page is missing."""
    assert WORDS["en"].keys() == WORDS["ja"].keys()
    for power in ("", "x", "nan", "inf", "1e99"):
        with pytest.raises(ConfigError, match="power_w"):
            wish_of(HandKind.OVERRIDE, {"power_w": power, "minutes": "5"})
    assert wish_of(HandKind.SAFE, {"by": " mori "}).by == "mori"
    assert "<script>" not in front_body("ja", "<script>", ["<script>"])


def test_no_action_without_the_pin() -> None:
    """If it fails, whoever reaches the page moves devices."""
    clock = SimpleNamespace(monotonic_ns=lambda: 0)
    site = SimpleNamespace(site_id="site-001", devices=())
    page = Page(cast("Any", site), PinGuard(pin="271828"), cast("Any", clock))

    async def ask() -> list[int]:
        async with TestClient(TestServer(page.application())) as client:
            found = [(await client.get("/?lang=en")).status]
            for kind in HandKind:
                answered = await client.post(f"/{kind.value}", data={"pin": "000000"})
                found.append(answered.status)
            return found

    assert asyncio.run(ask()) == [200, 403, 403, 403]
