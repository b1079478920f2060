"""Subjects and their keys, calls, artifacts, history, erasures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the first tables."""
    _subjects_and_calls()
    _artifacts()
    _events_and_erasures()


def downgrade() -> None:
    """Removes them; without the subjects' keys nothing that is stored can be read again."""
    for table in ("events", "artifacts", "calls", "subjects", "erasures"):
        op.drop_table(table)


def _subjects_and_calls() -> None:
    op.create_table(
        "subjects",
        sa.Column("subject_id", sa.String(64), primary_key=True),
        sa.Column("key_id", sa.String(64), nullable=False, unique=True),
        sa.Column("root_key_id", sa.String(64), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "calls",
        sa.Column("call_id", sa.String(255), primary_key=True),
        sa.Column("subject_id", sa.String(64), sa.ForeignKey("subjects.subject_id"), nullable=False, index=True),
        sa.Column("status", sa.String(32), nullable=True),
        sa.Column("source_sha256", sa.String(64), nullable=False, index=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration_s", sa.Float, nullable=True),
        sa.Column("summary", sa.JSON, nullable=False),
    )


def _artifacts() -> None:
    op.create_table(
        "artifacts",
        sa.Column("object_key", sa.String(64), primary_key=True),
        sa.Column("call_id", sa.String(255), sa.ForeignKey("calls.call_id"), nullable=False, index=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("subject_key_id", sa.String(64), nullable=False, index=True),
        sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retain_until", sa.DateTime(timezone=True), nullable=False, index=True),
        sa.Column("retention_rule", sa.String(255), nullable=False),
    )


def _events_and_erasures() -> None:
    op.create_table(
        "events",
        sa.Column("event_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("call_id", sa.String(255), sa.ForeignKey("calls.call_id"), nullable=False, index=True),
        sa.Column("what", sa.String(64), nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
    )
    op.create_table(
        "erasures",
        sa.Column("erasure_id", sa.String(64), primary_key=True),
        sa.Column("subject_id", sa.String(64), nullable=False, index=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("report", sa.JSON, nullable=False),
    )
