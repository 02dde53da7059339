"""The steps by which the tables came to be as they are, and taking them.

Only here SQLAlchemy and alembic are used, and imported only by who takes a step: that takes as long as many a command.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.errors import DeclarationError
from hub.store.database import Database
from hub.store.drivers import parse
from hub.store.facts import StoreDown
from hub.store.statements import Sql

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

NEWEST = "0004"
"""The version that this hub wants. Said here, for to look through the steps takes longer than to ask the store."""
_VERSION = Sql("SELECT version_num FROM alembic_version")


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def upgrade(url: str, to: str = "head") -> str:
    """Bring a store's tables to the newest version, or to `to`, from whatever they are, or make them; the newest.

    One transaction a step. Running hubs should be stopped. StoreDown when the database cannot be used.
    """
    from alembic import command

    _make_file(url)
    config = _config()
    with connected(url) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, to)
    return NEWEST


@contextlib.contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A connection as the hub makes it, for alembic. StoreDown when the database cannot be used."""
    from sqlalchemy import create_engine, event
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import NullPool

    driver = Database(url).driver

    def connect() -> Any:
        made = driver.connect()
        if not driver.sqlite:
            made.autocommit = False
        return made

    engine = create_engine(
        "sqlite+pysqlite://" if driver.sqlite else "postgresql+psycopg://",
        creator=connect,
        poolclass=NullPool,
        hide_parameters=True,
    )
    if driver.sqlite:
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(driver.writing))
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        said = driver.line(error.orig) if isinstance(error.orig, Exception) else ""
        raise StoreDown(said) if said else error from None


def version(url: str) -> str:
    """The version of a store's tables, "" without any."""
    database = Database(url)
    try:
        return version_of(database)
    finally:
        database.close()


def version_of(database: Database) -> str:
    """The version of the tables, "" without any."""
    try:
        return str(database.read(lambda work: work.value(_VERSION)) or "")
    except StoreDown as error:
        if "no tables yet" in str(error):
            return ""
        raise


def _make_file(url: str) -> None:
    """A new SQLite file is for its owner alone."""
    parsed = parse(url)
    if parsed.told is None:
        try:
            os.close(os.open(parsed.database, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise DeclarationError((error.strerror or "cannot be made").lower(), file=parsed.database) from None
