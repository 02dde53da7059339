"""What targets were told of a child, for those at which a message alone would take something back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "told",
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("target", "key", "number")),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("target", "key"),
    )
