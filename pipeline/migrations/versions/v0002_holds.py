"""Holds, and the deletions that wait for their release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes both tables."""
    op.create_table(
        "holds",
        sa.Column("hold_id", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("case_id", sa.String(64), nullable=False),
        sa.Column("call_id", sa.String(255), nullable=True),
        sa.Column("subject_id", sa.String(64), nullable=True, index=True),
        sa.Column("from_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("to_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("author_id", sa.String(128), nullable=False),
        sa.Column("reason", sa.String(300), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("review_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True, index=True),
        sa.Column("released_by_id", sa.String(128), nullable=True),
        sa.Column("release_reason", sa.String(300), nullable=True),
    )
    op.create_table(
        "deferrals",
        sa.Column("work", sa.String(32), primary_key=True),
        sa.Column("target_id", sa.String(64), primary_key=True),
        sa.Column("hold_id", sa.String(64), sa.ForeignKey("holds.hold_id"), primary_key=True, index=True),
        sa.Column("deferred_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Removes both tables; what was held is no longer held."""
    op.drop_table("deferrals")
    op.drop_table("holds")
