"""The audit trail on the real database file, tampered with as somebody with the disk would."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from cloud_coordinator.audit.chain import Act
from cloud_coordinator.commands import audit
from cloud_coordinator.store.registry import Registry

Tamper = Callable[[sqlite3.Connection], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a data directory with five entries, a checkpoint and the keys."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pem").write_bytes(private)
    (tmp_path / "key.pub").write_bytes(public)
    registry = Registry.open(tmp_path / "registry.sqlite3")
    for number in range(5):
        registry.audit.append(
            Act(
                at=datetime(2026, 4, 1, 0, 0, number, tzinfo=UTC),
                who="user:hana",
                what=f"command award: {number}",
                why="",
                where="127.0.0.1",
                result="done",
            )
        )
    registry.close()
    assert run(tmp_path, "checkpoint", "--key", str(tmp_path / "key.pem")) == 0
    return tmp_path


def run(folder: Path, *words: str) -> int:
    found = audit.app([*words, "--data-dir", str(folder)], standalone_mode=False)
    return int(found or 0)


def check(folder: Path) -> int:
    return run(folder, "verify", "--keys", str(folder / "key.pub"))


def tamper(folder: Path, change: Tamper) -> None:
    with sqlite3.connect(folder / "registry.sqlite3") as database:
        for (name,) in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            database.execute(f"DROP TRIGGER {name}")
        change(database)
    database.close()


def test_an_untouched_trail_is_right(folder: Path) -> None:
    """If it fails, every check cries wolf."""
    assert check(folder) == 0


def _change_byte(database: sqlite3.Connection) -> None:
    (body,) = database.execute("SELECT body FROM audit_entries WHERE number = 3").fetchone()
    changed = body.replace(b"hana", b"hanb")
    database.execute("UPDATE audit_entries SET body = ? WHERE number = 3", (changed,))


def _swap(database: sqlite3.Connection) -> None:
    rows = database.execute(
        "SELECT number, body, digest FROM audit_entries WHERE number IN (2, 3) ORDER BY number"
    ).fetchall()
    for number, (_, body, digest) in zip((3, 2), rows, strict=True):
        database.execute(
            "UPDATE audit_entries SET body = ?, digest = ? WHERE number = ?", (body, digest, number)
        )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_change_byte, "entry 3: was changed"),
        (
            lambda db: db.execute("DELETE FROM audit_entries WHERE number = 2"),
            "entry 2: is missing",
        ),
        (_swap, "entry 2: was entry 3"),
        (lambda db: db.execute("DELETE FROM audit_entries WHERE number = 5"), "end is missing"),
        (
            lambda db: db.execute("UPDATE audit_checkpoints SET body = replace(body, '00', '01')"),
            "checkpoint 1",
        ),
    ],
    ids=["byte", "line", "order", "end", "checkpoint"],
)
def test_what_was_done_to_it_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], *, change: Tamper, told: str
) -> None:
    """If it fails, somebody with the disk removes what they did from the record."""
    tamper(folder, change)
    capsys.readouterr()
    assert check(folder) == 1
    assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    "statement", ["DELETE FROM audit_entries", "UPDATE audit_entries SET digest = ''"]
)
def test_the_database_itself_refuses_changes(folder: Path, statement: str) -> None:
    """If it fails, a bug of ours could rewrite the record."""
    database = sqlite3.connect(folder / "registry.sqlite3")
    with pytest.raises(sqlite3.DatabaseError, match="only grows"):
        database.execute(statement)
    database.close()
