"""The first tables."""

from alembic import op

from hub.store.schema import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    metadata.create_all(op.get_bind())
    op.execute("INSERT INTO fact (name, value) VALUES ('number', '0'), ('parcel', '0'), ('audit', '')")
