"""Takes a chunk of an import's rows within one transaction: verdicts for all, rows of the database for what is new."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy import and_, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.alphabet import fold, new_code
from codes.destinations import DestinationPolicy
from codes.import_rows import Candidate, Existing, RowProblem, Verdict, candidate_from, refusal
from codes.import_things import Known, take_thing
from codes.importing import Source, SourceRow
from codes.versions import content_from, version_values
from database.changes import record_changes
from database.rows import insert_rows
from database.schema import batch_codes, code_tags, codes, scheduled_changes, versions

ASKED: Final = 1_000  # texts in one question
_OF_CODES: Final = ("domain_id", "code", "folded", "legacy", "campaign_id", "placement_id")


@dataclass(frozen=True, slots=True)
class Judged:
    row: SourceRow
    verdict: Verdict
    why: str
    code: str = ""
    destination: str = ""


@dataclass(slots=True)
class Import:
    """What one run needs at every chunk. ``domain`` takes all codes, whatever domain the file names."""

    source: Source
    known: Known
    who: str
    policy: DestinationPolicy
    domain: str | None = None
    dry_run: bool = False
    may_add_domains: bool = True
    made: dict[tuple[int, str], list[Existing]] = field(default_factory=dict)  # by a dry run: by domain and lookup key


async def take_chunk(connection: AsyncConnection, job: Import, rows: Sequence[SourceRow]) -> list[Judged]:
    """In the order of the rows. What is new is written, unless it is a dry run."""
    judged: dict[int, Judged] = {}
    waiting: list[tuple[int, SourceRow, int, Candidate]] = []
    policy = replace(job.policy, own_hosts=job.policy.own_hosts | frozenset(job.known.ids["domain"]))
    for number, row in enumerate(rows):
        try:
            if row.record is None:
                judged[number] = Judged(row, "invalid", row.problem or "it cannot be read.")
                continue
            if row.record["record"] == "code":
                domain_id, candidate = _read_code(job, row.record, policy)
                waiting.append((number, row, domain_id, candidate))
                continue
            if row.record["record"] == "domain" and not job.may_add_domains:
                _refuse_new_domain(job, row.record)
            await take_thing(connection, row.record, job.known, job.who, policy, dry_run=job.dry_run)
            policy = replace(policy, own_hosts=policy.own_hosts | frozenset(job.known.ids["domain"]))
            judged[number] = Judged(row, "new", "", str(row.record.get("name") or row.record["record"]))
        except RowProblem as problem:
            judged[number] = _judged(row, problem)
    present = await _present(connection, [(domain_id, candidate) for _, _, domain_id, candidate in waiting])
    accepted: list[tuple[int, Candidate]] = []
    for number, row, domain_id, candidate in waiting:
        key = domain_id, candidate.folded
        found = [*present.get(key, ()), *(job.made.get(key, ()) if job.dry_run else ())]
        if "versions" not in (row.record or {}) and not candidate.legacy and any(one.legacy for one in found):
            candidate = replace(candidate, legacy=True)  # its likeness is kept exactly, so it is too
        refused = refusal(candidate, found)
        if refused is not None:
            judged[number] = _judged(row, refused)
            continue
        made = Existing(
            candidate.code,
            candidate.legacy,
            candidate.content,
            bool(candidate.values["archived_at"]),
            ", by an earlier line",
        )
        (job.made if job.dry_run else present).setdefault(key, []).append(made)
        accepted.append((domain_id, candidate))
        judged[number] = Judged(row, "new", "", candidate.code, candidate.content.destination)
    if accepted and not job.dry_run:
        await _write(connection, job.known, accepted)
    return [judged[number] for number in range(len(rows))]


def _refuse_new_domain(job: Import, record: dict[str, Any]) -> None:
    if record.get("domain") not in job.known.ids["domain"]:
        raise RowProblem("invalid", "the short domain is not set up here, and only an owner may add one.")


def _read_code(job: Import, record: dict[str, Any], policy: DestinationPolicy) -> tuple[int, Candidate]:
    """Raises RowProblem."""
    host = job.domain or record.get("domain") or job.known.default_host
    why = f"its domain {str(host)[:100]} is not one of ours: add it, or choose a domain for the whole import."
    domain_id = job.known.id_of("domain", str(host), why)
    assert domain_id is not None
    if host in job.known.archived_hosts and "versions" not in record:
        raise RowProblem("conflict", f"its domain {host} is archived.")
    if not record.get("code") and job.source.format == "csv" and record.get("destination"):
        record = {**record, "code": new_code()}
    alike = job.source.alike and (record.get("domain") or "", fold(str(record.get("code")))) in job.source.alike
    candidate = candidate_from(record, job.who, policy, keep_exact=bool(alike))
    for kind, name in (("campaign", candidate.campaign), ("placement", candidate.placement)):
        job.known.id_of(kind, name, f"there is no {kind} {str(name)[:100]!r}; create it first.")
    for name in candidate.batches:
        job.known.id_of("batch", name, f"there is no print batch {name[:100]!r}; create it first.")
    return domain_id, candidate


async def _present(
    connection: AsyncConnection, asked: Sequence[tuple[int, Candidate]]
) -> dict[tuple[int, str], list[Existing]]:
    """What is there with the lookup keys asked for."""
    found: dict[tuple[int, str], list[Existing]] = {}
    for domain_id in {domain_id for domain_id, _ in asked}:
        keys = list({candidate.folded for of_it, candidate in asked if of_it == domain_id})
        for start in range(0, len(keys), ASKED):
            within = and_(codes.c.domain_id == domain_id, codes.c.folded.in_(keys[start : start + ASKED]))
            ids = list((await connection.execute(select(codes.c.id).where(within))).scalars())
            if ids:
                await _add_present(connection, ids, found)
    return found


async def _add_present(
    connection: AsyncConnection, ids: Sequence[int], found: dict[tuple[int, str], list[Existing]]
) -> None:
    columns = (codes.c.domain_id, codes.c.code, codes.c.folded, codes.c.legacy, codes.c.archived_at)
    content = (versions.c.destination, versions.c.rules, versions.c.options)
    in_force = and_(versions.c.code_id == codes.c.id, versions.c.number == codes.c.version)
    query = select(*columns, *content).join(versions, in_force).where(codes.c.id.in_(ids))
    for row in await connection.execute(query):
        said = content_from(row.destination, row.rules, row.options)
        existing = Existing(row.code, row.legacy, said, row.archived_at is not None, "")
        found.setdefault((row.domain_id, row.folded), []).append(existing)


async def _write(connection: AsyncConnection, known: Known, accepted: Sequence[tuple[int, Candidate]]) -> None:
    rows = [
        (
            domain_id,
            one.code,
            one.folded,
            one.legacy,
            known.ids["campaign"].get(one.campaign or ""),
            known.ids["placement"].get(one.placement or ""),
            *one.values.values(),
        )
        for domain_id, one in accepted
    ]
    await insert_rows(connection, codes, (*_OF_CODES, *accepted[0][1].values), rows)
    ids = await _ids(connection, accepted)
    of = [(ids[domain_id, one.code], one) for domain_id, one in accepted]
    history = [(code_id, *version_values(version).values()) for code_id, one in of for version in one.versions]
    await insert_rows(connection, versions, ("code_id", *version_values(accepted[0][1].versions[0])), history)
    tags = [(code_id, tag) for code_id, one in of for tag in one.tags]
    await insert_rows(connection, code_tags, ("code_id", "tag"), tags)
    plans = [{"code_id": code_id, **plan} for code_id, one in of for plan in one.plans]
    prints = [{"batch_id": known.ids["batch"][name], "code_id": code_id} for code_id, one in of for name in one.batches]
    for table, more in ((scheduled_changes, plans), (batch_codes, prints)):
        if more:
            await connection.execute(insert(table), more)
    await record_changes(connection, "code", [code_id for code_id, _ in of])


async def _ids(connection: AsyncConnection, accepted: Sequence[tuple[int, Candidate]]) -> dict[tuple[int, str], int]:
    ids: dict[tuple[int, str], int] = {}
    for start in range(0, len(accepted), ASKED):
        part = accepted[start : start + ASKED]
        of_domain = [
            and_(
                codes.c.domain_id == domain_id,
                codes.c.code.in_([one.code for of_it, one in part if of_it == domain_id]),
            )
            for domain_id in {domain_id for domain_id, _ in part}
        ]
        for row in await connection.execute(select(codes.c.id, codes.c.domain_id, codes.c.code).where(or_(*of_domain))):
            ids[row.domain_id, row.code] = row.id
    return ids


def _judged(row: SourceRow, problem: RowProblem) -> Judged:
    record = row.record or {}
    shown = record.get("code") or record.get("name") or record.get("domain") or ""
    return Judged(row, problem.verdict, str(problem), str(shown), str(record.get("destination") or ""))
