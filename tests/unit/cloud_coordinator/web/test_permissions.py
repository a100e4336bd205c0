"""The permission table cell by cell, and log-in, sessions and keys, on the real application."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer

from cloud_coordinator.access.permissions import PERMISSIONS, Action, Reach, Role
from cloud_coordinator.access.scope import EVERYWHERE, Authority, parse_scope
from cloud_coordinator.audit.chain import verify
from cloud_coordinator.services.accounts import Accounts
from cloud_coordinator.services.auditing import Trail
from cloud_coordinator.services.identity import Identity, TokenJudge
from cloud_coordinator.store.registry import Registry
from cloud_coordinator.web.access import CSRF_COOKIE, CSRF_HEADER, SESSION_COOKIE, Access, Asking
from cloud_coordinator.web.app import create_app
from cloud_coordinator.web.table import ROUTES
from protocols.vocabulary.errors import AccessDeniedError

PASSWORD = "planted-password-xyzzy"


class Guarded:
    """A coordinator's web application that asks who one is, on a real registry."""

    def __init__(
        self,
        plant: Any,
        folder: Path,
        *,
        asking: Asking = Asking.ALWAYS,
        tokens: TokenJudge | None = None,
    ) -> None:
        self.registry = Registry.open(folder / "registry.sqlite3")
        self.clock = plant.clock
        self.accounts = Accounts(self.registry.identities, self.clock, draw=secrets.token_bytes)
        identity = Identity(
            self.registry.identities, self.clock, draw=secrets.token_bytes, tokens=tokens
        )
        trail = Trail(self.registry.audit, self.clock)
        access = Access(identity=identity, accounts=self.accounts, trail=trail, asking=asking)
        self.app = create_app(plant.coordinator, vitals=lambda: plant.vitals, access=access)

    def key(self, role: Role, scope: str = "*", person: str = "") -> dict[str, str]:
        made = self.accounts.create_key(
            "test", roles=frozenset({role}), scope=parse_scope(scope), days=1, person=person
        )
        return {"X-API-Key": made[1]}

    def add(self, name: str, role: Role) -> None:
        self.accounts.add_user(name, PASSWORD, roles=frozenset({role}), scope=EVERYWHERE)

    def run(self, check: Callable[[TestClient[Any, Any]], Awaitable[None]]) -> None:
        async def bounded() -> None:
            async with TestClient(TestServer(self.app), cookie_jar=DummyCookieJar()) as client:
                await asyncio.wait_for(check(client), 20.0)

        asyncio.run(bounded())

    def trail(self) -> str:
        return "\n".join(one.body.decode() for one in self.registry.audit.entries())


@pytest.fixture
def guarded(plant: Any, tmp_path: Path) -> Iterator[Guarded]:
    made = Guarded(plant, tmp_path)
    yield made
    made.registry.close()


def path_of(route: Any) -> str:
    path: str = route.path
    for name in ("site_id", "obligation_id", "name"):
        path = path.replace(f"{{{name}}}", "nothing-here")
    return path + ("?format=json" if path.endswith("/live") else "")


@pytest.mark.parametrize("role", list(Role))
def test_every_cell_of_the_table(guarded: Guarded, role: Role) -> None:
    """If it fails, a person can do what the printed table says they cannot, or the reverse."""
    guarded.add("hana", role)
    headers = guarded.key(role, person="hana")

    async def check(client: TestClient[Any, Any]) -> None:
        if role is not Role.ADMINISTRATOR:  # else whoever is at this machine may add one
            guarded.add("root", Role.ADMINISTRATOR)
        for route in ROUTES:
            rule = PERMISSIONS[route.action]
            async with client.request(route.method, path_of(route), headers=headers) as answered:
                may = rule.reach is Reach.PUBLIC or role in rule.roles
                assert (answered.status not in {401, 403}) == may, (route.name, answered.status)
            async with client.request(route.method, path_of(route)) as answered:
                is_public = rule.reach is Reach.PUBLIC
                assert (answered.status != 401) == is_public, (route.name, answered.status)

    guarded.run(check)
    entries = guarded.registry.audit.entries()
    assert not verify(entries).fault
    assert "refused" in guarded.trail()


