"""Counts per UTC day or month, kept beside the scans: reports add them up instead of counting millions of rows again.

A span (day or month) has tallies once it is in ``settled``; whoever changes its scans takes it out in the same transaction.
Visitor ids are daily, so visitors of different spans add up exactly; within one they are counted here, for each value.
A scope is what can be asked for as a whole, by day or by month: all codes, or a much scanned code or tag.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Statement = tuple[str, Sequence[Any]]
Unit = Literal["day", "month"]

DAY_US: Final = 86_400_000_000
QUARTER_US: Final = 900_000_000
DAY: Final = f"(epoch_us(scanned_at) // {DAY_US})::INTEGER"
QUARTER: Final = f"(epoch_us(scanned_at) // {QUARTER_US})::INTEGER"
# Ids are daily: the same one on two days, which cannot be told from chance, is two visitors.
DAILY_VISITOR: Final = f"xor(visitor, (epoch_us(scanned_at) // {DAY_US} * 2654435761)::UBIGINT)"

# table -> the columns whose values are counted apart, with their types
BY_VALUE: Final[dict[str, dict[str, str]]] = {
    "tally_device": {"device": "VARCHAR"},
    "tally_os": {"os": "VARCHAR"},
    "tally_browser": {"browser": "VARCHAR"},
    "tally_app": {"app": "VARCHAR"},
    "tally_referrer_host": {"referrer_host": "VARCHAR"},
    "tally_bot_reason": {"bot_reason": "VARCHAR"},
    "tally_asn": {"asn": "BIGINT"},
    "tally_code_id": {"code_id": "BIGINT"},
    "tally_version": {"code_id": "BIGINT", "version": "INTEGER"},
    "tally_rule": {"rule": "VARCHAR"},
    "tally_variant": {"rule": "VARCHAR", "variant": "VARCHAR"},
    "tally_country": {"country": "INTEGER"},
    "tally_region": {"region": "INTEGER"},
    "tally_city": {"city": "INTEGER"},
}
# table -> what else a row of it tells: its type, how several become one, and from which column of the scans
TOLD: Final[dict[str, dict[str, tuple[str, str, str]]]] = {
    "tally_asn": {"network": ("VARCHAR", "any_value", "network")},
    "tally_version": {"first_at": ("TIMESTAMP", "min", "scanned_at"), "last_at": ("TIMESTAMP", "max", "scanned_at")},
    "tally_rule": {"last_version": ("INTEGER", "max", "version")},
}
_KEY: Final = "scope INTEGER, day INTEGER, bot BOOLEAN"  # day: the first one of the span
TABLES: Final = (
    # mixed: some visitor is both a person and a bot, so the visitors of both together are fewer than their sum.
    "CREATE TABLE IF NOT EXISTS settled (unit VARCHAR, first_day INTEGER, end_day INTEGER, scans BIGINT, mixed BOOLEAN)",
    # Neither code nor tag: all codes. days: the scope of the same by day, whose days make up the months of this one.
    "CREATE TABLE IF NOT EXISTS tally_scopes (scope INTEGER, unit VARCHAR, days INTEGER, code_id BIGINT, tag VARCHAR, "
    "ready BOOLEAN)",
    "INSERT INTO tally_scopes SELECT * FROM (VALUES (0, 'day', NULL, NULL, NULL, true), (1, 'month', 0, NULL, NULL, true)) "
    "WHERE NOT EXISTS (FROM tally_scopes)",
    # Numbers for places: grouping millions of rows by three texts takes a second.
    "CREATE TABLE IF NOT EXISTS spots (spot INTEGER, level UTINYINT, country VARCHAR, region VARCHAR, city VARCHAR, "
    "latitude FLOAT, longitude FLOAT)",
    # Scans by quarter hour, and by the quarter hour of the same visitor's scan before on that day (NULL: there is none). A
    # scan brings a new visitor to a stretch of time when the one before lies outside of it. Without a visitor it never does.
    f"CREATE TABLE IF NOT EXISTS tally_time ({_KEY}, quarter INTEGER, before INTEGER, scans UINTEGER)",
    *(
        f"CREATE TABLE IF NOT EXISTS {table} ({_KEY}, "
        + "".join(f"{name} {kind}, " for name, kind in columns.items())
        + "scans UINTEGER, visitors UINTEGER"
        + "".join(f", {name} {kind}" for name, (kind, _, _) in TOLD.get(table, {}).items())
        + ")"
        for table, columns in BY_VALUE.items()
    ),
)

_LEVELS: Final = {"country": 1, "region": 2, "city": 3}
# Most visitors scan once a day: those are counted without telling them apart.
_PICKED: Final = (
    "CREATE OR REPLACE TEMP TABLE picked AS SELECT scanned_at, code_id, version, rule, variant, bot_reason, device, os, "
    "browser, app, country, region, city, latitude, longitude, asn, network, referrer_host, bot_reason IS NOT NULL AS bot, "
    f"{QUARTER} AS quarter, {DAY} AS at_day, {DAILY_VISITOR} AS who, count(*) OVER (PARTITION BY who) > 1 AS again FROM scans "
    "WHERE counted AND scanned_at >= make_timestamp(?) AND scanned_at < make_timestamp(?)"
)
_NEW_SPOTS: Final = (
    "INSERT INTO spots SELECT (SELECT coalesce(max(spot), 0) FROM spots) + row_number() OVER (), found.* FROM ("
    "SELECT 3 - grouping(region) - grouping(city) AS level, country, region, city, any_value(latitude), "
    "any_value(longitude) FROM picked GROUP BY GROUPING SETS ((country), (country, region), (country, region, city))) "
    "AS found ANTI JOIN spots ON found.level = spots.level AND found.country IS NOT DISTINCT FROM spots.country "
    "AND found.region IS NOT DISTINCT FROM spots.region AND found.city IS NOT DISTINCT FROM spots.city"
)
_PLACED: Final = (
    "placed AS (SELECT countries.spot AS country_spot, regions.spot AS region_spot, cities.spot AS city_spot, "
    "cities.country, cities.region, cities.city FROM spots AS cities "
    "JOIN spots AS regions ON regions.level = 2 AND regions.country IS NOT DISTINCT FROM cities.country "
    "AND regions.region IS NOT DISTINCT FROM cities.region "
    "JOIN spots AS countries ON countries.level = 1 AND countries.country IS NOT DISTINCT FROM cities.country "
    "WHERE cities.level = 3)"
)
_MEMBERS: Final = (
    "SELECT scope, codes.code_id FROM unnest($1) AS asked(scope) JOIN tally_scopes USING (scope) "
    "JOIN codes ON list_contains(codes.tags, tag) "
    "UNION ALL SELECT scope, code_id FROM unnest($1) AS asked(scope) JOIN tally_scopes USING (scope) WHERE code_id IS NOT NULL"
)
_WHOLE: Final = (
    "SELECT scope FROM unnest($1) AS asked(scope) JOIN tally_scopes USING (scope) WHERE code_id IS NULL AND tag IS NULL"
)
_SETTLING: Final = (
    f"CREATE OR REPLACE TEMP TABLE settling AS WITH {_PLACED}, "
    "rows AS (SELECT bot, quarter, {day} AS day, code_id, version, rule, variant, device, os, browser, app, "
    "referrer_host, bot_reason, asn, network, scanned_at, who, CASE WHEN again THEN who END AS visitor, "
    "(who IS NOT NULL AND NOT again)::INTEGER AS once, "
    "country_spot AS country, region_spot AS region, city_spot AS city FROM picked JOIN placed ON "
    "picked.country IS NOT DISTINCT FROM placed.country AND picked.region IS NOT DISTINCT FROM placed.region "
    "AND picked.city IS NOT DISTINCT FROM placed.city) "
    f"SELECT scope, rows.* FROM rows JOIN ({_WHOLE}) ON true "
    f"UNION ALL SELECT scope, rows.* FROM rows JOIN ({_MEMBERS}) USING (code_id)"
)


@dataclass(frozen=True, slots=True)
class Scope:
    number: int
    days: int | None  # the scope by day that this one by month adds up


def settle(unit: Unit, first_day: int, end_day: int, scopes: Sequence[Scope]) -> list[Statement]:
    """Counts the scans of these days (each by itself, or all as one month) for these scopes, in place of earlier counts."""
    counted = [scope.number for scope in scopes if scope.days is None]
    sums = [scope for scope in scopes if scope.days is not None]
    old = "WHERE day >= ? AND day < ? AND scope IN (SELECT unnest(?))"
    numbers = [scope.number for scope in scopes]
    return [
        ("DROP TABLE IF EXISTS picked", ()),
        *((f"DELETE FROM {table} {old}", [first_day, end_day, numbers]) for table in _ALL_TALLIES),
        *(_count(unit, first_day, end_day, counted) if counted else ()),
        *((_sum(table), [scope.number, first_day, scope.days, end_day]) for scope in sums for table in _ALL_TALLIES),
    ]


def mark_settled(unit: Unit, first_day: int, end_day: int) -> list[Statement]:
    """After ``settle``. With the number of scans, so that somebody who knows nothing of tallies is found out."""
    return [
        ("DELETE FROM settled WHERE unit = ? AND first_day >= ? AND first_day < ?", [unit, first_day, end_day]),
        (_MARK_DAYS if unit == "day" else _MARK_MONTH, [first_day, end_day]),
        ("DROP TABLE IF EXISTS picked", ()),
    ]


def forget_lost_scopes() -> list[Statement]:
    """Of tags that were changed: their numbers may come back."""
    lost = "WHERE scope NOT IN (SELECT scope FROM tally_scopes)"
    return [(f"DELETE FROM {table} {lost}", ()) for table in _ALL_TALLIES]


def unsettle(days: Iterable[int] | None = None) -> Statement:
    """For every change of scans that lie on these days (None: who knows), in the same transaction."""
    if days is None:
        return ("DELETE FROM settled", ())
    within = "len(list_filter(?, lambda day: day >= first_day AND day < end_day)) > 0"
    return (f"DELETE FROM settled WHERE {within}", [list(days)])


_ALL_TALLIES: Final = ("tally_time", *BY_VALUE)
_TALLY_TIME: Final = (
    "INSERT INTO tally_time SELECT scope, day, bot, quarter, before, count(*) FROM ("
    "SELECT scope, day, bot, quarter, CASE WHEN who IS NULL THEN quarter END AS before FROM settling WHERE visitor IS NULL "
    "UNION ALL SELECT scope, day, bot, quarter, lag(quarter) OVER (PARTITION BY scope, bot, visitor ORDER BY quarter) "
    "FROM settling WHERE visitor IS NOT NULL) GROUP BY ALL"
)


_MARK_DAYS: Final = (
    f"INSERT INTO settled WITH found AS (SELECT {DAY} AS day, count(*) AS scans FROM scans "
    f"WHERE scanned_at >= make_timestamp($1 * {DAY_US}) AND scanned_at < make_timestamp($2 * {DAY_US}) GROUP BY 1), "
    "shared AS (SELECT at_day FROM picked WHERE again AND who IS NOT NULL GROUP BY at_day, who HAVING min(bot) <> max(bot)) "
    "SELECT 'day', day, day + 1, coalesce(scans, 0), day IN (FROM shared) "
    "FROM (SELECT unnest(range($1, $2))::INTEGER AS day) LEFT JOIN found USING (day)"
)
_MARK_MONTH: Final = (
    "INSERT INTO settled SELECT 'month', $1, $2, sum(scans), bool_or(mixed) FROM settled "
    "WHERE unit = 'day' AND first_day >= $1 AND first_day < $2 HAVING count(*) = $2 - $1"
)


def _count(unit: Unit, first_day: int, end_day: int, scopes: Sequence[int]) -> list[Statement]:
    day = "at_day" if unit == "day" else str(first_day)
    return [
        (_PICKED, [first_day * DAY_US, end_day * DAY_US]),
        (_NEW_SPOTS, ()),
        (_SETTLING.format(day=day), [scopes]),
        (_TALLY_TIME, ()),
        *((_tally(table), ()) for table in BY_VALUE),
        ("DROP TABLE settling", ()),
    ]


def _tally(table: str) -> str:
    columns = ", ".join(BY_VALUE[table])
    told = "".join(f", {aggregate}({source})" for _, aggregate, source in TOLD.get(table, {}).values())
    return (
        f"INSERT INTO {table} SELECT scope, day, bot, {columns}, count(*), sum(once) + count(DISTINCT visitor){told} "
        "FROM settling GROUP BY ALL ORDER BY scope"
    )


def _sum(table: str) -> str:
    columns = "quarter, before" if table == "tally_time" else ", ".join(BY_VALUE[table])
    visitors = "" if table == "tally_time" else ", sum(visitors)"
    told = "".join(f", {aggregate}({name})" for name, (_, aggregate, _) in TOLD.get(table, {}).items())
    return (
        f"INSERT INTO {table} SELECT $1, $2, bot, {columns}, sum(scans){visitors}{told} FROM {table} "
        "WHERE scope = $3 AND day >= $2 AND day < $4 GROUP BY ALL"
    )
