"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import CreateSequence

revision = "0001"
down_revision = None

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _id() -> sa.Column[int]:
    return sa.Column("id", _WHOLE, autoincrement=True, nullable=False)


def _int(name: str, *, empty: bool = False, default: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=empty, server_default=sa.text("0") if default else None)


def _time(name: str, *, empty: bool = False, default: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Double, nullable=empty, server_default=sa.text("0") if default else None)


def _text(name: str, *, default: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=sa.text("''") if default else None)


def _flag(name: str, *, default: bool) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.text("false") if default else None)


def _bytes(name: str, *, empty: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=empty)


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def upgrade() -> None:
    op.create_table(
        "attempt",
        _int("number"),
        _int("tried"),
        _int("worker"),
        _time("started"),
        _time("ended"),
        _text("outcome"),
        _int("cause", empty=True),
        sa.PrimaryKeyConstraint("number", "tried"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit",
        _id(),
        _time("at", default=True),
        _text("who", default=True),
        _text("act", default=True),
        _text("detail", default=True),
        _text("digest", default=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "cause",
        _id(),
        _bytes("name"),
        _text("stage", default=True),
        _text("reason", default=True),
        _text("row_name", default=True),
        _text("table_name", default=True),
        _text("target", default=True),
        _text("answer", default=True),
        _time("first", default=True),
        _flag("told", default=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
        sqlite_autoincrement=True,
    )
    _partial("cause_new", "cause", ["id"], "NOT told")
    op.create_table(
        "chunk",
        _int("document"),
        _int("part"),
        _int("ordinal"),
        _bytes("sealed"),
        sa.PrimaryKeyConstraint("document", "part", "ordinal"),
    )
    op.create_table(
        "document",
        _id(),
        _bytes("name"),
        _int("link"),
        _bytes("sealed"),
        _time("kept", default=True),
        _int("position", default=True),
        _flag("done", default=True),
        _int("unchanged", default=True),
        _int("cause", empty=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
        sqlite_autoincrement=True,
    )
    _partial("document_unread", "document", ["link", "id"], "NOT done")
    op.create_table("fact", _text("name"), _text("value", default=True), sa.PrimaryKeyConstraint("name"))
    op.create_table(
        "finding",
        _int("document"),
        _int("ordinal"),
        _int("cause"),
        sa.PrimaryKeyConstraint("document", "ordinal", "cause"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "junk",
        _id(),
        _time("at", default=True),
        _text("target", default=True),
        _text("reason", default=True),
        _text("sha256", default=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "key",
        _id(),
        _bytes("name"),
        _int("version", default=True),
        _bytes("content", empty=True),
        _int("document", empty=True),
        _int("ordinal", empty=True),
        _int("alias", empty=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "link",
        _id(),
        _text("name"),
        _text("identity"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("identity"),
        sa.UniqueConstraint("name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "mapping_set",
        _id(),
        _text("digest", default=True),
        _time("since", default=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "message",
        sa.Column("number", _WHOLE, autoincrement=False, nullable=False),
        _bytes("id"),
        _int("document"),
        _int("ordinal"),
        _int("key"),
        _int("source"),
        _int("target"),
        _int("generation"),
        _flag("whole", default=True),
        _text("state"),
        _int("owner", empty=True),
        _flag("alone", default=True),
        _int("parcel", empty=True),
        _time("due", empty=True),
        _int("attempts", default=True),
        _int("crashes", default=True),
        _int("lone", default=True),
        _int("tried", default=True),
        _flag("arrived", default=True),
        _int("cause", empty=True),
        _text("receipt", default=True),
        _int("superseded_by", empty=True),
        _time("published", default=True),
        _time("created", default=True),
        _time("changed", default=True),
        _time("ended", empty=True),
        sa.CheckConstraint("(state = 'sending') = (owner IS NOT NULL)", name="message_owned"),
        sa.CheckConstraint(
            "(state IN ('ready', 'sending', 'waiting', 'parked')) = (ended IS NULL)", name="message_open"
        ),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("message_child", "message", ["key", "target", "number"])
    _partial("message_due", "message", ["due"], "state = 'waiting'")
    _partial("message_line", "message", ["target", "state", "published"], "ended IS NULL")
    _partial("message_owner", "message", ["owner"], "state = 'sending'")
    _partial("message_parcel", "message", ["parcel"], "ended IS NULL AND parcel IS NOT NULL")
    op.create_table(
        "parcel",
        sa.Column("number", _WHOLE, autoincrement=False, nullable=False),
        _bytes("key"),
        _int("target"),
        _text("numbers"),
        _text("suffix"),
        _text("token"),
        _text("mapping"),
        _bytes("sealed"),
        _bytes("about"),
        _time("created", default=True),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "place",
        _int("target"),
        _int("key"),
        _int("number"),
        sa.PrimaryKeyConstraint("target", "key", "number"),
        sqlite_with_rowid=False,
    )
    op.create_index("place_number", "place", ["number"])
    op.create_table(
        "record",
        _int("document"),
        _int("ordinal"),
        _int("key"),
        _int("version"),
        _text("kind"),
        _text("carries"),
        _flag("removal", default=True),
        _flag("failed", default=True),
        _bytes("content"),
        _bytes("sealed"),
        sa.PrimaryKeyConstraint("document", "ordinal"),
    )
    op.create_table("slot", _int("target"), _int("n"), _int("worker"), sa.PrimaryKeyConstraint("target", "n"))
    op.create_table(
        "source",
        _int("link"),
        _int("reader", empty=True),
        _int("unchanged", default=True),
        sa.PrimaryKeyConstraint("link"),
    )
    op.create_table(
        "target",
        _int("link"),
        _int("generation", default=True),
        _time("paused", empty=True),
        _int("cause", empty=True),
        _int("probe", empty=True),
        _time("resumed", default=True),
        sa.PrimaryKeyConstraint("link"),
    )
    op.create_table(
        "worker",
        _id(),
        _text("host", default=True),
        _int("pid", default=True),
        _time("started", default=True),
        _time("until", default=True),
        _time("gone", empty=True),
        _text("mapping", default=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.execute("INSERT INTO fact (name, value) VALUES ('number', '0'), ('parcel', '0'), ('audit', '')")
    if op.get_bind().dialect.name == "postgresql":
        _tune()


def _tune() -> None:
    """What only PostgreSQL has."""
    for name in ("message_number", "parcel_number"):
        op.execute(CreateSequence(sa.Sequence(name)))
    for table, column in (("document", "sealed"), ("chunk", "sealed"), ("record", "sealed"), ("parcel", "sealed")):
        # Sealed bytes cannot be compressed: it would be tried each time, and cost more than all the rest.
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")
    for table in ("message", "place"):
        # Rows come and go: what they leave in the indexes of open messages is cleared early.
        op.execute(f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.02)")
