"""People and programs that may use the private side: users, sessions, API tokens, one-time owner links.

Every secret is random, shown once, and kept as SHA-256; passwords as argon2id.
"""

import asyncio
import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.errors import Conflict, NotFound
from database.engine import Database
from database.schema import api_tokens, audit, owner_links, sessions, users

Role = Literal["viewer", "editor", "owner"]
ROLES: Final[tuple[Role, ...]] = ("viewer", "editor", "owner")
LINK_LIFE: Final = timedelta(hours=1)
SESSION_LIFE: Final = timedelta(days=14)
MIN_PASSWORD: Final = 10
MAX_PASSWORD: Final = 1024
LAST_USED_STEP: Final = timedelta(minutes=1)
_DEAD_LINK: Final = "this link was used, replaced or is over an hour old. `waymark owner reset` makes a new one."


class AccountError(ValueError):
    """Input for an account that cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class User:
    id: int
    email: str
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class OwnerLink:
    """``purpose`` is "setup" before the first owner, "reset" after; ``email`` is whose password a reset sets."""

    purpose: str
    email: str


@dataclass(frozen=True, slots=True)
class Session:
    user: User
    csrf: str


@dataclass(frozen=True, slots=True)
class Token:
    name: str
    role: Role
    created_at: datetime
    created_by: str
    last_used_at: datetime | None


class Accounts:
    def __init__(self, database: Database, hasher: PasswordHasher | None = None) -> None:
        self._database = database
        self._hasher = hasher or PasswordHasher()  # costs a tenth of a second each time, as it should
        # Verified against for unknown names, so that the time does not tell which names exist.
        self._nobody = self._hasher.hash(secrets.token_hex(16))

    async def owner_exists(self) -> bool:
        async with self._database.reading() as connection:
            return await _count_owners(connection) > 0

    async def create_owner_link(self) -> tuple[str, str]:
        """(token, purpose): "setup" before the first owner, "reset" after. Earlier links die."""
        token = secrets.token_urlsafe(24)
        now = datetime.now(UTC)
        async with self._database.transaction() as connection:
            purpose = "reset" if await _count_owners(connection) else "setup"
            await connection.execute(delete(owner_links))
            await connection.execute(
                insert(owner_links).values(
                    token_hash=_digest(token), purpose=purpose, created_at=now, expires_at=now + LINK_LIFE
                )
            )
        return token, purpose

    async def find_owner_link(self, token: str) -> OwnerLink | None:
        """A link that still works."""
        async with self._database.reading() as connection:
            return await _live_link(connection, token)

    async def use_setup_link(self, token: str, *, email: str, name: str, password: str) -> User:
        """Creates the first owner. Raises NotFound for a used or dead link, AccountError for bad input."""
        email, name = _checked_email(email), _checked_name(name)
        hashed = await self._hash(password)
        async with self._database.transaction() as connection:
            await _take_link(connection, token, "setup")
            created = insert(users).values(
                email=email, name=name, password_hash=hashed, role="owner", created_at=datetime.now(UTC)
            )
            user_id = int((await connection.execute(created.returning(users.c.id))).scalar_one())
            await _audit(connection, email, "owner.setup", email)
        return User(user_id, email, name, "owner")

    async def use_reset_link(self, token: str, password: str) -> User:
        """A new password for the owner; every session of theirs ends."""
        hashed = await self._hash(password)
        async with self._database.transaction() as connection:
            link = await _take_link(connection, token, "reset")
            row = (await connection.execute(select(users).where(users.c.email == link.email))).one()
            await connection.execute(update(users).where(users.c.id == row.id).values(password_hash=hashed))
            await connection.execute(delete(sessions).where(sessions.c.user_id == row.id))
            await _audit(connection, link.email, "owner.reset", link.email)
        return User(row.id, row.email, row.name, row.role)

    async def check_password(self, email: str, password: str) -> User | None:
        known = email.strip().lower()
        async with self._database.reading() as connection:
            query = select(users).where(users.c.email == (known if known.isprintable() else ""))
            row = (await connection.execute(query)).first()
        hashed = row.password_hash if row else self._nobody
        good = await asyncio.to_thread(self._verify, hashed, password[:MAX_PASSWORD])
        return User(row.id, row.email, row.name, row.role) if row and good else None

    async def create_session(self, user: User) -> str:
        """The cookie's value."""
        token, now = secrets.token_urlsafe(32), datetime.now(UTC)
        async with self._database.transaction() as connection:
            await connection.execute(delete(sessions).where(sessions.c.expires_at < now))
            await connection.execute(
                insert(sessions).values(
                    token_hash=_digest(token),
                    user_id=user.id,
                    csrf=secrets.token_urlsafe(24),
                    created_at=now,
                    expires_at=now + SESSION_LIFE,
                )
            )
            await _audit(connection, user.email, "session.create", user.email)
        return token

    async def find_session(self, token: str) -> Session | None:
        query = (
            select(users.c.id, users.c.email, users.c.name, users.c.role, sessions.c.csrf)
            .join(users, users.c.id == sessions.c.user_id)
            .where(sessions.c.token_hash == _digest(token), sessions.c.expires_at > datetime.now(UTC))
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).first()
        return Session(User(row.id, row.email, row.name, row.role), row.csrf) if row else None

    async def delete_session(self, token: str) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(delete(sessions).where(sessions.c.token_hash == _digest(token)))

    async def create_token(self, name: str, role: str, *, who: str, replace: bool = False) -> str:
        """The token, readable this once. Raises Conflict when the name is taken and ``replace`` is not set."""
        name = _checked_name(name).lower()
        if role not in ROLES:
            raise AccountError(f"the role {role!r} is unknown; a token is a viewer, an editor or an owner.")
        token = f"wm_{secrets.token_hex(20)}"
        values = {"name": name, "token_hash": _digest(token), "role": role, "created_by": who}
        try:
            async with self._database.transaction() as connection:
                if replace:
                    await connection.execute(delete(api_tokens).where(api_tokens.c.name == name))
                await connection.execute(insert(api_tokens).values(created_at=datetime.now(UTC), **values))
                await _audit(connection, who, "token.create", name)
        except IntegrityError as error:
            raise Conflict(
                f"there is a token named {name!r} already. Revoke it, or replace it with --replace."
            ) from error
        return token

    async def find_token(self, token: str) -> Token | None:
        async with self._database.reading() as connection:
            row = (
                await connection.execute(select(api_tokens).where(api_tokens.c.token_hash == _digest(token)))
            ).first()
        if row is None:
            return None
        now = datetime.now(UTC)
        if row.last_used_at is None or now - row.last_used_at > LAST_USED_STEP:
            async with self._database.transaction() as connection:
                await connection.execute(update(api_tokens).where(api_tokens.c.id == row.id).values(last_used_at=now))
        return Token(row.name, row.role, row.created_at, row.created_by, row.last_used_at)

    async def list_tokens(self) -> list[Token]:
        async with self._database.reading() as connection:
            rows = await connection.execute(select(api_tokens).order_by(api_tokens.c.name))
            return [Token(row.name, row.role, row.created_at, row.created_by, row.last_used_at) for row in rows]

    async def revoke_token(self, name: str, *, who: str) -> None:
        known = name.strip().lower()
        async with self._database.transaction() as connection:
            query = delete(api_tokens).where(api_tokens.c.name == (known if known.isprintable() else ""))
            if not (await connection.execute(query)).rowcount:
                raise NotFound(f"there is no token named {name!r}. `waymark token list` shows the tokens there are.")
            await _audit(connection, who, "token.revoke", name)

    async def _hash(self, password: str) -> str:
        if len(password) < MIN_PASSWORD:
            raise AccountError(f"the password has {len(password)} characters; use at least {MIN_PASSWORD}.")
        if len(password) > MAX_PASSWORD:
            raise AccountError(f"the password is longer than {MAX_PASSWORD} characters; use a shorter one.")
        return await asyncio.to_thread(self._hasher.hash, password)

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _checked_name(name: str) -> str:
    cleaned = name.strip()
    # Not only dots: the name is part of an address, where . and .. mean something else.
    if len(cleaned) > 120 or not cleaned.isprintable() or not any(character.isalnum() for character in cleaned):
        raise AccountError(
            "a name has up to 120 printable characters, letters or digits among them; choose another one."
        )
    return cleaned


