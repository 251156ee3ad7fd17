"""The pages about printing: how a symbol looks, static symbols, label sheets. Forms that work without scripts."""

import asyncio
import base64
import io
from datetime import UTC, datetime
from typing import Any, Final

import pypdfium2
from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse, Response

from codes.advisor import AdviceError, smallest_safe_size
from codes.codes import Code
from codes.decode import PDFIUM
from codes.destinations import DestinationError, check_destination
from codes.domains import list_domains
from codes.errors import Conflict, NotFound
from codes.logos import MAX_LOGO_BYTES, Logo, LogoError, logo_from, read_logo
from codes.names import TagError
from codes.qr import STATIC_WARNING, QrError, QrInputError, QrStyle, media_type, render, render_static, symbol_version
from codes.selection import BulkError
from codes.sheet_pdf import calibration_pdf
from codes.sheets import SheetsUnavailable
from codes.stocks import StockError
from dashboard.access import Identity, TheParts
from dashboard.addresses import code_path
from dashboard.api.sheets import SheetIn, end_sheet, first_page, make_ordered
from dashboard.api.symbols import symbol_of
from dashboard.asked_code import get_asked_code, other_domain
from dashboard.forms import read_form
from dashboard.labels import FONTS, KEEP_DAYS, KIND, chosen, stock_from
from dashboard.parts import Parts
from dashboard.periods import zone_for
from dashboard.print_views import MEASURES, LabelsPage, SymbolPage, sheet_views
from dashboard.show import sentence, show
from dashboard.signed_in import Reader, Writer
from dashboard.tasks import list_tasks
from dashboard.views import Form

router = APIRouter(include_in_schema=False)

REFUSALS: Final = (
    QrError,
    LogoError,
    StockError,
    AdviceError,
    SheetsUnavailable,
    DestinationError,
    BulkError,
    TagError,
    Conflict,
    NotFound,
)
PREVIEW_PX: Final = 900


@router.get("/codes/{text}/qr")
async def symbol(text: str, request: Request, who: Reader, parts: TheParts) -> Response:
    return await _symbol_page(request, who, await _code(parts, request, text), Form(), "", "")


@router.post("/codes/{text}/qr")
async def styled_symbol(text: str, request: Request, who: Reader, parts: TheParts) -> Response:
    fields, upload = await _form_with_file(request, who)
    code, kept = await _code(parts, request, text), ""
    try:
        style, kept = _style(fields, upload)
        if fields.get("do", "preview") != "preview":
            return await symbol_of(code, fields["do"], style, download=True)
        image = await asyncio.to_thread(render, code.short_url, "svg", style, legacy=code.legacy)
        advice = _advice(fields.get("distance", ""), code.short_url, style.error, legacy=code.legacy)
    except REFUSALS as problem:
        return await _symbol_page(request, who, code, Form(fields, {"": sentence(problem)}), kept, "", status=422)
    return await _symbol_page(request, who, code, Form(fields), kept, advice, image=image)


@router.get("/static-code")
async def static_symbol(request: Request, who: Writer) -> Response:
    return show(request, _static_page(Form()), who)


@router.post("/static-code")
async def styled_static_symbol(request: Request, who: Writer, parts: TheParts) -> Response:
    fields, upload = await _form_with_file(request, who)
    kept = ""
    try:
        style, kept = _style(fields, upload)
        target = check_destination(fields.get("target", "").strip(), parts.settings.policy)
        kind = fields.get("do", "preview")
        image = await asyncio.to_thread(render_static, target, "svg" if kind == "preview" else kind, style)
    except REFUSALS as problem:
        return show(request, _static_page(Form(fields, {"": sentence(problem)}), kept), who, status=422)
    if kind != "preview":
        headers = {"Content-Disposition": f'attachment; filename="static.{kind}"'}
        return Response(image, media_type=media_type(kind), headers=headers)
    return show(request, _static_page(Form(fields), kept, image=image, says=target), who)


@router.get("/labels")
async def labels(request: Request, who: Reader, parts: TheParts) -> Response:
    asked = {name: request.query_params.get(name, "")[:2000] for name in ("by", "which", "stock", "domain")}
    return await _labels_page(request, who, parts, Form({name: value for name, value in asked.items() if value}))


