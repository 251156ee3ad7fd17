"""The control database's tables. One dialect-neutral schema for SQLite and PostgreSQL; changed only with a migration."""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime on both databases: SQLite hands back naive ones, PostgreSQL aware ones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# SQLite only counts up by itself on INTEGER, PostgreSQL deserves the wider type.
Key = BigInteger().with_variant(Integer, "sqlite")

# Short domains. Exactly one is the default: the one new codes get and unknown Host headers fall back to.
domains = Table(
    "domains",
    metadata,
    Column("id", Key, primary_key=True),
    Column("host", String(260), nullable=False, unique=True),  # lower-case A-label, with the port unless it is default
    Column("scheme", String(5), nullable=False),  # what the QR starts with: http or https
    Column("is_default", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("not_found_url", Text),  # where unknown codes go instead of our own 404 page
    Column("archived_at", UtcDateTime),  # none of its codes is answered any more
)

# What is printed. A row is never deleted while printed is set, and a (domain, code) is never used again.
codes = Table(
    "codes",
    metadata,
    Column("id", Key, primary_key=True),
    Column("domain_id", Key, ForeignKey("domains.id"), nullable=False),
    Column("code", String(256), nullable=False),  # as shown and printed
    Column("folded", String(256), nullable=False),  # lookup key: lower case, Crockford look-alikes folded
    Column("legacy", Boolean, nullable=False),  # imported: found only in its exact spelling, printed in byte mode
    Column("kind", String(16), nullable=False),  # campaign | job
    Column("name", String(200), nullable=False),
    Column("version", Integer, nullable=False),  # number of the version in force
    Column("printed", Boolean, nullable=False),
    Column("demo", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(120), nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("archived_at", UtcDateTime),
    Column("campaign_id", Key),  # campaigns and placements are archived, never deleted: no foreign key is needed
    Column("placement_id", Key),
    Column("guard", String(16), nullable=False, server_default="alert"),  # destination checks: off | alert | fallback
    UniqueConstraint("domain_id", "code"),
    # Unique for all but legacy codes: two of ours may not differ only in case or in O/0, I/L/1.
    Index(
        "uq_codes_domain_folded",
        "domain_id",
        "folded",
        unique=True,
        sqlite_where=text("legacy = 0"),
        postgresql_where=text("NOT legacy"),
    ),
    Index("ix_codes_created_at", "created_at"),
    Index("ix_codes_campaign_id", "campaign_id"),
    Index("ix_codes_placement_id", "placement_id"),
    sqlite_autoincrement=True,  # a removed demo code's id must never come back: its scans may still be in the journal
)

code_tags = Table(
    "code_tags",
    metadata,
    Column("code_id", Key, ForeignKey("codes.id", ondelete="CASCADE"), primary_key=True),
    Column("tag", String(60), primary_key=True),
    Index("ix_code_tags_tag", "tag"),
)

# Immutable: a retarget, an undo or a rollback adds a row.
versions = Table(
    "versions",
    metadata,
    Column("id", Key, primary_key=True),
    Column("code_id", Key, ForeignKey("codes.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),  # 1, 2, 3 ... within the code
    Column("destination", Text, nullable=False),
    Column("rules", JSON),  # list of rules in order, as codes.rules writes them; NULL: none
    Column(
        "action", String(16), nullable=False
    ),  # create | retarget | undo | rollback | schedule | revert | bulk | import | guard
    Column("restores", Integer),  # the version number that an undo, a rollback or a revert brought back
    Column("reason", String(500), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(120), nullable=False),
    Column("options", JSON),  # object as codes.options writes it: start, expiry, pause, password ...; NULL: none
    UniqueConstraint("code_id", "number"),
)

# What codes are printed for: UTM fields for their destinations, and what it cost.
campaigns = Table(
    "campaigns",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("utm", JSON, nullable=False),  # {"source": ..., "medium": ..., "campaign": ..., "term": ..., "content": ...}
    Column("cost_minor", BigInteger),  # in the currency's smallest unit
    Column("currency", String(3)),  # ISO 4217
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(120), nullable=False),
    Column("archived_at", UtcDateTime),
)

# Where a code hangs: a spot in a venue.
placements = Table(
    "placements",
    metadata,
    Column("id", Key, primary_key=True),
    Column("venue", String(200), nullable=False),
    Column("spot", String(200), nullable=False),
    Column("zone", String(64), nullable=False),  # IANA time zone
    Column("opening_hours", JSON),  # {"mon": [["09:00", "18:00"], ...], ...}; NULL: unknown
    Column("latitude", Float),
    Column("longitude", Float),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(120), nullable=False),
    Column("archived_at", UtcDateTime),
    UniqueConstraint("venue", "spot"),
)

# One order at the printer's. Putting a code into a batch sets its ``printed`` lock.
print_batches = Table(
    "print_batches",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("printed_on", Date, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("cost_minor", BigInteger),
    Column("currency", String(3)),
    Column("note", String(500), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(120), nullable=False),
    Column("archived_at", UtcDateTime),
)

batch_codes = Table(
    "batch_codes",
    metadata,
    Column("batch_id", Key, ForeignKey("print_batches.id"), primary_key=True),
    Column("code_id", Key, ForeignKey("codes.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_batch_codes_code_id", "code_id"),
)

# A change of a code that comes into force by itself, and may go again.
scheduled_changes = Table(
    "scheduled_changes",
    metadata,
    Column("id", Key, primary_key=True),
    Column("code_id", Key, ForeignKey("codes.id", ondelete="CASCADE"), nullable=False),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime),  # when the version before is brought back; NULL: never
    Column(
        "content", JSON, nullable=False
    ),  # {"destination": ..., "rules": ..., "options": ...}, each only when it changes
    Column("reason", String(500), nullable=False),
    Column("state", String(16), nullable=False),  # waiting | active | done | failed | cancelled
    Column("problem", String(500)),
    Column("applied_version", Integer),
    Column("replaced_version", Integer),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(120), nullable=False),
    Index("ix_scheduled_changes_state", "state"),
    Index("ix_scheduled_changes_code_id", "code_id"),
)

# What the guardian knows of a code's destination, one row per code.
destination_checks = Table(
    "destination_checks",
    metadata,
    Column("code_id", Key, ForeignKey("codes.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("checked_at", UtcDateTime),
    Column("next_at", UtcDateTime, nullable=False),
    Column("status", Integer),  # of the last answer; NULL when none came
    Column("problem", String(300)),  # NULL: fine
    Column("failures", Integer, nullable=False),  # in a row
    Column("good_version", Integer),  # the last version whose destination answered
    Column("alerted_at", UtcDateTime),
    Index("ix_destination_checks_next_at", "next_at"),
)

# Work that takes longer than a request: imports, label sheets, bulk changes. Resumed after a restart.
tasks = Table(
    "tasks",
    metadata,
    Column("id", Key, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("state", String(16), nullable=False),  # waiting | running | done | failed | cancelled
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("input", JSON, nullable=False),
    Column("result", JSON),
    Column("problem", String(500)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(120), nullable=False),
    Column("finished_at", UtcDateTime),
    Index("ix_tasks_state", "state"),
)

# One row in the same transaction as every write to something the public side caches; pruned, so followers may reload.
changes = Table(
    "changes",
    metadata,
    Column("seq", Key, primary_key=True),
    Column("kind", String(16), nullable=False),  # code | domain | scans
    Column("ref_id", Key, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,  # a pruned sequence number must never come back
)

# What the private side tells the public one of the scans in its store, for rules that ask. ``revision`` rises with each
# writing: readers ask for what is newer than they know.
scan_counts = Table(
    "scan_counts",
    metadata,
    Column("code_id", Key, primary_key=True),
    Column(
        "run", String(80), primary_key=True
    ),  # of a journal writer; "": this code is counted, whatever else is there
    Column("scans", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Index("ix_scan_counts_revision", "revision"),
)

recent_visitors = Table(
    "recent_visitors",
    metadata,
    Column("code_id", Key, primary_key=True),
    Column("visitor", String(16), primary_key=True),  # the daily id; removed once its salt is
    Column("seen_at", UtcDateTime, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Index("ix_recent_visitors_revision", "revision"),
    Index("ix_recent_visitors_seen_at", "seen_at"),
)

# Up to where in the journal scan_counts tells: what comes behind, a public worker reads there itself.
count_marks = Table(
    "count_marks",
    metadata,
    Column("segment", String(100), primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", Key, primary_key=True),
    Column("email", String(254), nullable=False, unique=True),  # lower case; only to sign in
    Column("name", String(120), nullable=False),
    Column("password_hash", String(200), nullable=False),  # argon2id
    Column("role", String(16), nullable=False),  # viewer | editor | owner
    Column("created_at", UtcDateTime, nullable=False),
)

# Server-side sessions: the cookie holds a random token, the table its SHA-256.
sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("user_id", Key, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("csrf", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", String(120), nullable=False, unique=True),
    Column("token_hash", String(64), nullable=False, unique=True),  # SHA-256 of a 160-bit random token
    Column("role", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(120), nullable=False),
    Column("last_used_at", UtcDateTime),
)

# One-time links: "setup" creates the first owner and dies with it, "reset" gives an owner a new password.
owner_links = Table(
    "owner_links",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("purpose", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Key, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("who", String(120), nullable=False),
    Column("action", String(60), nullable=False),
    Column("subject", String(300), nullable=False),
    Index("ix_audit_at", "at"),
)
