"""The control database's tables. One dialect-neutral schema for SQLite and PostgreSQL; changed only with a migration."""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
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
    Column("rules", JSON),
    Column("action", String(16), nullable=False),  # create | retarget | undo
    Column("restores", Integer),  # the version number an undo brought back
    Column("reason", String(500), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(120), nullable=False),
    UniqueConstraint("code_id", "number"),
)

# One row in the same transaction as every write to something the public side caches; pruned, so followers may reload.
changes = Table(
    "changes",
    metadata,
    Column("seq", Key, primary_key=True),
    Column("kind", String(16), nullable=False),  # code | domain
    Column("ref_id", Key, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,  # a pruned sequence number must never come back
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
