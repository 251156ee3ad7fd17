"""Imports as tasks: the uploaded file waits in the data folder; chunks are taken in transactions that note how far it is."""

import asyncio
import csv
import io
import os
import secrets
from collections.abc import AsyncIterable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any, Final

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.errors import Conflict, NotFound
from codes.import_rows import VERDICTS
from codes.import_things import load_known
from codes.import_writing import Import, Judged, take_chunk
from codes.importers import FormatError
from codes.importing import Source, open_source, read_rows
from dashboard.access import Identity
from dashboard.parts import Parts
from dashboard.tasks import OPEN, Handler, Progress, Task, TaskRefused, add_task, get_task
from database.audit import write_audit
from database.engine import Database
from database.schema import tasks

KIND: Final = "import"
MAX_FILE_BYTES: Final = 200_000_000
CHUNK: Final = 1_000
MAX_KEPT_ALIKE: Final = 5_000
SHOWN_ROWS: Final = 50


async def store_upload(data_dir: Path, chunks: AsyncIterable[bytes]) -> Path:
    """In a file of its own that only this user can read. Raises FormatError when it is empty or too large."""
    folder = data_dir / "imports"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{secrets.token_hex(8)}.upload"
    size = 0
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        async for chunk in chunks:
            size += len(chunk)
            if size > MAX_FILE_BYTES:
                break
            file.write(chunk)
    if not 0 < size <= MAX_FILE_BYTES:
        path.unlink()
        raise FormatError("the file is empty." if not size else f"the file is larger than {MAX_FILE_BYTES:,} bytes.")
    return path


async def begin_import(
    parts: Parts, path: Path, who: Identity, *, name: str, format_name: str, domain: str | None, dry_run: bool
) -> Task:
    """Reads the file once. Raises FormatError, NotFound (domain)."""
    try:
        if domain:
            await _check_domain(parts.database, domain)
        source = await asyncio.to_thread(open_source, path, format_name)
    except BaseException:
        await asyncio.to_thread(path.unlink, missing_ok=True)
        raise
    given = {
        "file": path.name,
        "name": name[:200],
        "format": source.format,
        "domain": domain.lower() if domain else None,
        "dry_run": dry_run,
        "owner": who.may("owner"),
        "columns": list(source.titles),
        # Else it would be read through once more before the first row is taken.
        "delimiter": source.delimiter,
        "alike": sorted(source.alike) if len(source.alike) <= MAX_KEPT_ALIKE else None,
    }
    return await add_task(parts.database, KIND, given, source.rows, who.name)


async def _check_domain(database: Database, host: str) -> None:
    async with database.reading() as connection:
        known = await load_known(connection)
    if host.lower() not in known.ids["domain"]:
        raise NotFound(f"no short domain {host[:100]!r} is set up here; `waymark domain add` adds one.")


async def run_import(database: Database, task_id: int) -> Task:
    """After a dry run, in earnest; after a failure or a cancellation, from where it was. Raises NotFound, Conflict."""
    async with database.transaction() as connection:
        task = await get_task(connection, task_id, KIND)
        if task.state in OPEN:
            raise Conflict(f"import {task_id} is under way.")
        if task.state == "done" and not task.input["dry_run"]:
            raise Conflict(f"import {task_id} is done; upload the file again to import it again.")
        values: dict[str, Any] = {"state": "waiting", "done": 0, "problem": None, "finished_at": None}
        if task.input["dry_run"]:
            values |= {"input": {**task.input, "dry_run": False}, "result": None}
        await connection.execute(update(tasks).where(tasks.c.id == task_id).values(values))
        return await get_task(connection, task_id, KIND)


def errors_file(data_dir: Path, task: Task) -> Path:
    return data_dir / "imports" / f"{task.input['file']}.errors.csv"


def forget_files(data_dir: Path, task: Task) -> None:
    for path in (data_dir / "imports" / task.input["file"], errors_file(data_dir, task)):
        path.unlink(missing_ok=True)


class Importing:
    """Whether an import writes at this moment: who copies codes elsewhere waits for its end, which comes twice as soon."""

    def __init__(self) -> None:
        self.now = False


