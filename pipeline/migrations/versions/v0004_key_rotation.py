"""Root keys in force, and subject keys that were replaced."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes both tables; the root key in force is entered when it is next used."""
    op.create_table(
        "root_keys",
        sa.Column("key_id", sa.String(64), primary_key=True),
        sa.Column("current", sa.Boolean, nullable=True, unique=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
    )
    op.create_table(
        "retired_keys",
        sa.Column("key_id", sa.String(64), primary_key=True),
        sa.Column("subject_id", sa.String(64), nullable=False, index=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Removes both tables; which keys there were before is forgotten."""
    op.drop_table("retired_keys")
    op.drop_table("root_keys")