@router.post("/labels")
async def make_labels(request: Request, who: Writer, parts: TheParts) -> Response:
    fields, upload = await _form_with_file(request, who)
    logo = ""
    try:
        if fields.get("do") == "calibration":
            return await _calibration(fields)
        logo = _kept(_logo(fields, upload))
        wanted = _sheet_from(fields, logo)
        if fields.get("do") == "preview":
            async with parts.database.reading() as connection:
                codes = await chosen(connection, wanted.selection(), wanted.domain)
            preview = await asyncio.to_thread(_picture, await first_page(wanted.order(), codes))
            return await _labels_page(request, who, parts, Form(fields), preview=preview, logo=logo)
        await make_ordered(parts, wanted, who.name)
    except ValidationError as problem:
        form = Form(fields, {"": _first_words(problem)})
        return await _labels_page(request, who, parts, form, logo=logo, status=422)
    except REFUSALS as problem:
        return await _labels_page(request, who, parts, Form(fields, {"": sentence(problem)}), logo=logo, status=422)
    return RedirectResponse("/labels#made", 303)


@router.get("/labels/{number:int}")
async def labels_file(number: int, _who: Reader, parts: TheParts) -> Response:
    return RedirectResponse(f"/api/v1/sheets/{number}/file", 303)


@router.post("/labels/{number:int}/end")
async def end_labels(number: int, request: Request, who: Writer, parts: TheParts) -> Response:
    await read_form(request, who)
    await end_sheet(parts, number, KIND)
    return RedirectResponse("/labels#made", 303)


async def _code(parts: Parts, request: Request, text: str) -> Code:
    async with parts.database.reading() as connection:
        return await get_asked_code(connection, request, text)


async def _form_with_file(request: Request, who: Identity) -> tuple[dict[str, str], bytes]:
    """The fields, and the logo that was chosen just now, if any."""
    form = await request.form(max_files=1, max_fields=40, max_part_size=MAX_LOGO_BYTES * 2)
    upload, data = form.get("logo"), b""
    if isinstance(upload, UploadFile):
        data = await upload.read(MAX_LOGO_BYTES + 1)
        await upload.close()
    return await read_form(request, who), data


def _style(fields: dict[str, str], upload: bytes) -> tuple[QrStyle, str]:
    """With the logo in base64 for the next form; raises QrInputError or LogoError."""
    logo = _logo(fields, upload)
    style = QrStyle(
        dark=fields.get("dark") or "#000000",
        light=fields.get("light") or "#ffffff",
        error=fields.get("error") or "m",
        size_mm=_number(fields.get("size_mm", ""), "size"),
        dpi=_whole(fields.get("dpi", ""), "resolution"),
        caption=bool(fields.get("caption")),
        logo=logo,
        logo_percent=_whole(fields.get("logo_percent", ""), "logo's share") if logo else None,
    )
    return style, _kept(logo)


def _logo(fields: dict[str, str], upload: bytes) -> Logo | None:
    """The one chosen just now, else the one of the form before; raises LogoError."""
    if upload:
        return read_logo(upload)
    if fields.get("kept_logo") and not fields.get("drop_logo"):
        return logo_from(fields["kept_logo"])
    return None


def _kept(logo: Logo | None) -> str:
    return base64.b64encode(logo.encoded()).decode("ascii") if logo else ""


def _number(text: str, what: str) -> float | None:
    try:
        return float(text.strip().replace(",", ".")) if text.strip() else None
    except ValueError:
        raise QrInputError(f"The {what} {text[:40]!r} is no number. Write digits only, such as 25.") from None


def _whole(text: str, what: str) -> int | None:
    number = _number(text, what)
    if number is not None and number != int(min(number, 1e9)):
        raise QrInputError(f"The {what} has to be a whole number.")
    return None if number is None else int(number)


def _advice(distance: str, short_url: str, error: str, *, legacy: bool) -> str:
    distance_m = _number(distance, "distance")
    if distance_m is None:
        return ""
    advised = smallest_safe_size(distance_m, 25 + 4 * symbol_version(short_url, legacy, error))
    return f"To be scanned from {distance_m:g} m, print it at least {advised.size_mm:g} mm wide, white margin included."


