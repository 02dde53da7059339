"""What a person's acts need: replay runs, edits, what was set aside, the children an act was about."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _int(name: str, *, empty: bool = False, default: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=empty, server_default=sa.text("0") if default else None)


def _time(name: str, *, empty: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Double, nullable=empty, server_default=None if empty else sa.text("0"))


def _text(name: str, *, default: bool = True) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=sa.text("''") if default else None)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.text("false"))


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=False)


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def upgrade() -> None:
    # Added in place: copying the tables, as batches do on SQLite, would take hours and the indexes with it.
    for table in ("record", "message"):
        op.add_column(table, _int("revision", default=True))
    op.create_table(
        "former",
        *(_int(name) for name in ("document", "ordinal", "n", "revision")),
        _flag("failed"),
        _text("kind", default=False),
        _bytes("content"),
        _bytes("sealed"),
        sa.PrimaryKeyConstraint("document", "ordinal", "n"),
    )
    op.create_table(
        "aside",
        *(_int(name) for name in ("target", "key", "number")),
        _flag("passed"),
        sa.PrimaryKeyConstraint("target", "key", "number"),
        sqlite_with_rowid=False,
    )
    op.create_index("aside_number", "aside", ["number"])
    op.create_table(
        "run",
        sa.Column("id", _WHOLE, autoincrement=True, nullable=False),
        _text("asked"),
        _int("target", empty=True),
        *(_text(name) for name in ("who", "why", "mapping", "state", "note")),
        _time("rate", empty=True),
        _int("canary", empty=True),
        _int("worker", empty=True),
        *(_time(name) for name in ("tokens", "paced", "created")),
        _time("ended", empty=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    _partial("run_open", "run", ["id"], "ended IS NULL")
    op.create_table(
        "run_item",
        *(_int(name) for name in ("run", "n")),
        *(_int(name, empty=True) for name in ("number", "key")),
        _text("state", default=False),
        _int("before", empty=True),
        _text("note"),
        sa.PrimaryKeyConstraint("run", "n"),
    )
    op.create_index("run_item_state", "run_item", ["run", "state", "n"])
    _partial("run_item_open", "run_item", ["number"], "state IN ('frozen', 'released')")
    op.create_table(
        "audit_child",
        *(_int(name) for name in ("key", "audit")),
        sa.PrimaryKeyConstraint("key", "audit"),
        sqlite_with_rowid=False,
    )
    op.create_index("audit_children", "audit_child", ["audit"])
    failing = ["cause", "key", "state", "number", "changed"]
    _partial("message_cause", "message", failing, "ended IS NULL AND cause IS NOT NULL")
    op.create_index("finding_cause", "finding", ["cause", "document"])
    _partial("key_merged", "key", ["alias"], "alias IS NOT NULL")
    _freeze()


def _freeze() -> None:
    """What was entered into the audit stays as it is, whoever writes."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("""CREATE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'the audit only grows'; END $$""")
        for table in ("audit", "audit_child"):
            op.execute(f"""CREATE TRIGGER {table}_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
                FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows()""")
        return
    for table in ("audit", "audit_child"):
        for act in ("UPDATE", "DELETE"):
            op.execute(f"""CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table}
                BEGIN SELECT RAISE(ABORT, 'the audit only grows'); END""")
