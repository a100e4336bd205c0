"""Records of roles in the registry's database: whole batches, one book beside another."""

from pathlib import Path

import pytest

from cloud_coordinator.store.database import open_database
from cloud_coordinator.store.record_table import KEY_LENGTH_MAX, RecordTable
from protocols.sansio.records import Change
from protocols.vocabulary.errors import StoreError


def test_what_was_put_is_there_after_reopening(tmp_path: Path) -> None:
    """If it fails, a role forgets what it has promised to a peer."""
    database = open_database(tmp_path / "registry.sqlite3")
    book = RecordTable(database, book="one")
    book.put([Change(key=f"a:{number}", value=b"x" * number) for number in range(1, 1_200)])
    book.put([Change(key="a:1", value=b"new"), Change(key="a:2", value=None)])
    book.put([])
    RecordTable(database, book="two").put([Change(key="a:1", value=b"other")])
    database.close()
    again = open_database(tmp_path / "registry.sqlite3")
    found = RecordTable(again, book="one").load()
    assert (len(found), found["a:1"], found["a:3"]) == (1_198, b"new", b"xxx")
    assert RecordTable(again, book="two").load() == {"a:1": b"other"}
    again.close()


def test_the_last_change_of_a_key_counts(tmp_path: Path) -> None:
    """If it fails, requests that share a commit leave an older state behind."""
    database = open_database(tmp_path / "registry.sqlite3")
    book = RecordTable(database, book="one")
    book.put(
        [Change(key="a", value=b"1"), Change(key="a", value=None), Change(key="b", value=None)]
    )
    book.put([Change(key="a", value=None), Change(key="a", value=b"2")])
    assert book.load() == {"a": b"2"}
    database.close()


def test_a_batch_with_a_fault_leaves_nothing(tmp_path: Path) -> None:
    """If it fails, half of an answer's changes are durable."""
    database = open_database(tmp_path / "registry.sqlite3")
    book = RecordTable(database, book="one")
    with pytest.raises(StoreError, match="key of"):
        book.put([Change(key="a", value=b"1"), Change(key="x" * (KEY_LENGTH_MAX + 1), value=b"")])
    assert book.load() == {}
    database.close()