def import_handler(parts: Parts, importing: Importing) -> Handler:
    async def run(task: Task, progress: Progress) -> dict[str, Any]:
        path = parts.settings.data_dir / "imports" / task.input["file"]
        try:
            source = await asyncio.to_thread(_source, path, task)
        except (FormatError, OSError) as error:
            raise TaskRefused(f"the uploaded file cannot be read: {error}") from None
        async with parts.database.reading() as connection:
            known = await load_known(connection)
        job = Import(
            source,
            known,
            task.created_by,
            parts.settings.policy,
            task.input["domain"],
            dry_run=task.input["dry_run"],
            may_add_domains=task.input["owner"],
        )
        importing.now = not job.dry_run
        try:
            return await _Run(parts, task, job).to_its_end(progress)
        finally:
            importing.now = False

    return run


def _source(path: Path, task: Task) -> Source:
    given = task.input
    if given["alike"] is None:
        return open_source(path, given["format"])
    path.stat()
    alike = frozenset((domain, key) for domain, key in given["alike"])
    return Source(path, given["format"], tuple(given["columns"]), given["delimiter"], task.total, alike)


class _Run:
    """``result`` of the task is where it goes on after a kill: it is written in the transaction of each chunk."""

    def __init__(self, parts: Parts, task: Task, job: Import) -> None:
        self._database, self._task, self._job = parts.database, task, job
        self._errors = errors_file(parts.settings.data_dir, task)
        before = task.result if task.result and not job.dry_run else {}
        self._position = int(before.get("position", 0))
        self._errors_bytes = int(before.get("errors_bytes", 0))
        self._counts: dict[str, int] = {verdict: int(before.get(verdict, 0)) for verdict in VERDICTS}
        self._rows: list[dict[str, Any]] = list(before.get("rows", ()))

    async def to_its_end(self, progress: Progress) -> dict[str, Any]:
        await asyncio.to_thread(self._cut_errors)
        rows = read_rows(self._job.source, self._position)
        while chunk := await asyncio.to_thread(lambda: list(islice(rows, CHUNK))):
            async with self._database.transaction() as connection:
                judged = await take_chunk(connection, self._job, chunk)
                self._note(judged)
                await self._keep(connection)
            progress(self._position)
        if not self._job.dry_run:
            said = f"{self._task.input['name'] or 'upload'}: {self._counts['new']} new"
            async with self._database.transaction() as connection:
                await write_audit(connection, self._task.created_by, "import", said)
        return self._result()

    def _note(self, judged: list[Judged]) -> None:
        """The errors go to disk before the commit that counts them; what a kill leaves too much is cut at the next start."""
        self._position += len(judged)
        for entry in judged:
            self._counts[entry.verdict] += 1
        bad = [entry for entry in judged if entry.verdict in ("conflict", "invalid")]
        self._errors_bytes += _append(self._errors, _error_lines(bad))
        for entry in judged:
            if len(self._rows) < SHOWN_ROWS:
                self._rows.append(_shown(entry))

    async def _keep(self, connection: AsyncConnection) -> None:
        result = update(tasks).where(tasks.c.id == self._task.id).values(result=self._result())
        await connection.execute(result)

    def _result(self) -> dict[str, Any]:
        return {"position": self._position, "errors_bytes": self._errors_bytes, **self._counts, "rows": self._rows}

    def _cut_errors(self) -> None:
        if not self._position:
            self._errors.write_bytes(b"")
            self._errors.chmod(0o600)
            self._errors_bytes = _append(self._errors, _line([*self._job.source.titles, "line", "verdict", "why"]))
        else:
            os.truncate(self._errors, self._errors_bytes)


def _error_lines(bad: Iterable[Judged]) -> bytes:
    return b"".join(_line([*entry.row.cells, str(entry.row.line), entry.verdict, entry.why]) for entry in bad)


def _shown(entry: Judged) -> dict[str, Any]:
    return {
        "line": entry.row.line,
        "verdict": entry.verdict,
        "why": entry.why[:300],
        "code": entry.code[:256],
        "destination": entry.destination[:300],
    }


def _append(path: Path, lines: bytes) -> int:
    if lines:
        with path.open("ab") as file:
            file.write(lines)
    return len(lines)


def _line(cells: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()
