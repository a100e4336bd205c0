"""The server with its records: nothing is answered before it is durable."""

import asyncio
import threading
from collections.abc import Iterable, Mapping

import pytest

from cloud_coordinator.gateway.ieee2030_5.desk import Desk
from cloud_coordinator.gateway.role_keeper import RoleKeeper
from protocols.ieee2030_5.identity import sfdi_of_lfdi
from protocols.ieee2030_5.resources.devices import EndDevice
from protocols.ieee2030_5.server.server import Server
from protocols.ieee2030_5.server.settings import ServerSettings
from protocols.ieee2030_5.xml import MEDIA_TYPE, encode
from protocols.sansio.http import HttpRequest, PeerIdentity
from protocols.sansio.records import Change
from protocols.vocabulary.errors import StoreError

CLIENTS = 50


class Book:
    """Records in memory; a commit waits until it may go on."""

    def __init__(self) -> None:
        self.records: dict[str, bytes] = {}
        self.commits = 0
        self.broken = False
        self.may_go = threading.Event()
        self.may_go.set()

    def load(self) -> Mapping[str, bytes]:
        return dict(self.records)

    def put(self, changes: Iterable[Change]) -> None:
        assert self.may_go.wait(10.0)
        if self.broken:
            raise StoreError("disk full")
        self.commits += 1
        for change in changes:
            if change.value is None:
                self.records.pop(change.key, None)
            else:
                self.records[change.key] = change.value


def _make(records: Mapping[str, bytes]) -> Server:
    return Server(records, settings=ServerSettings(), drawn=b"0123456789abcdef")


def _desk(book: Book) -> Desk:
    return Desk(RoleKeeper(book, _make), clock=lambda: 1_800_000_000.0)


def _register(number: int) -> HttpRequest:
    lfdi = f"{number:040X}"
    wanted = EndDevice(lfdi=lfdi, sfdi=sfdi_of_lfdi(lfdi), changed_time=0)
    return _request("POST", lfdi, encode(wanted))


def _request(method: str, lfdi: str, body: bytes = b"") -> HttpRequest:
    return HttpRequest(
        method=method,
        path="/edev",
        content_type=MEDIA_TYPE,
        body=body,
        peer=PeerIdentity(lfdi=lfdi, fingerprint="", certificate_sha256=b""),
    )


def test_clients_that_come_together_share_a_commit() -> None:
    """If it fails, 500 clients posting at once wait for 500 disk writes one after another."""
    book = Book()

    async def run() -> list[int]:
        desk = _desk(book)
        book.may_go.clear()
        asking = [asyncio.create_task(desk.answer(_register(n))) for n in range(CLIENTS)]
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in asking), "answered before it was durable"
        book.may_go.set()
        return [reply.status for reply, _ in await asyncio.gather(*asking)]

    assert asyncio.run(run()) == [201] * CLIENTS
    assert book.commits <= 3
    assert len(_make(book.load()).state.devices.all()) == CLIENTS


def test_nobody_reads_what_is_not_durable_yet() -> None:
    """If it fails, a client acts on something that a loss of power makes undone."""
    book = Book()

    async def run() -> None:
        desk = _desk(book)
        await desk.answer(_register(1))
        book.may_go.clear()
        writing = asyncio.create_task(desk.answer(_register(2)))
        await asyncio.sleep(0.02)
        reading = asyncio.create_task(desk.answer(_request("GET", f"{2:040X}")))
        await asyncio.sleep(0.05)
        assert not reading.done()
        book.may_go.set()
        await writing
        reply, _ = await reading
        assert b'all="1"' in reply.body

    asyncio.run(run())


def test_what_could_not_be_stored_did_not_happen() -> None:
    """If it fails, the server goes on with something that its next start does not know."""
    book = Book()

    async def run() -> None:
        desk = _desk(book)
        await desk.answer(_register(1))
        book.broken = True
        with pytest.raises(StoreError, match="disk full"):
            await desk.answer(_register(2))
        assert len(desk.role.state.devices.all()) == 1
        book.broken = False
        reply, _ = await desk.answer(_register(2))
        assert reply.status == 201

    asyncio.run(run())
    assert len(_make(book.load()).state.devices.all()) == 2
