"""The store as one object: opening it, and everything the other modules can do with it."""

from __future__ import annotations

from typing import IO

from hub.seal import Keyring
from hub.store.database import Database, Hook, Writers, no_hook
from hub.store.documents import Documents
from hub.store.kept import Kept
from hub.store.links import Links
from hub.store.migrations import upgrade, version
from hub.store.opening import admit, check, lock_file
from hub.store.preview import Preview
from hub.store.returned import Returning
from hub.store.serving import Serving
from hub.store.sweep import Sweeping


class Store(Documents, Preview, Sweeping, Serving, Links, Kept, Returning):
    """Documents, records and messages on SQLite or PostgreSQL. Safe to use from several threads.

    Every method is one transaction (long ones are several); it is done whole or not at all. StoreDown says that the
    database cannot be used now and may be tried again later.
    """

    def __init__(self, database: Database, ring: Keyring) -> None:
        super().__init__(database, ring)
        self._lock: IO[bytes] | None = None

    upgrade = staticmethod(upgrade)
    version = staticmethod(version)

    @classmethod
    def open(cls, url: str, ring: Keyring, *, run: bool = False, hook: Hook = no_hook) -> Store:
        """A store whose tables are there and of today's form; DeclarationError says what to do when they are not.

        run: to carry messages, not only to look: on SQLite one process at a time. hook: called with `T2.before-commit`
        and the like and a count around the flow's transactions; what it raises breaks them off there.
        """
        database = Database(url, hook)
        store = cls(database, ring)
        try:
            admit(database)
            if run and database.sqlite:
                store._lock = lock_file(database)
            check(database, ring)
            if store._lock is not None:
                store.expire_workers()
        except BaseException:
            store.close()
            raise
        return store

    def share(self) -> None:
        """To be called before a fork, after which both processes use this store: no connection may live through it."""
        self.database.pool.clear()
        if isinstance(self.database.writers, Writers):
            self.database.writers.file = self._lock

    def close(self) -> None:
        """Close all connections, and let another process run on a SQLite file."""
        self.database.close()
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()
