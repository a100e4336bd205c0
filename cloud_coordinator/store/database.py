"""The registry's database: opened, recognised, migrated, and one kind of transaction.

SQLite (WAL, synchronous FULL: a commit survives power loss) by default, any SQLAlchemy
address otherwise. A file that is damaged, foreign or of a newer program is named and left as
it is. Writes of one process are serial; the data directory has one owner.
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DatabaseError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from protocols.vocabulary.errors import ConfigError, StoreError

APPLICATION_ID: Final = 0x56505031
"""Written into the SQLite header ("VPP1"), so that a foreign file is known at once."""
BUSY_TIMEOUT_MS: Final = 2_000
_MAGIC: Final = b"SQLite format 3\x00"
_HEADER_BYTES: Final = 100
_SCHEMA_COOKIE: Final = slice(40, 44)
"""Where the SQLite header counts changes of the schema; 0 while there never was a table."""
_HEADER_APPLICATION_ID: Final = slice(68, 72)
_Item = TypeVar("_Item")


class DataDirectory:
    """Exclusive ownership of a data directory, given up when the process ends however it ends.

    Parameters
    ----------
    path : Path
        Made if it is not there.

    Raises
    ------
    StoreError
        If another coordinator owns it, or it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path / "coordinator.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            message = f"data directory {path}: {error.strerror or error}"
            raise StoreError(message) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            message = f"data directory {path}: another coordinator is using it"
            raise StoreError(message) from error

    def release(self) -> None:
        """Give it up."""
        os.close(self._lock)


class Database:
    """An open, migrated registry.

    Made by :func:`open_database`.
    """

    def __init__(self, engine: Engine, where: str) -> None:
        self._engine = engine
        self._where = where
        self._writing = threading.RLock()
        self._shared: Connection | None = None
        self._gathered: dict[Callable[[Connection, Sequence[Any]], None], list[Any]] = {}

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, durable when the context ends; within :meth:`together`, when that does.

        Raises
        ------
        StoreError
            If the database refuses; nothing of the transaction is stored then.
        """
        with self._writing, self._border():
            if self._shared is None:
                with self._engine.begin() as connection:
                    yield connection
            else:
                with self._shared.begin_nested():
                    yield self._shared

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Make all writes of this thread within the context durable at once, when it ends.

        Most wait until then and are written by the crowd (:meth:`put`); of the others, one
        that is refused leaves nothing behind and does not harm the rest.

        Raises
        ------
        StoreError
            If the database refuses the whole; nothing of it is stored then.
        """
        with self._writing, self._border(), self._engine.begin() as connection:
            assert self._shared is None, "contexts are not nested"
            if self._engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")  # else a savepoint would commit
            self._shared = connection
            try:
                yield
                for write, items in self._gathered.items():
                    write(connection, items)
            finally:
                self._shared, self._gathered = None, {}

    def put(
        self, write: Callable[[Connection, Sequence[_Item]], None], items: Sequence[_Item]
    ) -> None:
        """Write items: durable on return, or all of a kind at once when :meth:`together` ends.

        Parameters
        ----------
        write : callable
            Writes any number of such items in few statements; the same object for the same kind.
        items : sequence
            What to write; may be empty.

        Raises
        ------
        StoreError
            If the database refuses.
        """
        with self._writing:
            if self._shared is not None:
                self._gathered.setdefault(write, []).extend(items)
            elif items:
                with self.writing() as connection:
                    write(connection, items)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view.

        Raises
        ------
        StoreError
            If the database refuses.
        """
        with self._border(), self._engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextlib.contextmanager
    def _border(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            message = f"{self._where}: {_cause(error)}"
            raise StoreError(message) from error


def open_database(where: str | Path) -> Database:
    """Open the registry, making or migrating it as needed.

    Parameters
    ----------
    where : str or Path
        A SQLite file, or a SQLAlchemy address such as ``postgresql+psycopg://...``.

    Raises
    ------
    ConfigError
        If the address cannot be understood or its driver is missing.
    StoreError
        If the file is damaged, foreign or of a newer program; it is left as it is.
    """
    if isinstance(where, Path):
        _check_file(where)
        address, shown = f"sqlite:///{where}", str(where)
    else:
        address, shown = where, where
    try:
        shown = (
            make_url(address).render_as_string(hide_password=True) if shown == address else shown
        )
        engine = create_engine(address, pool_pre_ping=not address.startswith("sqlite"))
    except (ArgumentError, ModuleNotFoundError) as error:
        message = f"database address {shown!r}: {error}"
        raise ConfigError(message) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                _check_owner(connection, shown)
            _migrate(connection, shown)
    except SQLAlchemyError as error:
        engine.dispose()
        message = f"{shown}: {_cause(error)}"
        raise StoreError(message) from error
    except StoreError:
        engine.dispose()
        raise
    return Database(engine, shown)


def _check_file(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.stat().st_size == 0:
            return
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError as error:
        message = f"{path}: {error.strerror or error}"
        raise StoreError(message) from error
    if not header.startswith(_MAGIC):
        message = f"{path}: is not a database; it was left as it is, move it away or name another"
        raise StoreError(message)
    ours = int.from_bytes(header[_HEADER_APPLICATION_ID], "big") == APPLICATION_ID
    if not ours and any(header[_SCHEMA_COOKIE]):
        # Told from the header: opening it would already change its journal mode.
        message = f"{path}: belongs to another program or is damaged; it was left as it is"
        raise StoreError(message)


def _check_owner(connection: Connection, shown: str) -> None:
    found = connection.execute(text("PRAGMA application_id")).scalar_one()
    tables = connection.execute(text("SELECT count(*) FROM sqlite_master")).scalar_one()
    if tables and found != APPLICATION_ID:
        message = f"{shown}: belongs to another program; it was left as it is"
        raise StoreError(message)
    state = connection.execute(text("PRAGMA quick_check(1)")).scalar_one()
    if state != "ok":
        message = f"{shown}: is damaged ({state}); it was left as it is"
        raise StoreError(message)
    connection.execute(text(f"PRAGMA application_id = {APPLICATION_ID}"))
    connection.commit()


def _migrate(connection: Connection, shown: str) -> None:
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    configuration.attributes["connection"] = connection
    known = ScriptDirectory.from_config(configuration)
    current = MigrationContext.configure(connection).get_current_revision()
    if current == known.get_current_head():
        return
    if current is not None and current not in {
        script.revision for script in known.walk_revisions()
    }:
        message = f"{shown}: was made by a newer program (revision {current}); it was left as it is"
        raise StoreError(message)
    try:
        command.upgrade(configuration, "head")
        connection.commit()
    except CommandError as error:
        message = f"{shown}: cannot be migrated: {error}"
        raise StoreError(message) from error


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _cause(error: SQLAlchemyError) -> str:
    origin = error.orig if isinstance(error, DatabaseError) and error.orig else error
    return str(origin).splitlines()[0]
