"""Turns the configuration into the plain values that the two apps take."""

import secrets
from pathlib import Path
from urllib.parse import urlsplit

from analytics.backups import BackupSettings
from codes.destinations import DestinationPolicy
from codes.outbound import Allowed, Outbound
from dashboard.parts import PrivateSettings
from database.engine import sqlite_url
from redirector.app import PublicSettings
from redirector.facts import ProxyTrust, networks_from
from waymark import __version__
from waymark.config import Config

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


def database_url(config: Config) -> str:
    return config.database.url or sqlite_url(config.data_dir / "waymark.db")


def read_only_database_url(config: Config) -> str:
    return config.database.url or sqlite_url(config.data_dir / "waymark.db", read_only=True)


def public_settings(config: Config, worker: int) -> PublicSettings:
    return PublicSettings(
        worker=worker,
        database_url=read_only_database_url(config),
        data_dir=config.data_dir,
        trust=proxy_trust(config),
        query_keys=frozenset(config.privacy.query_keys),
        full_address=config.privacy.address == "full",
        durability="power" if config.journal.durability == "power" else "process",
        flush_ms=config.journal.flush_ms,
        segment_bytes=config.journal.segment_mb * 1024 * 1024,
        spill_lines=config.journal.spill_lines,
        reserve_bytes=config.journal.reserve_mb * 1_000_000,
        secure=config.short_url.startswith("https://"),
        dashboard_url=config.dashboard_url,
        miss_burst=config.public.miss_burst,
        misses_per_minute=config.public.misses_per_minute,
    )


def proxy_trust(config: Config) -> ProxyTrust:
    return ProxyTrust(networks_from(config.proxy.trusted), config.proxy.header.lower())


def private_settings(config: Config, local_token: str) -> PrivateSettings:
    named = {_host_name(config.dashboard_url), *(name.lower() for name in config.private.allowed_hosts)}
    return PrivateSettings(
        version=__version__,
        short_url=config.short_url,
        dashboard_url=config.dashboard_url,
        allowed_hosts=LOCAL_NAMES | named,
        data_dir=config.data_dir,
        local_token=local_token,
        policy=destination_policy(config),
        refresh_days=config.geo.refresh_days,
        trust=proxy_trust(config),
    )


def backup_settings(config: Config) -> BackupSettings:
    return BackupSettings(
        folder=config.backup_dir,
        control=None if is_served(config) else config.data_dir / "waymark.db",
        journal=config.data_dir / "journal",
        keep=config.backup.keep,
        daily=config.backup.daily,
        version=__version__,
    )


def outbound_client(config: Config) -> Outbound:
    return Outbound(Allowed.of(config.outbound.allow))


def is_served(config: Config) -> bool:
    """Whether the control database is a server's, and not the file in the data folder."""
    return bool(config.database.url)


def destination_policy(config: Config) -> DestinationPolicy:
    return DestinationPolicy(
        own_hosts=frozenset({urlsplit(config.short_url).netloc}),
        app_schemes=frozenset(config.destinations.app_schemes),
        block_private=config.destinations.block_private,
    )


def write_owner_token(folder: Path) -> str:
    """The local owner's bearer token, in a file that only this user can read; a new one at each start."""
    token = f"wm_local_{secrets.token_hex(24)}"
    path = folder / "owner.token"
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600)
    temporary.write_text(token)
    temporary.replace(path)
    return token


def _host_name(url: str) -> str:
    host = urlsplit(url).hostname or "localhost"
    return f"[{host}]" if ":" in host else host
