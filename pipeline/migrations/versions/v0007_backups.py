"""Generations of backups, so that an erasure can reach them and a certificate can name them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "backups",
        sa.Column("backup_id", sa.String(64), primary_key=True),
        sa.Column("place", sa.String(1024), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Removes it; backups that were made are known to nobody then."""
    op.drop_table("backups")
