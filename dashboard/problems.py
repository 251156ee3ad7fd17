"""Errors as RFC 9457 problem documents. Which exception means which status is said here and nowhere else."""

import logging
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from analytics.backup import BackupError
from analytics.periods import PeriodError
from analytics.scans import CursorError
from codes.advisor import AdviceError
from codes.alphabet import CodeError
from codes.destinations import DestinationError
from codes.errors import Conflict, NotFound
from codes.logos import LogoError
from codes.qr import QrError
from codes.sheets import SheetsUnavailable
from codes.stocks import StockError
from dashboard.access import Forbidden, Unauthorised
from dashboard.accounts import AccountError
from geo.errors import GeoError

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
STATUS: Final[dict[type[Exception], tuple[int, str]]] = {
    Unauthorised: (401, "Sign in first"),
    Forbidden: (403, "Not allowed"),
    NotFound: (404, "Not found"),
    Conflict: (409, "Conflict"),
    AccountError: (422, "Invalid input"),
    CodeError: (422, "Invalid code"),
    CursorError: (422, "Invalid cursor"),
    DestinationError: (422, "Invalid destination"),
    PeriodError: (422, "Invalid range"),
    QrError: (422, "QR code refused"),
    AdviceError: (422, "Invalid distance"),
    LogoError: (422, "Logo refused"),
    StockError: (422, "Invalid label stock"),
    SheetsUnavailable: (501, "Not installed"),
    BackupError: (500, "Backup not made"),
    GeoError: (502, "Place database not updated"),
}


class Problem(BaseModel):
    """RFC 9457; ``errors`` names single fields when the body or a parameter does not fit."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    errors: list[dict[str, Any]] | None = None


def problem(status: int, title: str, detail: str = "", **more: Any) -> Response:
    body = Problem(title=title, status=status, detail=detail, **more).model_dump(exclude_none=True)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse(body, status, headers=headers, media_type=MEDIA_TYPE)


def status_of(error: Exception) -> int:
    return next((STATUS[kind][0] for kind in type(error).__mro__ if kind in STATUS), 422)


def problem_for(error: Exception) -> Response:
    if isinstance(error, HTTPException):
        response = problem(error.status_code, str(error.detail))
        response.headers.update(error.headers or {})
        return response
    for kind in type(error).__mro__:
        if kind in STATUS:
            status, title = STATUS[kind]
            detail = str(error) or "Send a bearer token: `waymark token add NAME` makes one."
            return problem(status, title, detail)
    raise error


def add_problem_handlers(app: FastAPI) -> None:
    async def known(_request: Request, error: Exception) -> Response:
        return problem_for(error)

    async def invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        errors = [{"field": _field(entry["loc"]), "message": entry["msg"]} for entry in error.errors()]
        detail = "; ".join(f"{entry['field']}: {entry['message']}" for entry in errors)
        return problem(422, "Invalid input", detail, errors=errors)

    async def broken(_request: Request, error: Exception) -> Response:
        log.error("request failed: %r", error, exc_info=error)
        return problem(500, "Internal error", "Something broke here; the log of the private process says what.")

    for kind in STATUS:
        app.add_exception_handler(kind, known)
    app.add_exception_handler(HTTPException, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, broken)


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location if part not in ("body", "query", "path")) or "body"
