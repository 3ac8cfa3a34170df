"""The database: PostgreSQL for any number of replicas, SQLite for one process.

Times are microseconds since 1970 in BIGINT columns, by PostgreSQL's own clock. Larger values are JSON in TEXT.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import socket
import sqlite3
import time
import traceback
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import aiosqlite
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from frontlist.clock import Clock
from frontlist.errors import ConfigurationError
from frontlist.state.statement import Of, Statement, as_json, json_each

metadata = sa.MetaData()
#: The one sequence from which numbers, claims and tokens are drawn.
NUMBERS = sa.Sequence("frontlist_number", metadata=metadata)
number_table = sa.Table("number", metadata, sa.Column("value", sa.BigInteger, nullable=False))
#: Classes of SQLSTATE that pass: connection, read-only, rolled back, out of resources, operator.
PASSING = frozenset({"08", "25", "40", "53", "57"})
#: In a connection's `info`: by how much PostgreSQL's clock is ahead of our steady one.
AHEAD = "frontlist.ahead"
#: In a connection's `info`: its server process, as (pid, when it began).
BACKEND = "frontlist.backend"
#: What a connection is asked as it is taken.
NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
#: Between two attempts to end the server process of a connection that went silent (seconds).
END_AGAIN = 5.0
#: How long a connection that was idle may take to answer (seconds); then another one is made.
PING = 10.0
#: What the network answers where a host or a route to it is away; Python has no class for these.
UNREACHABLE = frozenset({errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETUNREACH, errno.ENETDOWN})
#: Kept prepared on a connection; we have some 200. Each other one takes a second round trip.
STATEMENTS = 500
#: A statement that takes longer is given up, and its server process ended (seconds); longer than any lock may take.
STATEMENT = 60.0
#: PostgreSQL 17 ends a transaction that takes longer, unless it `takes_long` (seconds): so its locks are free again
#: where our process is frozen. More than a statement may take, far more than a batch does.
LONGEST = 90.0
#: Rows a statement.
CHUNK = 500
#: `json.dumps` would make one for each value.
_JSON = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


class Database:
    """`begin` for what writes, `read` for what only reads; both one transaction: of a batch, or it `takes_long`."""

    def __init__(self, url: str, clock: Clock, *, longest: float = LONGEST, unread: float = STATEMENT) -> None:
        """`longest`: a transaction; `unread`: an answer of the server that waits to be taken (seconds)."""
        self.url, self.clock = _async_url(url), clock
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite(self.url) if self.sqlite else _postgresql(self.url, longest, unread)
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        """The address without its password, for messages."""
        return self.url.render_as_string(hide_password=True)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        async with self.engine.connect() as connection:
            if self.sqlite:
                # Taken at once: a deferred lock that is upgraded later fails instead of waiting.
                await connection.exec_driver_sql("BEGIN IMMEDIATE")
            async with self._transaction(connection):
                yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        async with self.engine.connect() as connection:
            if self.sqlite:
                await connection.exec_driver_sql("BEGIN")
            async with self._transaction(connection):
                yield connection

    async def now(self, connection: AsyncConnection) -> int:
        """Microseconds since 1970: PostgreSQL's clock, the process's on SQLite.

        Told as the transaction took its connection, and counted on from there.
        """
        if self.sqlite:
            return self.clock.now_us()
        ahead: int = connection.info[AHEAD]
        return ahead + _steady_us() + self.clock.offset_us

    async def draw(self, connection: AsyncConnection, count: int = 1) -> list[int]:
        """`count` new numbers, ascending, each larger than any drawn before."""
        if count == 0:
            return []
        if self.sqlite:
            statement = sa.update(number_table).values(value=number_table.c.value + count)
            last = (await connection.execute(statement.returning(number_table.c.value))).scalar_one()
            return list(range(last - count + 1, last + 1))
        series = sa.select(NUMBERS.next_value()).select_from(sa.func.generate_series(1, count).alias("n"))
        return sorted((await connection.execute(series)).scalars())

    async def raise_numbers(self, connection: AsyncConnection) -> None:
        """Never below the clock: after a restored backup, new numbers are larger than any on the topics."""
        now = await self.now(connection)
        if self.sqlite:
            rows = (await connection.execute(sa.select(sa.func.count()).select_from(number_table))).scalar_one()
            if not rows:
                await connection.execute(sa.insert(number_table).values(value=now))
            raised = sa.update(number_table).where(number_table.c.value < now).values(value=now)
            await connection.execute(raised)
            return
        await self.lock(connection, "frontlist/numbers")
        setval = "SELECT setval('frontlist_number', :now) FROM frontlist_number WHERE last_value < :now"
        await connection.execute(sa.text(setval), {"now": now})

    async def lock(self, connection: AsyncConnection, name: str, *, shared: bool = False) -> None:
        """One transaction at a time under this name, or any that `shared` it; SQLite has only one that writes anyway.

        What a statement sees is settled as it begins, so what is to be seen is asked for after it.
        """
        if not self.sqlite:
            lock = f"SELECT pg_advisory_xact_lock{'_shared' if shared else ''}(hashtext(:name))"
            await connection.execute(sa.text(lock), {"name": name})

    async def bounded(self, connection: AsyncConnection) -> bool:
        """Whether the server ends each transaction of a process that is frozen. SQLite has one process."""
        bound = "SELECT count(*) FROM pg_settings WHERE name = 'transaction_timeout' AND setting <> '0'"
        return self.sqlite or bool((await connection.execute(sa.text(bound))).scalar_one())

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[bool]:
        """A lock under this name while the block lasts, however long; False: somebody else has it.

        It ends with its connection, however the process ends. SQLite takes one process anyway.
        """
        if self.sqlite:
            yield True
            return
        async with self.engine.connect() as connection:
            # In a transaction, since a pooler may give the connection to somebody else after it.
            await takes_long(connection)
            await connection.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            lock = sa.text("SELECT pg_try_advisory_xact_lock(hashtext(:name))")
            yield bool((await connection.execute(lock, {"name": name})).scalar_one())

    async def upsert(
        self,
        connection: AsyncConnection,
        table: sa.Table,
        rows: Sequence[dict[str, Any]],
        *,
        where: Of | None = None,
        keep: Collection[str] = (),
        returning: Sequence[sa.Column[Any]] = (),
        also: Of | None = None,
    ) -> list[Any]:
        """Insert rows, or overwrite by primary key all columns but `keep`, where `where(table, excluded)` holds.

        `also(table, excluded)`: further values for a row that was there. Rows are sorted by key first, so that two
        writers never deadlock. What happens for every title has a `Statement` of its own.
        """
        if not rows:
            return []
        names = list(rows[0])
        keys = [column.name for column in table.primary_key]
        ordered = sorted(rows, key=lambda row: tuple(row[key] for key in keys))
        upsert = Statement(lambda p: p.upsert(table, names, where=where, keep=keep, also=also, returning=returning))
        return await upsert.rows(connection, [[row[name] for name in names] for row in ordered])

    async def close(self) -> None:
        for task in self._ending:
            task.cancel()
        await asyncio.gather(*self._ending, return_exceptions=True)
        await self.engine.dispose()

    @asynccontextmanager
    async def _transaction(self, connection: AsyncConnection) -> AsyncIterator[None]:
        if not self.sqlite:
            try:
                async with connection.begin():
                    try:
                        yield
                    except TimeoutError as error:
                        # A server that was silent once would be silent for as long when told to roll back.
                        await self._give_up(connection, error)
                        raise
            except TimeoutError as error:
                await self._give_up(connection, error)
                raise
            return
        try:
            yield
        except BaseException:
            await connection.rollback()
            raise
        await connection.commit()

    async def _give_up(self, connection: AsyncConnection, error: BaseException) -> None:
        if connection.invalidated or connection.closed:
            return
        backend = connection.info.get(BACKEND)
        await connection.invalidate(error)
        if backend is not None:
            task = asyncio.create_task(self._end(*backend))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def _end(self, pid: int, began: datetime) -> None:
        """The server process of a connection that went silent: it may wait for us, with its locks, for long."""
        end = sa.text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = :pid AND backend_start = :began"
        )
        for _ in range(10):
            try:
                async with self.engine.connect() as connection:
                    await connection.execute(end, {"pid": pid, "began": began})
                    return
            except (DBAPIError, OSError, TimeoutError):
                await asyncio.sleep(END_AGAIN)


async def takes_long(connection: AsyncConnection) -> None:
    """This transaction's size is the installation's and not a batch's: LONGEST does not bind it."""
    if connection.dialect.name != "sqlite":
        # Older servers do not know it, and would refuse a SET.
        lift = "SELECT set_config(name, '0', true) FROM pg_settings WHERE name = 'transaction_timeout'"
        await connection.execute(sa.text(lift))


