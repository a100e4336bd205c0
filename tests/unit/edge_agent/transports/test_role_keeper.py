"""A role's words are heard only once they are on the disk."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import pytest

from edge_agent.transports.role_keeper import RoleKeeper
from protocols.sansio.records import Change
from protocols.vocabulary.errors import StoreError


class Book:
    """Records in memory, on a disk that may be full."""

    def __init__(self) -> None:
        self.records: dict[str, bytes] = {}
        self.full = False

    def load(self) -> Mapping[str, bytes]:
        return dict(self.records)

    def put(self, changes: Iterable[Change]) -> None:
        if self.full:
            raise StoreError("no space left")
        for change in changes:
            assert change.value is not None
            self.records[change.key] = change.value


class Counter:
    """A role that counts."""

    def __init__(self, records: Mapping[str, bytes]) -> None:
        self.count = int(records.get("count", b"0"))

    def up(self) -> tuple[int, Sequence[Change]]:
        self.count += 1
        return self.count, (Change(key="count", value=str(self.count).encode()),)


def test_what_was_said_is_on_the_disk() -> None:
    """If it fails, a device is told something that a loss of power undoes."""

    async def story() -> None:
        book = Book()
        keeper = RoleKeeper(book, Counter)
        assert await keeper.do(Counter.up) == 1
        assert book.records == {"count": b"1"}
        assert await asyncio.gather(*(keeper.do(Counter.up) for _ in range(5))) == [2, 3, 4, 5, 6]
        assert RoleKeeper(book, Counter).role.count == 6
        keeper.close()

    asyncio.run(story())


def test_a_full_disk_changes_nothing() -> None:
    """If it fails, the gateway believes what it will have forgotten after the next start."""

    async def story() -> None:
        book = Book()
        keeper = RoleKeeper(book, Counter)
        await keeper.do(Counter.up)
        book.full = True
        done = await asyncio.gather(
            *(keeper.do(Counter.up) for _ in range(3)), return_exceptions=True
        )
        assert all(isinstance(one, StoreError) for one in done)
        with pytest.raises(StoreError):
            await keeper.do(Counter.up)
        book.full = False
        assert await keeper.do(Counter.up) == 2
        assert book.records == {"count": b"2"}
        keeper.close()

    asyncio.run(story())
