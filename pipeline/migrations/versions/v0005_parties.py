"""Both parties of a call can be found by their number."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the company's side to the calls; what is not known of older calls stays unknown."""
    op.add_column("calls", sa.Column("agent_subject_id", sa.String(64), nullable=True))
    op.create_index("ix_calls_agent_subject_id", "calls", ["agent_subject_id"])


def downgrade() -> None:
    """Takes it away again."""
    op.drop_index("ix_calls_agent_subject_id", "calls")
    op.drop_column("calls", "agent_subject_id")
