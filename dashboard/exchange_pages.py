"""The page for imports and exports: upload, preview with a verdict per row, run, errors, downloads."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import ClassVar

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse, Response

from codes.alphabet import CodeError
from codes.domains import list_domains
from codes.errors import Conflict, NotFound
from dashboard.access import Identity, TheParts
from dashboard.api.exchange import ImportOut, import_out
from dashboard.forms import check_form, read_form
from dashboard.imports import KIND, MAX_FILE_BYTES, begin_import, run_import, store_upload
from dashboard.organise_views import SECTIONS
from dashboard.parts import Parts
from dashboard.show import sentence, show
from dashboard.signed_in import Reader, Writer
from dashboard.tasks import get_task, list_tasks
from dashboard.views import Form

router = APIRouter(include_in_schema=False)
PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ExchangePage:
    """``shown`` is the import that was asked for; ``refresh_s`` has the browser look again while it is under way."""

    template: ClassVar[str] = "exchange.html"
    active: ClassVar[str] = "organise"
    section: ClassVar[str] = "exchange"
    imports: tuple[ImportOut, ...]
    shown: ImportOut | None
    domains: tuple[str, ...]
    form: Form
    may_export: bool

    @property
    def sections(self) -> tuple[tuple[str, str, str], ...]:
        return SECTIONS

    @property
    def under_way(self) -> bool:
        return self.shown is not None and self.shown.state in ("waiting", "running")


@router.get("/exchange")
async def exchange(request: Request, who: Reader, parts: TheParts) -> Response:
    return await _page(request, who, parts)


@router.post("/exchange", max_body_size=MAX_FILE_BYTES)
async def upload(request: Request, who: Writer, parts: TheParts) -> Response:
    async with request.form(max_files=1, max_fields=10) as data:
        fields = {name: value for name, value in data.items() if isinstance(value, str)}
        check_form(request, who, fields)
        file = data.get("file")
        try:
            if not isinstance(file, UploadFile):
                raise CodeError("choose a file first.")  # noqa: TRY301  the form says it, as it says what comes below
            path = await store_upload(parts.settings.data_dir, _pieces(file))
            task = await begin_import(
                parts,
                path,
                who,
                name=(file.filename or "")[:200],
                format_name=fields.get("format", "auto"),
                domain=fields.get("domain") or None,
                dry_run=True,
            )
        except (CodeError, NotFound) as error:
            return await _page(request, who, parts, form=Form(fields, {"": sentence(error)}), status=422)
    return RedirectResponse(f"/exchange/{task.id}", 303)


@router.get("/exchange/{import_id}")
async def one(import_id: int, request: Request, who: Writer, parts: TheParts) -> Response:
    return await _page(request, who, parts, import_id)


@router.post("/exchange/{import_id}/run")
async def run(import_id: int, request: Request, who: Writer, parts: TheParts) -> Response:
    await read_form(request, who)
    try:
        await run_import(parts.database, import_id)
    except Conflict as error:
        return await _page(request, who, parts, import_id, form=Form({}, {"": sentence(error)}), status=409)
    return RedirectResponse(f"/exchange/{import_id}", 303)


async def _page(
    request: Request,
    who: Identity,
    parts: Parts,
    import_id: int | None = None,
    *,
    form: Form | None = None,
    status: int = 200,
) -> Response:
    async with parts.database.reading() as connection:
        found = [import_out(task) for task in await list_tasks(connection, KIND)]
        shown = None if import_id is None else import_out(await get_task(connection, import_id, KIND))
        hosts = tuple(domain.host for domain in await list_domains(connection, archived=False))
    page = ExchangePage(tuple(found), shown, hosts, form or Form(), who.may("owner"))
    response = show(request, page, who, status=status)
    if page.under_way:
        response.headers["Refresh"] = "1"
    return response


async def _pieces(file: UploadFile) -> AsyncIterator[bytes]:
    while piece := await file.read(PIECE_BYTES):
        yield piece
