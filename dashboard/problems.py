"""Errors as RFC 9457 problem documents. Which exception means which status is said here and nowhere else."""

import logging
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

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
from dashboard.parameters import ParameterError
from database.engine import DatabaseLostError
from geo.errors import GeoError
from jobs.expected import Stale
from jobs.jobs import JobError
from jobs.photos import PhotoError
from jobs.shops import ShopError
from jobs.templates import TemplateError
from jobs.workflows import WorkflowError

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
STATUS: Final[dict[type[Exception], tuple[int, str]]] = {
    Unauthorised: (401, "Sign in first"),
    Forbidden: (403, "Not allowed"),
    NotFound: (404, "Not found"),
    Conflict: (409, "Conflict"),
    Stale: (412, "Changed meanwhile"),
    AccountError: (422, "Invalid input"),
    CodeError: (422, "Invalid code"),
    JobError: (422, "Invalid job"),
    PhotoError: (422, "Photo refused"),
    ShopError: (422, "Invalid shop"),
    TemplateError: (422, "Invalid template"),
    WorkflowError: (422, "Invalid stages"),
    CursorError: (422, "Invalid cursor"),
    ParameterError: (422, "Unknown parameter"),
    DestinationError: (422, "Invalid destination"),
    PeriodError: (422, "Invalid range"),
    QrError: (422, "QR code refused"),
    AdviceError: (422, "Invalid distance"),
    LogoError: (422, "Logo refused"),
    StockError: (422, "Invalid label stock"),
    SheetsUnavailable: (501, "Not installed"),
    BackupError: (500, "Backup not made"),
    GeoError: (502, "Place database not updated"),
    DatabaseLostError: (503, "Control database lost"),
}


class Problem(BaseModel):
    """RFC 9457; ``errors`` names single fields when the body or a parameter does not fit."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    errors: list[dict[str, Any]] | None = None


def problem(status: int, title: str, detail: str = "", **more: Any) -> Response:
    detail = detail.encode("utf-8", "replace").decode()  # half a character of what was sent cannot be sent back
    body = Problem(title=title, status=status, detail=detail, **more).model_dump(exclude_none=True)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse(body, status, headers=headers, media_type=MEDIA_TYPE)


def status_of(error: Exception) -> int:
    return next((STATUS[kind][0] for kind in type(error).__mro__ if kind in STATUS), 422)


def problem_for(error: Exception, request: Request) -> Response:
    if isinstance(error, HTTPException):
        return _refused(error, request)
    for kind in type(error).__mro__:
        if kind in STATUS:
            status, title = STATUS[kind]
            detail = str(error) or "Send a bearer token: `waymark token add NAME` makes one."
            return problem(status, title, detail)
    raise error


def _refused(error: HTTPException, request: Request) -> Response:
    """The framework's own refusals: it says a title and no word more, and names the methods of one route of several."""
    if error.status_code == 405:
        allowed = ", ".join(_methods(request))
        response = problem(405, "Method not allowed", f"{request.method} is not understood here; these are: {allowed}.")
        response.headers["Allow"] = allowed
        return response
    unknown = error.status_code == 404
    detail = "There is nothing at this address; /api/v1/openapi.json lists what there is." if unknown else ""
    response = problem(error.status_code, str(error.detail), detail)
    response.headers.update(error.headers or {})
    return response


def add_problem_handlers(app: FastAPI) -> None:
    async def known(request: Request, error: Exception) -> Response:
        return problem_for(error, request)

    async def invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        errors = [{"field": _field(entry["loc"]), "message": _message(entry)} for entry in error.errors()]
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


def _methods(request: Request) -> list[str]:
    def answers(method: str) -> bool:
        asked = {**request.scope, "method": method}
        return any(route.matches(dict(asked))[0] is Match.FULL for route in request.app.routes)

    return [method for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE") if answers(method)]


def entry_message(entry: Mapping[str, Any]) -> str:
    """Of one thing that a validator found wrong, with its field."""
    where = ".".join(str(part) for part in entry["loc"])
    return f"{where}: {_message(entry)}" if where else _message(entry)


def _field(location: tuple[int | str, ...]) -> str:
    names = [str(part) for part in location if part not in ("body", "query", "path")]
    return "body" if not names or (location[0] == "body" and isinstance(location[1], int)) else ".".join(names)


def _message(entry: Mapping[str, Any]) -> str:
    """What the validator says, but for what only who knows the validator understands."""
    location = entry["loc"]
    if entry["type"] == "json_invalid":
        return f"not valid JSON, at character {location[-1]}" if len(location) > 1 else "not valid JSON"
    if tuple(location) == ("body",) and entry["type"] in ("model_attributes_type", "dict_type", "model_type"):
        return "must be a JSON object, sent with Content-Type: application/json"
    return str(entry["msg"]).removeprefix("Value error, ")
