"""Reads config.toml into plain, checked values. The only module that knows where settings come from."""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from types import GenericAlias
from typing import Any, Final, get_type_hints
from urllib.parse import urlsplit

_HOST_NAME: Final = re.compile(r"[^\s:/@?#\[\]]+|\[[0-9A-Fa-f:.]+\]")


class ConfigError(Exception):
    """A setting that cannot be used; the message names it and says what to write."""


@dataclass(frozen=True, slots=True)
class Public:
    host: str = "127.0.0.1"
    port: int = 8080
    base_url: str = ""
    workers: int = 1
    miss_burst: int = 60
    misses_per_minute: int = 60
    tls_cert: str = ""
    tls_key: str = ""


@dataclass(frozen=True, slots=True)
class Private:
    host: str = "127.0.0.1"
    port: int = 8081
    base_url: str = ""
    allowed_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Data:
    dir: str = "waymark-data"


@dataclass(frozen=True, slots=True)
class ControlDatabase:
    url: str = ""


@dataclass(frozen=True, slots=True)
class JournalSettings:
    durability: str = "process"
    flush_ms: int = 50
    segment_mb: int = 64
    spill_lines: int = 100_000
    reserve_mb: int = 200


@dataclass(frozen=True, slots=True)
class Proxy:
    trusted: tuple[str, ...] = ()
    header: str = "x-forwarded-for"


@dataclass(frozen=True, slots=True)
class Privacy:
    address: str = "prefix"
    query_keys: tuple[str, ...] = ()
    keep_prefix_days: int = 0


@dataclass(frozen=True, slots=True)
class Destinations:
    app_schemes: tuple[str, ...] = ()
    block_private: bool = False


@dataclass(frozen=True, slots=True)
class OutboundSettings:
    allow: tuple[str, ...] = ()
    check_destinations: bool = True
    recheck_minutes: int = 360


@dataclass(frozen=True, slots=True)
class ScanStoreSettings:
    memory_mb: int = 1024
    threads: int = 2


@dataclass(frozen=True, slots=True)
class BackupPlan:
    daily: bool = True
    folder: str = "backups"
    keep: int = 7


@dataclass(frozen=True, slots=True)
class Geo:
    refresh_days: int = 30


