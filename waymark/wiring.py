"""Turns the configuration into the plain values that a public worker takes, and those that both sides need.

It must stay free of what the private side alone imports (private_wiring): each public worker would load it.
"""

from database.engine import sqlite_url
from redirector.app import PublicSettings
from redirector.facts import ProxyTrust, networks_from
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


def is_served(config: Config) -> bool:
    """Whether the control database is a server's, and not the file in the data folder."""
    return bool(config.database.url)
