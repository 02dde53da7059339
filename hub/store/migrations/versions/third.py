"""What targets were told of a child where a message alone would take something back; whom a form is about."""

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
        "told",
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("target", "key", "number")),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("target", "key"),
    )
