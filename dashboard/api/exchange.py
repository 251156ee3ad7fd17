"""Imports and exports over the API: upload and verdicts, run, errors; everything as records; static redirect maps."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import FileResponse, Response, StreamingResponse

from codes.errors import Conflict
from codes.importers import BY_NAME, reading_in_words
from dashboard.access import Editor, Owner, TheParts, Viewer
from dashboard.api.bounds import Id
from dashboard.exports import MapFormat, map_lines, record_lines
from dashboard.imports import (
    KIND,
    MAX_FILE_BYTES,
    begin_import,
    errors_file,
    forget_files,
    run_import,
    store_upload,
)
from dashboard.tasks import OPEN, Task, end_task, get_task, list_tasks

router = APIRouter(tags=["import and export"])
FormatName = Literal["auto", "waymark", "csv", "bitly", "dub", "shlink", "yourls", "kutt"]
_FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The file itself: CSV or JSON lines, in UTF-8.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_RECORDS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}, "application/x-ndjson": {}}}}
_MAP: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {}}}}


class RowOut(BaseModel):
    line: int
    verdict: Literal["new", "same", "conflict", "invalid"]
    why: str
    code: str
    destination: str


class ImportOut(BaseModel):
    """``rows`` are the first ones with their verdicts; all that are not taken are in errors.csv."""

    id: int
    name: str
    format: str
    columns: list[str]
    reading: str  # which columns give what, in words
    domain: str | None
    dry_run: bool
    state: str
    done: int
    total: int
    new: int
    same: int
    conflict: int
    invalid: int
    rows: list[RowOut]
    problem: str | None
    created_at: datetime
    created_by: str
    finished_at: datetime | None


class ImportList(BaseModel):
    imports: list[ImportOut]


@router.post("/imports", status_code=201, openapi_extra=_FILE, max_body_size=MAX_FILE_BYTES)
async def upload(
    request: Request,
    who: Editor,
    parts: TheParts,
    file_format: Annotated[FormatName, Query(alias="format")] = "auto",
    domain: Annotated[str | None, Query(max_length=260, description="For all codes, whatever the file says.")] = None,
    name: Annotated[str, Query(max_length=200, description="Of the file, for the list of imports.")] = "",
    dry_run: Annotated[bool, Query(description="Verdicts only; POST .../run then imports.")] = True,
) -> ImportOut:
    """Takes the file and begins. `GET /imports/{id}` tells how far it is; after a restart it goes on by itself."""
    path = await store_upload(parts.settings.data_dir, request.stream())
    task = await begin_import(parts, path, who, name=name, format_name=file_format, domain=domain, dry_run=dry_run)
    return import_out(task)


@router.get("/imports")
async def get_imports(_who: Editor, parts: TheParts) -> ImportList:
    async with parts.database.reading() as connection:
        return ImportList(imports=[import_out(task) for task in await list_tasks(connection, KIND)])


@router.get("/imports/{import_id}")
async def show_import(import_id: Id, _who: Editor, parts: TheParts) -> ImportOut:
    async with parts.database.reading() as connection:
        return import_out(await get_task(connection, import_id, KIND))


@router.post("/imports/{import_id}/run", status_code=202)
async def run(import_id: Id, _who: Editor, parts: TheParts) -> ImportOut:
    """In earnest after a dry run; from where it was after a failure."""
    return import_out(await run_import(parts.database, import_id))


@router.get("/imports/{import_id}/errors.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
async def errors(import_id: Id, _who: Editor, parts: TheParts) -> Response:
    """The rows that were not taken, as they were, with line, verdict and why."""
    async with parts.database.reading() as connection:
        task = await get_task(connection, import_id, KIND)
    path = errors_file(parts.settings.data_dir, task)
    if task.state in OPEN or not path.exists():
        raise Conflict(f"import {import_id} has not been looked through yet; ask again in a moment.")
    return FileResponse(path, media_type="text/csv", filename="errors.csv")


@router.delete("/imports/{import_id}", status_code=204, response_class=Response)
async def forget(import_id: Id, _who: Editor, parts: TheParts) -> Response:
    """Cancels it when it is under way, else forgets it with its file. What was imported stays."""
    task = await end_task(parts.database, import_id, KIND)
    if task.state not in OPEN:
        forget_files(parts.settings.data_dir, task)
    return Response(status_code=204)


@router.get("/export/codes.{kind}", response_class=Response, responses=_RECORDS)
async def export(kind: Literal["csv", "ndjson"], _who: Owner, parts: TheParts) -> Response:
    """Everything about codes, for this or another Waymark; passwords of codes as hashes."""
    media = {"csv": "text/csv", "ndjson": "application/x-ndjson"}[kind]
    return _stream(record_lines(parts.database, kind), media, f"waymark-codes.{kind}")


@router.get("/export/map/{kind}", response_class=Response, responses=_MAP)
async def export_map(
    kind: MapFormat,
    _who: Viewer,
    parts: TheParts,
    domain: Annotated[str | None, Query(max_length=260, description="The default one when left out.")] = None,
) -> Response:
    """A static redirect map of one domain."""
    lines = await map_lines(parts.database, kind, domain)
    return _stream(lines, "text/plain", "waymark.map" if kind == "nginx" else "_redirects")


def import_out(task: Task) -> ImportOut:
    result = task.result or {}
    return ImportOut(
        id=task.id,
        name=task.input["name"],
        format=task.input["format"],
        columns=task.input["columns"],
        reading=reading_in_words(task.input["columns"], BY_NAME[task.input["format"]]),
        domain=task.input["domain"],
        dry_run=task.input["dry_run"],
        state=task.state,
        done=task.total if task.state == "done" else max(task.done, int(result.get("position", 0))),
        total=task.total,
        **{verdict: int(result.get(verdict, 0)) for verdict in ("new", "same", "conflict", "invalid")},
        rows=[RowOut(**row) for row in result.get("rows", ())],
        problem=task.problem,
        created_at=task.created_at,
        created_by=task.created_by,
        finished_at=task.finished_at,
    )


def _stream(lines: AsyncIterator[bytes], media_type: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(lines, media_type=media_type, headers=headers)
