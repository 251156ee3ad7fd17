"""Turns the configuration into the plain values that the private side takes."""

import secrets
from pathlib import Path
from urllib.parse import urlsplit

from analytics.backups import BackupSettings
from codes.destinations import DestinationPolicy
from codes.outbound import Allowed, Outbound
from dashboard.parts import PrivateSettings
from waymark import __version__
from waymark.config import Config
from waymark.wiring import LOCAL_NAMES, is_served, proxy_trust


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
