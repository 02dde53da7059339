"""The steps by which the tables came to be as they are, and taking them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from hub.errors import DeclarationError
from hub.store.database import Database, parse

if TYPE_CHECKING:
    from alembic.config import Config

NEWEST = "0003"
"""The version that this hub wants. Said here, for to look through the steps takes longer than to ask the store."""


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
    database = Database(url)
    config = _config()
    try:
        with database.engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, to)
    except DBAPIError as error:
        raise database.down(error) from None
    finally:
        database.close()
    return NEWEST


def version(url: str) -> str:
    """The version of a store's tables, "" without any."""
    from alembic.runtime.migration import MigrationContext

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
