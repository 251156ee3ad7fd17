"""What a filter selects, and from where it is counted: whole settled days from the tallies, everything else from the scans."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from heapq import nlargest
from typing import Any, Final, Literal

import duckdb

from analytics.periods import Period
from analytics.tallies import BY_VALUE, DAILY_VISITOR, DAY_US, QUARTER, TOLD

Bots = Literal["exclude", "include", "only"]
Split = Literal["version", "rule", "variant"]
Row = tuple[Any, ...]

COUNTS: Final = f"count(*) AS scans, count(DISTINCT {DAILY_VISITOR}) AS visitors"
_BOTS: Final[dict[Bots, tuple[str, ...]]] = {
    "exclude": ("bot_reason IS NULL",),
    "only": ("bot_reason IS NOT NULL",),
    "include": (),
}
_TALLIED_BOTS: Final[dict[Bots, tuple[str, ...]]] = {"exclude": ("NOT bot",), "only": ("bot",), "include": ()}
MAX_CHANGES: Final = 500
MAX_RUNS: Final = 12  # of settled days: every gap between them costs some planning
GATHERED_SCANS: Final = 2_000_000
# What scans are told apart by, as one text; "" where there is none. Names hold no line breaks.
PART_OF: Final[dict[Split, str]] = {
    "version": "version::VARCHAR",
    "rule": "coalesce(rule, '')",
    "variant": "CASE WHEN variant IS NULL THEN '' ELSE coalesce(rule, '') || chr(10) || variant END",
}
SPLIT_COLUMNS: Final[dict[Split, tuple[str, ...]]] = {
    "version": ("version",),
    "rule": ("rule", "version"),
    "variant": ("rule", "variant", "version"),
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Part:
    """The scans of some values of a split, or of all others."""

    split: Split
    values: tuple[str, ...]
    others: bool = False

    def clause(self, values: str) -> str:
        return f"{PART_OF[self.split]} {'NOT ' if self.others else ''}IN (SELECT unnest({values}))"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which scans a report is about. Only counted ones ever are: HEAD and prefetch are listed, never reported."""

    period: Period
    code_ids: tuple[int, ...] | None = None  # None = all
    tag: str | None = None
    bots: Bots = "exclude"
    groups: tuple[str, ...] = ()  # of codes.groups; a code must be in each
    part: Part | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """What a code must have, as the store keeps it: the tag and the groups."""
        return self.groups if self.tag is None else (self.tag, *self.groups)

    def where(self) -> tuple[str, list[Any]]:
        clauses = ["counted", "scanned_at >= ?", "scanned_at < ?", *_BOTS[self.bots]]
        parameters: list[Any] = [naive(self.period.start), naive(self.period.end)]
        if self.code_ids is not None:
            clauses.append("code_id IN (SELECT unnest(?))")
            parameters.append(list(self.code_ids))
        if self.labels:
            clauses.append("code_id IN (SELECT code_id FROM codes WHERE list_has_all(tags, ?))")
            parameters.append(list(self.labels))
        if self.part is not None:
            clauses.append(self.part.clause("?"))
            parameters.append(list(self.part.values))
        return " AND ".join(clauses), parameters


@dataclass(frozen=True, slots=True)
class Run:
    """Settled days in a row, with the scope that counts them."""

    scope: int
    first: int
    end: int


