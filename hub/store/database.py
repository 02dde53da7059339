"""The connections to a database: transactions, what is tried again, and clear errors."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import IO, Any, TypeVar, cast

from hub.store.drivers import Postgresql, Sqlite, parse
from hub.store.facts import StoreDown
from hub.store.prepared import named
from hub.store.statements import Rows, Sql, array, listed

T = TypeVar("T")
Hook = Callable[[str, int], None]
TRIES = 5
"""Times a transaction is run when the database broke it off in favour of another (a deadlock)."""
MOST, KEPT = 32, 8
"""Connections of one process at the same time; how many stay open when none is used."""
TOGETHER = 8
"""Transactions of one process that are committed together on SQLite."""
PATIENCE = 30
"""Seconds to wait for one of them."""
_PARENTS: list[object] = []
"""Connections of the process that this one was forked from. To close one, or to let it go, would say so to the other
end: they are kept."""


def no_hook(step: str, count: int) -> None:
    """The hook of production: nothing. step: `T2.before-commit`; count: how many records or messages it is about."""


class Work:
    """One transaction under way. count: of the records or messages it is about, for the hook. often: its statements
    are kept prepared."""

    def __init__(self, connection: Any, sqlite: bool, often: bool = False) -> None:
        # On PostgreSQL one cursor does for all, and keeps what it learned of types; SQLite's costs nothing.
        self.execute: Callable[..., Any] = connection.execute if sqlite else connection.cursor().execute
        self._prepared = None if sqlite or not often else connection.prepared
        self.connection, self.sqlite = connection, sqlite
        self.count = 0

    def run(self, statement: Sql, **values: Any) -> int:
        """Run a statement; the number of rows it touched."""
        return int(self._run(statement, values).rowcount)

    def rows(self, statement: Sql, **values: Any) -> list[Any]:
        """Run a statement; its rows."""
        ran = self._run(statement, values)
        if not self.sqlite:
            return list(ran.fetchall())
        return list(map(named(tuple([column[0] for column in ran.description])), ran.fetchall()))

    def row(self, statement: Sql, **values: Any) -> Any:
        """Run a statement; its first row, if any."""
        ran = self._run(statement, values)
        found = ran.fetchone()
        if not self.sqlite or found is None:
            return found
        return named(tuple([column[0] for column in ran.description]))(found)

    def value(self, statement: Sql, **values: Any) -> Any:
        """Run a statement; the first value of its first row, None without any."""
        found = self._run(statement, values).fetchone()
        return None if found is None else found[0]

    def _run(self, statement: Sql, values: dict[str, Any]) -> Any:
        encode = listed if self.sqlite else array
        for name, value in values.items():
            if isinstance(value, list):
                values[name] = encode(value)
        if self._prepared is not None and not statement.rare:
            return self._prepared.run(statement, values)
        return self.execute(statement.sqlite if self.sqlite else statement.postgresql, values)

    def many(self, rows: Rows, values: Sequence[Sequence[Any]], **same: Any) -> int:
        """Insert or update many rows, each with its values in the order of `rows.columns`; how many were."""
        if not values:
            return 0
        if self.sqlite:
            text, after = rows.sqlite
            if after:
                rest = tuple([same[name] for name in after])
                values = [(*value, *rest) for value in values]
            return int(self.connection.executemany(text, values).rowcount)
        for name, column in zip(rows.names, zip(*values, strict=True), strict=True):
            same[f"r_{name}"] = array(column)
        return self.run(rows.postgresql, **same)


class Pool:
    """The connections of this process, of those that are idle the last one first. A fork begins without any."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self.connect = connect
        self._begin()

    def _begin(self) -> None:
        self._process, self._lock, self._free = os.getpid(), threading.Lock(), threading.Semaphore(MOST)
        self._idle: list[Any] = []
        self._age = 0

    def _own(self) -> None:
        if self._process != os.getpid():
            _PARENTS.append(self._idle)
            self._begin()

    def take(self) -> tuple[Any, int]:
        """A connection, and its age, with which it is given back. StoreDown when all are in use for too long."""
        self._own()
        if not self._free.acquire(timeout=PATIENCE):
            raise StoreDown("all connections to the database are in use")
        try:
            with self._lock:
                age = self._age
                if self._idle:
                    return self._idle.pop(), age
            return self.connect(), age
        except BaseException:
            self._free.release()
            raise

    def give(self, connection: Any, age: int, *, whole: bool = True) -> None:
        """Bring one back. whole: it can be used again; without it, it is closed."""
        with self._lock:
            kept = whole and age == self._age and len(self._idle) < KEPT
            if kept:
                self._idle.append(connection)
        if not kept:
            connection.close()
        self._free.release()

    def clear(self) -> None:
        """Close those that are idle, and the others when they are brought back."""
        self._own()
        with self._lock:
            idle, self._idle = self._idle, []
            self._age += 1
        for connection in idle:
            connection.close()


class Writers:
    """Whose turn it is to write to a SQLite file: sqlite3 would make the others wait by sleeping, a lock wakes them.

    file: what processes that were forked from one lock as well, None while there is one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.file: IO[bytes] | None = None

    def __enter__(self) -> None:
        self._lock.acquire()
        try:
            if self.file is not None:
                fcntl.lockf(self.file, fcntl.LOCK_EX)
        except BaseException:
            self._lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        try:
            if self.file is not None:
                fcntl.lockf(self.file, fcntl.LOCK_UN)
        finally:
            self._lock.release()


class _Cut(Exception):
    """A connection that broke before the commit was asked for: nothing is committed."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Asked:
    """What is to be done in a transaction, and what came of it. process: that asks."""

    def __init__(self, act: Callable[[Work], Any], step: str, process: int) -> None:
        self.act, self.step, self.process = act, step, process
        self.result: Any = None
        self.count = 0
        self.error: BaseException | None = None
        self.done = False


