"""Scans made inside DuckDB, for stores of many million rows: believable proportions, the same for the same number."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from analytics.store import ScanStore
from analytics.tables import COLUMNS
from bench.plan import DESTINATION
from bench.running import code_name

DAYS: Final = 90
CODES: Final = 200
END: Final = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
START: Final = END - timedelta(days=DAYS)
SLICE: Final = 1_000_000


def _roll(name: str) -> str:
    """A number in [0, 1) that depends on the row and the name alone."""
    return f"((hash(n, '{name}') % 1000000) / 1e6)"


def _skewed(name: str, size: int) -> str:
    """1..size, the first ones far more often: codes, cities and networks are like that."""
    return f"(1 + floor({size} * pow({_roll(name)}, 3)))::BIGINT"


def _one_of(name: str, shares: dict[str | None, float]) -> str:
    """By cumulative share; the last takes the rest."""
    whens, bound = [], 0.0
    for value, share in shares.items():
        bound += share
        whens.append(f"WHEN {_roll(name)} < {bound:.3f} THEN {_text(value)}")
    return f"CASE {' '.join(whens)} ELSE {_text(list(shares)[-1])} END"


def _text(value: str | None) -> str:
    return "NULL" if value is None else f"'{value}'"


# Within each day most scans at noon: the position in the day is bent, and stays in order.
_DAY: Final = f"(n * {DAYS}.0 / total)"
_OF_DAY: Final = f"({_DAY} - floor({_DAY}))"
_AT: Final = f"floor({_DAY}) + {_OF_DAY} + 0.09 * sin(2 * pi() * {_OF_DAY})"
_VALUES: Final[dict[str, str]] = {
    "id": "printf('%024x', n)",
    "scanned_at": f"make_timestamp({int(START.timestamp() * 1e6)} + (({_AT}) * 86400000000)::BIGINT)",
    "code_id": _skewed("code", CODES),
    "version": f"1 + ({_roll('version')} < 0.2)::INTEGER",
    "counted": f"{_roll('counted')} >= 0.01",
    "uncounted_reason": f"CASE WHEN {_roll('counted')} < 0.01 THEN 'prefetch' END",
    "bot_reason": _one_of("bot", {"names itself a bot": 0.02, "a program": 0.03, None: 0.95}),
    "datacenter": f"{_roll('hosting')} < 0.02",
    "relay": "false",
    "device": _one_of("device", {"mobile": 0.9, "tablet": 0.04, "desktop": 0.05, None: 0.01}),
    "os": _one_of("os", {"iOS": 0.5, "Android": 0.42, "Windows": 0.04, "macOS": 0.02, None: 0.02}),
    "os_version": f"(14 + floor(5 * {_roll('os version')}))::INTEGER::VARCHAR",
    "browser": _one_of(
        "browser", {"Mobile Safari": 0.45, "Chrome Mobile": 0.35, "Samsung Internet": 0.08, "Firefox": 0.04, None: 0.08}
    ),
    "browser_version": f"(130 + floor(20 * {_roll('browser version')}))::INTEGER::VARCHAR",
    "app": _one_of("app", {"Instagram": 0.06, "Facebook": 0.04, "TikTok": 0.02, "LINE": 0.01, None: 0.87}),
    "country": "list_extract(['DE','US','FR','GB','ES','JP','BR','IN','IT','NL','AT','CH','PL','CA','AU'], 1 + city % 15)",
    "region": "'Region ' || (city % 120)",
    "city": "'City ' || city",
    "latitude": "round(-50 + (city * 7919 % 1100) / 10.0, 1)",
    "longitude": "round(-170 + (city * 104729 % 3400) / 10.0, 1)",
    "asn": "3000 + network",
    "network": "'Network ' || network",
    "referrer": f"CASE WHEN {_roll('referrer')} < 0.2 THEN 'https://site' || site || '.example/page' END",
    "referrer_host": f"CASE WHEN {_roll('referrer')} < 0.2 THEN 'site' || site || '.example' END",
    "language": _one_of("language", {"de-de": 0.4, "en-us": 0.3, "fr-fr": 0.1, "es-es": 0.1, None: 0.1}),
    "gpc": f"{_roll('gpc')} < 0.03",
    "visitor": f"CASE WHEN {_roll('gpc')} >= 0.03 THEN hash(n - n % (1 + hash(n // 4) % 2), 'visitor') END",
    "host": "'w.example'",
    "demo": "false",
}
INSERT: Final = (
    "INSERT INTO scans SELECT "
    + ", ".join(_VALUES.get(name, "NULL") for name in COLUMNS)
    + f" FROM (SELECT *, {_skewed('city', 1200)} AS city, {_skewed('network', 400)} AS network, "
    + f"{_skewed('site', 60)} AS site FROM (SELECT range AS n, ?::BIGINT AS total FROM range(?, ?)))"
)


async def fill(path: Path, scans: int) -> None:
    """A whole scan store at this path, with copies of the codes that an Installation of CODES codes has."""
    store = ScanStore.open(path)
    try:
        for start in range(0, scans, SLICE):
            await store.write([(INSERT, [scans, start, min(start + SLICE, scans)])])
        ids = list(range(1, CODES + 1))
        names = [code_name(number) for number in ids]
        urls = [f"http://w.example/{name}" for name in names]
        await store.write(
            [
                ("INSERT INTO codes SELECT unnest(?), unnest(?), unnest(?), 'Poster', [], false", [ids, names, urls]),
                (
                    "INSERT INTO versions SELECT unnest(?), number, ?, ?, 'bench' FROM (VALUES (1), (2)) AS v(number)",
                    [ids, DESTINATION, START.replace(tzinfo=None)],
                ),
            ]
        )
    finally:
        store.close()