def test_a_scope_hides_what_lies_outside(guarded: Guarded, plant: Any) -> None:
    """If it fails, an owner reads a neighbour's battery."""
    guarded.add("root", Role.ADMINISTRATOR)
    plant.hear_all()
    headers = guarded.key(Role.OWNER, "site:site-1")

    async def check(client: TestClient[Any, Any]) -> None:
        found = await (await client.get("/api/v1/sites", headers=headers)).json()
        assert [one["site_id"] for one in found["items"]] == ["site-1"]
        assert (await client.get("/api/v1/sites/site-1", headers=headers)).status == 200
        assert (await client.get("/api/v1/sites/site-2", headers=headers)).status == 404
        operator = guarded.key(Role.OPERATOR, "area:kansai")
        refused = await client.post("/api/v1/control/optimize", headers=operator, json={})
        assert refused.status == 403

    guarded.run(check)


def test_a_session_needs_its_second_proof_and_ends(guarded: Guarded) -> None:
    """If it fails, another page in the operator's browser sends commands with its cookie."""
    guarded.add("root", Role.ADMINISTRATOR)

    async def check(client: TestClient[Any, Any]) -> None:
        page = await client.get("/")
        assert page.status == 401
        assert 'id="login"' in await page.text()
        body = {"name": "root", "password": PASSWORD}
        opened = await client.post("/api/v1/session", json=body)
        assert opened.status == 200
        cookie = opened.cookies[SESSION_COOKIE]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Strict"
        jar = {name: opened.cookies[name].value for name in (SESSION_COOKIE, CSRF_COOKIE)}
        cookies = {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())}
        assert (await client.get("/api/v1/users", headers=cookies)).status == 200
        assert (await client.delete("/api/v1/session", headers=cookies)).status == 403
        guarded.clock.time_s += 1_000.0
        again = await client.get("/api/v1/session", headers=cookies)
        assert again.cookies[SESSION_COOKIE].value != jar[SESSION_COOKIE]
        assert (await client.get("/api/v1/session", headers=cookies)).status == 200
        guarded.clock.time_s += 60.0
        assert (await client.get("/api/v1/session", headers=cookies)).status == 401
        new = {name: again.cookies[name].value for name in jar}
        proof = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in new.items()),
            CSRF_HEADER: new[CSRF_COOKIE],
        }
        assert (await client.delete("/api/v1/session", headers=proof)).status == 200
        assert (await client.get("/api/v1/session", headers=proof)).status == 401

    guarded.run(check)
    assert "log in" in guarded.trail()


