"""What the private side is made of, handed to every route through the request's state."""

from dataclasses import dataclass
from pathlib import Path

from fastapi import Request

from analytics.backups import Backups
from analytics.ingest import Ingest
from analytics.live import LiveFeed
from analytics.reports import Reports
from analytics.scans import Scans
from analytics.store import ScanStore
from codes.destinations import DestinationPolicy
from dashboard.accounts import Accounts
from dashboard.guardian import Guardian
from database.engine import Database
from geo.places import Places
from redirector.facts import ProxyTrust


@dataclass(frozen=True, slots=True)
class PrivateSettings:
    """Plain values from the configuration; paths are absolute."""

    version: str
    short_url: str
    dashboard_url: str
    allowed_hosts: frozenset[str]
    data_dir: Path
    local_token: str  # the bearer token in the file that only this user can read
    policy: DestinationPolicy
    refresh_days: int
    trust: ProxyTrust


@dataclass(frozen=True, slots=True)
class Parts:
    settings: PrivateSettings
    database: Database
    store: ScanStore
    accounts: Accounts
    reports: Reports
    scans: Scans
    live: LiveFeed
    ingest: Ingest
    places: Places
    backups: Backups
    guardian: Guardian


def parts_of(request: Request) -> Parts:
    parts: Parts = request.state.parts
    return parts
