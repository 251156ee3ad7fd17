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
    LargeBinary,
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
    # Also for questions that do not say whether a code is legacy.
    Index("ix_codes_domain_folded", "domain_id", "folded"),
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

# One order at the printer's. Putting a code into a batch sets the code's ``printed`` lock; once the batch itself is
# ``printed``, no code can be taken out of it.
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
    Column("printed", Boolean, nullable=False),
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

# A branch, as its customers see it. Exactly one is the default: jobs go there unless they say otherwise.
shops = Table(
    "shops",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", String(120), nullable=False, unique=True),
    Column("is_default", Boolean, nullable=False),
    Column("country", String(2), nullable=False),  # ISO 3166, upper case; "": unknown. For telephone numbers without +
    Column("phone", String(40), nullable=False),
    Column("whatsapp", String(40), nullable=False),
    Column("email", String(254), nullable=False),
    Column("address", String(500), nullable=False),
    Column("zone", String(64), nullable=False),  # IANA time zone
    Column("opening_hours", JSON),  # as of placements; NULL: always open
    Column(
        "holidays", JSON, nullable=False
    ),  # closed days: [{"from": "2026-12-24", "until": "2026-12-26", "name": ...}]
    Column("languages", JSON, nullable=False),  # offered on its pages, the first one when nothing else is known
    Column("logo", LargeBinary),  # PNG, made by us
    Column("tracking", String(12), nullable=False),  # on | frozen | withdrawn
    Column("tracking_at", UtcDateTime, nullable=False),  # since when
    Column("as_frozen", JSON),  # while frozen: what its pages are reckoned with, as jobs.freezing writes it
    Column("show_note", Boolean, nullable=False),  # customers see the public note
    Column("show_photo", Boolean, nullable=False),
    Column("looks_per_call", Integer, nullable=False),  # so many looks stand for one call saved, the board assumes
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

# A kind of job whose workflow differs from the built-in one, or that is the shop's own.
job_kinds = Table(
    "job_kinds",
    metadata,
    Column("kind", String(40), primary_key=True),
    Column("name", String(80), nullable=False),  # for staff
    Column("stages", JSON, nullable=False),  # list in order, as jobs.workflows writes them
    Column("keep_done_days", Integer, nullable=False),  # how long the page stays after completion
    Column("keep_idle_days", Integer, nullable=False),  # after the last change of a job that was never completed
    Column("updated_at", UtcDateTime, nullable=False),
    Column("updated_by", String(120), nullable=False),
)

# What the code of each new job of a kind starts with; a kind without a row starts with none.
job_kind_rules = Table(
    "job_kind_rules",
    metadata,
    Column("kind", String(40), primary_key=True),
    Column("rules", JSON, nullable=False),  # as versions.rules
    Column("before", JSON(none_as_null=True)),  # what an undo brings back; null: there is nothing to undo
    Column("updated_at", UtcDateTime, nullable=False),  # also of the versions that jobs got in the same step
    Column("updated_by", String(120), nullable=False),
)

# What a customer may see of a job. The public process reads this table and never job_details.
jobs = Table(
    "jobs",
    metadata,
    Column("id", Key, primary_key=True),
    Column("shop_id", Key, ForeignKey("shops.id"), nullable=False),
    Column("reference", String(80), nullable=False),  # the shop's own number
    Column("kind", String(40), nullable=False),
    Column("code_id", Key, ForeignKey("codes.id")),  # NULL: made while tracking was off
    Column("stage", String(40), nullable=False),  # key within the kind's workflow
    Column("stage_at", UtcDateTime, nullable=False),
    Column("item", String(200), nullable=False),
    Column("public_note", String(1000), nullable=False),
    Column("photo", LargeBinary),  # JPEG, made by us
    Column("language", String(8), nullable=False),  # of messages; "": the shop's
    Column("due_at", UtcDateTime),  # promised by the shop; NULL: estimated
    Column("eta_at", UtcDateTime),  # what the customer is told: due_at or the estimate; NULL: nothing can be said
    Column("promised_at", UtcDateTime),  # the first eta_at: what late is measured by
    Column("late_told_at", UtcDateTime),  # the eta_at whose passing outgoing_events tells of
    Column("revision", Integer, nullable=False),  # 1, 2, 3 ...: If-Match
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(120), nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),  # the last change that a customer can see
    Column("completed_at", UtcDateTime),
    UniqueConstraint("shop_id", "reference"),
    UniqueConstraint("code_id"),
    Index("ix_jobs_updated_at", "updated_at"),
    Index("ix_jobs_stage", "stage"),
    sqlite_autoincrement=True,
)