async def _symbol_page(
    request: Request,
    who: Identity,
    code: Code,
    form: Form,
    logo: str,
    advice: str,
    *,
    image: bytes | None = None,
    status: int = 200,
) -> Response:
    if image is None and not form.errors:
        image = await asyncio.to_thread(render, code.short_url, "svg", QrStyle(), legacy=code.legacy)
    page = SymbolPage(
        path=code_path(code.code),
        domain=other_domain(code),
        title=code.name or code.code,
        code=code.code,
        form=form,
        image=_data_address(image),
        says=code.short_url,
        advice=advice,
        logo=logo,
    )
    return show(request, page, who, status=status)


def _static_page(form: Form, logo: str = "", *, image: bytes | None = None, says: str = "") -> SymbolPage:
    return SymbolPage(
        path="",
        title="Static code",
        code="",
        form=form,
        image=_data_address(image),
        says=says,
        warning=STATIC_WARNING,
        logo=logo,
    )


def _data_address(svg: bytes | None) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode('ascii')}" if svg else ""


async def _labels_page(
    request: Request,
    who: Identity,
    parts: Parts,
    form: Form,
    *,
    preview: bytes = b"",
    logo: str = "",
    status: int = 200,
) -> Response:
    zone, now = zone_for(request.query_params.get("tz") or request.cookies.get("tz")), datetime.now(UTC)
    async with parts.database.reading() as connection:
        tasks = await list_tasks(connection, KIND)
        hosts = tuple(domain.host for domain in await list_domains(connection, archived=False))
    views = sheet_views(tasks, zone, now, KEEP_DAYS[KIND])
    picture = f"data:image/png;base64,{base64.b64encode(preview).decode('ascii')}" if preview else ""
    return show(request, LabelsPage(form, views, picture, hosts, logo), who, status=status)


def _sheet_from(fields: dict[str, str], logo: str = "") -> SheetIn:
    """The form in the API's own words, so that both are checked in one place. Raises ValidationError."""
    by, which = fields.get("by", "codes"), fields.get("which", "").strip()
    body: dict[str, Any] = {
        name: fields[name].strip()
        for name in ("copies", "start_cell", "nudge_x_mm", "nudge_y_mm", "size_mm", "wording", "error", "domain")
        if fields.get(name, "").strip()
    }
    if by == "codes":
        body["codes"] = [text for text in which.replace(",", " ").split() if text] or None
    elif by in ("tag", "batch", "search"):
        body[by] = which or None
    if fields.get("stock") == "custom":
        body["geometry"] = {name: fields[name].strip() for name in MEASURES if fields.get(name, "").strip()}
    else:
        body["stock"] = fields.get("stock")
    if logo:
        body |= {"logo": logo, "logo_percent": fields.get("logo_percent", "").strip() or None}
    ticks = {name: bool(fields.get(name)) for name in ("outlines", "proof", "mark_printed")}
    return SheetIn.model_validate({**body, **ticks})


def _first_words(problem: ValidationError) -> str:
    """Of what pydantic has to say, for people."""
    error = problem.errors()[0]
    name = str(error["loc"][-1]) if error["loc"] else ""
    if not name:
        if "marked printed" in error["msg"]:
            return "Only a print batch can be marked as printed: choose the codes by their batch."
        return "Say which codes: some of them by name, or a tag, a print batch, or words to search for."
    label = MEASURES.get(name, name.removesuffix("_mm").replace("_", " "))
    return f"{label.capitalize()}: {error['msg'][:1].lower()}{error['msg'][1:]}."


async def _calibration(fields: dict[str, str]) -> Response:
    wanted = _sheet_from({**fields, "by": "codes", "which": "x", "mark_printed": ""})
    stock = stock_from(wanted.order())
    document = await asyncio.to_thread(calibration_pdf, stock, wanted.nudge_x_mm, wanted.nudge_y_mm, FONTS)
    headers = {"Content-Disposition": f'attachment; filename="calibration-{stock.key}.pdf"'}
    return Response(document, media_type="application/pdf", headers=headers)


def _picture(document: bytes) -> bytes:
    """The first page as PNG: browsers show no PDF under our content security policy."""
    with PDFIUM:
        pdf = pypdfium2.PdfDocument(document)
        try:
            page = pdf[0]
            image = page.render(scale=PREVIEW_PX / max(page.get_size())).to_pil().convert("P")
        finally:
            pdf.close()
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()