def _checked_email(email: str) -> str:
    cleaned = email.strip().lower()
    local, _, host = cleaned.partition("@")
    if not (local and host) or len(cleaned) > 254 or not cleaned.isprintable() or " " in cleaned or "@" in host:
        raise AccountError("that is no e-mail address; it is what you sign in with, write it as name@example.org.")
    return cleaned


async def _count_owners(connection: AsyncConnection) -> int:
    query = select(func.count()).select_from(users).where(users.c.role == "owner")
    return int((await connection.execute(query)).scalar_one())


async def _live_link(connection: AsyncConnection, token: str) -> OwnerLink | None:
    query = select(owner_links.c.purpose).where(
        owner_links.c.token_hash == _digest(token), owner_links.c.expires_at > datetime.now(UTC)
    )
    purpose = (await connection.execute(query)).scalar()
    owner = (
        await connection.execute(select(users.c.email).where(users.c.role == "owner").order_by(users.c.id))
    ).scalar()
    if purpose is None or (purpose == "setup" and owner is not None) or (purpose == "reset" and owner is None):
        return None
    return OwnerLink(purpose, owner or "")


async def _take_link(connection: AsyncConnection, token: str, purpose: str) -> OwnerLink:
    link = await _live_link(connection, token)
    if link is None or link.purpose != purpose:
        raise NotFound(_DEAD_LINK)
    taken = await connection.execute(delete(owner_links).where(owner_links.c.token_hash == _digest(token)))
    if not taken.rowcount:  # PostgreSQL lets two get this far
        raise NotFound(_DEAD_LINK)
    return link


async def _audit(connection: AsyncConnection, who: str, action: str, subject: str) -> None:
    await connection.execute(insert(audit).values(at=datetime.now(UTC), who=who, action=action, subject=subject))
