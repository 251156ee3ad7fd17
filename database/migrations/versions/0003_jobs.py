"""Shops, jobs, their private details and moves, kinds of jobs, message templates, expired links, outgoing events."""

import sqlalchemy as sa
from alembic import op

from database.schema import UtcDateTime

revision = "0003"
down_revision = "0002"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "job_kinds",
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("stages", sa.JSON(), nullable=False),
        sa.Column("keep_done_days", sa.Integer(), nullable=False),
        sa.Column("keep_idle_days", sa.Integer(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_job_kinds")),
    )
    op.create_table(
        "job_kind_rules",
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("before", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_job_kind_rules")),
    )
    op.create_table(
        "outgoing_events",
        sa.Column("id", KEY, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("job_id", KEY, nullable=True),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outgoing_events")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outgoing_events_job_id", "outgoing_events", ["job_id"], unique=False)
    op.create_table(
        "shops",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("phone", sa.String(length=40), nullable=False),
        sa.Column("whatsapp", sa.String(length=40), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("address", sa.String(length=500), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("opening_hours", sa.JSON(), nullable=True),
        sa.Column("holidays", sa.JSON(), nullable=False),
        sa.Column("languages", sa.JSON(), nullable=False),
        sa.Column("logo", sa.LargeBinary(), nullable=True),
        sa.Column("tracking", sa.String(length=12), nullable=False),
        sa.Column("tracking_at", UtcDateTime(), nullable=False),
        sa.Column("as_frozen", sa.JSON(), nullable=True),
        sa.Column("show_note", sa.Boolean(), nullable=False),
        sa.Column("show_photo", sa.Boolean(), nullable=False),
        sa.Column("looks_per_call", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shops")),
        sa.UniqueConstraint("name", name=op.f("uq_shops_name")),
    )
    op.create_table(
        "message_templates",
        sa.Column("shop_id", KEY, nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("text", sa.String(length=2000), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", sa.String(length=120), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_message_templates_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "event", "channel", "language", name=op.f("pk_message_templates")),
    )
    op.create_table(
        "expired_jobs",
        sa.Column("code_id", KEY, nullable=False),
        sa.Column("shop_id", KEY, nullable=False),
        sa.Column("expired_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["code_id"], ["codes.id"], name=op.f("fk_expired_jobs_code_id")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_expired_jobs_shop_id")),
        sa.PrimaryKeyConstraint("code_id", name=op.f("pk_expired_jobs")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", KEY, nullable=False),
        sa.Column("shop_id", KEY, nullable=False),
        sa.Column("reference", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("code_id", KEY, nullable=True),
        sa.Column("stage", sa.String(length=40), nullable=False),
        sa.Column("stage_at", UtcDateTime(), nullable=False),
        sa.Column("item", sa.String(length=200), nullable=False),
        sa.Column("public_note", sa.String(length=1000), nullable=False),
        sa.Column("photo", sa.LargeBinary(), nullable=True),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("eta_at", UtcDateTime(), nullable=True),
        sa.Column("promised_at", UtcDateTime(), nullable=True),
        sa.Column("late_told_at", UtcDateTime(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("completed_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["code_id"], ["codes.id"], name=op.f("fk_jobs_code_id")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_jobs_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("code_id", name=op.f("uq_jobs_code_id")),
        sa.UniqueConstraint("shop_id", "reference", name=op.f("uq_jobs_shop_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_jobs_stage", "jobs", ["stage"], unique=False)
    op.create_index("ix_jobs_updated_at", "jobs", ["updated_at"], unique=False)
    op.create_table(
        "job_details",
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("customer_name", sa.String(length=1000), nullable=False),
        sa.Column("customer_phone", sa.String(length=1000), nullable=False),
        sa.Column("customer_email", sa.String(length=1000), nullable=False),
        sa.Column("customer_address", sa.String(length=1000), nullable=False),
        sa.Column("price", sa.String(length=1000), nullable=False),
        sa.Column("deposit", sa.String(length=1000), nullable=False),
        sa.Column("serial", sa.String(length=1000), nullable=False),
        sa.Column("passcode", sa.String(length=1000), nullable=False),
        sa.Column("accessories", sa.String(length=1000), nullable=False),
        sa.Column("internal_note", sa.String(length=1000), nullable=False),
        sa.Column("technician", sa.String(length=1000), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_details_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_job_details")),
    )
    op.create_table(
        "frozen_jobs",
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("item", sa.String(length=200), nullable=False),
        sa.Column("public_note", sa.String(length=1000), nullable=False),
        sa.Column("photo", sa.LargeBinary(), nullable=True),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("moves", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_frozen_jobs_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_frozen_jobs")),
    )
    op.create_table(
        "job_moves",
        sa.Column("id", KEY, nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("from_stage", sa.String(length=40), nullable=True),
        sa.Column("to_stage", sa.String(length=40), nullable=False),
        sa.Column("eta_at", UtcDateTime(), nullable=True),
        sa.Column("who", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_moves_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_moves")),
    )
    op.create_index("ix_job_moves_job_id", "job_moves", ["job_id"], unique=False)
    op.create_table(
        "erasures",
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("code_id", KEY, nullable=True),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("done_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_erasures")),
    )
    op.create_index("ix_erasures_done_at", "erasures", ["done_at"], unique=False)
    op.create_table(
        "batch_entries",
        sa.Column("who", sa.String(length=120), nullable=False),
        sa.Column("entry", sa.String(length=100), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("verdict", sa.JSON(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("who", "entry", name=op.f("pk_batch_entries")),
    )
    op.create_index("ix_batch_entries_at", "batch_entries", ["at"], unique=False)
