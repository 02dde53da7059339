"""Who else bears a number that a shield rises over."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.drop_index("bearing_shielded", "bearing")
    op.create_index("bearing_key", "bearing", ["key"])