def test_guessing_locks_and_nothing_told_holds_a_secret(
    guarded: Guarded, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """If it fails, passwords can be guessed without end, or read from a log."""
    guarded.add("hana", Role.ADMINISTRATOR)
    said: list[str] = []

    async def check(client: TestClient[Any, Any]) -> None:
        async def attempt(password: str) -> int:
            body = {"name": "hana", "password": password}
            async with client.post("/api/v1/session", json=body) as answered:
                said.append(await answered.text())
                return answered.status

        for _ in range(5):
            assert await attempt("planted-wrong-plugh") == 401
        assert await attempt(PASSWORD) == 401
        guarded.clock.time_s += timedelta(minutes=6).total_seconds()
        assert await attempt(PASSWORD) == 200
        key = {"X-API-Key": "vpp_abc_planted-wrong-plugh"}
        said.append(await (await client.get("/api/v1/sites", headers=key)).text())

    guarded.run(check)
    seen = capfd.readouterr()
    told = [*said, guarded.trail(), seen.out, seen.err]
    told += [path.read_bytes().decode("latin-1") for path in tmp_path.iterdir()]
    assert not any("planted-" in text for text in told)


def test_this_machine_adds_the_first_administrator_and_no_more(guarded: Guarded) -> None:
    """If it fails, nobody can begin, or anybody at the machine becomes administrator later."""

    async def check(client: TestClient[Any, Any]) -> None:
        assert (await client.get("/api/v1/sites")).status in {401, 403}
        body = {"name": "root", "password": PASSWORD, "roles": ["operator"]}
        assert (await client.post("/api/v1/users", json=body)).status == 409
        body["roles"] = ["administrator"]
        assert (await client.post("/api/v1/users", json=body)).status == 201
        second = {**body, "name": "mallory"}
        assert (await client.post("/api/v1/users", json=second)).status == 401

    guarded.run(check)


def test_two_subjects_of_one_person_are_one_person(guarded: Guarded) -> None:
    """If it fails, one operator with a browser and a key stops the whole fleet alone."""
    for name in ("hana", "sato"):
        guarded.add(name, Role.OPERATOR)
    guarded.add("root", Role.ADMINISTRATOR)
    robot = guarded.key(Role.OPERATOR)
    hana, sato = (guarded.key(Role.OPERATOR, person=name) for name in ("hana", "sato"))
    stop = {"reason": "fire"}

    async def check(client: TestClient[Any, Any]) -> None:
        async def post(path: str, headers: dict[str, str], body: object = None) -> int:
            where = f"/api/v1/emergency/{path}"
            async with client.post(where, headers=headers, json=body) as answered:
                return answered.status

        assert await post("stop", robot, stop) == 403
        login = {"name": "hana", "password": PASSWORD}
        opened = await client.post("/api/v1/session", json=login)
        jar = {name: opened.cookies[name].value for name in (SESSION_COOKIE, CSRF_COOKIE)}
        cookie = "; ".join(f"{name}={value}" for name, value in jar.items())
        browser = {"Cookie": cookie, CSRF_HEADER: jar[CSRF_COOKIE], "X-Reason": "drill"}
        assert await post("stop", browser, stop) == 200
        assert await post("confirm", hana) == 409
        assert await post("confirm", browser) == 409
        assert await post("confirm", robot) == 403
        assert await post("confirm", sato) == 200
        guarded.accounts.disable_user("sato")
        assert await post("confirm", sato) == 401

    guarded.run(check)
    assert '"why":"drill"' in guarded.trail()
    assert '"why":"fire"' in guarded.trail()


class Judge:
    """Knows one token, which is of hana's."""

    def authority(self, token: str, now: datetime) -> Authority:
        if token != "planted-token":
            raise AccessDeniedError("token: its signature is wrong")
        roles = frozenset({Role.OPERATOR})
        return Authority(
            subject="oidc:4711", roles=roles, scope=parse_scope("site:site-1"), person="user:hana"
        )


def test_a_token_of_the_provider_is_a_subject_with_scope(plant: Any, tmp_path: Path) -> None:
    """If it fails, the company's directory opens nothing, or everything."""
    made = Guarded(plant, tmp_path, tokens=Judge())
    made.add("root", Role.ADMINISTRATOR)
    plant.hear_all()

    async def check(client: TestClient[Any, Any]) -> None:
        async def get(path: str, token: str) -> Any:
            headers = {"Authorization": f"Bearer {token}"}
            async with client.get(path, headers=headers) as answered:
                return answered.status, await answered.json()

        status, said = await get("/api/v1/session", "planted-token")
        assert (status, said) == (200, {"subject": "oidc:4711", "scope": "site:site-1"})
        _, found = await get("/api/v1/sites", "planted-token")
        assert [one["site_id"] for one in found["items"]] == ["site-1"]
        assert (await get("/api/v1/emergency", "planted-token"))[0] == 403
        status, said = await get("/api/v1/sites", "planted-forged")
        assert (status, said["detail"]) == (401, "token: its signature is wrong")

    made.run(check)
    assert "oidc:4711" in made.trail()
    assert "planted-" not in made.trail()
    made.registry.close()


def test_people_are_asked_as_soon_as_there_is_one(plant: Any, tmp_path: Path) -> None:
    """If it fails, a first person is added, and everybody still commands without a name."""
    made = Guarded(plant, tmp_path, asking=Asking.ONCE_KNOWN)

    async def check(client: TestClient[Any, Any]) -> None:
        named = {"X-Operator": "kenji"}
        body = {"site_id": "site-1", "reason": "smoke"}
        url = "/api/v1/emergency/site-stop"
        assert (await client.post(url, headers=named, json=body)).status == 200
        assert 'id="open"' in await (await client.get("/")).text()
        rebound = {**named, "Host": "evil.example:8080"}
        assert (await client.post(url, headers=rebound, json=body)).status == 403
        made.add("root", Role.ADMINISTRATOR)
        assert (await client.post(url, headers=named, json=body)).status == 401
        page = await client.get("/", headers=made.key(Role.OWNER))
        assert 'id="open"' not in await page.text()

    made.run(check)
    assert "open:kenji" in made.trail()
    made.registry.close()


def test_every_action_has_a_rule_and_some_role() -> None:
    """If it fails, an action can be named that the table does not decide."""
    assert set(PERMISSIONS) == set(Action)
    assert all(rule.roles for rule in PERMISSIONS.values())
    assert json.dumps(sorted(Role))
