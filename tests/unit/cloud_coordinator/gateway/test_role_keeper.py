"""Changes of many requests in few commits, in order, and never told before they are kept."""

import asyncio
import threading
from collections.abc import Iterable, Mapping

import pytest

from cloud_coordinator.gateway.role_keeper import RoleKeeper
from protocols.sansio.records import Change
from protocols.vocabulary.errors import StoreError

Facts = dict[str, bytes]


class Book:
    """A slow disk, which may refuse."""

    def __init__(self) -> None:
        self.records: dict[str, bytes] = {}
        self.commits = 0
        self.refusing = self.unreadable = False
        self.may_write = threading.Event()
        self.may_write.set()

    def load(self) -> Mapping[str, bytes]:
        if self.unreadable:
            raise StoreError("the disk is gone")
        return dict(self.records)

    def put(self, changes: Iterable[Change]) -> None:
        assert self.may_write.wait(5.0)
        if self.refusing:
            raise StoreError("the disk is full")
        self.commits += 1
        for change in changes:
            assert change.value is not None
            self.records[change.key] = change.value


def keeper_of(book: Book) -> RoleKeeper[Facts]:
    """Make a keeper of a role that is a plain mapping."""
    return RoleKeeper(book, dict)


async def say(keeper: RoleKeeper[Facts], key: str, value: str) -> None:
    """Let the role change something, and keep it."""
    keeper.role[key] = value.encode()
    await keeper.kept((Change(key=key, value=value.encode()),))


def test_many_requests_share_a_commit_and_the_last_word_counts() -> None:
    """If it fails, five hundred VENs wait for five hundred syncs of the disk."""
    book = Book()

    async def run() -> int:
        keeper = keeper_of(book)
        book.may_write.clear()
        first = asyncio.create_task(say(keeper, "a", "0"))
        await asyncio.sleep(0.05)
        later = [asyncio.create_task(say(keeper, "a", str(n))) for n in range(1, 100)]
        await asyncio.sleep(0.05)
        assert not first.done()
        book.may_write.set()
        await asyncio.gather(first, *later)
        return keeper.commits

    assert asyncio.run(run()) == book.commits == 2
    assert book.records == {"a": b"99"}


def test_an_answer_without_changes_waits_for_those_before_it() -> None:
    """If it fails, a peer is told something that a crash then makes unsaid."""
    book = Book()

    async def run() -> None:
        keeper = keeper_of(book)
        book.may_write.clear()
        writing = asyncio.create_task(say(keeper, "a", "0"))
        await asyncio.sleep(0.05)
        telling = asyncio.create_task(keeper.kept(()))
        await asyncio.sleep(0.05)
        assert not telling.done()
        book.may_write.set()
        await asyncio.gather(writing, telling)
        await keeper.kept(())

    asyncio.run(run())


def test_a_refusal_reaches_all_who_built_on_it_and_nobody_after() -> None:
    """If it fails, what hangs on something unsaid is promised, or nothing ever is again."""
    book = Book()

    async def run() -> None:
        keeper = keeper_of(book)
        book.refusing = True
        book.may_write.clear()
        first = asyncio.create_task(say(keeper, "a", "0"))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(say(keeper, "b", "of a"))
        await asyncio.sleep(0.05)
        book.may_write.set()
        outcome = await asyncio.gather(first, second, return_exceptions=True)
        assert [type(one) for one in outcome] == [StoreError, StoreError]
        assert keeper.role == {}, "the role knows what the disk does not"
        book.refusing = False
        await say(keeper, "c", "1")

    asyncio.run(run())
    assert book.records == {"c": b"1"}


def test_a_role_that_cannot_be_read_again_says_nothing() -> None:
    """If it fails, a peer is told what was never stored, because the disk broke altogether."""
    book = Book()

    async def run() -> None:
        keeper = keeper_of(book)
        book.refusing = book.unreadable = True
        with pytest.raises(StoreError, match="full"):
            await say(keeper, "a", "0")
        with pytest.raises(StoreError, match="gone"):
            _ = keeper.role
        book.unreadable = False
        assert keeper.role == {}

    asyncio.run(run())


def test_what_waits_at_the_end_is_still_written() -> None:
    """If it fails, an orderly stop loses what a crash would not."""
    book = Book()

    async def run() -> None:
        keeper = keeper_of(book)
        book.may_write.clear()
        waiting = [asyncio.create_task(say(keeper, "a", "0"))]
        await asyncio.sleep(0.05)
        waiting.append(asyncio.create_task(say(keeper, "b", "1")))
        await asyncio.sleep(0.05)
        for one in waiting:
            one.cancel()
        book.may_write.set()
        await keeper.close()

    asyncio.run(run())
    assert book.records == {"a": b"0", "b": b"1"}
