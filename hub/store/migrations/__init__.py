"""The steps by which the tables came to be as they are, and taking them."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from hub.errors import DeclarationError
from hub.store.database import Database, parse


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


@cache
def newest() -> str:
    """The version that this hub wants."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def upgrade(url: str) -> str:
    """Bring a store's tables to the newest version, from whatever they are, or make them; that version.

    One transaction a step. Running hubs should be stopped. StoreDown when the database cannot be used.
    """
    _make_file(url)
    database = Database(url)
    config = _config()
    try:
        with database.engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as error:
        raise database.down(error) from None
    finally:
        database.close()
    return newest()


def version(url: str) -> str:
    """The version of a store's tables, "" without any."""
    database = Database(url)
    try:
        with database.engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision() or ""
    except DBAPIError as error:
        raise database.down(error) from None
    finally:
        database.close()


def _make_file(url: str) -> None:
    """A new SQLite file is for its owner alone."""
    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite":
        try:
            os.close(os.open(str(parsed.database), os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise DeclarationError((error.strerror or "cannot be made").lower(), file=str(parsed.database)) from None