@dataclass(frozen=True, slots=True)
class Config:
    public: Public = field(default_factory=Public)
    private: Private = field(default_factory=Private)
    data: Data = field(default_factory=Data)
    database: ControlDatabase = field(default_factory=ControlDatabase)
    journal: JournalSettings = field(default_factory=JournalSettings)
    proxy: Proxy = field(default_factory=Proxy)
    privacy: Privacy = field(default_factory=Privacy)
    destinations: Destinations = field(default_factory=Destinations)
    outbound: OutboundSettings = field(default_factory=OutboundSettings)
    scans: ScanStoreSettings = field(default_factory=ScanStoreSettings)
    backup: BackupPlan = field(default_factory=BackupPlan)
    geo: Geo = field(default_factory=Geo)
    source: Path | None = None

    @property
    def data_dir(self) -> Path:
        base = self.source.parent if self.source else Path.cwd()
        return (base / Path(self.data.dir).expanduser()).resolve()

    @property
    def backup_dir(self) -> Path:
        return (self.data_dir / Path(self.backup.folder).expanduser()).resolve()

    @property
    def short_url(self) -> str:
        scheme = "https" if self.public.tls_cert else "http"
        return (self.public.base_url or f"{scheme}://localhost:{self.public.port}").rstrip("/")

    @property
    def tls_files(self) -> tuple[Path, Path] | None:
        """(certificate chain, key); relative paths count from the config file's folder, as the data folder does."""
        if not self.public.tls_cert:
            return None
        base = self.source.parent if self.source else Path.cwd()
        return base / Path(self.public.tls_cert).expanduser(), base / Path(self.public.tls_key).expanduser()

    @property
    def dashboard_url(self) -> str:
        return (self.private.base_url or f"http://localhost:{self.private.port}").rstrip("/")

    @property
    def local_api_url(self) -> str:
        """Where programs on this machine reach the private process."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.private.host, self.private.host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{self.private.port}"


SECTIONS: Final = {entry.name: entry for entry in fields(Config) if entry.name != "source"}


def find_config_file(explicit: str | None, environ: Mapping[str, str]) -> Path | None:
    """--config, else $WAYMARK_CONFIG, else ./config.toml, else none: the defaults, with data beside the caller."""
    named = explicit or environ.get("WAYMARK_CONFIG")
    if named:
        path = Path(named).expanduser().resolve()
        if not path.is_file():
            raise ConfigError(
                f"the config file {path} does not exist. Write it, or leave --config out to use the defaults."
            )
        return path
    local = Path("config.toml").resolve()
    return local if local.is_file() else None


def load_config(explicit: str | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    path = find_config_file(explicit, environ)
    document: dict[str, Any] = {}
    if path is not None:
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} cannot be read: {error}. Check its permissions and that it is UTF-8.") from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path} is not valid TOML: {error}.") from error
    config = config_from(document, path)
    url = environ.get("WAYMARK_DATABASE_URL")  # it usually holds a password
    if url:
        config = _replace(config, database=ControlDatabase(url))
    check_config(config)
    return config


def config_from(document: Mapping[str, Any], source: Path | None = None) -> Config:
    """Raises ConfigError for an unknown key (with the nearest known one) or a value of the wrong type."""
    name = source.name if source else "config.toml"
    values: dict[str, Any] = {"source": source}
    for section, content in document.items():
        if section not in SECTIONS:
            raise ConfigError(f"{name}: unknown section [{section}]{_suggestion(section, SECTIONS)}")
        if not isinstance(content, dict):
            raise ConfigError(f"{name}: {section} is a section: write [{section}] and its keys below it.")
        section_type = get_type_hints(Config)[section]
        values[section] = _section_from(section_type, section, content, name)
    return Config(**values)


def check_config(config: Config) -> None:
    """What no single type says: ranges, addresses, files that belong together."""
    _check_numbers(config)
    if config.journal.durability not in ("process", "power"):
        raise ConfigError(f'[journal] durability is "process" or "power", not {config.journal.durability!r}.')
    if config.privacy.address not in ("prefix", "full"):
        raise ConfigError(f'[privacy] address is "prefix" or "full", not {config.privacy.address!r}.')
    for cidr in config.proxy.trusted:
        try:
            ip_network(cidr, strict=False)
        except ValueError:
            raise ConfigError(
                f"[proxy] trusted: {cidr!r} is no network. Write CIDRs such as 10.0.0.0/8, or a bare address."
            ) from None
    for key in ("public", "private"):
        url = getattr(config, key).base_url
        if url and not _is_base_url(url):
            raise ConfigError(
                f"[{key}] base_url {url!r} is no address: write scheme and host, such as https://w.example"
            )
    _check_database(config.database.url)
    _check_allowed(config.outbound.allow)
    for name in config.private.allowed_hosts:
        if not _HOST_NAME.fullmatch(name):
            raise ConfigError(
                f"[private] allowed_hosts: {name!r} is no host name. Write the name alone, such as waymark.lan, "
                "without https:// and without a port."
            )
    if bool(config.public.tls_cert) != bool(config.public.tls_key):
        raise ConfigError("[public] tls_cert and tls_key belong together: set both or neither.")
    for path in config.tls_files or ():
        if not path.is_file():
            raise ConfigError(f"[public] the TLS file {path} does not exist or cannot be read.")


def _check_database(url: str) -> None:
    """The address is not repeated: it may hold a password."""
    if not url:
        return
    scheme = url.partition("://")[0]
    if scheme != "postgresql+asyncpg":
        begins = f"begins with {scheme}://" if "://" in url else "is no address"
        raise ConfigError(
            f"[database] url {begins}. Write postgresql+asyncpg://USER@HOST/NAME for PostgreSQL, or leave it empty for "
            "SQLite in the data folder."
        )
    if find_spec("asyncpg") is None:
        raise ConfigError(
            "[database] url names PostgreSQL, but its driver is not installed. `pip install asyncpg` into Waymark's "
            "environment (in a checkout: `.venv/bin/python -m pip install asyncpg`), or install waymark-qr[postgres]."
        )


def _check_allowed(entries: tuple[str, ...]) -> None:
    if not entries:
        return
    from codes.outbound import Allowed  # it brings the HTTP client along, which `waymark --help` need not wait for

    for entry in entries:
        try:
            Allowed.of([entry])
        except ValueError:
            raise ConfigError(
                f"[outbound] allow: {entry!r} is neither a network nor a host name. Write 10.0.0.0/8, wiki.lan, or .lan "
                "for every name that ends so."
            ) from None


def _is_base_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = url.isprintable() and " " not in url and "@" not in parts.netloc and port != 0
    rest = (parts.path.rstrip("/"), parts.query, parts.fragment)
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname) and rest == ("", "", "")


def _check_numbers(config: Config) -> None:
    ranges = {
        ("public", "port"): (0, 65535),
        ("private", "port"): (0, 65535),
        ("public", "workers"): (1, 64),
        ("public", "miss_burst"): (0, 1_000_000),
        ("public", "misses_per_minute"): (0, 1_000_000),
        ("journal", "flush_ms"): (1, 50),
        ("journal", "segment_mb"): (1, 4096),
        ("journal", "spill_lines"): (0, 10_000_000),
        ("journal", "reserve_mb"): (0, 1_000_000),
        ("privacy", "keep_prefix_days"): (0, 3650),
        ("outbound", "recheck_minutes"): (1, 100_000),
        ("scans", "memory_mb"): (128, 1_000_000),
        ("scans", "threads"): (1, 256),
        ("backup", "keep"): (1, 1000),
        ("geo", "refresh_days"): (0, 3650),
    }
    for (section, key), (low, high) in ranges.items():
        value = getattr(getattr(config, section), key)
        if not low <= value <= high:
            raise ConfigError(f"[{section}] {key} is {value}; it must be between {low} and {high}.")


def _section_from(kind: type[Any], section: str, content: Mapping[str, Any], name: str) -> Any:
    hints = get_type_hints(kind)
    values = {}
    for key, value in content.items():
        if key not in hints:
            raise ConfigError(f"{name}: unknown key {key!r} in [{section}]{_suggestion(key, hints)}")
        values[key] = _typed(value, hints[key], f"{name}: [{section}] {key}")
    return kind(**values)


def _typed(value: Any, expected: Any, where: str) -> Any:
    if isinstance(expected, GenericAlias):
        if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
            return tuple(value)
        raise ConfigError(f'{where} is a list of texts, such as ["a", "b"], not {value!r}.')
    # bool is an int in Python, not in a settings file
    if isinstance(value, expected) and not (expected is int and isinstance(value, bool)):
        return value
    names = {str: 'a text in quotes, such as "x"', int: "a whole number", bool: "true or false"}
    raise ConfigError(f"{where} is {names[expected]}, not {value!r}.")


def _suggestion(wrong: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(wrong, known, n=1, cutoff=0.5)
    return f". Did you mean {near[0]!r}?" if near else f". Known here: {', '.join(known)}."


def _replace(config: Config, **changes: Any) -> Config:
    current = {entry.name: getattr(config, entry.name) for entry in fields(config)}
    return Config(**{**current, **changes})


assert all(is_dataclass(get_type_hints(Config)[name]) for name in SECTIONS)
