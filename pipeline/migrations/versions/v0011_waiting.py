"""An index of the calls that wait, which are few among many."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the index."""
    waiting = sa.text("status IS NULL")
    op.create_index("ix_calls_waiting", "calls", ["received_at"], sqlite_where=waiting, postgresql_where=waiting)


def downgrade() -> None:
    """Removes the index; whoever looks for a call that waits looks through all of them."""
    op.drop_index("ix_calls_waiting", "calls")