# What no customer ever sees: for staff, and for messages to the customer it belongs to.
job_details = Table(
    "job_details",
    metadata,
    Column("job_id", Key, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    *(
        Column(name, String(1000), nullable=False)
        for name in (
            "customer_name",
            "customer_phone",
            "customer_email",
            "customer_address",
            "price",
            "deposit",
            "serial",
            "passcode",
            "accessories",
            "internal_note",
            "technician",
        )
    ),
    Column("updated_at", UtcDateTime),  # the last change of these; NULL: none since the job was made
)

# Append-only: every move between stages and every change of the estimate.
job_moves = Table(
    "job_moves",
    metadata,
    Column("id", Key, primary_key=True),
    Column("job_id", Key, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("at", UtcDateTime, nullable=False),  # when it happened; earlier than recorded_at after being offline
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("action", String(16), nullable=False),  # create | advance | skip | back | deliver | reopen | estimate
    Column("from_stage", String(40)),
    Column("to_stage", String(40), nullable=False),
    Column("eta_at", UtcDateTime),  # in force after it
    Column("who", String(120), nullable=False),
    Column("reason", String(500), nullable=False),
    Index("ix_job_moves_job_id", "job_id"),
)

# Jobs of frozen shops that have changed since: what their pages go on to show. Without a row a job is as it was.
frozen_jobs = Table(
    "frozen_jobs",
    metadata,
    Column("job_id", Key, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("item", String(200), nullable=False),
    Column("public_note", String(1000), nullable=False),
    Column("photo", LargeBinary),
    Column("due_at", UtcDateTime),
    Column("revision", Integer, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("moves", Integer, nullable=False),  # so many of job_moves had been made
)

# Links that have expired: they answer 410 with the shop's contact, and nothing else is left of the job.
expired_jobs = Table(
    "expired_jobs",
    metadata,
    Column("code_id", Key, ForeignKey("codes.id"), primary_key=True),
    Column("shop_id", Key, ForeignKey("shops.id"), nullable=False),
    Column("expired_at", UtcDateTime, nullable=False),
)

# Jobs that are gone: what was scanned and looked at goes from scan store and journal, and again after a rebuild.
erasures = Table(
    "erasures",
    metadata,
    Column("job_id", Key, primary_key=True),
    Column("code_id", Key),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("done_at", UtcDateTime),  # NULL: the journal may still hold lines of it
    Index("ix_erasures_done_at", "done_at"),
)

# What a shop's system sent after being offline, by its own ids: the same entry sent again does nothing. Kept 30 days.
batch_entries = Table(
    "batch_entries",
    metadata,
    Column("who", String(120), primary_key=True),  # ids are good within one sender
    Column("entry", String(100), primary_key=True),
    Column("digest", String(64), nullable=False),  # SHA-256 of what it said
    Column("verdict", JSON, nullable=False),  # as it was answered; nothing private, no token
    Column("at", UtcDateTime, nullable=False),
    Index("ix_batch_entries_at", "at"),
)

# Texts that differ from the built-in ones.
message_templates = Table(
    "message_templates",
    metadata,
    Column("shop_id", Key, ForeignKey("shops.id"), primary_key=True),
    Column("event", String(40), primary_key=True),
    Column("channel", String(16), primary_key=True),  # sms | whatsapp | email
    Column("language", String(8), primary_key=True),
    Column("subject", String(200), nullable=False),  # of an e-mail
    Column("text", String(2000), nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("updated_by", String(120), nullable=False),
)

# What happened to jobs, in order, for whoever wants to be told.
outgoing_events = Table(
    "outgoing_events",
    metadata,
    Column("id", Key, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("event", String(40), nullable=False),  # jobs.outgoing.EVENTS
    Column("job_id", Key),  # no foreign key: that a job was deleted is an event, too
    Column("payload", JSON, nullable=False),  # reference, stage, estimate; nothing private
    Index("ix_outgoing_events_job_id", "job_id"),
    sqlite_autoincrement=True,
)

# One row in the same transaction as every write to something the public side caches; pruned, so followers may reload.
changes = Table(
    "changes",
    metadata,
    Column("seq", Key, primary_key=True),
    Column("kind", String(16), nullable=False),  # code | domain | scans | job | shop | kind
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