class Database:
    """A database and how it is used. Every method is safe to call from several threads."""

    def __init__(self, url: str, hook: Hook = no_hook) -> None:
        self.url = parse(url)
        self.driver: Sqlite | Postgresql = Sqlite(self.url) if self.url.told is None else Postgresql(self.url)
        self.sqlite = self.driver.sqlite
        self.pool = Pool(self.driver.connect)
        self.hook = hook
        self.writers: Writers | contextlib.nullcontext[None] = Writers() if self.sqlite else contextlib.nullcontext()
        self._asked: deque[_Asked] = deque()

    def write(self, act: Callable[[Work], T], step: str = "", *, once: bool = False, often: bool = False) -> T:
        """Run `act` in a transaction and commit it. It may be run again from the start, so it must change nothing else.

        step: the transaction of the flow, whose hooks are called. once: do not run it again. often: the same statements
        come again and again, and all go by an index whatever the tables hold: their plans are kept for a while.
        StoreDown when the database cannot be used.
        """
        if self.sqlite and often and not once:
            result, count = self._write_together(_Asked(act, step, os.getpid()))
        else:
            result, count = self._write_alone(act, step, once, often)
        if step:
            self.hook(f"{step}.after-commit", count)
        return cast(T, result)

    def _write_alone(self, act: Callable[[Work], T], step: str, once: bool, often: bool) -> tuple[T, int]:
        for tried in range(TRIES):
            try:
                with self.writers:
                    return self._transact(act, step, often, writes=True)
            except self.driver.error as error:
                failed, again = error, self.driver.broken_off(error)
            except _Cut as cut:  # a new connection may take it up at once
                failed, again = cut.error, not tried
            if once or not again or tried == TRIES - 1:
                raise self.down(failed) from None
            time.sleep(random.uniform(0, 0.02 * (tried + 1)))
        raise AssertionError("unreachable")

    def _write_together(self, mine: _Asked) -> tuple[Any, int]:
        """Write with what others of this process want to write as well, one after another: those who wait for the one
        writer that SQLite knows need but one commit, which waits for the disk."""
        self._asked.append(mine)
        with self.writers:
            while not mine.done:
                group = [self._asked.popleft() for _ in range(min(len(self._asked), TOGETHER))]
                self._carry_out([one for one in group if one.process == mine.process])  # not what a fork took along
        error = mine.error.error if isinstance(mine.error, _Cut) else mine.error
        if isinstance(error, self.driver.error):
            raise self.down(error) from None
        if error is not None:
            raise error
        return mine.result, mine.count

    def _carry_out(self, group: list[_Asked]) -> None:
        """All in one transaction; when one of them fails, each in its own."""

        def act(work: Work) -> None:
            for one in group:
                work.count = 0
                one.result, one.count = one.act(work), work.count
                if one.step:
                    self.hook(f"{one.step}.before-commit", one.count)

        try:
            self._transact(act, "", True, writes=True)
        except BaseException as error:
            if len(group) > 1:
                for one in group:
                    self._carry_out([one])
                return
            group[0].error = error
        for one in group:
            one.done = True

    def read(self, act: Callable[[Work], T], *, often: bool = False, alone: bool = False) -> T:
        """Run `act`, which only reads, on one state of the database. often: as in `write`. alone: as well, and it is a
        single statement, which is on one state without a transaction."""
        for tried in range(2):
            try:
                return self._transact(act, "", often or alone, writes=False, alone=alone)[0]
            except self.driver.error as error:
                raise self.down(error) from None
            except _Cut as cut:
                if tried:
                    raise self.down(cut.error) from None
        raise AssertionError("unreachable")

    def _transact(
        self, act: Callable[[Work], T], step: str, often: bool, *, writes: bool, alone: bool = False
    ) -> tuple[T, int]:
        connection, age = self.pool.take()
        asked = False
        try:
            if alone:
                self.driver.begin_none(connection)
            else:
                self.driver.begin(connection, writes, often)
            work = Work(connection, self.sqlite, often)
            result = act(work)
            if step:
                self.hook(f"{step}.before-commit", work.count)
            if not alone:
                asked = True
                self.driver.commit(connection, work.count)
        except BaseException as error:
            whole = self._undo(connection, age)
            if isinstance(error, self.driver.error) and not whole and not asked:
                raise _Cut(error) from None
            raise
        self.pool.give(connection, age)
        return result, work.count

    def _undo(self, connection: Any, age: int) -> bool:
        """End a transaction that failed; whether its connection is whole. If not, those that are older go as well."""
        whole = False
        try:
            if not self.driver.broken(connection):
                connection.rollback()
                whole = True
        except self.driver.error:
            pass
        finally:
            if not whole:
                self.pool.clear()
            self.pool.give(connection, age, whole=whole)
        return whole

    def down(self, error: Exception) -> Exception:
        """What to raise for a database error: StoreDown in one line where a person or time can mend it."""
        said = self.driver.line(error)
        return StoreDown(said) if said else error

    def close(self) -> None:
        """Close all connections."""
        self.pool.clear()
