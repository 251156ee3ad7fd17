"""Checks of files: the configuration, the data folder and its rights, secrets, TLS, the journal, room on the disk."""

import os
import pwd
import shutil
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from waymark.certificates import CertificateError, expiry
from waymark.checks import Check, fail, ok, warn
from waymark.config import Config

SECRETS: Final = ("owner.token", "visitor-salts.json")
LOW_BYTES, NO_BYTES = 2_000_000_000, 200_000_000
RENEW: Final = timedelta(days=14)
CLOCK_SLACK: Final = timedelta(hours=1)


def check_config(config: Config) -> Iterator[Check]:
    if config.source:
        yield ok("configuration", f"{config.source}, understood")
    else:
        yield ok("configuration", f"no config.toml in {Path.cwd()}: the defaults are used")


def check_data_folder(config: Config) -> Iterator[Check]:
    """Nothing more when the folder is missing: before the first start that is no mistake."""
    folder, topic = config.data_dir, "data folder"
    if not folder.exists():
        yield _missing_folder(folder, topic)
        return
    if not folder.is_dir():
        yield fail(topic, f"{folder} is a file.", "Move it away, or set another [data] dir in config.toml.")
        return
    facts = folder.stat()
    found = []
    if facts.st_uid != os.geteuid():
        owner, user = _user_name(facts.st_uid), _user_name(os.geteuid())
        says = f"{folder} belongs to {owner}, and you are {user}."
        found.append(warn(topic, says, f"Run Waymark and this check as {owner}, or `chown -R {user} {folder}`."))
    if not os.access(folder, os.W_OK | os.X_OK):
        says = f"{folder} cannot be written by this user, or its disk is read-only."
        found.append(fail(topic, says, "Give this user the right, or set another [data] dir in config.toml."))
    if facts.st_mode & 0o077:
        says = f"{folder} has mode {facts.st_mode & 0o777:o}: others on this machine may look into it."
        found.append(warn(topic, says, f"`chmod 700 {folder}`"))
    yield from found or [ok(topic, f"{folder}, yours alone")]


def check_secrets(folder: Path) -> Iterator[Check]:
    """Whoever reads the owner token is the owner; whoever reads the salts can recognise visitors."""
    present = [folder / name for name in SECRETS if (folder / name).exists()]
    for path in present:
        mode = path.stat().st_mode & 0o777
        if mode & 0o077:
            yield fail(
                "secrets", f"{path} has mode {mode:o}: others may read it.", f"`chmod 600 {path}`, then restart."
            )
            return
    if present:
        yield ok("secrets", f"{' and '.join(path.name for path in present)}: readable by this user alone")


def check_room(folder: Path) -> Iterator[Check]:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    says = f"{free / 1e9:.1f} GB free at {there}"
    if free < NO_BYTES:
        yield fail("disk", f"{says}: scans will soon not be recorded.", "Make room, or move the data folder.")
    elif free < LOW_BYTES:
        yield warn(
            "disk", f"{says}.", "Make room: a place database alone takes 150 MB, twice that while it is replaced."
        )
    else:
        yield ok("disk", says)


def check_tls(config: Config, now: datetime | None = None) -> Iterator[Check]:
    if config.tls_files is None:
        return
    certificate, key = config.tls_files
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        ends_at = expiry(certificate)
    except (OSError, CertificateError) as error:
        says = f"{certificate} and {key} cannot be used: {error}."
        yield fail("TLS", says, "Give a PEM file with the chain and the matching unencrypted key.")
        return
    left = ends_at - (now or datetime.now(UTC))
    if left < timedelta(0):
        yield fail("TLS", f"the certificate ended on {ends_at:%Y-%m-%d}: phones refuse the codes.", "Renew it.")
    elif left < RENEW:
        yield warn("TLS", f"the certificate ends on {ends_at:%Y-%m-%d}, in {left.days} days.", "Renew it.")
    else:
        yield ok("TLS", f"certificate good until {ends_at:%Y-%m-%d}")
    if key.stat().st_mode & 0o077:
        yield warn("TLS", f"the private key {key} may be read by others.", f"`chmod 600 {key}`")


def check_journal(folder: Path, now: datetime | None = None) -> Iterator[Check]:
    topic = "journal"
    if not folder.is_dir():
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        says = f"{folder} cannot be written: scans are answered, but wait in memory and may be lost."
        yield fail(topic, says, "Give the user who runs Waymark the right to write there.")
        return
    from analytics.segments import list_segments

    segments = list_segments(folder)
    size = sum(path.stat().st_size for path in folder.glob("*.jsonl*"))
    ahead = max((segment.started_ms for segment in segments), default=0) / 1000
    if ahead > ((now or datetime.now(UTC)) + CLOCK_SLACK).timestamp():
        begun = f"{datetime.fromtimestamp(ahead, UTC):%Y-%m-%d %H:%M}"
        yield warn(
            topic, f"a segment was begun at {begun} UTC, in the future.", "The clock was or is wrong: set it by NTP."
        )
    yield ok(topic, f"{len(segments)} segment{'' if len(segments) == 1 else 's'}, {size / 1e6:.1f} MB")


def _missing_folder(folder: Path, topic: str) -> Check:
    parent = next(path for path in folder.parents if path.exists())
    if parent.is_dir() and os.access(parent, os.W_OK | os.X_OK):
        return ok(topic, f"{folder} is not there yet; the first `waymark serve` makes it")
    says = f"{folder} is not there, and this user cannot make it in {parent}."
    return fail(topic, says, "Make it and `chown` it to this user, or set another [data] dir in config.toml.")


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