def among(connection: AsyncConnection, column: sa.ColumnElement[Any], values: Iterable[Any]) -> sa.ColumnElement[bool]:
    """`column` is one of these; one parameter, so that the statement's text never depends on their number."""
    listed = list(values)
    if connection.dialect.name == "sqlite":
        return column.in_(sa.select(json_each("among", sa.bindparam(None, as_json(listed, listed), sa.Text)).c.value))
    return column == sa.any_(sa.bindparam(None, listed, postgresql.ARRAY(column.type, dimensions=1)))


def partial_index(name: str, *columns: str, where: str) -> sa.Index:
    """Of the rows for which `where` holds, in both databases."""
    return sa.Index(name, *columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def dump(value: Any) -> str:
    """JSON for a TEXT column, the same text for the same value."""
    return _JSON.encode(value)


def load(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _steady_us() -> int:
    return time.monotonic_ns() // 1000


def plain(text: str) -> str:
    """Without U+0000, which PostgreSQL does not store."""
    return text.replace("\x00", "\\0")


def gone(error: BaseException) -> bool:
    """Whether it will pass (unreachable, starting up, deadlock, a lock that took too long), so that we pause."""
    if isinstance(error, ConnectionError | TimeoutError | socket.gaierror | sa.exc.TimeoutError):
        return True
    if isinstance(error, OSError) and (error.errno is None or error.errno in UNREACHABLE):
        return True  # without a number: no address of several took the connection
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if error.connection_invalidated or not state:
        # SQLite has no such codes: locked and busy are operational errors.
        return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return state[:2] in PASSING or state == "55P03"


def reason(error: BaseException) -> str:
    """What the database or its driver says, in one line."""
    return str(getattr(error, "orig", None) or error).partition("\n")[0] or type(error).__name__


def away(error: BaseException) -> bool:
    """Whether the database itself went away; a lock, a deadlock or a full disk is an answer."""
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        return error.connection_invalidated or state[:2] == "08" or state[:4] == "57P0"
    # The driver's own; whatever else runs into a time-out did not come through SQLAlchemy.
    frames = traceback.walk_tb(error.__traceback__)
    return gone(error) and any(frame.f_globals["__name__"].startswith("sqlalchemy.") for frame, _ in frames)


def _async_url(url: str) -> URL:
    parsed = make_url(url)
    drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
    backend = parsed.drivername.split("+")[0]
    if backend not in drivers:
        raise ConfigurationError(
            f"{backend} is no database that Frontlist knows",
            where="database",
            cure="use postgresql://user:password@host/name or sqlite:///file",
        )
    return parsed.set(drivername=drivers[backend])


class _File(sqlite3.Connection):
    def close(self) -> None:
        # SQLite keeps a closed connection, and its lock, as long as a statement that was cut off lives on.
        with contextlib.suppress(sqlite3.ProgrammingError):  # closed before
            self.rollback()
        super().close()


class _Driver(aiosqlite.Connection):
    """Its thread ends at the first word to stop and leaves a second one unanswered, which `close` would wait for.

    Where a task is cancelled twice SQLAlchemy says both: it closes behind a shield, and stops the thread at once.
    """

    _stopped: asyncio.Future[None] | None = None

    def stop(self) -> asyncio.Future[None] | None:
        if self._stopped is None:
            self._stopped = super().stop()
        return self._stopped


def _postgresql(url: URL, longest: float, unread: float) -> AsyncEngine:
    # A process that is stopped inside a transaction must not hold its locks for ever.
    limits = {"idle_in_transaction_session_timeout": "10000", "lock_timeout": "5000"}
    # Our statements are the same for one row and for a thousand, and what they ask has an index. To plan anew each
    # time costs more than it gains, and a plan made while a table was small must not read all of it later.
    # (Before PostgreSQL 18 a plan that is not wanted looks dear enough to be compiled.)
    plans = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "jit": "off"}
    connect = {
        "server_settings": {"application_name": "frontlist", **limits, **plans},
        "timeout": 10,
        # A server that is gone without a word (half-open) is noticed by nothing else.
        "command_timeout": STATEMENT,
        "prepared_statement_cache_size": STATEMENTS,
    }
    # The last one used is used first: where all went silent, what was made anew since is not behind the others.
    engine = create_async_engine(url, pool_size=10, max_overflow=10, pool_use_lifo=True, connect_args=connect)
    # Where we are frozen inside a statement: before it begins, while its answer is sent. What a server does not know
    # is left out: PostgreSQL 16 has no `transaction_timeout`.
    bounds = [("transaction_timeout", f"{longest:g}s"), ("tcp_user_timeout", f"{unread:g}s")]
    bound = "SELECT set_config(name, $2, false) FROM pg_settings WHERE name = $1"

    @sa.event.listens_for(engine.sync_engine, "connect")
    def _ours(connection: Any, record: Any) -> None:
        """Behind a pooler the server process is not ours alone, and has another number than we were told."""
        ask = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        row = connection.run_async(lambda driver: driver.fetchrow(ask))
        if row["pid"] == connection.driver_connection.get_server_pid():
            record.info[BACKEND] = tuple(row)
            connection.run_async(lambda driver: driver.executemany(bound, bounds))

    @sa.event.listens_for(engine.sync_engine, "checkout")
    def _answers(connection: Any, record: Any, _proxy: object) -> None:
        """As `pool_pre_ping`, but in one question instead of three, and not for as long as a statement may take."""
        try:
            now = connection.run_async(lambda driver: driver.fetchval(NOW, timeout=PING))
            record.info[AHEAD] = now - _steady_us()
        except Exception as error:
            raise sa.exc.DisconnectionError(f"{type(error).__name__}: {error}") from error

    return engine


def _sqlite(url: URL) -> AsyncEngine:
    [file], said = url.get_dialect()().create_connect_args(url)
    options = {"timeout": 30, "factory": _File, **said}

    async def connect() -> aiosqlite.Connection:
        driver = _Driver(lambda: sqlite3.connect(file, **options), CHUNK)
        driver._thread.daemon = True  # as SQLAlchemy has it: one that waits for a lock never keeps the process
        return await driver

    engine = create_async_engine(url, poolclass=AsyncAdaptedQueuePool, pool_size=5, async_creator=connect)

    @sa.event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        # The driver would begin transactions by itself, too late for BEGIN IMMEDIATE.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=30000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine
