"""The private app: API v1, pages, static files, behind the guard."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse, Response

from dashboard.api import router
from dashboard.api.job_batches import MAX_BATCH_BYTES
from dashboard.guard import Guard
from dashboard.imports import MAX_FILE_BYTES
from dashboard.pages import add_pages
from dashboard.parts import Parts
from dashboard.path_parts import KeptSlashes
from dashboard.print_pages import router as print_pages
from dashboard.problems import MEDIA_TYPE, Problem, add_problem_handlers
from jobs.photos import MAX_UPLOAD_BYTES

MAX_BODY_BYTES: Final = 1_000_000


def create_private_app(
    version: str, allowed_hosts: frozenset[str], open_parts: Callable[[], AbstractAsyncContextManager[Parts]]
) -> Guard:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Parts]]:
        async with open_parts() as parts:
            yield {"parts": parts}

    app = FastAPI(
        title="Waymark API",
        version=version,
        summary="Dynamic QR codes: create, retarget, undo, report.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        max_body_size=MAX_BODY_BYTES,
        redirect_slashes=False,
    )
    add_problem_handlers(app)
    app.include_router(router)
    app.add_api_route("/-/health", _health, include_in_schema=False)
    add_pages(app)
    app.include_router(print_pages)
    app.add_middleware(KeptSlashes)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    _document_problems(app)
    files = dict.fromkeys(("/api/v1/imports", "/exchange"), MAX_FILE_BYTES)
    files |= {"/api/v1/jobs/*/photo": MAX_UPLOAD_BYTES, "/api/v1/jobs/batch": MAX_BATCH_BYTES}
    files["/api/v1/shops/*/logo"] = MAX_UPLOAD_BYTES
    files |= dict.fromkeys(("/jobs/*/photo", "/shops/*/logo"), MAX_UPLOAD_BYTES)
    return Guard(app, allowed_hosts, MAX_BODY_BYTES, files)


async def _health() -> Response:
    return JSONResponse({"status": "ok"})


def _document_problems(app: FastAPI) -> None:
    """Every operation may answer with a problem document; said once, in the components."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title, version=app.version, summary=app.summary, routes=app.routes, openapi_version="3.1.0"
            )
            components = schema.setdefault("components", {})
            components.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
            content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
            answer = {"description": "What went wrong (RFC 9457)", "content": content}
            for operations in schema["paths"].values():
                for operation in operations.values():
                    operation["responses"].pop("422", None)
                    operation["responses"]["default"] = answer
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
