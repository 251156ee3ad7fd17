"""Rules and options of versions, campaigns, placements, print batches, scheduled changes, destination checks, tasks."""

import sqlalchemy as sa
from alembic import op

from database.schema import UtcDateTime

revision = "0002"
down_revision = "0001"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "scan_counts",
        sa.Column("code_id", KEY, nullable=False),
        sa.Column("run", sa.String(length=80), nullable=False),
        sa.Column("scans", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("code_id", "run", name=op.f("pk_scan_counts")),
    )
    op.create_index("ix_scan_counts_revision", "scan_counts", ["revision"], unique=False)
    op.create_table(
        "recent_visitors",
        sa.Column("code_id", KEY, nullable=False),
        sa.Column("visitor", sa.String(length=16), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("code_id", "visitor", name=op.f("pk_recent_visitors")),
    )
    op.create_index("ix_recent_visitors_revision", "recent_visitors", ["revision"], unique=False)
    op.create_index("ix_recent_visitors_seen_at", "recent_visitors", ["seen_at"], unique=False)
    op.create_table(
        "count_marks",
        sa.Column("segment", sa.String(length=100), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("segment", name=op.f("pk_count_marks")),
    )
    op.create_table(
        "campaigns",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("utm", sa.JSON(), nullable=False),
        sa.Column("cost_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
        sa.UniqueConstraint("name", name=op.f("uq_campaigns_name")),
    )
    op.create_table(
        "placements",
        sa.Column("id", KEY, nullable=False),
        sa.Column("venue", sa.String(length=200), nullable=False),
        sa.Column("spot", sa.String(length=200), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("opening_hours", sa.JSON(), nullable=True),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_placements")),
        sa.UniqueConstraint("venue", "spot", name=op.f("uq_placements_venue")),
    )
    op.create_table(
        "print_batches",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("printed_on", sa.Date(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("cost_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("printed", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_print_batches")),
        sa.UniqueConstraint("name", name=op.f("uq_print_batches_name")),
    )
    op.create_table(
        "tasks",
        sa.Column("id", KEY, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("input", sa.JSON(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("problem", sa.String(length=500), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    op.create_index("ix_tasks_state", "tasks", ["state"], unique=False)
    op.create_table(
        "batch_codes",
        sa.Column("batch_id", KEY, nullable=False),
        sa.Column("code_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["print_batches.id"], name=op.f("fk_batch_codes_batch_id")),
        sa.ForeignKeyConstraint(["code_id"], ["codes.id"], name=op.f("fk_batch_codes_code_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("batch_id", "code_id", name=op.f("pk_batch_codes")),
    )
    op.create_index("ix_batch_codes_code_id", "batch_codes", ["code_id"], unique=False)
    op.create_table(
        "destination_checks",
        sa.Column("code_id", KEY, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("checked_at", UtcDateTime(), nullable=True),
        sa.Column("next_at", UtcDateTime(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("problem", sa.String(length=300), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("good_version", sa.Integer(), nullable=True),
        sa.Column("alerted_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["code_id"], ["codes.id"], name=op.f("fk_destination_checks_code_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("code_id", name=op.f("pk_destination_checks")),
    )
    op.create_index("ix_destination_checks_next_at", "destination_checks", ["next_at"], unique=False)
    op.create_table(
        "scheduled_changes",
        sa.Column("id", KEY, nullable=False),
        sa.Column("code_id", KEY, nullable=False),
        sa.Column("starts_at", UtcDateTime(), nullable=False),
        sa.Column("ends_at", UtcDateTime(), nullable=True),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("problem", sa.String(length=500), nullable=True),
        sa.Column("applied_version", sa.Integer(), nullable=True),
        sa.Column("replaced_version", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.ForeignKeyConstraint(
            ["code_id"], ["codes.id"], name=op.f("fk_scheduled_changes_code_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scheduled_changes")),
    )
    op.create_index("ix_scheduled_changes_code_id", "scheduled_changes", ["code_id"], unique=False)
    op.create_index("ix_scheduled_changes_state", "scheduled_changes", ["state"], unique=False)
    op.add_column("codes", sa.Column("campaign_id", KEY, nullable=True))
    op.add_column("codes", sa.Column("placement_id", KEY, nullable=True))
    op.add_column("codes", sa.Column("guard", sa.String(length=16), server_default="alert", nullable=False))
    op.create_index("ix_codes_domain_folded", "codes", ["domain_id", "folded"], unique=False)
    op.create_index("ix_codes_campaign_id", "codes", ["campaign_id"], unique=False)
    op.create_index("ix_codes_placement_id", "codes", ["placement_id"], unique=False)
    op.add_column("domains", sa.Column("not_found_url", sa.Text(), nullable=True))
    op.add_column("domains", sa.Column("archived_at", UtcDateTime(), nullable=True))
    op.add_column("versions", sa.Column("options", sa.JSON(), nullable=True))