class Selection:
    """A filter at one state of the store: to be used within one read. Answers rows of texts and numbers."""

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, asked: Filter, *, tallied: bool = True, within: str | None = None
    ) -> None:
        """``within``: what holds the scans of this part and those of the others."""
        self.asked = asked
        self._cursor = cursor
        self._of_codes = asked.code_ids is not None or bool(asked.labels)
        self._parameters = _parameters(asked)
        self._runs = self._settled_runs() if tallied and asked.part is None else []
        self._scans = f"({' UNION ALL '.join(self._pieces())})"
        if within is not None and asked.part is not None:
            self._scans = f"(SELECT * FROM {within} WHERE {asked.part.clause('$values')})"

    @cached_property
    def total(self) -> dict[str, int]:
        scans = visitors = 0
        if self._runs:
            [(scans, visitors)] = self._cursor.execute(
                "SELECT coalesce(sum(scans), 0)::BIGINT, coalesce(sum(scans) FILTER (before IS NULL), 0)::BIGINT "
                f"FROM ({self._tallied('tally_time', 'scans, before')})"
            ).fetchall()
        [(more_scans, more_visitors)] = self._ask(f"SELECT {COUNTS} FROM {self._scans}")
        return {"scans": scans + more_scans, "visitors": visitors + more_visitors}

    def gather(self, columns: Iterable[str]) -> None:
        """Before several questions: few scans of some codes among many are looked for once, not for every question."""
        if not self._of_codes:
            return
        # Then what is large has tallies.
        of_one = len(self.asked.labels) == 1 or len(self.asked.code_ids or ()) == 1
        if not of_one and self._ask(f"SELECT count(*) FROM {self._scans}")[0][0] > GATHERED_SCANS:
            return
        self._gather("gathered", columns)

    def apart(self, split: Split, columns: Iterable[str]) -> "Selection":
        """The same from the scans themselves, to be told apart: there are no tallies of parts."""
        whole = Selection(self._cursor, self.asked, tallied=False)
        if whole._ask(f"SELECT count(*) FROM {whole._scans}")[0][0] <= GATHERED_SCANS:
            whole._gather("split_scans", {"code_id", *SPLIT_COLUMNS[split], *columns})
        return whole

    def by_part(self, split: Split, most: int) -> list[Row]:
        """Value, newest version, scans, visitors; the most scanned values first."""
        return self._ask(
            f"SELECT {PART_OF[split]} AS value, max(version), {COUNTS} FROM {self._scans} GROUP BY value "
            f"ORDER BY scans DESC, value LIMIT {most}"
        )

    def part(self, part: Part) -> "Selection":
        return Selection(self._cursor, replace(self.asked, part=part), within=self._scans)

    def rules_by_version(self) -> dict[int, list[str]]:
        """The names of each version's rules, in order; only of one code that was named."""
        if self.asked.code_ids is None or len(self.asked.code_ids) != 1:
            return {}
        found = "SELECT number, rules FROM versions WHERE code_id = ?"
        return {number: rules or [] for number, rules in self._cursor.execute(found, self.asked.code_ids).fetchall()}

    def by_value(self, table: str, shown: str = "*", tail: str = "") -> list[Row]:
        """The table's columns, scans, visitors, and what else it tells, for each of its values."""
        columns, told = ", ".join(BY_VALUE[table]), TOLD.get(table, {})
        names = "".join(f", {name}" for name in told)
        merged = "".join(f", {aggregate}({name}) AS {name}" for name, (_, aggregate, _) in told.items())
        counted = "".join(f", {aggregate}({source}) AS {name}" for name, (_, aggregate, source) in told.items())
        parts = [f"SELECT {columns}, {COUNTS}{counted} FROM {self._scans} GROUP BY {columns}"]
        if self._runs:
            parts.append(self._tallied(table, f"{columns}, scans, visitors{names}"))
        return self._ask(
            f"WITH found AS (SELECT {columns}, sum(scans)::BIGINT AS scans, sum(visitors)::BIGINT AS visitors{merged} "
            f"FROM ({' UNION ALL '.join(parts)}) GROUP BY {columns}) SELECT {shown} FROM found {tail}"
        )

    def by_place(self, limit: int) -> list[Row]:
        """Level (1 country, 2 region, 3 city), country, region, city, scans, visitors, latitude, longitude; countries first."""
        parts = [
            f"SELECT 3 - grouping(region) - grouping(city) AS level, country, region, city, {COUNTS}, "
            f"any_value(latitude) AS latitude, any_value(longitude) AS longitude FROM {self._scans} "
            "GROUP BY GROUPING SETS ((country), (country, region), (country, region, city))"
        ]
        parts += [
            "SELECT level, country, region, city, scans, visitors, latitude, longitude FROM (SELECT "
            f"{column} AS spot, sum(scans)::BIGINT AS scans, sum(visitors)::BIGINT AS visitors "
            f"FROM ({self._tallied(f'tally_{column}', f'{column}, scans, visitors')}) GROUP BY {column}) "
            "JOIN spots USING (spot)"
            for column in (("country", "region", "city") if self._runs else ())
        ]
        return self._ask(
            "SELECT level, country, region, city, sum(scans)::BIGINT AS scans, sum(visitors)::BIGINT, any_value(latitude), "
            f"any_value(longitude) FROM ({' UNION ALL '.join(parts)}) GROUP BY level, country, region, city "
            f"ORDER BY level, scans DESC, country, region, city LIMIT {limit}"
        )

    def by_hour(self) -> list[Row]:
        """Weekday (1 Monday), hour, scans; on the clocks of the period's zone."""
        parts = [f"SELECT {QUARTER} AS quarter, count(*) AS scans FROM {self._scans} GROUP BY quarter"]
        if self._runs:
            parts.append(self._tallied("tally_time", "quarter, scans"))
        # Quarter hours first: 5x cheaper than placing every scan, and right for half-hour zones.
        return self._ask(
            "SELECT isodow(local), hour(local), sum(scans)::BIGINT FROM (SELECT "
            f"to_timestamp(quarter * 900) AT TIME ZONE $zone AS local, scans FROM ({' UNION ALL '.join(parts)})) GROUP BY ALL",
            zone=self.asked.period.tz.key,
        )

    def by_start(self, starts: Sequence[int]) -> list[Row]:
        """Start, scans, visitors; starts are quarter hours since 1970, each stretch ends where the next one begins."""
        columns = "quarter, before, scans"
        tallied = self._tallied("tally_time", columns) or f"SELECT {columns} FROM tally_time WHERE false"
        return self._ask(
            f"WITH chosen AS (SELECT {QUARTER} AS quarter, {DAILY_VISITOR} AS visitor FROM {self._scans}), "
            f"tallied AS (SELECT quarter, before, sum(scans)::BIGINT AS scans FROM ({tallied}) GROUP BY quarter, before), "
            f"starts AS (SELECT unnest([{', '.join(map(str, starts))}]::INTEGER[]) AS start), "
            "quarters AS (SELECT DISTINCT quarter FROM chosen UNION SELECT DISTINCT quarter FROM tallied), "
            "placed AS (SELECT quarter, start FROM quarters ASOF JOIN starts ON quarter >= start), "
            "parts AS (SELECT start, count(*) AS scans, count(DISTINCT visitor) AS visitors FROM chosen "
            "JOIN placed USING (quarter) GROUP BY start UNION ALL "
            "SELECT placed.start, sum(scans), sum(scans) FILTER (before IS NULL OR earlier.start < placed.start) FROM tallied "
            "JOIN placed USING (quarter) LEFT JOIN placed AS earlier ON earlier.quarter = before GROUP BY placed.start) "
            "SELECT start, sum(scans)::BIGINT, coalesce(sum(visitors), 0)::BIGINT FROM parts GROUP BY start"
        )

    def of_bots(self) -> "Selection":
        """The same, but of the bots alone."""
        return Selection(self._cursor, replace(self.asked, bots="only"))

    def changes(self) -> list[Row]:
        """When, code, version, destination, action, version restored, who, why: of each change of the named codes in the
        period; the latest ones if there are many.
        """
        if self.asked.code_ids is None:
            return []
        latest = self._cursor.execute(
            "SELECT made_at, code, number, destination, action, restores, who, reason FROM versions "
            "JOIN codes USING (code_id) WHERE code_id IN (SELECT unnest(?)) AND made_at >= ? AND made_at < ? AND number > 1 "
            f"ORDER BY made_at DESC, code, number DESC LIMIT {MAX_CHANGES}",
            [list(self.asked.code_ids), naive(self.asked.period.start), naive(self.asked.period.end)],
        ).fetchall()
        return latest[::-1]

    def _gather(self, table: str, columns: Iterable[str]) -> None:
        shown = ", ".join(sorted({"scanned_at", "visitor", *columns}))
        self._ask(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT {shown} FROM {self._scans}")
        self._scans = table

    def _ask(self, sql: str, **more: Any) -> list[Row]:
        used = {name: value for name, value in self._parameters.items() if f"${name}" in sql}
        return self._cursor.execute(sql, {**used, **more}).fetchall()

    def _tallied(self, table: str, columns: str) -> str:
        """The table's rows for this selection: what does not count as one run of days is not read."""
        bots = "".join(f" AND {clause}" for clause in _TALLIED_BOTS[self.asked.bots])
        return " UNION ALL ".join(
            f"SELECT {columns} FROM {table} WHERE scope = {run.scope} AND day >= {run.first} AND day < {run.end}{bots}"
            for run in self._runs
        )

    def _settled_runs(self) -> list[Run]:
        """Stretches of settled months, and of the days before, between and after them; the longest if there are many."""
        code_ids, labels = self.asked.code_ids, self.asked.labels
        if len(labels) > 1 or (code_ids is not None and (labels or len(code_ids) != 1)):
            return []
        rows = self._cursor.execute(
            "SELECT scope, first_day, end_day FROM settled JOIN tally_scopes USING (unit) WHERE ready "
            "AND code_id IS NOT DISTINCT FROM $code_id AND tag IS NOT DISTINCT FROM $tag "
            "AND first_day >= $first AND end_day <= $end AND NOT (mixed AND $both) ORDER BY unit = 'day', first_day",
            {
                "code_id": code_ids[0] if code_ids else None,
                "tag": labels[0] if labels else None,
                "first": -(-_microseconds(self.asked.period.start) // DAY_US),
                "end": _microseconds(self.asked.period.end) // DAY_US,
                "both": self.asked.bots == "include",
            },
        ).fetchall()
        return sorted(nlargest(MAX_RUNS, _runs(rows), key=lambda run: run.end - run.first), key=lambda run: run.first)

    def _pieces(self) -> list[str]:
        """One SELECT for each stretch of the period that no tallies cover; pieces of time, so that the rest is not read."""
        at, end = _microseconds(self.asked.period.start), _microseconds(self.asked.period.end)
        bounds = [(run.first * DAY_US, run.end * DAY_US) for run in self._runs]
        stretches = []
        for first, last in [*bounds, (end, end)]:
            if at < first:
                stretches.append((at, first))
            at = last
        clauses = ["counted", *_BOTS[self.asked.bots], *_of_codes(self.asked)]
        return [
            f"SELECT * FROM scans WHERE scanned_at >= make_timestamp({first}) AND scanned_at < make_timestamp({last}) "
            f"AND {' AND '.join(clauses)}"
            for first, last in stretches or [(end, end)]
        ]


def _runs(rows: Iterable[tuple[int, int, int]]) -> list[Run]:
    """Of scope, first and end day, months first: neighbours in one; a day that lies in a month is in it already."""
    runs: list[Run] = []
    taken: set[int] = set()
    for scope, first, end in rows:
        if first in taken:
            continue
        taken.update(range(first, end))
        if runs and (runs[-1].scope, runs[-1].end) == (scope, first):
            runs[-1] = replace(runs[-1], end=end)
        else:
            runs.append(Run(scope, first, end))
    return runs


def _of_codes(asked: Filter) -> list[str]:
    clauses = []
    if asked.code_ids is not None:
        clauses.append("code_id = $codes[1]" if len(asked.code_ids) == 1 else "code_id IN (SELECT unnest($codes))")
    if asked.labels:
        clauses.append("code_id IN (SELECT code_id FROM codes WHERE list_has_all(tags, $labels))")
    if asked.part is not None:
        clauses.append(asked.part.clause("$values"))
    return clauses


def _parameters(asked: Filter) -> dict[str, Any]:
    lists: dict[str, Any] = {"codes": asked.code_ids, "labels": asked.labels or None}
    if asked.part is not None:
        lists["values"] = asked.part.values
    return {name: list(values) for name, values in lists.items() if values is not None}


def naive(at: datetime) -> datetime:
    """As the store has its times: UTC, without saying so."""
    return at.astimezone(UTC).replace(tzinfo=None)


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)
