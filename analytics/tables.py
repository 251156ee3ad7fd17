"""The scan store's tables. Times are UTC; there is no primary key on scans, the journal mark is what prevents doubles."""

from typing import Final

# name -> (type in the store, type in the batch file)
COLUMNS: Final[dict[str, tuple[str, str]]] = {
    "id": ("VARCHAR", "VARCHAR"),
    "scanned_at": ("TIMESTAMP", "BIGINT"),
    "code_id": ("BIGINT", "BIGINT"),
    "version": ("INTEGER", "INTEGER"),
    "rule": ("VARCHAR", "VARCHAR"),
    "variant": ("VARCHAR", "VARCHAR"),
    "counted": ("BOOLEAN", "BOOLEAN"),
    "uncounted_reason": ("VARCHAR", "VARCHAR"),
    "bot_reason": ("VARCHAR", "VARCHAR"),
    "datacenter": ("BOOLEAN", "BOOLEAN"),
    "relay": ("BOOLEAN", "BOOLEAN"),
    "device": ("VARCHAR", "VARCHAR"),
    "os": ("VARCHAR", "VARCHAR"),
    "os_version": ("VARCHAR", "VARCHAR"),
    "browser": ("VARCHAR", "VARCHAR"),
    "browser_version": ("VARCHAR", "VARCHAR"),
    "app": ("VARCHAR", "VARCHAR"),
    "country": ("VARCHAR", "VARCHAR"),
    "region": ("VARCHAR", "VARCHAR"),
    "city": ("VARCHAR", "VARCHAR"),
    "latitude": ("FLOAT", "FLOAT"),  # rounded to 0.1 degree
    "longitude": ("FLOAT", "FLOAT"),
    "asn": ("BIGINT", "BIGINT"),
    "network": ("VARCHAR", "VARCHAR"),
    "referrer": ("VARCHAR", "VARCHAR"),  # origin + path
    "referrer_host": ("VARCHAR", "VARCHAR"),
    "language": ("VARCHAR", "VARCHAR"),
    "query": ("VARCHAR", "JSON"),  # JSON object of the kept parameters, NULL when there are none
    "gpc": ("BOOLEAN", "BOOLEAN"),
    "visitor": ("UBIGINT", "UBIGINT"),  # NULL with Sec-GPC
    "host": ("VARCHAR", "VARCHAR"),
    "demo": ("BOOLEAN", "BOOLEAN"),
    "prefix": ("VARCHAR", "VARCHAR"),  # NULL unless [privacy] keep_prefix_days says so
    "run": ("VARCHAR", ""),  # which run of which journal writer: for the recount
}

CREATE: Final = (
    "CREATE TABLE IF NOT EXISTS store_version (version INTEGER)",
    "CREATE TABLE IF NOT EXISTS scans (" + ", ".join(f'"{name}" {kinds[0]}' for name, kinds in COLUMNS.items()) + ")",
    "CREATE TABLE IF NOT EXISTS journal_marks (segment VARCHAR PRIMARY KEY, run VARCHAR, next_offset BIGINT, scans BIGINT, "
    "corrupt BIGINT, torn_bytes BIGINT, done BOOLEAN)",
    # The last stats record of each run, beside what had really been read when it came.
    "CREATE TABLE IF NOT EXISTS accounting (run VARCHAR PRIMARY KEY, stated_at TIMESTAMP, answered BIGINT, recorded BIGINT, "
    "pending BIGINT, lost BIGINT, lost_reasons VARCHAR, counters VARCHAR, seen_scans BIGINT, seen_corrupt BIGINT)",
    "CREATE TABLE IF NOT EXISTS quarantine (segment VARCHAR, at_offset BIGINT, line VARCHAR)",
    # Looks at jobs' pages, apart from scans. visitor: NULL with Sec-GPC.
    "CREATE TABLE IF NOT EXISTS job_views (job_id BIGINT, viewed_at TIMESTAMP, visitor UBIGINT, counted BOOLEAN, "
    "uncounted_reason VARCHAR, run VARCHAR)",
    # Dimensions, fed from the control database's change feed. tags: also the groups of codes/groups.py.
    "CREATE TABLE IF NOT EXISTS codes (code_id BIGINT PRIMARY KEY, code VARCHAR, short_url VARCHAR, name VARCHAR, "
    "tags VARCHAR[], demo BOOLEAN)",
    "CREATE TABLE IF NOT EXISTS versions (code_id BIGINT, number INTEGER, destination VARCHAR, made_at TIMESTAMP, who VARCHAR, "
    "PRIMARY KEY (code_id, number))",
    # rules: their names, in order.
    *(
        f"ALTER TABLE versions ADD COLUMN IF NOT EXISTS {column}"
        for column in ("action VARCHAR", "restores INTEGER", "reason VARCHAR", "rules VARCHAR[]")
    ),
    "CREATE TABLE IF NOT EXISTS dimension_mark (seq BIGINT)",
)

# What a backup holds. The others are filled again: the dimensions from the control database, the version by who creates it.
BACKED_UP: Final = ("scans", "journal_marks", "accounting", "quarantine", "job_views")
REFILLED: Final = ("store_version", "codes", "versions", "dimension_mark")

# A store of version 1: its dimensions lack groups and what versions changed, its tallies lack rules.
UPGRADE: Final = (
    "DELETE FROM dimension_mark",
    "DELETE FROM settled",
    "UPDATE store_version SET version = 2",
)

INSERT_QUARANTINE: Final = "INSERT INTO quarantine SELECT ?, unnest(?), unnest(?)"

# The run, and a list for each column.
INSERT_VIEWS: Final = (
    "INSERT INTO job_views SELECT job_id, make_timestamp(at_us), visitor, counted, reason, $1 FROM (SELECT "
    "unnest($2::BIGINT[]) AS job_id, unnest($3::BIGINT[]) AS at_us, unnest($4::UBIGINT[]) AS visitor, "
    "unnest($5::BOOLEAN[]) AS counted, unnest($6::VARCHAR[]) AS reason)"
)

_FILE_COLUMNS: Final = {
    ("at_us" if name == "scanned_at" else name): kinds[1] for name, kinds in COLUMNS.items() if kinds[1]
}
_VALUES: Final = {"scanned_at": "make_timestamp(at_us)", "query": "nullif(query::VARCHAR, '{}')", "run": "?"}

INSERT_BATCH: Final = (
    "INSERT INTO scans SELECT "
    + ", ".join(_VALUES.get(name, f'"{name}"') for name in COLUMNS)
    + " FROM read_json($1, format = 'newline_delimited', columns = {"
    + ", ".join(f"'{name}': '{kind}'" for name, kind in _FILE_COLUMNS.items())
    + "})"
).replace("?", "$2")


def fingerprint_of(rows: str) -> str:
    """Asks a table or table function for its number of rows and a sum over all their values, whatever their order.

    It reads everything there is, so it also finds damage.
    """
    return f"SELECT count(*), coalesce(sum(hash(every)::HUGEINT), 0) FROM {rows} AS every"
