"""Scans made inside DuckDB, for stores of many million rows: believable proportions, the same for the same number."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from analytics.settling import settle_store
from analytics.store import ScanStore
from analytics.tables import COLUMNS
from bench.plan import DESTINATION
from bench.running import code_name

DAYS: Final = 396  # 13 months
CODES: Final = 2_000
TAGS: Final = 40
CITIES: Final = 20_000  # in 2,000 regions of 200 countries
NETWORKS: Final = 3_000
AGENTS: Final = 400  # combinations of device, system, browser and app
REFERRERS: Final = 60
END: Final = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
START: Final = END - timedelta(days=DAYS)
SLICE: Final = 1_000_000


def _roll(bits: str, shift: int) -> str:
    """A number in [0, 1): 20 of these bits."""
    return f"(({bits} >> {shift}) % 1048576 / 1048576.0)"


def _skewed(bits: str, shift: int, size: int) -> str:
    """0 to size - 1, the first ones far more often: codes, cities and networks are like that."""
    return f"floor({size} * pow({_roll(bits, shift)}, 3))::INTEGER"


def _pick(number: str, values: Sequence[str | None]) -> str:
    texts = ", ".join("NULL" if value is None else f"'{value}'" for value in values)
    return f"list_extract([{texts}], 1 + {number} % {len(values)})"


# Within each day most scans at noon: the position in the day is bent, and stays in order.
_DAY: Final = f"(n * {DAYS}.0 / total)"
_DAY_NUMBER: Final = f"(n * {DAYS} // total)"
_OF_DAY: Final = f"({_DAY} - floor({_DAY}))"
_AT: Final = f"floor({_DAY}) + {_OF_DAY} + 0.09 * sin(2 * pi() * {_OF_DAY})"
_BOT: Final = "robot < 0.08"
_VALUES: Final[dict[str, str]] = {
    "id": "lpad(hex(n), 24, '0')",
    "scanned_at": f"make_timestamp({int(START.timestamp() * 1e6)} + (({_AT}) * 86400000000)::BIGINT)",
    "code_id": "1 + code",
    "version": "1 + (chance < 0.2)::INTEGER",
    "counted": "chance >= 0.01",
    "uncounted_reason": "CASE WHEN chance < 0.01 THEN 'prefetch' END",
    "bot_reason": f"CASE WHEN {_BOT} THEN " + _pick("agent", ["ua", "library", "preview", "scanner"]) + " END",
    "datacenter": "robot > 0.98",
    "relay": "false",
    "device": _pick("agent", ["mobile"] * 18 + ["tablet", "desktop"]),
    "os": _pick("agent", ["iOS", "Android", "iOS", "Android", "Windows", "macOS", "iPadOS", "Linux", None, "ChromeOS"]),
    "os_version": "(12 + agent % 7)::VARCHAR",
    "browser": "'Browser ' || (agent % 25)",
    "browser_version": "(120 + agent % 30)::VARCHAR",
    "app": "CASE WHEN agent % 16 < 3 THEN 'App ' || (agent % 16) END",
    "country": "chr((65 + city // 100 % 200 // 20)::INTEGER) || chr((65 + city // 100 % 20)::INTEGER)",
    "region": "'Region ' || (city // 10)",
    "city": "'City ' || city",
    "latitude": "round(-50 + (city * 7919 % 1100) / 10.0, 1)",
    "longitude": "round(-170 + (city * 104729 % 3400) / 10.0, 1)",
    "asn": "3000 + network",
    "network": "'Network ' || network",
    "referrer": "CASE WHEN site < 12 THEN 'https://site' || site || '.example/page' END",
    "referrer_host": "CASE WHEN site < 12 THEN 'site' || site || '.example' END",
    "language": _pick("agent", ["de-de", "en-us", "fr-fr", "es-es", None]),
    "gpc": "gpc",
    "visitor": "CASE WHEN NOT gpc THEN who END",
    "host": "'w.example'",
    "demo": "false",
}
# A quarter of the scans come from people who scan twice, half of them another code then; the person alone decides on the rest.
_PEOPLE: Final = (
    f"SELECT *, hash(person, {_DAY_NUMBER}) AS who, hash(person, 2) AS are, hash(n, 3) AS come FROM (SELECT range AS n, "
    "?::BIGINT AS total, range - range % (1 + (hash(range // 8) % 4 = 0)::INTEGER) AS person FROM range(?, ?))"
)
_TRAITS: Final = {
    "code": f"CASE WHEN come % 2 = 0 THEN {_skewed('who', 3, CODES)} ELSE {_skewed('come', 3, CODES)} END",
    "chance": _roll("come", 24),
    "site": f"{_skewed('come', 44, REFERRERS)}",
    "robot": _roll("are", 0),
    "agent": _skewed("are", 20, AGENTS),
    "gpc": f"{_roll('are', 40)} < 0.03",
    "city": _skewed("who", 20, CITIES),
    "network": _skewed("who", 40, NETWORKS),
}
INSERT: Final = (
    f"INSERT INTO scans SELECT {', '.join(_VALUES.get(name, 'NULL') for name in COLUMNS)} FROM (SELECT n, total, who, "
    + ", ".join(f"{trait} AS {name}" for name, trait in _TRAITS.items())
    + f" FROM ({_PEOPLE}))"
)


async def fill(path: Path, scans: int, *, settled: bool = True) -> None:
    """A whole scan store at this path, with copies of the codes that an Installation of CODES codes has.

    ``settled``: as a running Waymark leaves it after a while.
    """
    store = ScanStore.open(path)
    try:
        for start in range(0, scans, SLICE):
            await store.write([(INSERT, [scans, start, min(start + SLICE, scans)])])
        ids = list(range(1, CODES + 1))
        names = [code_name(number) for number in ids]
        urls = [f"http://w.example/{name}" for name in names]
        tags = [[f"campaign-{number % TAGS}", "poster" if number % 2 else "flyer"] for number in ids]
        await store.write(
            [
                ("INSERT INTO dimension_mark VALUES (0)", ()),  # the tags here are in no control database
                (
                    "INSERT INTO codes SELECT unnest(?), unnest(?), unnest(?), 'Poster', unnest(?), false",
                    [ids, names, urls, tags],
                ),
                (
                    "INSERT INTO versions (code_id, number, destination, made_at, who) "
                    "SELECT unnest(?), number, ?, ?, 'bench' FROM (VALUES (1), (2)) AS v(number)",
                    [ids, DESTINATION, START.replace(tzinfo=None)],
                ),
            ]
        )
        if settled:
            await settle_store(store)
    finally:
        store.close()
