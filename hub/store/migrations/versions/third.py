"""What targets were told of children where a message alone takes something back; whom a form is about; who they are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "member",
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("form", "child")),
        sa.PrimaryKeyConstraint("child", "form"),
        sqlite_with_rowid=False,
    )
    op.create_index("member_form", "member", ["form"])
    op.create_table(
        "bearing",
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("child", "key")),
        sa.Column("shielded", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("child", "key"),
    )
    op.create_index(
        "bearing_shielded", "bearing", ["key"], sqlite_where=sa.text("shielded"), postgresql_where=sa.text("shielded")
    )
    op.create_table(
        "told",
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("target", "key", "number")),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("target", "key"),
    )
